"""The real `Transport`: ccxt signs and sends, and judges nothing.

ccxt's own reading of answers is left out. Its exception classes depend on the URL, its texts carry the signed URL, its
parser makes floats of JSON numbers, and it takes a web page for an empty list. Left out as well is what it does around
each request for users of other kinds (throttle, proxies, copies of the last request). Kept of it: calls, addresses,
signing, the connections. No market is ever loaded; raw calls need none.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import yarl

from position_monitor.edge.http import ccxt_alone
from position_monitor.edge.http.bounded_body import ENCODINGS, BodyTooLarge, BodyUnreadable, gathered, unpacked
from position_monitor.edge.reading.patience import Patience
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

_INTERFACES: Final[Mapping[str, str]] = {"v1": "", "v2": "V2", "v3": "V3"}
"""What ccxt calls a version of the venue's interface."""
_TEXT_KEPT: Final = 200
_BOOKS: Final = (Endpoint.OPEN_ORDERS, Endpoint.OPEN_ALGO_ORDERS)
_BOOKS_KEPT_MAX: Final = 100
_ENVIRONMENTS: Final = ("paper", "demo", "live")
_HEADERS: Final[Mapping[str, str]] = {"Accept-Encoding": ENCODINGS}
_MIB: Final = 1 << 20
_BYTES_MAX: Final = 4 * _MIB
"""Largest body of an answer, unpacked: 2,000 position rows are one MiB."""
_RULES_BYTES_MAX: Final = 8 * _MIB
"""Largest body of the trading rules of all symbols (1.5 MiB in 2026)."""
_KEPT_FOR_S: Final = 30.0
"""How long an idle connection is kept: longer than from one sweep of the order lists to the next, so that a sweep opens
none, and shorter than what a firewall on the way forgets silently."""
_LOSES_CLOSED_TLS: Final = sys.version_info < (3, 12, 8)
"""Whether asyncio may keep a TLS connection for ever whose other end vanished (fixed in CPython 3.12.8 and 3.13.1)."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def _call(endpoint: Endpoint) -> tuple[str, list[str], str]:
    """A call as ccxt's `request` wants it: path, interface, method."""
    _, _, version, path = endpoint.value.path.split("/", 3)
    interface = "fapiPrivate" if endpoint.needs_key else "fapiPublic"
    return path, [interface + _INTERFACES[version]], endpoint.value.method


_CALLS: Final = {endpoint: _call(endpoint) for endpoint in Endpoint}


@dataclass(slots=True)
class _Progress:
    """What became of the call under way."""

    sent: bool = False
    """Set before the first byte is written, so while it is not set the request certainly never left."""
    timeout_s: float = 0.0
    bytes_max: int = _BYTES_MAX


_progress: ContextVar[_Progress | None] = ContextVar("progress", default=None)
"""The call of this task: aiohttp tells when it sends to a hook only."""


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
        self._patience = Patience(timeout_s, timeout_max_s)
        self._books: dict[tuple[Endpoint, str | None], tuple[str, object]] = {}
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
        progress = _Progress(False, self._patience.timeout_s, _RULES_BYTES_MAX if rules else _BYTES_MAX)
        token = _progress.set(progress)
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
                self._patience.timed_out(progress.timeout_s)
            return cause
        finally:
            _progress.reset(token)
        self._patience.answered(time.monotonic() - began_s)
        body = self._parsed(endpoint, params.get("symbol"), text)
        return Reply(status, body, headers, text[:_TEXT_KEPT] if body is NOT_JSON else "")

    def _parsed(self, endpoint: Endpoint, symbol: str | None, text: str) -> object:
        """The parsed text. An order list that says what it said the last time is the same object as then."""
        if endpoint not in _BOOKS:
            return parse_json(text)
        known = self._books.get((endpoint, symbol))
        if known is None or known[0] != text:
            if len(self._books) >= _BOOKS_KEPT_MAX:
                self._books.clear()
            known = self._books[endpoint, symbol] = (text, parse_json(text))
        return known[1]

    async def aclose(self) -> None:
        """Close the session."""
        await self._venue.close()


_Answer = tuple[int, dict[str, str], str]
"""Status, limit headers, text."""


class _Binance(ccxt_alone.binanceusdm()):  # type: ignore[misc]
    """ccxt's venue with every judgement taken out."""

    session: Any
    tcp_connector: Any
    own_session: bool

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
        """As ccxt does, with a session that tells when a request is sent, takes no cookies and keeps connections."""
        fresh, own = self.session is None, self.own_session
        self.own_session = False  # loop and TLS are ccxt's, the session is not
        try:
            super().open(lazy)
        finally:
            self.own_session = own
        if not fresh or not own:
            return
        timeout_s = self.timeout / 1000
        self.tcp_connector = aiohttp.TCPConnector(
            ssl=self.ssl_context,
            keepalive_timeout=_KEPT_FOR_S,
            enable_cleanup_closed=_LOSES_CLOSED_TLS,
            family=socket.AF_UNSPEC,
            happy_eyeballs_delay=0,
        )
        self.session = aiohttp.ClientSession(
            connector=self.tcp_connector,
            request_class=_NotedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(timeout_s),
            auto_decompress=False,
            trust_env=False,
        )

    async def fetch2(
        self, path: str, api: object = (), method: str = "GET", params: Mapping[str, str] = {}, config: object = None
    ) -> _Answer:
        """As ccxt does for a request that is neither throttled nor tried again: sign, then send."""
        request = self.sign(path, api, method, params)
        return await self.fetch(request["url"], request["method"], request["headers"], request["body"])

    async def fetch(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> _Answer:
        """Send one request over the session and return the answer, whatever it says.

        A redirect is refused: the key header must never follow one to another host. The time-out is for the whole of
        it, and no more of a body is taken or unpacked than the call allows.
        """
        self.open(True)
        progress = _progress.get() or _Progress(timeout_s=self.timeout / 1000)
        async with self.session.request(
            method,
            yarl.URL(url, encoded=True),
            data=body.encode() if body else None,
            headers=_HEADERS if headers is None else {**_HEADERS, **headers},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(progress.timeout_s),
        ) as response:
            if response.status in _REDIRECTS:
                raise _Redirected
            found = response.headers
            raw = await _raw_body(response, progress.bytes_max)
        text = unpacked(raw, found.get("Content-Encoding", ""), progress.bytes_max).decode("utf-8", "replace").strip()
        kept = {name: found[name] for name in LIMIT_HEADERS if name in found}
        return response.status, kept, text


async def _raw_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body as it came over the wire; raises `BodyTooLarge`."""
    length = response.content_length
    if length is None:
        return await gathered(response.content.iter_any(), most)
    if length > most:
        raise BodyTooLarge
    return await response.read()


class _Redirected(aiohttp.ClientError):
    """The answer was a redirect, which this venue never sends."""


class _NotedRequest(aiohttp.ClientRequest):
    """Tells when it begins to be sent. A trace would as well, and makes twenty other calls for each request."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Called with a connection in hand, before the first byte is written."""
        progress = _progress.get()
        if progress is not None:
            progress.sent = True
        return await super().send(conn)


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
