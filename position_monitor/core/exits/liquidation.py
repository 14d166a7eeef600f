"""How near the liquidation price a stop may lie: at most `liquidation_fraction_pct` of the way to it (DESIGN 9).

Three words, three things. The *furthest point* is that part of the way, a number on no grid. A level is *kept before
liquidation* when it is moved to the furthest point because it lay beyond. The *least stop* is the furthest point as a
price that the venue takes: what a stop that rests is compared with.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.money import HUNDRED, beyond, stop_trigger, tighter
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side
from position_monitor.core.model.stop_price import fitted_stop


def furthest_point(
    anchor: Decimal, side: Side, liquidation: Decimal | None, settings: ProtectionSettings
) -> Decimal | None:
    """The configured fraction of the way from the anchor to a liquidation price ahead of it; None without one."""
    if liquidation is None or anchor <= 0 or not tighter(anchor, liquidation, side):
        return None
    return anchor + (liquidation - anchor) * settings.liquidation_fraction_pct / HUNDRED


def kept_before_liquidation(
    level: Level, *, anchor: Decimal, side: Side, liquidation: Decimal | None, settings: ProtectionSettings
) -> Level:
    """The level, or one at the furthest point from `anchor` where the level lies beyond that point."""
    point = furthest_point(anchor, side, liquidation, settings)
    if point is None or not tighter(point, level.price, side):
        return level
    made_from = {"liquidation_price": liquidation or Decimal(0), "wanted": level.price}
    return Level(point, LevelSource.LIQUIDATION, {**level.inputs, **made_from}, level.anchored)


def least_stop(view: ExitView, anchor: Decimal) -> Decimal | None:
    """The loosest permitted stop price that is not too near the liquidation price; None without one ahead.

    Measured from the anchor, or from the mark where the anchor is unknown or itself beyond the liquidation price.
    """
    position, settings, mark = view.position, view.settings, view.mark
    side, ahead = position.side, position.liquidation_ahead
    if ahead is None:
        return None
    point = furthest_point(anchor, side, ahead, settings)
    if point is None:
        point = furthest_point(mark, side, ahead, settings)
    if point is None:
        return None
    trigger = view.instrument.nearest_permitted(stop_trigger(point, side, view.instrument.tick))
    if tighter(trigger, ahead, side) and not beyond(mark, trigger, side):
        return trigger
    return fitted_stop(price=point, side=side, mark=mark, liquidation=ahead, instrument=view.instrument)
