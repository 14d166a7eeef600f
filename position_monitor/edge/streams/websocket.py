"""One WebSocket connection that is kept: opened, watched, closed, opened again, for ever.

Our own pings must be answered, every connection is replaced before the venue cuts it at 24 h, and whatever ends one
part of a connection ends the whole of it, so nothing can die quietly. An address may hold a secret: it is never kept,
logged or put in a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType
from loguru import logger

from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.edge.clock import Clock
from position_monitor.edge.log import redact
from position_monitor.edge.supervision import Ended, Guard, end, first_of, within
from position_monitor.errors import ExchangeFailure, RateLimited

OPENING_WITHIN_S: Final = 12.0
PING_EVERY_S: Final = 4.0
HEARD_WITHIN_S: Final = 10.0
"""A connection that sends nothing, not even an answer to our pings, for this long is dead."""
CHECK_EVERY_S: Final = 1.0
LIFETIME_S: Final = 23 * 3600.0
"""The venue cuts at 24 h."""
BACKOFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses before the next attempt, growing with failures in a row; the last one stays."""
STABLE_S: Final = 60.0
"""A connection that lasted this long was a good one: the pauses begin anew."""
REFUSED_PAUSE_S: Final = 60.0
"""Pause after the venue refused the connection itself as one too many (403, 418, 429)."""
MESSAGE_BYTES_MAX: Final = 1 << 20
BATCH: Final = 100
"""Messages handled before everybody else in the loop gets a turn."""
CLOSING_WITHIN_S: Final = 0.5
REASON_LENGTH_MAX: Final = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message was worth."""

    usable: bool
    """It proves that the stream delivers."""
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """What is particular to one stream."""

    name: str
    address: Callable[[], Awaitable[str]]
    """Where to connect; may raise `ExchangeFailure`."""
    opened: Callable[[], None]
    """Called when a connection stands, before its first message."""
    heard: Callable[[str], Heard]
    """Takes one text message; must not wait."""
    guards: Callable[[], Iterable[Guard]]
    """Made anew for each connection."""


class StreamLine:
    """Keeps one stream connected."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._socket: ClientWebSocketResponse | None = None
        self._state = StreamState.CONNECTING
        self._since_ms = clock.now_ms()
        self._reason = "not connected yet"
        self._unproven = False
        self._last_event_at_ms: int | None = None
        self._connections = 0
        self._ignored = 0
        self._receiver_failures = 0
        self._complained = False
        self._failures_in_a_row = 0
        self._opened_s: float | None = None
        self._heard_s = 0.0

    @property
    def open(self) -> bool:
        """Whether a connection stands now."""
        return self._socket is not None

    def health(self) -> StreamHealth:
        """What to publish about this stream."""
        return StreamHealth(
            state=self._state,
            since_ms=self._since_ms,
            last_event_at_ms=self._last_event_at_ms,
            reconnects=max(0, self._connections - 1),
            ignored=self._ignored,
            receiver_failures=self._receiver_failures,
            reason=self._reason,
        )

    async def run(self) -> None:
        """Connect and stay connected until cancelled. Nothing else ends it."""
        try:
            while True:
                ended = await self._connection()
                await self._clock.sleep(self._after(ended))
        finally:
            self._enter(StreamState.DOWN, "stopped")

    async def send(self, text: str) -> None:
        """Send on the connection that stands; raises when there is none."""
        if self._socket is None:
            raise ConnectionError("not connected")
        await self._socket.send_str(text)

    def tell(self, receiver: Callable[[T], None], value: T) -> None:
        """Hand `value` to a receiver that is not trusted to survive it."""
        try:
            receiver(value)
        except Exception as fault:
            self._receiver_failures += 1
            self._complain(f"has a receiver that failed ({type(fault).__name__})")

    def _complain(self, what: str) -> None:
        """Once a connection: a flood must not become a flood of lines."""
        if not self._complained:
            self._complained = True
            logger.error("The {} {}", self._feed.name, what)

    async def _connection(self) -> Ended:
        """One connection from its address to its end."""
        self._opened_s = None
        guard = aiohttp.TraceConfig()
        guard.on_request_redirect.append(_refuse_redirect)
        try:
            async with aiohttp.ClientSession(
                trace_configs=[guard], cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            ) as session:
                socket = await within(self._clock, OPENING_WITHIN_S, self._connect(session))
                return await self._serve(socket)
        except Exception as error:
            return self._why(error)

    async def _connect(self, session: aiohttp.ClientSession) -> ClientWebSocketResponse:
        return await session.ws_connect(
            await self._feed.address(),
            autoping=False,
            max_msg_size=MESSAGE_BYTES_MAX,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING_WITHIN_S),
        )

    def _why(self, error: Exception) -> Ended:
        """The reason in our own words: the texts of the client library hold the address."""
        if isinstance(error, RateLimited):
            return Ended(str(error), not_before_ms=error.retry_at_ms)
        if isinstance(error, ExchangeFailure):
            return Ended(str(error))
        if isinstance(error, aiohttp.WSServerHandshakeError):
            pause_s = REFUSED_PAUSE_S if error.status in (403, 418, 429) else 0.0
            until_ms = self._clock.now_ms() + round(pause_s * 1000)
            return Ended(f"the venue refused the connection (HTTP {error.status})", not_before_ms=until_ms)
        if isinstance(error, TimeoutError):
            return Ended(f"no connection within {OPENING_WITHIN_S:g} s")
        return Ended(f"no connection ({type(error).__name__})")

    async def _serve(self, socket: ClientWebSocketResponse) -> Ended:
        self._socket = socket
        self._opened_s = self._heard_s = self._clock.monotonic_s()
        self._connections += 1
        self._complained = False
        self._enter(StreamState.SILENT if self._unproven else StreamState.LIVE, "" if self._connections == 1 else None)
        event = "StreamBack" if self._connections > 1 else ""
        logger.bind(event=event).info("The {} is connected", self._feed.name)
        try:
            self._feed.opened()
            own = (self._read(socket), self._ping(socket), self._listen(), self._grow_old())
            return await first_of(*own, *self._feed.guards())
        finally:
            self._socket = None
            await _close(socket)

    async def _read(self, socket: ClientWebSocketResponse) -> Ended:
        taken = 0
        while True:
            message = await socket.receive()
            self._heard_s = self._clock.monotonic_s()
            if message.type is WSMsgType.TEXT:
                self._take(message.data)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.BINARY:
                self._ignored += 1
            elif message.type is not WSMsgType.PONG:
                return Ended(f"the connection was closed (code {socket.close_code})")
            taken += 1
            if taken % BATCH == 0:
                await asyncio.sleep(0)

    def _take(self, text: str) -> None:
        try:
            heard = self._feed.heard(text)
        except Exception as defect:
            self._complain(f"could not read a message ({type(defect).__name__})")
            heard = Heard(usable=False, ignored=1)
        self._ignored += heard.ignored
        if heard.usable:
            self._last_event_at_ms = self._clock.now_ms()
            if self._unproven:
                self._unproven = False
                self._enter(StreamState.LIVE)

    async def _ping(self, socket: ClientWebSocketResponse) -> Ended:
        while True:
            await socket.ping()
            await self._clock.sleep(PING_EVERY_S)

    async def _listen(self) -> Ended:
        while True:
            await self._clock.sleep(CHECK_EVERY_S)
            if self._clock.monotonic_s() - self._heard_s > HEARD_WITHIN_S:
                return Ended(f"nothing came for {HEARD_WITHIN_S:g} s, not even answers to pings")

    async def _grow_old(self) -> Ended:
        await self._clock.sleep(LIFETIME_S)
        return Ended("replaced before the venue cuts it", planned=True)

    def _after(self, ended: Ended) -> float:
        """Take note of an end; returns the seconds to wait before the next attempt."""
        now_s = self._clock.monotonic_s()
        if ended.planned or (self._opened_s is not None and now_s - self._opened_s >= STABLE_S):
            self._failures_in_a_row = 0
        pause_s = 0.0
        if not ended.planned:
            pause_s = BACKOFF_S[min(self._failures_in_a_row, len(BACKOFF_S) - 1)]
            self._failures_in_a_row += 1
        pause_s = max(pause_s, (ended.not_before_ms - self._clock.now_ms()) / 1000)
        self._unproven = self._unproven or ended.silent
        before = self._reason
        self._enter(StreamState.SILENT if ended.silent else StreamState.DOWN, ended.reason)
        news = self._opened_s is not None or self._reason != before
        level = "INFO" if ended.planned else "WARNING" if news else "DEBUG"
        text = f"The {self._feed.name} ended: {self._reason}; next attempt in {pause_s:g} s"
        logger.bind(event="" if ended.planned else "StreamLost").log(level, text)
        return pause_s

    def _enter(self, state: StreamState, reason: str | None = None) -> None:
        if state is not self._state:
            self._state, self._since_ms = state, self._clock.now_ms()
        if reason is not None:
            self._reason = redact(reason)[:REASON_LENGTH_MAX]


class _Redirected(aiohttp.ClientError):
    """The answer was a redirect, which no stream of a venue sends."""


async def _refuse_redirect(*_: object) -> None:
    raise _Redirected


async def _close(socket: ClientWebSocketResponse) -> None:
    """Say goodbye, but never wait long for an answer."""
    closing = asyncio.ensure_future(socket.close())
    await asyncio.wait((closing,), timeout=2 * CLOSING_WITHIN_S)
    await end(closing)
