"""Turns the exchange's answers into observations: what to read, how cheaply, and what may be concluded.

Reads per symbol cost 2 weight, a sweep of both order lists 80 (Binance, Current All Open Orders): symbols that hold
something are read one by one, and a sweep every `full_sweep_s` finds what nobody expected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from position_monitor.core import ids
from position_monitor.core.evidence import Evidence
from position_monitor.core.model import LiveOrder, OrderList, PositionKey
from position_monitor.core.observation import OrdersRead, PositionsRead, SymbolObservation
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import ExchangeFailure, Unreachable, Unreadable

Read = TypeVar("Read", PositionsRead, OrdersRead)

SWEEP_WEIGHT = 80
SYMBOL_WEIGHT = 2
SWEEP_PAUSE_S = 10.0
"""After a sweep that failed, symbols are read one by one for this long."""
PATIENCE_S = 1.5
"""No read is tried again once this much time went into it."""
READ_PAUSES_S = (0.1, 0.3)
FLAT_CHECKS_MAX = 10
"""Zero-row reads per cycle (5 weight each); the rest waits for the next cycle."""


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """Everything one round of reading found."""

    symbols: Mapping[str, SymbolObservation]
    failure: str = ""
    """Why the position list could not be read, or empty. Then `symbols` is empty and nothing may be concluded."""
    misses: tuple[tuple[str, str], ...] = ()
    """(symbol, client id) of awaited orders that a targeted query did not find either."""
    swept: bool = False
    unreadable_positions: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose position rows were malformed, with what was wrong: there may be a position nobody sees."""
    conditional_orders_elsewhere: int = 0
    """Open conditional orders on symbols without a position of ours: they use up the account's cap as well."""


