"""Turns the exchange's answers into observations: what to read, how cheaply, and what may be concluded.

Reads per symbol cost 2 weight, a sweep of both order lists 80 (Binance, Current All Open Orders): symbols that hold
something are read one by one, and a sweep every `full_sweep_s` finds what nobody expected.

Positions are read every time. While the user stream delivers, the order lists of symbols in which nothing happened are
read when they are `QUIET_ORDERS_S` old, and no more often than `ORDERS_WEIGHT_1M` allows; until then what was last read
is used again with the time of that read. At ten-second checks that is every second time. Without the stream every list
is read every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from position_monitor.core import ids
from position_monitor.core.evidence import Evidence
from position_monitor.core.model import SIDES, LiveOrder, Position, PositionKey
from position_monitor.core.observation import OrdersRead, PositionsRead, SymbolObservation
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import ExchangeFailure, Unreachable, Unreadable

Read = TypeVar("Read", PositionsRead, OrdersRead)
_NONE: frozenset[PositionKey] = frozenset()

POSITIONS_WEIGHT = 5
SWEEP_WEIGHT = 80
SYMBOL_WEIGHT = 2
SWEEP_PAUSE_S = 10.0
"""After a sweep that failed, symbols are read one by one for this long."""
PATIENCE_S = 1.5
"""No read is tried again once this much time went into it."""
READ_PAUSES_S = (0.1, 0.3)
ORDERS_WEIGHT_1M = 315
"""Request weight a minute for the order lists of symbols in which nothing happened. With positions and upkeep that is
below 15 % of the venue's 2,400."""
QUIET_ORDERS_S = 15.0
"""How old the order lists of a symbol may be in which nothing happened, while the stream delivers."""
SINGLES_MAX = 4
"""Up to so many quiet symbols are read one by one; for more a sweep costs two requests instead of two each."""
FLAT_CHECKS_MAX = 10
"""Zero-row reads per cycle (5 weight each); the rest waits for the next cycle."""


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """Everything one round of reading found."""

    symbols: Mapping[str, SymbolObservation]
    failure: str = ""
    """Why the position list could not be read, or empty. Then `symbols` is empty and nothing may be concluded."""
    misses: tuple[tuple[str, str, bool], ...] = ()
    """(symbol, client id) of awaited orders that a targeted query did not find either, and whether it found one of that
    id that has ended."""
    swept: bool = False
    unreadable_positions: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose position rows were malformed, with what was wrong: there may be a position nobody sees."""
    conditional_orders_elsewhere: int = 0
    """Open conditional orders on symbols without a position of ours: they use up the account's cap as well."""
    weight: int = 0
    """Request weight of this look, near enough to plan the next one."""


