"""The task that keeps records: when a position was closed its fills are read until its record is final, then told.

After a start, after a flush of Redis and after the lease came to this daemon the last seven days are made again from
the venue (exits.md 12.7). It has its own small part of the request budget and is the first to be turned away; Redis
away only makes it wait with telling. Bounded: records, symbols in work, tries in a row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from loguru import logger

from position_monitor.config import Config
from position_monitor.core.model.events import Event
from position_monitor.core.observation.stream_events import MarkPrices, PositionEvent, StreamEvent, StreamGap
from position_monitor.core.performance.facts import Income
from position_monitor.core.performance.lives import Life
from position_monitor.core.performance.making import Statement, Watched, record_of
from position_monitor.core.performance.money_of_life import is_other_leg
from position_monitor.core.performance.record import Record
from position_monitor.core.publication.announce import CAUSE_AGE
from position_monitor.daemon import CycleReport
from position_monitor.edge.account_history import AccountHistory
from position_monitor.edge.background import sleep_or_wake
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import ExchangeFailure, RateLimited
from position_monitor.service.records.aftermath import AftermathReader
from position_monitor.service.records.due_symbols import DueSymbol
from position_monitor.service.records.reading import AFTERMATH_MS, WEEK_MS, SymbolHistory
from position_monitor.service.records.record_events import announce_record
from position_monitor.service.records.shelf import RecordShelf
from position_monitor.service.records.watching import Closed, PositionWatch

TURN_S = 5.0
"""How often it looks whether something is due, when nothing wakes it."""
FAILURE_PAUSE_S = 8.0
"""How long nothing is asked after the venue failed to answer."""
DEFECT_PAUSE_S = 3_600.0
REBUILD_EVERY_S = 3_600.0
"""How often the last seven days are looked through for positions that no look and no event showed."""
SYMBOLS_MAX = 1_000
SYMBOLS_AT_ONCE = 5
"""Symbols whose fills are read in one turn, so that the rest of a minute's budget serves what makes records of them."""


@dataclass(frozen=True, slots=True)
class _IncomeRead:
    """Income as it was read, and of which time."""

    rows: tuple[Income, ...] = ()
    since_ms: int = 0
    until_ms: int = 0


