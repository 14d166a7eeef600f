"""The venue's private stream: what happened to the account, as events that wake the loop.

An open socket proves nothing. The venue's retired route connects, answers pings and delivers nothing, a listen key can
be deleted by any program that shares the account, and a keep-alive can fail for an hour unseen. So the daemon announces
each write the venue accepted (`expect`), and an announced write whose event does not come is the proof of silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from loguru import logger

from position_monitor.core.model.refusal import Refusal
from position_monitor.core.observation.stream_events import AlgoEvent, OrderEvent, StreamEvent, StreamGap, StreamHealth
from position_monitor.edge.clock import Clock
from position_monitor.edge.log import register_secret
from position_monitor.edge.streams.websocket import CHECK_EVERY_S, Feed, Heard, StreamLine
from position_monitor.edge.supervision import Ended, Guard, within
from position_monitor.edge.venues.binance.events import parse_user_message
from position_monitor.errors import ExchangeFailure, RateLimited, Refused

KEEP_EVERY_S: Final = 20 * 60.0
KEEP_RETRY_S: Final = 60.0
KEEP_WITHIN_S: Final = 30.0
KEY_TRUSTED_S: Final = 50 * 60.0
"""The venue lets a key die 60 min after it was last extended."""
EVENT_WITHIN_S: Final = 10.0
"""How long the event of an accepted write may take."""
EXPECTED_MAX: Final = 1_000
HEARD_IDS_MAX: Final = 4_096
"""Client ids remembered because their event may overtake the answer to the write."""


class ListenKeys(Protocol):
    """The part of a venue that opens and keeps the listen key."""

    async def open_user_stream(self) -> str:
        """The key of the account, new or the one that lives; either way valid for 60 min."""
        ...

    async def keep_user_stream(self) -> None:
        """Extend it; Refused as NO_STREAM_KEY when there is none."""
        ...


class UserStream:
    """Keeps the private stream and hands its events to `on_event`, which must not wait.

    `origin` is the stream host without a path (`events.stream_origin` of the venue). Each connection begins with a
    `StreamGap`.
    """

    def __init__(self, keys: ListenKeys, on_event: Callable[[StreamEvent], None], *, origin: str, clock: Clock) -> None:
        self._keys = keys
        self._on_event = on_event
        self._origin = origin.rstrip("/")
        self._clock = clock
        self._key = ""
        self._key_expired = asyncio.Event()
        self._expected: dict[str, float] = {}
        self._heard_ids: dict[str, None] = {}
        self._line = StreamLine(
            Feed(
                name="user stream", address=self._address, opened=self._opened, heard=self._heard, guards=self._guards
            ),
            clock,
        )

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await self._line.run()

    def health(self) -> StreamHealth:
        """What to publish about the stream."""
        return self._line.health()

    def expect(self, client_id: str) -> None:
        """Announce a new order that the venue accepted: its event must come within `EVENT_WITHIN_S`.

        For orders that were placed, conditional or plain; not for cancels, whose id was seen before. Without a
        connection nothing is expected: the full read after the next one covers it.
        """
        if self._line.open and client_id not in self._heard_ids and len(self._expected) < EXPECTED_MAX:
            self._expected.setdefault(client_id, self._clock.monotonic_s() + EVENT_WITHIN_S)

    async def _address(self) -> str:
        key = await self._keys.open_user_stream()
        register_secret(key, passing=True)
        self._key = key
        return f"{self._origin}/private/ws?listenKey={key}"

    def _opened(self) -> None:
        self._expected.clear()
        self._key_expired.clear()
        self._line.tell(self._on_event, StreamGap("the user stream was connected"))

    def _heard(self, text: str) -> Heard:
        message = parse_user_message(text)
        if message.key_expired:
            self._key_expired.set()
        for event in message.events:
            if isinstance(event, AlgoEvent | OrderEvent):
                self._note(event.client_id)
            self._line.tell(self._on_event, event)
        return Heard(usable=message.documented, ignored=message.ignored)

    def _note(self, client_id: str) -> None:
        self._expected.pop(client_id, None)
        self._heard_ids[client_id] = None
        if len(self._heard_ids) > HEARD_IDS_MAX:
            del self._heard_ids[next(iter(self._heard_ids))]

    def _guards(self) -> Iterable[Guard]:
        return self._wait_for_expiry(), self._watch_expected(), self._keep_key()

    async def _wait_for_expiry(self) -> Ended:
        await self._key_expired.wait()
        return Ended("the listen key expired")

    async def _watch_expected(self) -> Ended:
        """An announced write whose event does not come ends the connection."""
        while True:
            oldest_s = next(iter(self._expected.values()), None)
            if oldest_s is not None and self._clock.monotonic_s() >= oldest_s:
                return Ended(f"no event within {EVENT_WITHIN_S:g} s of an accepted order", silent=True)
            await self._clock.sleep(CHECK_EVERY_S)

    async def _keep_key(self) -> Ended:
        extended_s = self._clock.monotonic_s()
        pause_s = KEEP_EVERY_S
        while True:
            await self._clock.sleep(pause_s)
            pause_s = KEEP_EVERY_S
            try:
                await within(self._clock, KEEP_WITHIN_S, self._keys.keep_user_stream())
                # Any program of the account can delete the key and open another; extending then extends theirs.
                key = await within(self._clock, KEEP_WITHIN_S, self._keys.open_user_stream())
            except Exception as failure:
                if isinstance(failure, Refused) and failure.refusal is Refusal.NO_STREAM_KEY:
                    return Ended("the listen key is gone")
                if self._clock.monotonic_s() - extended_s > KEY_TRUSTED_S:
                    return Ended("the listen key could not be extended")
                pause_s = self._retry_s(failure)
            else:
                if key != self._key:
                    return Ended("the listen key was replaced by another program")
                extended_s = self._clock.monotonic_s()

    def _retry_s(self, failure: Exception) -> float:
        is_failure = isinstance(failure, ExchangeFailure)
        logger.warning("The listen key was not extended: {}", failure if is_failure else type(failure).__name__)
        if isinstance(failure, RateLimited):
            return max(KEEP_RETRY_S, (failure.retry_at_ms - self._clock.now_ms()) / 1000)
        return KEEP_RETRY_S
