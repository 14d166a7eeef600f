"""How much of a position take-profits close by which price (invariant 16). Pure arithmetic, used by planner and gate.

For each price, the quantity that our orders close when the market gets there is compared with the quantity that the
policy wants closed by then. It must not be larger at any price. To compare the totals is not enough: orders may have
the right total, and too much of it at the first rung.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Role
from position_monitor.core.model.sides import Side

_NOTHING = Decimal(0)


class Exit(NamedTuple):
    """A part of a position that is closed when a price is reached."""

    price: Decimal
    quantity: Decimal
    rung: int
    """The number in the id of its order (`core/model/rungs.py`)."""


Rung = TypeVar("Rung")


def closed_by(price: Decimal, exits: Iterable[Exit], side: Side) -> Decimal:
    """The quantity closed when `price` is reached."""
    if side is Side.LONG:
        return sum([one.quantity for one in exits if one.price <= price], _NOTHING)
    return sum([one.quantity for one in exits if one.price >= price], _NOTHING)


def too_much_at(exits: Sequence[Exit], desired: Sequence[Exit], side: Side) -> Decimal | None:
    """The first price by which `exits` close more than is wanted closed; None where there is none."""
    for price in sorted({one.price for one in exits}, reverse=side is Side.SHORT):
        if closed_by(price, exits, side) > closed_by(price, desired, side):
            return price
    return None


def fitting(rungs: Sequence[tuple[Rung, Exit]], resting: Sequence[Exit], desired: list[Exit], side: Side) -> list[Rung]:
    """Those of the rungs that may be placed beside what rests without closing too much anywhere, in their order."""
    if not resting and [one for _, one in rungs] == desired:
        return [rung for rung, _ in rungs]  # all that is wanted, and nothing beside it
    beside, kept = list(resting), []
    for rung, one in rungs:
        if too_much_at([*beside, one], desired, side) is None:
            beside.append(one)
            kept.append(rung)
    return kept


def exits_of(orders: Iterable[LiveOrder], stuck: Collection[str] = ()) -> list[Exit]:
    """The take-profits of ours among orders that were read. Those in the act of triggering count, unless they are
    `stuck` in it (client ids): nothing is to be expected of them."""
    exits: list[Exit] = []
    for order in orders:
        if order.role is not Role.TAKE_PROFIT or order.status.terminal or order.price is None:
            continue
        if order.client_id in stuck and order.status is not OrderStatus.NEW:
            continue
        exits.append(Exit(order.price, order.quantity or _NOTHING, order.rung))
    return exits


def exits_wanted(orders: Iterable[DesiredOrder]) -> list[Exit]:
    """The take-profits of a desired book; a close-all order has no size of its own and is none of them."""
    return [Exit(order.trigger_price, order.quantity, order.rung) for order in orders if order.quantity is not None]
