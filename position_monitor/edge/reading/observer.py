"""Reads what the schedule names, and turns the exchange's answers into observations.

What to read is decided in `schedule.py`. Here is how: side by side, with patience, and each symbol on its own, so that
one that fails or hangs holds up no other (invariant 12).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.positions import Position
from position_monitor.core.observation.needs import Fact
from position_monitor.core.observation.reads import OrdersRead, PositionsRead, SymbolObservation
from position_monitor.core.observation.stream_events import MarkPrice
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.reading import schedule
from position_monitor.edge.reading.account_observation import (
    AccountObservation,
    has_ours,
    opened_or_grown,
    swept_lists,
    unread_facts,
)
from position_monitor.edge.reading.awaited import with_awaited
from position_monitor.edge.reading.last_reads import LastReads, zero_keys, zero_times
from position_monitor.edge.reading.pending_reads import PATIENCE_S, PendingReads, Retries, patiently
from position_monitor.errors import ExchangeFailure


class ReadingSurroundings(Protocol):
    """What a look asks of the process around it. Every answer is instant."""

    @property
    def full_sweep_s(self) -> float:
        """How often every order list of the account is read."""
        ...

    def events_delivered(self) -> bool:
        """Whether the user stream would tell of changes of the orders."""
        ...

    def streamed_mark(self, symbol: str) -> MarkPrice | None:
        """The mark price of a symbol as streamed; None when there is no fresh one."""
        ...


@dataclass(slots=True)
class Observer:
    """Reads the account. Holds no truth, only when the last sweep was."""

    exchange: Exchange
    clock: Clock
    surroundings: ReadingSurroundings
    _answered: bool = field(default=True, init=False)
    """Whether the positions could be read the last time."""
    _swept_at_s: float | None = field(default=None, init=False)
    _sweep_failed_at_s: float = field(default=float("-inf"), init=False)
    _elsewhere: int = field(default=0, init=False)
    _last: LastReads = field(init=False)
    _pending: PendingReads[OrdersRead] = field(init=False)
    _retries: Retries = field(init=False)

    def __post_init__(self) -> None:
        self._last = LastReads(self.clock)
        self._pending = PendingReads(self.clock)
        self._retries = Retries(self.clock)

    async def account(
        self, evidence: Evidence, also: Iterable[str] = (), *, sweep: bool = False, look_at: Iterable[str] = ()
    ) -> AccountObservation:
        """Read every position and the order lists of every symbol that matters; `also` names further symbols.

        The lists of the symbols in `look_at` are read in any case: something happened there, or is not done yet.
        """
        expected = {*evidence.symbols(), *also}
        first = schedule.first_reads(self._moment(), expected, sweep=sweep)
        sweeping = asyncio.create_task(self._sweep()) if first.sweep_beside else None
        positions = await self._positions()
        whole = await self._in_time(sweeping) if sweeping is not None else None
        self._answered = not isinstance(positions, ExchangeFailure)
        if isinstance(positions, ExchangeFailure):
            return AccountObservation({}, failure=str(positions))
        held = {position.symbol for position in positions.positions} | set(positions.unreadable)
        symbols = held | expected
        reads = schedule.order_reads(
            self._moment(), first, symbols, lambda name: name in look_at or self._last.changed(name, positions)
        )
        due: Collection[str] = reads.symbols
        if reads.sweep:
            whole = await self._in_time(asyncio.create_task(self._sweep()))
        orders = await self._per_symbol(sorted(due)) if whole is None else swept_lists(whole, symbols)
        if whole is not None:
            symbols = due = symbols | self._swept(whole, symbols)
        zero_rows = await self._zero_rows(positions, symbols, evidence)
        return await with_awaited(
            self.exchange,
            self.clock,
            AccountObservation(
                self._observations(symbols, due, positions=positions, orders=orders, zero_rows=zero_rows),
                swept=whole is not None,
                unreadable_positions=positions.unreadable,
                conditional_orders_elsewhere=self._elsewhere,
                weight=reads.weight,
                positions_read_at_ms=positions.began_at_ms,
            ),
            evidence,
        )

    def _observations(
        self,
        symbols: set[str],
        due: Collection[str],
        *,
        positions: PositionsRead,
        orders: Mapping[str, OrdersRead],
        zero_rows: Mapping[str, PositionsRead],
    ) -> dict[str, SymbolObservation]:
        """Each symbol as it was read now; where its lists were not due, with the orders of before."""
        observations = {
            name: self._observation(name, positions, orders.get(name), zero_rows.get(name))
            if name in due
            else self._last.again(name, positions, self.exchange.instrument(name))
            for name in sorted(symbols)
        }
        self._last.forget_all_but(symbols)
        return observations

    def _moment(self) -> schedule.Moment:
        """What the schedule decides from, as it is now."""
        return schedule.Moment(
            now_s=self.clock.monotonic_s(),
            costs=self.exchange.traits.read_costs,
            full_sweep_s=self.surroundings.full_sweep_s,
            events_delivered=self.surroundings.events_delivered(),
            positions_answered=self._answered,
            swept_at_s=self._swept_at_s,
            sweep_failed_at_s=self._sweep_failed_at_s,
            orders_read_at_s=self._last.orders_read_at_s,
        )

    def _swept(self, whole: OrdersRead, symbols: set[str]) -> set[str]:
        """Note a sweep; gives the further symbols it found orders of ours in."""
        self._swept_at_s = self.clock.monotonic_s()
        elsewhere = whole.by_symbol.keys() - symbols
        ours = {name for name in elsewhere if has_ours(whole.of(name))}
        self._elsewhere = sum(whole.of(name).conditional for name in elsewhere - ours)
        return ours

    def sweep_soon(self) -> None:
        """Let the next look be a sweep: something about orders elsewhere is out of date."""
        self._swept_at_s = None

    async def symbols(
        self, asked_for: Iterable[str], evidence: Evidence, before: Mapping[str, SymbolObservation] | None = None
    ) -> AccountObservation:
        """Read some symbols again, after writes: the positions of the account once, the order lists per symbol.

        A position that is not the one of the look `before` was opened meanwhile, or grew, and is read as well: its stop
        comes first. A look may last long where answers are late, so it does not wait for the next one.
        """
        names = sorted(set(asked_for))
        positions, orders = await asyncio.gather(self._positions(), self._per_symbol(names, anew=True))
        if isinstance(positions, ExchangeFailure):
            return AccountObservation({}, failure=str(positions))
        if new := opened_or_grown(positions, before).difference(names) if before is not None else set():
            orders |= await self._per_symbol(sorted(new), anew=True)
            names += sorted(new)
        observed = {name: self._observation(name, positions, orders.get(name), None) for name in names}
        return await with_awaited(
            self.exchange,
            self.clock,
            AccountObservation(
                observed,
                unreadable_positions=positions.unreadable,
                conditional_orders_elsewhere=self._elsewhere,
                positions_read_at_ms=positions.began_at_ms,
            ),
            evidence,
        )

    async def fresh(self, symbol: str) -> SymbolObservation:
        """One symbol, read just now, with zero rows: what a removal is checked against (invariant 2)."""
        try:
            rows, orders = await asyncio.gather(
                patiently(self.clock, partial(self.exchange.read_position_rows, symbol)),
                patiently(self.clock, partial(self.exchange.read_orders, symbol)),
            )
        except ExchangeFailure as failure:
            return SymbolObservation(
                symbol=symbol,
                instrument=None,
                positions=(),
                zero_keys=frozenset(),
                orders=(),
                positions_read_at_ms=0,
                orders_read_at_ms=0,
                unreadable=str(failure),
            )
        return self._observation(symbol, rows, orders, rows)

    async def _positions(self) -> PositionsRead | ExchangeFailure:
        """Every position, or why there is no answer; given and not raised, so that what is asked beside it goes on."""
        try:
            return await patiently(self.clock, self.exchange.read_positions)
        except ExchangeFailure as failure:
            return failure

    async def _sweep(self) -> OrdersRead | None:
        """Every order list at once; None where that failed, and for a while after."""
        if not schedule.sweep_may_be_tried(self._moment()):
            return None
        self._sweep_failed_at_s = self.clock.monotonic_s()  # until it has not: it may be given up while it waits
        try:
            whole = await self.exchange.read_orders(None)
        except ExchangeFailure:
            return None
        if whole.plain_unread:
            return None
        self._sweep_failed_at_s = float("-inf")
        return whole

    async def _in_time(self, sweep: asyncio.Future[OrdersRead | None]) -> OrdersRead | None:
        """The sweep, unless it takes longer than everything else: then the symbols are read one by one."""
        await asyncio.wait({sweep}, timeout=PATIENCE_S)
        if sweep.done():
            return sweep.result()
        sweep.cancel()
        return None

    async def _per_symbol(self, symbols: Iterable[str], *, anew: bool = False) -> dict[str, OrdersRead]:
        """Each symbol on its own: one that fails or hangs is missing from the result and stays alone (invariant 12).

        Where only one of its lists hangs, what arrived of the others is given.
        """
        names = tuple(symbols)
        orders = await self._pending.answers(names, self._symbol_orders, anew=anew)
        for name in names:
            if name not in orders and (part := self.exchange.orders_so_far(name)) is not None:
                orders[name] = part
        return orders

    def _symbol_orders(self, symbol: str) -> Awaitable[OrdersRead]:
        return self._retries.read(symbol, partial(self.exchange.read_orders, symbol))

    async def _zero_rows(
        self, positions: PositionsRead, symbols: set[str] | frozenset[str], evidence: Evidence
    ) -> dict[str, PositionsRead]:
        """Ask for the zero rows of symbols whose position is no longer listed (invariant 7)."""
        names = schedule.zero_rows(positions, symbols, evidence)
        if not names:
            return {}
        return await PendingReads[PositionsRead](self.clock).answers(names, self.exchange.read_position_rows)

    def _observation(
        self, symbol: str, positions: PositionsRead, orders: OrdersRead | None, rows: PositionsRead | None
    ) -> SymbolObservation:
        held, source = positions.of(symbol), positions
        if rows is not None and (rows.of(symbol) or symbol in rows.unreadable) and symbol not in positions.unreadable:
            held, source = rows.of(symbol) or held, rows  # what was not listed, asked for by itself
        unread, why = unread_facts(symbol, source, orders)
        if why:
            held = tuple(p for position in held if (p := self._with_a_price(position)) is not None)
            unread |= frozenset() if held else {Fact.POSITION}
        zeros = zero_keys(symbol, held, positions, rows)
        observation = SymbolObservation(
            symbol=symbol,
            instrument=self.exchange.instrument(symbol),
            positions=held,
            zero_keys=zeros,
            orders=self._last.same_orders(symbol, orders.of(symbol)) if orders else self._last.believed(symbol),
            positions_read_at_ms=positions.began_at_ms,
            orders_read_at_ms=orders.began_at_ms if orders else 0,
            unreadable=why,
            orders_reused=orders is None,
            unread=unread,
            zero_at_ms=zero_times(zeros, positions, rows),
        )
        self._last.keep(observation)
        return observation

    def _with_a_price(self, position: Position) -> Position | None:
        """A position whose mark could not be read, with another price: streamed, of the last look, or its entry."""
        if position.mark_price > 0:
            return position
        last = self._last.mark(position.key)
        streamed = self.surroundings.streamed_mark(position.symbol)
        price = (streamed.price if streamed is not None else None) or last or position.entry_price
        return replace(position, mark_price=price) if price > 0 else None
