"""Prices the venue takes: the tick grid inside its PRICE_FILTER, and what is tried where that leaves none."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.view import ExitView, Obstacle
from position_monitor.core.model.desired import Level
from position_monitor.core.model.money import ceil_to, floor_to, stop_trigger
from position_monitor.core.model.sides import Side
from position_monitor.core.model.stop_price import fitted_stop


def at_permitted_price(level: Level, view: ExitView) -> tuple[Level, Obstacle]:
    """The level at a price that can protect, else at one that the venue takes; and what stands in the way."""
    position, venue = view.position, view.instrument
    side, mark, ahead = position.side, view.mark, position.liquidation_ahead
    price = fitted_stop(price=level.price, side=side, mark=mark, liquidation=ahead, instrument=venue)
    if price is not None:
        return level._replace(price=price), Obstacle.NONE
    price = fitted_stop(price=level.price, side=side, mark=mark, liquidation=None, instrument=venue)
    if price is not None:
        return level._replace(price=price), Obstacle.LIQUIDATION_FIRST
    return level._replace(price=price_to_try(level.price, view)), Obstacle.NO_PRICE


def price_to_try(price: Decimal, view: ExitView) -> Decimal:
    """Where a stop is tried when the rules permit none: on the grid, on the losing side of the mark.

    Rules are read rarely, so the venue may permit it by now; its refusal has them read again (invariant 3).
    """
    side, mark, tick = view.position.side, view.position.mark_price, view.instrument.tick
    if side is Side.LONG:
        return max(min(stop_trigger(price, side, tick), ceil_to(mark, tick) - tick), tick)
    return max(stop_trigger(price, side, tick), floor_to(mark, tick) + tick)
