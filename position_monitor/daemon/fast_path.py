"""The fast path: the stop of a position that was opened, grown or turned, placed from the event that tells of it.

It adds stops and does nothing else. What it sends was decided by the core, passes the same gate as any order, and is
remembered in the same evidence; the loop, woken by the same event, reads it back. Events that are late, older than what
was read, or that do not enlarge a position are left to the loop, and so is a position whose stop was just refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal

from loguru import logger

from position_monitor.core.decision.event_view import (
    SinceRead,
    after_order,
    after_position,
    ended_by,
    mark_moves_a_stop,
    position_of,
    quantity_before,
    stops_from_event,
)
from position_monitor.core.evidence.endings import UNDER_WAY, Word
from position_monitor.core.evidence.outcome import Outcome
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.money import distance_pct
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import SIDES, PositionKey, Side
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.core.observation.stream_events import (
    AlgoEvent,
    MarkPrice,
    MarkPrices,
    PositionEvent,
    StreamEvent,
    StreamGap,
)
from position_monitor.core.publication.order_ends import end_in_event
from position_monitor.daemon.desk import Desk

LATE_MS = 5_000
"""An event older than this by the venue's clock is left to the loop: the position may be another one by now."""
SYMBOLS_MAX = 2_000
"""Symbols remembered between two reads; beyond that everything is left to the loop until the next read."""
TURNS_MAX = 20
"""Times one task looks at its symbol again because another event came meanwhile."""


