"""The last part of a cycle: removing what is replaced or orphaned, each time checked against a read made just for it.

Symbols are worked on side by side, the removals of one symbol one after another. A stop has a read of its own.
Take-profits of a symbol that go one after another share one: they cover nothing, so nothing depends on what the first
removal changed, and a read costs seven times the weight of a removal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from loguru import logger

from position_monitor.core.decision.plan_inputs import Plan
from position_monitor.core.model.actions import Cancel
from position_monitor.core.model.orders import Role
from position_monitor.daemon.desk import Desk
from position_monitor.edge.reading.observer import Observer


class PositionNews(Protocol):
    """What events tell of positions."""

    def news_of(self, symbol: str) -> int:
        """A number that changes whenever an event tells of a position of the symbol."""
        ...


async def retire(plans: Mapping[str, Plan], desk: Desk, observer: Observer, events: PositionNews) -> None:
    """Remove what the plans remove. What cannot be removed now is found again by the next cycle."""
    due = [desk.stuck.due(plan.cancels) for plan in plans.values() if plan.cancels]
    await asyncio.gather(*(_retire_symbol(cancels, desk, observer, events) for cancels in due))


async def _retire_symbol(cancels: Sequence[Cancel], desk: Desk, observer: Observer, events: PositionNews) -> None:
    for together in _sharing_a_read(cancels):
        try:
            if not await _remove(together, desk, observer, events):
                return
        except Exception:  # a defect in handling one symbol must not stop the others
            logger.exception("Removing an order of {} failed; it is held, the others go on", together[0].key)
            return
        finally:
            desk.taken.tell()


def _sharing_a_read(cancels: Sequence[Cancel]) -> Iterator[list[Cancel]]:
    for cover_nothing, group in groupby(cancels, is_take_profit):
        alike = list(group)
        yield from [alike] if cover_nothing else ([cancel] for cancel in alike)


def is_take_profit(cancel: Cancel) -> bool:
    """Whether a removal is of a take-profit: it covers nothing, and makes room for another."""
    return cancel.order.role is Role.TAKE_PROFIT


async def _remove(together: Sequence[Cancel], desk: Desk, observer: Observer, events: PositionNews) -> bool:
    """Removals in one symbol after one read. False when the symbol must be looked at again first."""
    symbol = together[0].key.symbol
    news, written = events.news_of(symbol), desk.last_write_in(symbol)
    if written is None:
        return False  # no read could be newer than an order that is under way
    observation = await observer.fresh(symbol)
    if not observation.readable or events.news_of(symbol) != news:
        return False
    desk.memory.symbol_read(observation)
    for cancel in together:
        if events.news_of(symbol) != news or desk.last_write_in(symbol) != written:
            return False  # an event that came meanwhile, or what it made us send, may be newer than the read
        await desk.remove(cancel, observation)
    return True
