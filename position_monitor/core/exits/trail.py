"""A stop that follows the mark (S7).

It has no memory of the best mark: the stop that rests is how far it has come, and the ratchet keeps that. It follows
only the price that arms the orders: where that is the last trade and could not be read, no mark stands for it here. The
two may lie further apart than the trail, and a stop made from the wrong one would close the position at once. Staying
where it rests needs no price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, Trailing
from position_monitor.core.model.money import HUNDRED, against, stop_trigger, tighter
from position_monitor.core.model.profiles import TrailStep
from position_monitor.core.model.sides import Side

_CENTS = Decimal("0.01")


def trail_of(view: ExitView, distance_pct: Decimal, source: str) -> tuple[Trailing | None, Level | None]:
    """How the stop follows the mark at this distance, and the level that gives now; neither where trailing is off.

    It acts once that level is at breakeven or better; None before, and while the price that arms the orders is not
    known. The entry price must be known.
    """
    if not view.settings.trailing:
        return None, None
    entry, side, venue = view.position.entry_price, view.position.side, view.instrument
    behind = against(view.mark, side, distance_pct)
    armed = view.position.has_price_arming(view.settings.working_type)
    trail = Trailing(distance_pct, view.mark, armed and not tighter(entry, behind, side))
    price = venue.nearest_permitted(stop_trigger(behind, side, venue.tick))
    if tighter(entry, price, side) or not armed:
        return trail, None
    return trail, Level(price, source, {"mark_price": view.mark, "trailing_pct": distance_pct})


def trail_in_r(
    view: ExitView, steps: Sequence[TrailStep], source: str, *, profit: Decimal | None, acts: bool
) -> tuple[Trailing | None, Level | None]:
    """How the stop follows the mark on a curve in R, and the level that gives now.

    The step is that of the profit of the mark seen now; the ratchet keeps what an earlier one reached. Below the entry
    it acts only as far as it tightens (12.3). `profit` is that in R, None where it cannot be told; `acts`: a trail that
    waits for a rung has seen it.
    """
    if not steps or not view.settings.trailing:
        return None, None
    now = None
    for step in steps:
        if profit is not None and profit >= step.from_r:
            now = step
    distance = _distance(view, steps[0] if now is None else now)
    if distance is None:
        return None, None
    trail = Trailing((distance / view.mark * HUNDRED).quantize(_CENTS), view.mark, acts and now is not None)
    if not trail.active or now is None:
        return trail, None
    side, venue = view.position.side, view.instrument
    behind = view.mark - distance if side is Side.LONG else view.mark + distance
    if behind <= 0:
        return trail, None
    price = venue.nearest_permitted(stop_trigger(behind, side, venue.tick))
    return trail, Level(price, source, {"mark_price": view.mark, "from_r": now.from_r, "distance": distance})


def _distance(view: ExitView, step: TrailStep) -> Decimal | None:
    """The distance of a step in units of price; None where it needs an ATR and there is none now."""
    if step.distance_pct is not None:
        return view.mark * step.distance_pct / HUNDRED
    if view.market is None or step.distance_atr is None:
        return None
    return view.market.atr * step.distance_atr
