"""Whether a policy wants the stop that rests to be moved to a tighter level (S9; DESIGN 9, crossed already).

That it never moves to a looser one is no policy's choice: the ratchet of the book sees to it (invariant 8).
"""

from __future__ import annotations

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.money import against, tighter


def moves_resting_stop(view: ExitView, stop: Level, *, crossed: bool) -> bool:
    """Whether `stop` should replace the stop that rests, if it is tighter.

    A stop that was anchored to the mark in a loss stays while the position is losing: it would otherwise jump back to
    the entry's distance on the first bounce and turn the next small move into an exit nobody asked for. Any other stop
    follows the policy's level in a loss as well: the position was added to at a worse price, and the level that rests
    was measured from an entry that is no more. Advice moves a stop that rests only to where the least stop distance
    from the mark is left.
    """
    resting, position = view.resting, view.position
    if resting is None or not tighter(stop.price, resting.price, position.side):
        return True
    if position.entry_price <= 0:
        return False
    if stop.source == LevelSource.AI:
        room = against(view.mark, position.side, view.settings.stop_loss_min_pct)
        return not crossed and not tighter(stop.price, room, position.side)
    return not (crossed or position.loss_pct > 0) or not resting.anchored
