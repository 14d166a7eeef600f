"""The real `Transport`: ccxt signs and sends, and judges nothing.

ccxt's own reading of answers is switched off. Its exception classes depend on the URL, its texts carry the signed
URL, its parser makes floats of JSON numbers, and it takes a web page for an empty list. Kept of it: addresses, signing,
the HTTP session. No market is ever loaded; raw calls need none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from position_monitor.edge import ccxt_alone
from position_monitor.edge.venues.transport import (
    LIMIT_HEADERS,
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

_METHODS: Final[Mapping[Endpoint, str]] = {
    Endpoint.TIME: "fapiPublicGetTime",
    Endpoint.EXCHANGE_INFO: "fapiPublicGetExchangeInfo",
    Endpoint.ACCOUNT_CONFIG: "fapiPrivateGetAccountConfig",
    Endpoint.SYMBOL_CONFIG: "fapiPrivateGetSymbolConfig",
    Endpoint.POSITION_MODE: "fapiPrivateGetPositionSideDual",
    Endpoint.POSITIONS: "fapiPrivateV3GetPositionRisk",
    Endpoint.POSITION_ROWS: "fapiPrivateV2GetPositionRisk",
    Endpoint.OPEN_ORDERS: "fapiPrivateGetOpenOrders",
    Endpoint.OPEN_ALGO_ORDERS: "fapiPrivateGetOpenAlgoOrders",
    Endpoint.QUERY_ALGO_ORDER: "fapiPrivateGetAlgoOrder",
    Endpoint.PLACE_ALGO_ORDER: "fapiPrivatePostAlgoOrder",
    Endpoint.CANCEL_ALGO_ORDER: "fapiPrivateDeleteAlgoOrder",
    Endpoint.PLACE_ORDER: "fapiPrivatePostOrder",
    Endpoint.CANCEL_ORDER: "fapiPrivateDeleteOrder",
    Endpoint.OPEN_USER_STREAM: "fapiPrivatePostListenKey",
    Endpoint.KEEP_USER_STREAM: "fapiPrivatePutListenKey",
}
_TEXT_KEPT: Final = 200
_ENVIRONMENTS: Final = ("paper", "demo", "live")


@dataclass(slots=True)
class _Progress:
    """What became of the call under way."""

    sent: bool = False
    """Set before the first byte is written, so while it is not set the request certainly never left."""
    reply: Reply | None = None


_progress: ContextVar[_Progress | None] = ContextVar("progress", default=None)
"""The call of this task: ccxt and aiohttp tell status, headers and sending to hooks only."""


class CcxtTransport:
    """Sends each request once through ccxt's signing and session."""

    def __init__(self, *, environment: str, rest_url: str, api_key: str, api_secret: str, timeout_s: float) -> None:
        if environment not in _ENVIRONMENTS:
            raise ConfigError(f"exchange.environment was {environment!r}; allowed are {', '.join(_ENVIRONMENTS)}")
        if environment == "paper" and not rest_url:
            raise ConfigError("exchange.rest_url must name the paper exchange when exchange.environment is paper")
        # A credential file ends with a newline as a rule; signing with it would look like a wrong secret.
        api_key, api_secret = api_key.strip(), api_secret.strip()
        self._has_keys = bool(api_key and api_secret)
        self._venue = _Binance(
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
        progress = _Progress()
        token = _progress.set(progress)
        cause = TransportCause.OTHER
        try:
            await getattr(self._venue, _METHODS[endpoint])(dict(params))
        except asyncio.CancelledError:
            return None
        except Exception as error:
            cause = _cause(error) if progress.sent else TransportCause.NOT_SENT
        finally:
            _progress.reset(token)
        # An answer that was complete counts even when ccxt failed over it afterwards.
        return progress.reply or cause

    async def aclose(self) -> None:
        """Close the session."""
        await self._venue.close()


class _Binance(ccxt_alone.binanceusdm()):  # type: ignore[misc]
    """ccxt's venue with every judgement taken out."""

    session: Any
    tcp_connector: Any

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(dict(config))
        # ccxt writes signed URLs and headers to its logger at debug level; somebody's root handler would show them.
        self.logger = logging.Logger("ccxt-silenced", level=logging.CRITICAL + 1)
        self.logger.disabled = True

    def redirect_all(self, origin: str) -> None:
        """Send every interface of ccxt to `origin`, so nothing can reach the real venue by accident."""
        api = self.urls["api"]
        for name, url in api.items():
            if isinstance(url, str):
                api[name] = origin + urlsplit(url).path
        if origin.startswith("http://"):
            self.timeout_on_exit = 0  # The pause at closing is for TLS.

    def open(self, lazy: bool = False) -> None:
        """As ccxt does, but the session refuses redirects: the key header must never follow one to another host."""
        fresh = self.session is None
        super().open(lazy)
        if not fresh or self.session is None or not self.own_session:
            return
        self.session.detach()
        guard = aiohttp.TraceConfig()
        guard.on_request_redirect.append(_refuse_redirect)
        guard.on_request_headers_sent.append(_note_sent)
        self.session = aiohttp.ClientSession(
            connector=self.tcp_connector, trace_configs=[guard], cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    def parse_json(self, http_response: str) -> object:
        """Left to `handle_errors`, which sees the text."""
        return None

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        response: object,
        request_headers: object,
        request_body: object,
    ) -> None:
        """Called with every complete answer: keep it, judge nothing."""
        progress = _progress.get()
        if progress is None:
            return
        kept = {name.lower(): value for name, value in headers.items() if name.lower() in LIMIT_HEADERS}
        reply = Reply(status=code, body=parse_json(body), headers=kept)
        progress.reply = replace(reply, text=body[:_TEXT_KEPT]) if reply.body is NOT_JSON else reply

    def handle_http_status_code(self, code: int, reason: str, url: str, method: str, body: str) -> None:
        """The status is part of the answer, not an exception."""


class _Redirected(aiohttp.ClientError):
    """The answer was a redirect, which this venue never sends."""


async def _refuse_redirect(*_: object) -> None:
    raise _Redirected


async def _note_sent(*_: object) -> None:
    """Called by aiohttp just before the request's first byte is written."""
    progress = _progress.get()
    if progress is not None:
        progress.sent = True


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
    if any(isinstance(one, aiohttp.ClientPayloadError) for one in chain):
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
