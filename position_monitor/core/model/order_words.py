"""An order in words. The journal, `plan` and `explain` say the same of one order, because all of them ask here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder


def described(order: DesiredOrder | LiveOrder, number: Callable[[Decimal], str] = plain) -> str:
    """What an order is, its size, and the price it waits for: `STOP_MARKET close-all @ 63480`.

    `number` writes figures: tables separate the thousands. An order without a trigger waits for its limit price.
    """
    size = "close-all" if order.quantity is None else number(order.quantity)
    price = order.trigger_price
    if price is None and isinstance(order, LiveOrder):
        price = order.limit_price
    return f"{order.purpose} {size} @ {'no trigger' if price is None else number(price)}"
