"""What this process saw of positions while they were open, for their records: told by the loop, asked by the keeper.

One entry per open position, of a bounded size: two extremes of the mark, the stops that rested, where the levels of its
orders came from. It is lost on restart. What of it cannot be had otherwise is then null in the record, and named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from position_monitor import __version__
from position_monitor.core.decision.event_view import ended_by
from position_monitor.core.decision.history import Track
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.stream_events import MarkPrices, PositionEvent
from position_monitor.core.performance.facts import PastOrder, PriceRange, range_of
from position_monitor.core.performance.lives import Anchor, Life
from position_monitor.core.performance.making import NOT_WATCHED, Watched
from position_monitor.core.performance.record import NO_ORIGIN, Origin

FROM_THE_BEGINNING_MS = 60_000
"""Watched from the beginning: the process looked before the first fill, and had the position so soon after it."""
CLOCK_ERROR_MS = 2_000
"""By how much a time of the venue and our idea of it may differ."""
LAG_MS = 60_000
"""By how much a row that does not say when it changed may be older than the look that found it."""
GAP_MS = 120_000
"""How long the mark may go unread before its extremes are taken from candles."""
ENDED_KEPT = 500
STOPS_KEPT = 200
SOURCES_KEPT = 100


@dataclass(slots=True)
class _Memory:
    """One open position as it was watched."""

    key: PositionKey
    began_ms: int
    """Since when, by the venue's time."""
    open_at_ms: int = 0
    """When it was last known to be open, by the venue's time."""
    ended_ms: int = 0
    """When it was known to be over; 0 while it is open."""
    marks: PriceRange | None = None
    marked_at_ms: int = 0
    """When the mark was last read."""
    gap: bool = False
    """For a while no mark was read: what it did then is not known."""
    stops: dict[str, PastOrder] = field(default_factory=dict)
    resting: tuple[LiveOrder, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    too_old: bool = False
    """Whether it was the time stop that wanted it closed last."""
    origin: Origin = NO_ORIGIN
    judgement: Judgement | None = None
    """What was taken in last."""

    def open_at(self, at_ms: int) -> None:
        """It was open at this time of the venue."""
        self.open_at_ms = max(self.open_at_ms, at_ms)

    def marked(self, price: Decimal, at_ms: int) -> None:
        """The mark was here."""
        if self.marked_at_ms and at_ms - self.marked_at_ms > GAP_MS:
            self.gap = True
        self.marked_at_ms = max(self.marked_at_ms, at_ms)
        self.marks = range_of(price, at_ms) if self.marks is None else self.marks.including(price, at_ms)

    def judged(self, judgement: Judgement, settings_hash: str, now_ms: int) -> None:
        """A look judged it."""
        self.judgement = judgement
        self.open_at(judgement.position.updated_at_ms)
        self.marked(judgement.position.mark_price, now_ms)
        if judgement.cover.orders is not self.resting:
            self._stops_rest(judgement.cover.orders, now_ms)
        book, settings = judgement.book, judgement.settings
        if book is None:
            return
        if book.close is not None:
            self.too_old = not book.close.by_loss
        for order in book.orders:
            self.sources.setdefault(order.client_id, order.source)
        while len(self.sources) > SOURCES_KEPT:
            del self.sources[next(iter(self.sources))]
        if self.origin is NO_ORIGIN and settings is not None:
            self.origin = Origin(
                policy=str(settings.policy),
                profile=book.profile or None,
                regime=book.regime or None,
                settings_hash=settings_hash,
                version=__version__,
            )

    def closes_for_age(self) -> None:
        """An order was sent that closes it because it is too old."""
        self.too_old = True

    def end(self, at_ms: int) -> None:
        """It is over; what is large of it is let go."""
        self.ended_ms, self.judgement = at_ms, None
        self._stops_rest((), at_ms)

    def overlaps(self, life: Life) -> bool:
        """Whether this may be about a life, as far as both clocks agree."""
        if self.key != life.key:
            return False
        closed_ms = life.closed_at_ms or self.began_ms
        begins_in_time = self.began_ms <= closed_ms + CLOCK_ERROR_MS
        return begins_in_time and (not self.ended_ms or self.ended_ms >= life.opened_at_ms)

    def _stops_rest(self, resting: tuple[LiveOrder, ...], now_ms: int) -> None:
        """These stops cover it now; those that did before and do not any more ended by now."""
        ids = {order.client_id for order in resting}
        for order in self.resting:
            if order.client_id not in ids and order.client_id in self.stops:
                self.stops[order.client_id] = self.stops[order.client_id]._replace(ended_at_ms=now_ms)
        for order in resting:
            self.stops.setdefault(order.client_id, PastOrder.of(order))
        self.resting = resting
        while len(self.stops) > STOPS_KEPT:
            working = (client_id for client_id, stop in self.stops.items() if not stop.is_backstop)
            del self.stops[next(working, next(iter(self.stops)))]


@dataclass(frozen=True, slots=True)
class Closed:
    """A position of this symbol was closed."""

    symbol: str
    after_ms: int
    """By the venue's time it was still open then: its last fill is not older."""


class PositionWatch:
    """The memory of open positions. Every call is instant and raises nothing that matters to the caller."""

    def __init__(self) -> None:
        self._open: dict[PositionKey, _Memory] = {}
        self._by_symbol: dict[str, list[_Memory]] = {}
        self._ended: deque[_Memory] = deque(maxlen=ENDED_KEPT)
        self._closed: dict[str, Closed] = {}
        self._looked_at_ms = 0
        self._since_ms = 0
        """When this process looked first, by the venue's time: of what was open then the beginning is not known."""
        self._flat_at_ms: dict[tuple[str, Side | None], int] = {}

    @property
    def looked_at_ms(self) -> int:
        """When all positions were last read, by the venue's time; 0 before the first look."""
        return self._looked_at_ms

    def closed(self) -> list[Closed]:
        """The symbols in which a position was closed since this was asked last."""
        closed, self._closed = list(self._closed.values()), {}
        return closed

    # -- told by the loop

    def closed_for_age(self, closed: Iterable[tuple[str, str]]) -> None:
        """An order was sent that closes these positions (symbol, side) because they are too old: it may be filled
        before any look shows that this was wanted."""
        for symbol, side in closed:
            for memory in self._by_symbol.get(symbol, ()):
                if str(memory.key.side) == side:
                    memory.closes_for_age()

    def looked(self, tracks: Mapping[PositionKey, Track], *, settings_hash: str, venue_now_ms: int) -> None:
        """A cycle read the account and judged every position."""
        self._looked_at_ms = venue_now_ms
        self._since_ms = self._since_ms or venue_now_ms
        for key in [key for key in self._open if key not in tracks]:
            self._end(key, venue_now_ms)
        for key, track in tracks.items():
            memory = self._open.get(key)
            if memory is None:
                if self._is_over(track.judgement.position):
                    continue
                memory = self._begin(key, venue_now_ms)
            if track.judgement is not memory.judgement and track.judgement.readable:
                memory.judged(track.judgement, settings_hash, venue_now_ms)

    def marked(self, marks: MarkPrices) -> None:
        """Marks of the stream."""
        for symbol, mark in marks.items():
            for memory in self._by_symbol.get(symbol, ()):
                memory.marked(mark.price, mark.at_ms)

    def heard(self, event: PositionEvent) -> None:
        """An event of the stream about a position."""
        for key in ended_by(event):
            memory = self._open.get(key)
            if memory is not None and memory.began_ms <= event.at_ms:
                self._end(key, event.at_ms)
        if event.amount == 0:
            self._flat_at_ms[event.symbol, event.leg] = event.at_ms
            return
        opened = event.key
        if opened is None:
            return
        memory = self._open.get(opened) or self._begin(opened, event.at_ms)
        memory.open_at(event.at_ms)

    # -- asked by the keeper

    def anchor(self, symbol: str, leg: Side | None) -> Anchor:
        """The signed size of a leg, and the venue's time from which on it is known."""
        for memory in self._by_symbol.get(symbol, ()):
            judged = memory.judgement
            if judged is None or (leg is not None and memory.key.side is not leg):
                continue
            position = judged.position
            if position.hedged is (leg is not None):
                amount = position.quantity if memory.key.side is Side.LONG else -position.quantity
                return Anchor(amount, position.updated_at_ms or self._looked_at_ms)
        return Anchor(Decimal(0), self._flat_at_ms.get((symbol, leg), self._looked_at_ms))

    def watched(self, life: Life, others: Iterable[Life]) -> Watched:
        """What was seen of a closed life; `others` are those of the same position before and after it."""
        memories = [memory for memory in (*self._ended, *self._open.values()) if memory.overlaps(life)]
        if not memories:
            return NOT_WATCHED
        memory = memories[-1]
        soon = memory.began_ms - life.opened_at_ms <= FROM_THE_BEGINNING_MS
        whole = soon and 0 < self._since_ms < life.opened_at_ms
        alone = not any(memory.overlaps(other) for other in others if other is not life)
        whole = whole and alone and not memory.gap
        marks = memory.marks if whole else None
        return Watched(
            whole=whole,
            marks=marks,
            marks_from="watched" if marks is not None else "",
            stops=tuple(memory.stops.values()),
            sources=dict(memory.sources),
            too_old=memory.too_old,
            origin=memory.origin,
        )

    # -- inside

    def _is_over(self, position: Position) -> bool:
        """Whether a position that is tracked still was told to be flat since it last changed."""
        leg = position.side if position.hedged else None
        return 0 < position.updated_at_ms <= self._flat_at_ms.get((position.symbol, leg), 0)

    def _begin(self, key: PositionKey, at_ms: int) -> _Memory:
        memory = self._open[key] = _Memory(key, at_ms)
        self._by_symbol.setdefault(key.symbol, []).append(memory)
        return memory

    def _end(self, key: PositionKey, at_ms: int) -> None:
        memory = self._open.pop(key)
        of_symbol = self._by_symbol[key.symbol]
        of_symbol.remove(memory)
        if not of_symbol:
            del self._by_symbol[key.symbol]
        memory.end(at_ms)
        self._ended.append(memory)
        open_at_ms = memory.open_at_ms - CLOCK_ERROR_MS if memory.open_at_ms else memory.began_ms - LAG_MS
        self._closed[key.symbol] = Closed(key.symbol, open_at_ms)
        if len(self._flat_at_ms) > ENDED_KEPT:
            self._flat_at_ms.clear()