class FastPath:
    """Turns events into stops between two reads. Nothing it remembers outlives the next read of the symbol."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._memory = desk.memory
        self._surroundings = desk.surroundings
        self._last: Mapping[str, SymbolObservation] | None = None
        self._since: dict[str, SinceRead] = {}
        self._looked_at: dict[str, Decimal] = {}
        """The mark each symbol was last looked at with."""
        self._left_to_reads: set[PositionKey] = set()
        """Positions whose stop was refused, until the next read; one that is opened anew is another position."""
        self._waiting: dict[str, dict[Side | None, PositionEvent]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._count = 0
        """Events heard."""
        self._heard: dict[str, int] = {}
        """The count at the last event of each symbol, and at the last one about a position of it."""
        self._news: dict[str, int] = {}

    def news_of(self, symbol: str) -> int:
        """A number that changes whenever an event tells of a position of the symbol."""
        return self._news.get(symbol, 0)

    def look_begins(self) -> int:
        """To be asked before reads are sent, and handed to `note_read` with what they found."""
        return self._count

    def note_read(
        self, read: Mapping[str, SymbolObservation], everything: Mapping[str, SymbolObservation], began: int
    ) -> None:
        """`read` was read just now; `everything` is the whole account as known.

        What events said of a symbol is over with its read, unless one arrived since the read was sent.
        """
        self._last = everything
        for symbol, observation in read.items():
            if observation.readable and not observation.orders_reused:
                if self._left_to_reads:
                    self._left_to_reads.difference_update(PositionKey(symbol, side) for side in SIDES)
                if self._heard.get(symbol, 0) <= began:
                    self._since.pop(symbol, None)
        self._looked_at = {
            symbol: observation.positions[0].mark_price
            for symbol, observation in everything.items()
            if observation.positions
        }

    def note_failure(self) -> None:
        """The positions could not be read: what events tell is placed although nothing was ever read."""
        if self._last is None:
            self._last = {}

    def on_event(self, event: StreamEvent) -> None:
        """Take an event in; may start placing a stop. Never waits."""
        if isinstance(event, StreamGap):
            self._since.clear()
        elif isinstance(event, AlgoEvent):
            self._note(event.symbol, self._heard)
            self._on_order(event)
        elif isinstance(event, PositionEvent):
            self._note(event.symbol, self._heard, self._news)
            self._on_position(event)

    def _on_order(self, event: AlgoEvent) -> None:
        self._remember(event.symbol, after_order(self._since.get(event.symbol, SinceRead()), event))
        if event.status.terminal or event.status in UNDER_WAY:
            word = Word(
                symbol=event.symbol,
                client_id=event.client_id,
                tag=event.tag,
                status=event.status,
                at_ms=event.at_ms,
                nothing_filled=event.executed_quantity <= 0,
            )
            self._memory.order_reported(word)
            if (end := end_in_event(event)) is not None:
                self._desk.ends.ended(end)

    def _on_position(self, event: PositionEvent) -> None:
        last = self._last.get(event.symbol) if self._last is not None else None
        since = self._since.get(event.symbol, SinceRead())
        self._note_sign(event, last)
        before = quantity_before(last, since, event.key) if event.key is not None else Decimal(0)
        after = after_position(since, event, last)
        if after is None or not self._remember(event.symbol, after) or abs(event.amount) <= before:
            return
        assert event.key is not None, "Invariant: what is larger than before is open"
        if before == 0:
            self._left_to_reads.discard(event.key)
        if self._last is None or event.key in self._left_to_reads or self._is_late(event):
            return
        self._waiting.setdefault(event.symbol, {})[event.leg] = event
        if event.symbol not in self._tasks:
            self._tasks[event.symbol] = asyncio.ensure_future(self._place(event.symbol))

    def _note_sign(self, event: PositionEvent, last: SymbolObservation | None) -> None:
        """Whether a position is open or flat is remembered with the venue's time: an older read proves nothing."""
        for key in ended_by(event):
            self._memory.position_reported_flat(key, event.at_ms)
        if event.key is not None and event.amount != 0:
            own = [order for order in (last.orders if last is not None else ()) if order.key == event.key]
            self._memory.position_reported_open(position_of(event, event.key, last, None), own)

    def _note(self, symbol: str, *ledgers: dict[str, int]) -> None:
        self._count += 1
        for ledger in ledgers:
            if symbol not in ledger and len(ledger) >= SYMBOLS_MAX:
                ledger.clear()
            ledger[symbol] = self._count

    def _remember(self, symbol: str, since: SinceRead) -> bool:
        if symbol not in self._since and len(self._since) >= SYMBOLS_MAX:
            return False
        self._since[symbol] = since
        return True

    def _is_late(self, event: PositionEvent) -> bool:
        return self._desk.exchange.venue_now_ms() - event.at_ms > LATE_MS

    async def _place(self, symbol: str) -> None:
        """Place what the waiting events of a symbol ask for. A defect here costs speed, never protection."""
        try:
            for _ in range(TURNS_MAX):
                events = self._waiting.pop(symbol, {})
                if not events:
                    return
                await asyncio.gather(*(self._place_for(event) for event in events.values()))
        except Exception:
            logger.exception("The fast path of {} failed; the loop places the stop", symbol)
        finally:
            # In one step with the end of the work: an event that comes next begins a task of its own.
            self._waiting.pop(symbol, None)
            self._tasks.pop(symbol, None)

    async def _place_for(self, event: PositionEvent) -> None:
        """Place what an event asks for. A mark that is older than it counts at once where the venue says that the price
        has passed what was measured without it, unless something newer was read or told meanwhile."""
        mark = self._surroundings.streamed_mark(event.symbol)
        crossed = await self._send_for(event, mark)
        latest = self._since.get(event.symbol, SinceRead()).positions.get(event.leg)
        if crossed and latest is event and mark is not None and mark.at_ms < event.at_ms:
            await self._send_for(event, replace(mark, at_ms=event.at_ms), passed=crossed)

    async def _send_for(
        self, event: PositionEvent, mark: MarkPrice | None, passed: Collection[str] = ()
    ) -> frozenset[str]:
        """Send the stops that an event asks for, less those of which the venue said that the price has `passed` them;
        gives the ids of those of which it says so now."""
        desk, symbol = self._desk, event.symbol
        if self._last is None:
            return frozenset()
        stops = stops_from_event(
            event,
            last=self._last.get(symbol),
            since=self._since.get(symbol, SinceRead()),
            instrument=desk.exchange.instrument(symbol),
            mark=mark,
            evidence=desk.evidence,
            rules=desk.rules,
            advice=self._surroundings.advice(symbol),
            market=self._surroundings.market(symbol),
            mode=desk.mode(),
            now_ms=desk.clock.now_ms(),
        )
        places = [place for place in stops.places if place.order.client_id not in passed]
        if not places:
            return frozenset()
        self._memory.stops_decided(stops)
        if stops.exposed and not any(desk.is_failing(place) for place in places):
            desk.introductions.by_event(stops.view.positions[-1], opened=self._opens(event))
        outcomes = await asyncio.gather(*(desk.send(place, stops.view) for place in places))
        crossed = [outcome.refusal is Refusal.CROSSED for outcome in outcomes]
        for place, outcome in zip(places, outcomes, strict=True):
            self._learn(place.order, outcome)
        return frozenset(place.order.client_id for place, passes in zip(places, crossed, strict=True) if passes)

    def _opens(self, event: PositionEvent) -> bool:
        """Whether the last read did not list the position that an event tells of."""
        last = self._last.get(event.symbol) if self._last is not None else None
        return last is None or event.key is None or last.position(event.key) is None

    def _learn(self, order: DesiredOrder, outcome: Outcome) -> None:
        """A refusal of an order that was made without a read is no evidence: the loop reads and tries itself."""
        if outcome.may_rest:
            self._memory.write_ended(outcome)
            return
        self._left_to_reads.add(order.key)
        if not outcome.denied:
            self._memory.unread_write_failed(order, outcome.at_ms)

    def on_marks(self, marks: MarkPrices) -> frozenset[str]:
        """The symbols whose stop would move at these marks; asked again only after another least move."""
        return frozenset(symbol for symbol, mark in marks.items() if self._moves(symbol, mark.price))

    def _moves(self, symbol: str, mark: Decimal) -> bool:
        last = self._last.get(symbol) if self._last is not None else None
        looked_at = self._looked_at.get(symbol)
        if last is None or looked_at is None or not last.readable:
            return False
        rules, desk = self._desk.rules, self._desk
        least_pct = min(rules.protection_for(position.key).stop_min_move_pct for position in last.positions)
        if distance_pct(mark, looked_at) < least_pct:
            return False
        self._looked_at[symbol] = mark
        return mark_moves_a_stop(
            last,
            mark=mark,
            evidence=desk.evidence,
            rules=rules,
            advice=self._surroundings.advice(symbol),
            market=self._surroundings.market(symbol),
            mode=desk.mode(),
            now_ms=desk.clock.now_ms(),
        )
