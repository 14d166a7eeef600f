"""The real `Transport`: ccxt signs and sends, and judges nothing.

ccxt's own reading of answers is left out. Its exception classes depend on the URL, its texts carry the signed URL, its
parser makes floats of JSON numbers, and it takes a web page for an empty list. Left out as well is what it does around
each request for users of other kinds (throttle, proxies, copies of the last request). Kept of it: calls, addresses,
signing, the connections. No market is ever loaded; raw calls need none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from position_monitor.edge.http.bounded_body import BodyTooLarge, BodyUnreadable
from position_monitor.edge.http.ccxt_session import BYTES_MAX, Progress, SilentBinance, call_progress
from position_monitor.edge.reading.patience import Patience
from position_monitor.edge.venues.transport import (
    NOT_JSON,
    Endpoint,
    Reply,
    Transport,
    TransportCause,
    TransportFailure,
    parse_json,
)
from position_monitor.errors import AuthRefused, ConfigError

__all__ = ["CcxtTransport", "Transport"]

_INTERFACES: Final[Mapping[str, str]] = {"v1": "", "v2": "V2", "v3": "V3"}
"""What ccxt calls a version of the venue's interface."""
_TEXT_KEPT: Final = 200
_BOOKS: Final = (Endpoint.OPEN_ORDERS, Endpoint.OPEN_ALGO_ORDERS)
_BODIES_KEPT_MAX: Final = 100
_ENVIRONMENTS: Final = ("paper", "demo", "live")
_RULES_BYTES_MAX: Final = 8 << 20
"""Largest body of the trading rules of all symbols (1.5 MiB in 2026)."""


def _call(endpoint: Endpoint) -> tuple[str, list[str], str]:
    """A call as ccxt's `request` wants it: path, interface, method."""
    _, _, version, path = endpoint.spec.path.split("/", 3)
    interface = "fapiPrivate" if endpoint.needs_key else "fapiPublic"
    return path, [interface + _INTERFACES[version]], endpoint.spec.method


_CALLS: Final = {endpoint: _call(endpoint) for endpoint in Endpoint}


class CcxtTransport:
    """Sends each request once through ccxt's signing and session."""

    def __init__(
        self,
        *,
        environment: str,
        rest_url: str,
        api_key: str,
        api_secret: str,
        timeout_s: float,
        timeout_max_s: float = 0.0,
    ) -> None:
        """`timeout_s` is for a whole call, and grows up to `timeout_max_s` while no answer comes in time."""
        if environment not in _ENVIRONMENTS:
            raise ConfigError(f"exchange.environment was {environment!r}; allowed are {', '.join(_ENVIRONMENTS)}")
        if environment == "paper" and not rest_url:
            raise ConfigError("exchange.rest_url must name the paper exchange when exchange.environment is paper")
        # A credential file ends with a newline as a rule; signing with it would look like a wrong secret.
        api_key, api_secret = api_key.strip(), api_secret.strip()
        self._has_keys = bool(api_key and api_secret)
        self._venue = SilentBinance(
            {
                "apiKey": api_key,
                "secret": api_secret,
                "enableRateLimit": False,
                "timeout": round(timeout_s * 1000),
                "options": {"maxRetriesOnFailure": 0, "fetchCurrencies": False},
            }
        )
        if environment == "demo":
            self._venue.enable_demo_trading(True)
        if rest_url:
            self._venue.redirect_all(_origin(rest_url))
        self._patience = Patience(timeout_s, timeout_max_s)
        self._background_patience = Patience(timeout_s, timeout_s)
        """Apart: candles that come late change nothing for the calls that protect."""
        self._bodies: dict[tuple[Endpoint, str | None], tuple[str, object]] = {}
        """The last text of an order list, and what it was parsed into."""

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        """Send one request; raises TransportFailure, or AuthRefused when no key is configured."""
        if endpoint.needs_key and not self._has_keys:
            raise AuthRefused("no exchange API key and secret are configured")
        outcome = await self._send(endpoint, params)
        # Raised here and not where it was caught: no foreign exception may hang on ours, and a traceback that prints
        # variables must not pass through frames that hold the signed URL and the key (invariant 15).
        if isinstance(outcome, Reply):
            return outcome
        if outcome is None:
            raise asyncio.CancelledError
        raise TransportFailure(outcome)

    async def _send(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply | TransportCause | None:
        """The answer, why there is none, or None when the task was cancelled."""
        rules = endpoint is Endpoint.EXCHANGE_INFO
        patience = self._background_patience if endpoint.is_background else self._patience
        progress = Progress(False, patience.timeout_s, _RULES_BYTES_MAX if rules else BYTES_MAX)
        token = call_progress.set(progress)
        began_s = time.monotonic()
        try:
            status, headers, text = await self._venue.request(*_CALLS[endpoint], params)
        except asyncio.CancelledError:
            return None
        except Exception as error:
            cause = _cause(error)
            if not progress.sent:
                return TransportCause.NOT_SENT
            if cause is TransportCause.TIMEOUT:
                patience.timed_out(progress.timeout_s)
            return cause
        finally:
            call_progress.reset(token)
        patience.answered(time.monotonic() - began_s)
        body = self._parsed(endpoint, params.get("symbol"), text)
        return Reply(status, body, headers, text[:_TEXT_KEPT] if body is NOT_JSON else "")

    def _parsed(self, endpoint: Endpoint, symbol: str | None, text: str) -> object:
        """The parsed text. An order list that says what it said the last time is the same object as then."""
        if endpoint not in _BOOKS:
            return parse_json(text)
        last = self._bodies.get((endpoint, symbol))
        if last is None or last[0] != text:
            if len(self._bodies) >= _BODIES_KEPT_MAX:
                self._bodies.clear()
            last = self._bodies[endpoint, symbol] = (text, parse_json(text))
        return last[1]

    async def aclose(self) -> None:
        """Close the session."""
        await self._venue.close()


def _cause(error: BaseException) -> TransportCause:
    """Why no complete answer came to a request that was sent; types are read, never texts."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and len(chain) < 8:
        chain.append(step)
        step = step.__cause__
    # Order matters: aiohttp's read timeout is a connection error as well.
    if any(isinstance(one, TimeoutError | asyncio.TimeoutError) for one in chain):
        return TransportCause.TIMEOUT
    if isinstance(error, BodyTooLarge):
        return TransportCause.TOO_LARGE
    if isinstance(error, BodyUnreadable) or any(isinstance(one, aiohttp.ClientPayloadError) for one in chain):
        return TransportCause.PARTIAL_BODY
    if any(isinstance(one, aiohttp.ClientConnectionError | ConnectionError) for one in chain):
        return TransportCause.DISCONNECTED
    return TransportCause.OTHER


def _origin(rest_url: str) -> str:
    """Scheme, host and port; raises ConfigError. The value is not repeated: it may carry a password."""
    parts = urlsplit(rest_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("exchange.rest_url must be an origin such as http://127.0.0.1:8799")
    if parts.username or parts.password or parts.query or parts.path not in ("", "/"):
        raise ConfigError("exchange.rest_url must be scheme, host and port only, such as http://127.0.0.1:8799")
    return f"{parts.scheme}://{parts.netloc}"