@dataclass(slots=True)
class Observer:
    """Reads the account. Holds no truth, only when the last sweep was."""

    exchange: Exchange
    clock: Clock
    full_sweep_s: float
    stream_delivers: Callable[[], bool] = lambda: False
    """Whether events would tell of changes of the orders."""
    _last: dict[str, SymbolObservation] = field(default_factory=dict, init=False)
    """The last observation of each symbol, where it was readable."""
    _orders_at_s: dict[str, float] = field(default_factory=dict, init=False)
    """When the order lists of a symbol were last read (monotonic)."""
    _swept_at_s: float | None = field(default=None, init=False)
    _sweep_failed_at_s: float = field(default=float("-inf"), init=False)
    _elsewhere: int = field(default=0, init=False)

    async def account(
        self, evidence: Evidence, also: Iterable[str] = (), *, sweep: bool = False, look_at: Iterable[str] = ()
    ) -> AccountObservation:
        """Read every position and the order lists of every symbol that matters; `also` names further symbols.

        The lists of the symbols in `look_at` are read in any case: something happened there, or is not done yet.
        """
        due_now = sweep or self._sweep_is_due()
        if due_now:
            positions, whole = await asyncio.gather(self._positions(), self._sweep())
        else:
            positions, whole = await self._positions(), None
        if isinstance(positions, ExchangeFailure):
            return AccountObservation({}, failure=str(positions))
        held = {position.symbol for position in positions.positions} | set(positions.unreadable)
        symbols = held | evidence.symbols() | set(also)
        delivers = self.stream_delivers()
        old = self._old(symbols) if delivers else symbols
        due = old | {name for name in symbols if name in look_at or self._changed(name, positions)}
        weight = _weight(due)
        cheaper = len(due) * SYMBOL_WEIGHT >= SWEEP_WEIGHT
        cheaper = cheaper or (delivers and len(old) > SINGLES_MAX and self._may_sweep())
        if whole is None and cheaper and not due_now:
            whole = await self._sweep()
        orders = await self._per_symbol(sorted(due)) if whole is None else _by_symbol(whole, symbols)
        if whole is not None:
            self._swept_at_s = self.clock.monotonic_s()
            elsewhere = whole.by_symbol.keys() - symbols
            symbols = symbols | {name for name in elsewhere if _has_ours(whole.of(name))}
            due = symbols
            self._elsewhere = sum(whole.of(name).conditional for name in elsewhere - symbols)
        zero_rows = await self._zero_rows(positions, symbols, evidence)
        seen = {
            name: self._observation(name, positions, orders.get(name), zero_rows.get(name))
            if name in due
            else self._again(name, positions)
            for name in sorted(symbols)
        }
        self._forget_all_but(symbols)
        return await self._with_awaited(
            AccountObservation(seen, "", (), whole is not None, positions.unreadable, self._elsewhere, weight),
            evidence,
        )

    def _old(self, symbols: set[str]) -> set[str]:
        """The symbols whose order lists must be read again although nothing happened in them."""
        weight = SWEEP_WEIGHT if len(symbols) > SINGLES_MAX else SYMBOL_WEIGHT * len(symbols)
        before_s = self.clock.monotonic_s() - max(QUIET_ORDERS_S, weight * 60 / ORDERS_WEIGHT_1M)
        return {name for name in symbols if self._orders_at_s.get(name, before_s) <= before_s}

    def _may_sweep(self) -> bool:
        """Whether a sweep in place of single reads keeps within `ORDERS_WEIGHT_1M`."""
        since_s = self.clock.monotonic_s() - SWEEP_WEIGHT * 60 / ORDERS_WEIGHT_1M
        return self._swept_at_s is None or self._swept_at_s <= since_s

    def _changed(self, symbol: str, positions: PositionsRead) -> bool:
        """Whether the position of a symbol is not as last read, or not there: then its orders may be others as well."""
        last, now = self._last.get(symbol), positions.of(symbol)
        if last is None or not now or symbol in positions.unreadable or len(now) != len(last.positions):
            return True
        return any(
            (p.key, p.quantity, p.entry_price, p.hedged) != (q.key, q.quantity, q.entry_price, q.hedged)
            for p, q in zip(now, last.positions, strict=True)
        )

    def _again(self, symbol: str, positions: PositionsRead) -> SymbolObservation:
        """A position read just now with the orders that were last read."""
        held = positions.of(symbol)
        last = self._last[symbol]
        again = SymbolObservation(
            symbol=symbol,
            instrument=self.exchange.instrument(symbol),
            positions=held,
            zero_keys=_zero_keys(symbol, held, positions),
            orders=last.orders,
            positions_read_at_ms=positions.began_at_ms,
            orders_read_at_ms=last.orders_read_at_ms,
            confirmed_orders=last.confirmed_orders,
            orders_reused=True,
        )
        self._last[symbol] = again
        return again

    def _forget_all_but(self, symbols: set[str]) -> None:
        for name in self._last.keys() - symbols:
            del self._last[name]
        for name in self._orders_at_s.keys() - symbols:
            del self._orders_at_s[name]

    def sweep_soon(self) -> None:
        """Let the next look be a sweep: something about orders elsewhere is out of date."""
        self._swept_at_s = None

    async def symbols(
        self, wanted: Iterable[str], evidence: Evidence, known: Collection[str] = ()
    ) -> AccountObservation:
        """Read some symbols again, after writes: the positions of the account once, the order lists per symbol.

        A position in a symbol that is not `known` yet was opened meanwhile, and is read as well: its stop comes first.
        """
        names = sorted(set(wanted))
        positions, orders = await asyncio.gather(self._positions(), self._per_symbol(names))
        if isinstance(positions, ExchangeFailure):
            return AccountObservation({}, failure=str(positions))
        if new := {position.symbol for position in positions.positions}.difference(known, names) if known else set():
            orders |= await self._per_symbol(sorted(new))
            names += sorted(new)
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

    async def _positions(self) -> PositionsRead | ExchangeFailure:
        """Every position, or why there is no answer; given and not raised, so that what is asked beside it goes on."""
        try:
            return await self._patiently(self.exchange.read_positions)
        except ExchangeFailure as failure:
            return failure

    def _sweep_is_due(self) -> bool:
        return self._swept_at_s is None or self.clock.monotonic_s() - self._swept_at_s >= self.full_sweep_s

    async def _sweep(self) -> OrdersRead | None:
        """Every order list at once; None where that failed, and for a while after: each try costs 80 weight."""
        now_s = self.clock.monotonic_s()
        if now_s - self._sweep_failed_at_s < SWEEP_PAUSE_S:
            return None
        try:
            return await self.exchange.read_orders(None)
        except ExchangeFailure:
            self._sweep_failed_at_s = now_s
            return None

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
        held = positions.of(symbol)
        if rows is not None and rows.of(symbol):
            held = rows.of(symbol)
        resting, last = orders.of(symbol) if orders else (), self._last.get(symbol)
        seen = SymbolObservation(
            symbol=symbol,
            instrument=self.exchange.instrument(symbol),
            positions=held,
            zero_keys=_zero_keys(symbol, held, positions, rows),
            orders=last.orders if last is not None and last.orders == resting else resting,
            positions_read_at_ms=positions.began_at_ms,
            orders_read_at_ms=orders.began_at_ms if orders else 0,
            unreadable=unreadable,
        )
        self._keep(seen)
        return seen

    def _keep(self, seen: SymbolObservation) -> None:
        if seen.readable:
            self._last[seen.symbol] = seen
            self._orders_at_s[seen.symbol] = self.clock.monotonic_s()
        else:
            self._last.pop(seen.symbol, None)

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
        misses: list[tuple[str, str, bool]] = []
        for (symbol, client_id), answer in zip(absent, answers, strict=True):
            if isinstance(answer, LiveOrder) and not answer.status.terminal:
                symbols[symbol] = _with_order(symbols[symbol], answer)
            elif answer is None or isinstance(answer, LiveOrder):
                misses.append((symbol, client_id, answer is not None))
            elif not isinstance(answer, ExchangeFailure):
                raise answer
        return replace(found, symbols=symbols, misses=tuple(misses))


