"""Which rungs took their profit, by their fills and, after a restart, by what rests of the ladder (S4, S6).

A process that saw a rung go remembers it. One that begins later reads it off: the position changed after the ladder was
placed, and what is left of it is what the rungs that rest, with the runner, take of that ladder. The mark has no part
in it: where rungs were passed before the ladder was placed, the position is as old as the ladder, or their shares have
joined another one and the sizes do not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Target

_NOTHING = Decimal(0)


def furthest_done(view: ExitView, targets: Sequence[Target], runner: Decimal = _NOTHING) -> int:
    """The furthest rung (the nearest is 1) that took its profit; 0 for none. `targets` are the whole ladder."""
    by_fill = max(view.rungs_done) + 1 if view.rungs_done else 0
    left = view.rungs_left
    if left is None or left.nearest < by_fill:
        return by_fill
    nearer = [target.rung for target in targets if target.rung < left.nearest]
    shares = sum((target.fraction for target in targets if target.rung >= left.nearest), _NOTHING)
    if not nearer or not shares:
        return by_fill
    factor = (runner + shares) / shares
    spare = view.position.quantity - left.total * factor
    fits = 0 <= spare < view.instrument.step * (left.nearest + factor * left.rungs)
    return max(by_fill, nearer[-1] + 1) if fits else by_fill


def changed_since_the_backstop(view: ExitView) -> bool:
    """Whether the position changed after the backstop that rests was placed, by the venue's own times."""
    return view.since_ms is not None and view.position.updated_at_ms > view.since_ms
