"""Locks: a stop that secures what was won once a rung took its profit (S6).

One lock so far: breakeven, at the plain entry, after the first rung.
"""

from __future__ import annotations

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level
from position_monitor.core.model.money import stop_trigger


def breakeven_lock(view: ExitView, source: str) -> Level | None:
    """A stop at the entry once a rung took its profit; None before. The entry price must be known."""
    if not view.rungs_done:
        return None
    entry, venue = view.position.entry_price, view.instrument
    price = venue.nearest_permitted(stop_trigger(entry, view.position.side, venue.tick))
    return Level(price, source, {"breakeven": entry})