def _by_symbol(whole: OrdersRead, known: set[str]) -> dict[str, OrdersRead]:
    """A sweep as the lists of every symbol it speaks of; it says of the `known` ones without a row that none rests."""
    symbols = known | {order.symbol for order in whole.orders}
    return {symbol: whole for symbol in symbols if symbol not in whole.unreadable}


def _with_order(seen: SymbolObservation, order: LiveOrder) -> SymbolObservation:
    confirmed = seen.confirmed_orders | {order.client_id}
    return replace(seen, orders=(*seen.orders, order), confirmed_orders=confirmed)


def _zero_keys(symbol: str, held: tuple[Position, ...], *reads: PositionsRead | None) -> frozenset[PositionKey]:
    """The positions of a symbol that a row said are zero."""
    if not any(read is not None and read.zero_keys for read in reads):
        return _NONE
    both = [PositionKey(symbol, side) for side in SIDES]
    told = [key for key in both if any(read is not None and key in read.zero_keys for read in reads)]
    return frozenset(told) - {position.key for position in held} if told else _NONE


def _weight(symbols: Sized) -> int:
    """Request weight of a look at so many order lists; sweeps have a bound of their own and are not counted."""
    return POSITIONS_WEIGHT + min(SWEEP_WEIGHT, SYMBOL_WEIGHT * len(symbols))


def _has_ours(orders: Iterable[LiveOrder]) -> bool:
    return any(ids.is_ours(order.client_id) for order in orders)
