"""Mark prices of the watched symbols, once a second, from the venue's market stream.

Few symbols have a stream each; many are picked from the stream of all. That one leaves out TradFi contracts
(documented), so a watched symbol it does not mention gets a stream of its own as well. An acknowledged subscription
proves nothing: on a wrong route the venue acknowledges and stays silent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from position_monitor.core.observation.stream_events import MarkPrice, MarkPrices, StreamHealth
from position_monitor.edge.clock import Clock
from position_monitor.edge.streams.websocket import CHECK_EVERY_S, Feed, Heard, StreamLine
from position_monitor.edge.supervision import Ended, Guard
from position_monitor.edge.venues.binance.marks import parse_mark_message

ALL_MARKS: Final = "!markPrice@arr@1s"
ALL_ABOVE: Final = 100
"""Watched symbols above which the stream of all is used."""
SINGLE_BELOW: Final = 80
"""Watched symbols below which single streams are used again."""
SINGLES_MAX: Final = 200
"""Single streams on one connection; clients known to work with the venue allow as many, it documents 1,024."""
NAMES_PER_REQUEST: Final = 50
REQUEST_EVERY_S: Final = 0.25
"""The venue cuts connections that send more than 10 messages a second, pings included."""
SILENT_AFTER_S: Final = 10.0
FRESH_S: Final = 5.0


class MarkStream:
    """Keeps the market stream; `mark` answers from memory and `on_marks`, which must not wait, hears every news."""

    def __init__(
        self,
        on_marks: Callable[[MarkPrices], None],
        *,
        origin: str,
        clock: Clock,
        fresh_s: float = FRESH_S,
    ) -> None:
        self._on_marks = on_marks
        self._origin = origin.rstrip("/")
        self._clock = clock
        self._fresh_s = fresh_s
        self._watched: frozenset[str] = frozenset()
        self._all = False
        self._unmentioned: frozenset[str] = frozenset()
        self._marks: dict[str, tuple[MarkPrice, float]] = {}
        self._subscribed: set[str] = set()
        self._mark_due_s = 0.0
        self._requests = 0
        self._changed = asyncio.Event()
        self._line = StreamLine(
            Feed(
                name="mark stream", address=self._address, opened=self._opened, heard=self._heard, guards=self._guards
            ),
            clock,
        )

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await self._line.run()

    def health(self) -> StreamHealth:
        """What to publish about the stream."""
        return self._line.health()

    def watch(self, symbols: Iterable[str]) -> None:
        """Watch exactly these symbols from now on."""
        watched = frozenset(symbols)
        if watched == self._watched:
            return
        self._watched = watched
        self._all = len(watched) > (SINGLE_BELOW if self._all else ALL_ABOVE)
        self._unmentioned = self._unmentioned & watched if self._all else frozenset()
        self._marks = {symbol: latest for symbol, latest in self._marks.items() if symbol in watched}
        self._changed.set()

    def mark(self, symbol: str) -> tuple[Decimal, int] | None:
        """The latest mark price and the venue's time of it (ms UTC); None when it came too long ago."""
        latest = self._marks.get(symbol)
        if latest is None or self._clock.monotonic_s() - latest[1] > self._fresh_s:
            return None
        return latest[0].price, latest[0].at_ms

    async def _address(self) -> str:
        return f"{self._origin}/market/ws"

    def _opened(self) -> None:
        self._subscribed = set()
        self._marks = {}  # a new connection may be to another machine of the venue, whose clock is another
        self._changed.set()

    def _heard(self, text: str) -> Heard:
        message = parse_mark_message(text, self._watched)
        now_s = self._clock.monotonic_s()
        fresh: dict[str, MarkPrice] = {}
        for mark in message.marks:
            latest = self._marks.get(mark.symbol)
            if latest is None or mark.at_ms > latest[0].at_ms:
                self._marks[mark.symbol] = (mark, now_s)
                fresh[mark.symbol] = mark
        if fresh:
            self._mark_due_s = now_s + SILENT_AFTER_S
            self._line.tell(self._on_marks, fresh)
        if self._all and message.of_all:
            self._add_unmentioned(message.mentioned)
        return Heard(usable=bool(fresh), ignored=message.ignored)

    def _add_unmentioned(self, mentioned: frozenset[str]) -> None:
        unmentioned = self._unmentioned | (self._watched - mentioned)
        if unmentioned != self._unmentioned:
            self._unmentioned = unmentioned
            self._changed.set()

    def _guards(self) -> Iterable[Guard]:
        return self._subscribe(), self._watch_silence()

    async def _subscribe(self) -> Ended:
        """Bring the venue's idea of what we listen to in line with ours, whenever ours changes."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            topics = self._topics()
            added, dropped = sorted(topics - self._subscribed), sorted(self._subscribed - topics)
            if added and not self._subscribed:
                self._mark_due_s = self._clock.monotonic_s() + SILENT_AFTER_S
            for method, names in (("SUBSCRIBE", added), ("UNSUBSCRIBE", dropped)):
                for start in range(0, len(names), NAMES_PER_REQUEST):
                    await self._request(method, names[start : start + NAMES_PER_REQUEST])

    def _topics(self) -> set[str]:
        singles = self._unmentioned if self._all else self._watched
        topics = {f"{symbol.lower()}@markPrice@1s" for symbol in sorted(singles)[:SINGLES_MAX]}
        return topics | {ALL_MARKS} if self._all else topics

    async def _request(self, method: str, names: list[str]) -> None:
        self._requests += 1
        await self._line.send(json.dumps({"method": method, "params": names, "id": self._requests}))
        if method == "SUBSCRIBE":
            self._subscribed.update(names)
        else:
            self._subscribed.difference_update(names)
        await self._clock.sleep(REQUEST_EVERY_S)

    async def _watch_silence(self) -> Ended:
        while True:
            await self._clock.sleep(CHECK_EVERY_S)
            if self._subscribed and self._clock.monotonic_s() > self._mark_due_s:
                return Ended(f"no mark price for {SILENT_AFTER_S:g} s", silent=True)
