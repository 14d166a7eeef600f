"""One venue class of ccxt with every judgement taken out, and the session that it sends over.

ccxt signs and knows the addresses; the session is ours: it follows no redirect, takes no cookies, bounds what it reads
and unpacks, and notes whether a request was sent at all.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import yarl

from position_monitor.edge.http import ccxt_alone
from position_monitor.edge.http.bounded_body import ENCODINGS, BodyTooLarge, gathered, unpacked
from position_monitor.edge.venues.transport import LIMIT_HEADERS

_HEADERS: Final[Mapping[str, str]] = {"Accept-Encoding": ENCODINGS}
BYTES_MAX: Final = 4 << 20
"""Largest body of an answer, unpacked: 2,000 position rows are one MiB."""
_KEPT_FOR_S: Final = 30.0
"""How long an idle connection is kept: longer than from one sweep of the order lists to the next, so that a sweep opens
none, and shorter than what a firewall on the way forgets silently."""
_LOSES_CLOSED_TLS: Final = sys.version_info < (3, 12, 8)
"""Whether asyncio may keep a TLS connection for ever whose other end vanished (fixed in CPython 3.12.8 and 3.13.1)."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Progress:
    """What became of the call under way, and its bounds."""

    sent: bool = False
    """Set before the first byte is written, so while it is not set the request certainly never left."""
    timeout_s: float = 0.0
    bytes_max: int = BYTES_MAX
    """Largest body, as sent and unpacked."""


call_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""The call of this task: aiohttp tells when it sends to a hook only."""


_Answer = tuple[int, dict[str, str], str]
"""Status, limit headers, text."""


class SilentBinance(ccxt_alone.binanceusdm()):  # type: ignore[misc]
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
        progress = call_progress.get() or Progress(timeout_s=self.timeout / 1000)
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
            headers = response.headers
            raw = await _raw_body(response, progress.bytes_max)
        text = unpacked(raw, headers.get("Content-Encoding", ""), progress.bytes_max).decode("utf-8", "replace").strip()
        kept = {name: headers[name] for name in LIMIT_HEADERS if name in headers}
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
        progress = call_progress.get()
        if progress is not None:
            progress.sent = True
        return await super().send(conn)
