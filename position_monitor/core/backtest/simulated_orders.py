"""Orders on the simulated venue: as they rest, as they are remembered, and which price fills a take-profit."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.money import reached
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Tag
from position_monitor.core.model.sides import Side
from position_monitor.core.performance.facts import PastOrder

_ZERO = Decimal(0)


def placed(order: DesiredOrder, *, number: int, epoch: str, now_ms: int) -> LiveOrder:
    """A wanted order as it rests."""
    limit = order.is_limit
    return LiveOrder(
        key=order.key,
        order_id=str(number),
        client_id=order.client_id,
        tag=Tag(order.role, order.rung, epoch),
        purpose=order.purpose,
        quantity=order.quantity,
        trigger_price=None if limit else order.trigger_price,
        limit_price=order.trigger_price if limit else None,
        working_type=order.working_type,
        status=OrderStatus.NEW,
        executed_quantity=_ZERO,
        reduces=True,
        hedged=order.hedged,
        conditional=not limit,
        caveat="",
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def ended_order(order: LiveOrder, ended_at_ms: int) -> PastOrder:
    """An order that was executed, as the venue remembers it."""
    return PastOrder.of(order, executing_id=f"x{order.order_id}", ended_at_ms=ended_at_ms)


def is_filled_at(order: LiveOrder, price: Decimal, side: Side) -> bool:
    """Whether this price fills a take-profit. A limit order at the very price may still wait in its queue."""
    level = order.price
    if level is None:
        return False
    if order.purpose is Purpose.LIMIT:
        return price > level if side is Side.LONG else price < level
    return reached(price, level, side)
