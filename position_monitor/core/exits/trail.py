"""A stop that follows the mark (S7).

It has no memory of the best mark: the stop that rests is how far it has come, and the ratchet keeps that. It follows
only the price that arms the orders: where that is the last trade and could not be read, no mark stands for it here. The
two may lie further apart than the trail, and a stop made from the wrong one would close the position at once. Staying
where it rests needs no price.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, Trailing
from position_monitor.core.model.money import against, stop_trigger, tighter


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
