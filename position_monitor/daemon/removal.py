"""The last part of a cycle: removing what is replaced or orphaned, each time checked against a read made just for it.

Symbols are worked on side by side, the removals of one symbol one after another. A stop has a read of its own.
Take-profits of a symbol that go one after another share one: they cover nothing, so nothing depends on what the first
removal changed, and a read costs seven times the weight of a removal.

A removal holds no stop back (invariant 3): the next look at the positions waits a moment for this part and not longer.
A removal that was sent by then ends by itself, and its symbol is left alone until it has ended. Nothing more is begun,
and a read that is late is given up: what the next look shows is newer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, Protocol

from loguru import logger

from position_monitor.core.decision.plan_inputs import Plan
from position_monitor.core.model.actions import Cancel
from position_monitor.core.model.orders import Role
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.daemon.desk import Desk
from position_monitor.edge.reading.observer import Observer

WITHIN_S: Final = 5.0
"""How long a cycle waits for its removals: longer than an answer of a slow venue takes, which must not mean never."""


class PositionNews(Protocol):
    """What events tell of positions."""

    def news_of(self, symbol: str) -> int:
        """A number that changes whenever an event tells of a position of the symbol."""
        ...


async def retire(plans: Mapping[str, Plan], desk: Desk, observer: Observer, events: PositionNews) -> None:
    """Remove what the plans remove. What cannot be removed now is found again by the next cycle."""
    due = [cancels for plan in plans.values() if plan.cancels and (cancels := desk.stuck.due(plan.cancels))]
    if not due:
        return
    work = _Work(desk, observer, events, until_s=desk.clock.monotonic_s() + WITHIN_S)
    symbols = [asyncio.ensure_future(work.retire_symbol(cancels)) for cancels in due]
    try:
        await asyncio.wait(symbols, timeout=WITHIN_S)
    finally:
        work.end()
        desk.keep(one for one in symbols if not one.done())


def _sharing_a_read(cancels: Sequence[Cancel]) -> Iterator[list[Cancel]]:
    for cover_nothing, group in groupby(cancels, is_take_profit):
        alike = list(group)
        yield from [alike] if cover_nothing else ([cancel] for cancel in alike)


def is_take_profit(cancel: Cancel) -> bool:
    """Whether a removal is of a take-profit: it covers nothing, and makes room for another."""
    return cancel.order.role is Role.TAKE_PROFIT


@dataclass(slots=True)
class _Work:
    """The removals of one cycle."""

    desk: Desk
    observer: Observer
    events: PositionNews
    until_s: float
    """How long it is waited for."""
    over: bool = field(default=False, init=False)
    """Nobody waits any more: the next look may begin, so nothing that was read before it is acted on."""

    def end(self) -> None:
        """What is under way ends by itself; nothing more is begun."""
        self.over = True

    async def retire_symbol(self, cancels: Sequence[Cancel]) -> None:
        """The removals of one symbol, one after another."""
        with self.desk.stuck.at_work_in(cancels[0].key.symbol):
            for together in _sharing_a_read(cancels):
                try:
                    if not await self._remove(together):
                        return
                except Exception:  # a defect in handling one symbol must not stop the others
                    logger.exception("Removing an order of {} failed; it is held, the others go on", together[0].key)
                    return
                finally:
                    if not self.over:  # else the cycle that is at work now tells of it when it ends
                        self.desk.taken.tell()

    async def _remove(self, together: Sequence[Cancel]) -> bool:
        """Removals in one symbol after one read. False when the symbol must be looked at again first."""
        symbol = together[0].key.symbol
        news, written = self.events.news_of(symbol), self.desk.last_write_in(symbol)
        if written is None:
            return False  # no read could be newer than an order that is under way
        observation = await self._read(symbol)
        if observation is None or not observation.readable or self.events.news_of(symbol) != news:
            return False
        self.desk.memory.symbol_read(observation)
        for cancel in together:
            if self.over or self.events.news_of(symbol) != news or self.desk.last_write_in(symbol) != written:
                return False  # an event that came meanwhile, or what it made us send, may be newer than the read
            await self.desk.remove(cancel, observation)
        return True

    async def _read(self, symbol: str) -> SymbolObservation | None:
        """The read that removals are checked against; None where it does not come in time."""
        reading = asyncio.ensure_future(self.observer.fresh(symbol))
        await asyncio.wait({reading}, timeout=self.until_s - self.desk.clock.monotonic_s())
        if reading.done() and not self.over:
            return reading.result()
        reading.cancel()
        return None