@dataclass(slots=True)
class Observer:
    """Reads the account. Holds no truth, only when the last sweep was."""

    exchange: Exchange
    clock: Clock
    full_sweep_s: float
    _swept_at_s: float | None = field(default=None, init=False)
    _sweep_failed_at_s: float = field(default=float("-inf"), init=False)
    _elsewhere: int = field(default=0, init=False)

    async def account(self, evidence: Evidence, also: Iterable[str] = (), *, sweep: bool = False) -> AccountObservation:
        """Read every position and the order lists of every symbol that matters; `also` names further symbols."""
        try:
            positions = await self._patiently(self.exchange.read_positions)
        except ExchangeFailure as failure:
            return AccountObservation({}, failure=str(failure))
        held = {position.symbol for position in positions.positions} | set(positions.unreadable)
        symbols = held | evidence.symbols() | set(also)
        orders, swept = await self._orders(symbols, sweep=sweep)
        if swept:
            symbols = symbols | {o.symbol for read in orders.values() for o in read.orders if ids.is_ours(o.client_id)}
            self._elsewhere = _elsewhere(orders, symbols)
        zero_rows = await self._zero_rows(positions, symbols, evidence)
        seen = {s: self._observation(s, positions, orders.get(s), zero_rows.get(s)) for s in sorted(symbols)}
        return await self._with_awaited(
            AccountObservation(seen, "", (), swept, positions.unreadable, self._elsewhere), evidence
        )

    def sweep_soon(self) -> None:
        """Let the next look be a sweep: something about orders elsewhere is out of date."""
        self._swept_at_s = None

    async def symbols(self, wanted: Iterable[str], evidence: Evidence) -> AccountObservation:
        """Read some symbols again, after writes: the positions of the account once, the order lists per symbol."""
        names = sorted(set(wanted))
        try:
            positions = await self._patiently(self.exchange.read_positions)
        except ExchangeFailure as failure:
            return AccountObservation({}, failure=str(failure))
        orders = await self._per_symbol(names)
        seen = {name: self._observation(name, positions, orders.get(name), None) for name in names}
        return await self._with_awaited(
            AccountObservation(seen, "", (), False, positions.unreadable, self._elsewhere), evidence
        )

    async def fresh(self, symbol: str) -> SymbolObservation:
        """One symbol, read just now, with zero rows: what a removal is checked against (invariant 2)."""
        try:
            rows, orders = await asyncio.gather(
                self._patiently(partial(self.exchange.read_position_rows, symbol)),
                self._patiently(partial(self.exchange.read_orders, symbol)),
            )
        except ExchangeFailure as failure:
            return SymbolObservation(symbol, None, (), frozenset(), (), 0, 0, str(failure))
        return self._observation(symbol, rows, orders, rows)

    async def _patiently(self, read: Callable[[], Awaitable[Read]]) -> Read:
        """A read is tried again a few times at once: it changes nothing, and waiting a cycle would leave stops unset.

        Not after a slow failure: what took that long may be the whole venue, and the cycle has other symbols.
        """
        until_s = self.clock.monotonic_s() + PATIENCE_S
        for pause_s in READ_PAUSES_S:
            try:
                return await read()
            except (Unreadable, Unreachable):
                if self.clock.monotonic_s() >= until_s:
                    raise
            await self.clock.sleep(pause_s)
        return await read()

    async def _orders(self, symbols: set[str] | frozenset[str], *, sweep: bool) -> tuple[dict[str, OrdersRead], bool]:
        """Order lists of the symbols, by a sweep when one is due or cheaper."""
        now_s = self.clock.monotonic_s()
        due = sweep or self._swept_at_s is None or now_s - self._swept_at_s >= self.full_sweep_s
        blocked = now_s - self._sweep_failed_at_s < SWEEP_PAUSE_S  # at 80 weight a try it would use up the budget
        if not blocked and (due or len(symbols) * SYMBOL_WEIGHT >= SWEEP_WEIGHT):
            try:
                read = await self.exchange.read_orders(None)
            except ExchangeFailure:
                self._sweep_failed_at_s = now_s
                return await self._per_symbol(sorted(symbols)), False
            self._swept_at_s = now_s
            everything = symbols | {order.symbol for order in read.orders}
            return {symbol: read for symbol in everything if symbol not in read.unreadable}, True
        return await self._per_symbol(sorted(symbols)), False

    async def _per_symbol(self, symbols: Iterable[str]) -> dict[str, OrdersRead]:
        """Each symbol on its own: one that fails is missing from the result and stays alone (invariant 12)."""
        names = list(symbols)
        reads = (self._patiently(partial(self.exchange.read_orders, name)) for name in names)
        answers = await asyncio.gather(*reads, return_exceptions=True)
        found: dict[str, OrdersRead] = {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, OrdersRead):
                found[name] = answer
            elif not isinstance(answer, ExchangeFailure):
                raise answer
        return found

    async def _zero_rows(
        self, positions: PositionsRead, symbols: set[str] | frozenset[str], evidence: Evidence
    ) -> dict[str, PositionsRead]:
        """Ask for the zero rows of symbols whose position is no longer listed (invariant 7)."""
        listed = {position.key for position in positions.positions} | positions.zero_keys
        gone = {key.symbol for key in evidence.keys if key not in listed and key.symbol in symbols}
        names = sorted(gone)[:FLAT_CHECKS_MAX]
        answers = await asyncio.gather(
            *(self.exchange.read_position_rows(name) for name in names), return_exceptions=True
        )
        return {name: answer for name, answer in zip(names, answers, strict=True) if isinstance(answer, PositionsRead)}

    def _observation(
        self, symbol: str, positions: PositionsRead, orders: OrdersRead | None, rows: PositionsRead | None
    ) -> SymbolObservation:
        unreadable = positions.unreadable.get(symbol, "")
        if not unreadable and (orders is None or not orders.covers(symbol)):
            unreadable = orders.unreadable.get(symbol, "") if orders else "its open orders could not be read"
        zero_keys: frozenset[PositionKey] = frozenset()
        for read in (positions, rows):
            if read is not None:
                zero_keys |= frozenset(key for key in read.zero_keys if key.symbol == symbol)
        held = tuple(position for position in positions.positions if position.symbol == symbol)
        if rows is not None and any(position.symbol == symbol for position in rows.positions):
            held = tuple(position for position in rows.positions if position.symbol == symbol)
        return SymbolObservation(
            symbol=symbol,
            instrument=self.exchange.instrument(symbol),
            positions=held,
            zero_keys=zero_keys - frozenset(position.key for position in held),
            orders=tuple(order for order in orders.orders if order.symbol == symbol) if orders else (),
            positions_read_at_ms=positions.began_at_ms,
            orders_read_at_ms=orders.began_at_ms if orders else 0,
            unreadable=unreadable,
        )

    async def _with_awaited(self, found: AccountObservation, evidence: Evidence) -> AccountObservation:
        """Ask for written orders that no list shows yet, one targeted query each (listing lag is normal)."""
        absent = [
            (symbol, client_id)
            for symbol, seen in found.symbols.items()
            if seen.readable
            for client_id in evidence.awaited_in(symbol)
            if client_id not in {order.client_id for order in seen.orders}
        ]
        answers = await asyncio.gather(
            *(self.exchange.query_order(symbol, client_id) for symbol, client_id in absent), return_exceptions=True
        )
        symbols = dict(found.symbols)
        misses: list[tuple[str, str]] = []
        for (symbol, client_id), answer in zip(absent, answers, strict=True):
            if isinstance(answer, LiveOrder) and not answer.status.terminal:
                symbols[symbol] = _with_order(symbols[symbol], answer)
            elif answer is None or isinstance(answer, LiveOrder):
                misses.append((symbol, client_id))
            elif not isinstance(answer, ExchangeFailure):
                raise answer
        return replace(found, symbols=symbols, misses=tuple(misses))


def _with_order(seen: SymbolObservation, order: LiveOrder) -> SymbolObservation:
    return SymbolObservation(
        symbol=seen.symbol,
        instrument=seen.instrument,
        positions=seen.positions,
        zero_keys=seen.zero_keys,
        orders=(*seen.orders, order),
        positions_read_at_ms=seen.positions_read_at_ms,
        orders_read_at_ms=seen.orders_read_at_ms,
        unreadable=seen.unreadable,
        confirmed_orders=seen.confirmed_orders | {order.client_id},
    )


def _elsewhere(orders: Mapping[str, OrdersRead], symbols: set[str] | frozenset[str]) -> int:
    """Open conditional orders of a sweep outside the given symbols; a sweep is one object shared by all keys."""
    reads = {id(read): read for read in orders.values()}.values()
    return sum(1 for read in reads for o in read.orders if o.order_list is OrderList.ALGO and o.symbol not in symbols)