@dataclass(slots=True)
class RecordKeeper:
    """Keeps the records of one account. `note`, `on_event` and `on_marks` are instant and never raise."""

    watch: PositionWatch
    exchange: Exchange
    history: AccountHistory
    shelf: RecordShelf
    clock: Clock
    config: Callable[[], Config]
    tell: Callable[[Event], None]
    """Takes an event for the next published state."""
    _since_ms: int = field(init=False)
    """When this process began, by the venue's clock: fills of before are no news."""
    _due: dict[str, DueSymbol] = field(default_factory=dict, init=False)
    _rebuild_s: float = field(default=float("-inf"), init=False)
    """When the last seven days are to be looked through next."""
    _income: _IncomeRead = field(default=_IncomeRead(), init=False)
    _next_s: float = field(default=float("-inf"), init=False)
    """No request before this: the budget was used up."""
    _defective: bool = field(default=False, init=False)
    """Watching failed once: it ends, for a defect must not come again with each mark."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _after: AftermathReader = field(init=False)

    def __post_init__(self) -> None:
        self._after = AftermathReader(self.history, self.shelf)
        self._since_ms = self.exchange.venue_now_ms()

    # -- told by the service

    def note(self, report: CycleReport) -> None:
        """A cycle ended."""
        if not report.failure:
            self._watching(lambda: self._looked(report))
            self._wake.set()

    def _looked(self, report: CycleReport) -> None:
        self.watch.closed_for_age({(e.symbol, e.side) for e in report.events if _is_close_for_age(e)})
        settings_hash, now_ms = self.config().config_hash, self.exchange.venue_now_ms()
        self.watch.looked(report.history.tracks, settings_hash=settings_hash, venue_now_ms=now_ms)

    def on_event(self, event: StreamEvent) -> None:
        """An event of the user stream."""
        if isinstance(event, PositionEvent):
            self._watching(lambda: self.watch.heard(event))
        elif isinstance(event, StreamGap):
            self._rebuild_s = float("-inf")  # a position may have come and gone meanwhile

    def on_marks(self, marks: MarkPrices) -> None:
        """Marks of the stream."""
        self._watching(lambda: self.watch.marked(marks))

    def _watching(self, step: Callable[[], None]) -> None:
        """Do a step of watching; a defect in it ends the watching, never the cycle or the event it came with."""
        if self._defective:
            return
        try:
            step()
        except Exception:
            self._defective = True
            logger.exception("Watching positions for their records failed and ends; protection is not concerned")

    # -- the task

    async def run(self) -> None:
        """Keep records until cancelled."""
        while True:
            await sleep_or_wake(self.clock, TURN_S, self._wake)
            if self.watch.looked_at_ms:
                await self.turn()

    async def turn(self) -> None:
        """Do what is due now. Nothing the venue or Redis does ends it."""
        for closed in self.watch.closed():
            self._note_closed(closed)
        if not self.shelf.store.may_write:
            self._due.clear()
            self._rebuild_s = float("-inf")
            self.shelf.stand_by()
            return
        await self.shelf.read_back()
        if self.clock.monotonic_s() >= self._next_s:
            await self._read()
        await self.shelf.write()

    def _note_closed(self, closed: Closed) -> None:
        due = self._due_of(closed.symbol)
        if due is not None:
            due.expect(closed.after_ms, self.clock.monotonic_s())

    def _due_of(self, symbol: str) -> DueSymbol | None:
        due = self._due.get(symbol)
        if due is None and len(self._due) < SYMBOLS_MAX:
            now_ms = self.exchange.venue_now_ms()
            due = self._due[symbol] = DueSymbol(SymbolHistory(symbol, now_ms - WEEK_MS), now_ms)
        return due

    async def _read(self) -> None:
        try:
            now_s = self.clock.monotonic_s()
            if now_s >= self._rebuild_s:
                await self._find_symbols()
            due = sorted((one for one in self._due.values() if one.next_s <= now_s), key=lambda one: one.tries)
            if due:
                await self._read_symbols(due[:SYMBOLS_AT_ONCE])
            else:
                await self._after.read(self.exchange.venue_now_ms())
        except RateLimited as turned_away:
            wait_s = max(1.0, (turned_away.retry_at_ms - self.clock.now_ms()) / 1000)
            self._next_s = self.clock.monotonic_s() + wait_s
        except ExchangeFailure as failure:
            logger.debug("records wait: {}", failure)
            self._next_s = self.clock.monotonic_s() + FAILURE_PAUSE_S

    async def _find_symbols(self) -> None:
        """Every symbol with income in the last seven days had a position: its records are made again."""
        now_ms = self.exchange.venue_now_ms()
        await self._read_income(now_ms - WEEK_MS, now_ms)
        self._rebuild_s = self.clock.monotonic_s() + REBUILD_EVERY_S
        for symbol in sorted({row.symbol for row in self._income.rows}):
            self._due_of(symbol)

    async def _read_income(self, since_ms: int, until_ms: int) -> None:
        rows = await self.history.income(since_ms=since_ms, until_ms=until_ms)
        self._income = _IncomeRead(rows, since_ms, until_ms)

    async def _read_symbols(self, due: Sequence[DueSymbol]) -> None:
        """Fills first, then the income of all of them at once, so that it is not older than the fills."""
        wanted: list[tuple[DueSymbol, list[Life]]] = []
        now_ms = self.exchange.venue_now_ms()
        for one in due:
            await one.history.read_fills(self.history, self.watch.anchor, after_ms=one.after_ms, now_ms=now_ms)
            wanted.append((one, [life for life in self._unrecorded(one, now_ms) if one.is_ready(life)]))
        lives = [life for _, some in wanted for life in some]
        if lives:
            begin, end = min(life.opened_at_ms for life in lives), max(life.closed_at_ms for life in lives)
            again = any(one.tries for one in due)
            if again or not self._income.since_ms <= begin <= end + AFTERMATH_MS <= self._income.until_ms:
                await self._read_income(begin, max(now_ms, end) + AFTERMATH_MS)
        for one, some in wanted:
            await self._make(one, some, now_ms)

    async def _make(self, one: DueSymbol, lives: Sequence[Life], now_ms: int) -> None:
        """Make the records of one symbol. A defect there is told once and costs the others nothing."""
        try:
            for life in lives:
                await self._record(one, life)
            self._tried(one, now_ms)
        except ExchangeFailure:
            raise
        except Exception:
            logger.exception("The records of {} could not be made; the others go on", one.history.symbol)
            one.wait(DEFECT_PAUSE_S, self.clock.monotonic_s())

    def _unrecorded(self, one: DueSymbol, now_ms: int) -> list[Life]:
        """The lives that ended within the last week and have no final record."""
        ended = [life for life in one.history.lives if life.closed_at_ms > now_ms - WEEK_MS]
        kept = [self.shelf.get(_record_id(life)) for life in ended]
        return [life for life, record in zip(ended, kept, strict=True) if record is None or not record.final]

    async def _record(self, one: DueSymbol, life: Life) -> None:
        """Make the record of a life, and keep it if it says anything new."""
        config, past = self.config(), one.history
        watched = self.watch.watched(life, [other for other in past.lives if other.key == life.key])
        if watched.marks is None:
            marks = await past.marks(self.history, life)
            watched = watched._replace(marks=marks, marks_from="candles" if marks is not None else "")
        instrument = self.exchange.instrument(life.key.symbol)
        statement = Statement(
            account=config.account,
            orders=await past.past_orders(self.history, life),
            income=self._income.rows,
            others=tuple(other for other in past.lives if is_other_leg(life, other)),
            prices=await past.prices(self.history, [life]),
            breakeven_offset_pct=config.protection_for(*life.key).exits.breakeven_offset_pct,
            tick=instrument.tick if instrument is not None else Decimal(0),
            orders_kept_ms=self.history.orders_kept_ms,
            now_ms=self.exchange.venue_now_ms(),
        )
        earlier = self.shelf.get(_record_id(life))
        revision = earlier.revision if earlier is not None else 0
        record = record_of(life, statement, _remembered(watched, earlier), revision=revision)
        if record != earlier:
            self.shelf.keep(replace(record, revision=record.revision + 1))
            if record.final:
                self._say(record)

    def _say(self, record: Record) -> None:
        for event in announce_record(record, since_ms=self._since_ms, now_ms=self.clock.now_ms()):
            self.tell(event)

    def _tried(self, one: DueSymbol, now_ms: int) -> None:
        """Done when what was expected is there and final, or can never be; else again, less and less often."""
        left = self._unrecorded(one, now_ms)
        hopeless = one.history.exhausted and all(not life.whole for life in left)
        there = one.history.holds(one.after_ms) and (not left or hopeless)
        if there or now_ms - one.since_ms > WEEK_MS:
            self._due.pop(one.history.symbol, None)
            return
        one.again(self.clock.monotonic_s())


def _record_id(life: Life) -> str:
    return f"{life.key}:{life.epoch}"


def _remembered(watched: Watched, earlier: Record | None) -> Watched:
    """What no process saw and an earlier revision of the record says."""
    if earlier is None or watched.origin.settings_hash is not None:
        return watched
    sources = {fill.client_id: fill.source for fill in earlier.fills if fill.client_id and fill.source}
    return watched._replace(origin=earlier.origin, sources={**sources, **watched.sources})


def _is_close_for_age(event: Event) -> bool:
    """Whether an event is about an order that closes a position because it is too old (S8)."""
    return event.details is not None and event.details.get("cause") == CAUSE_AGE
