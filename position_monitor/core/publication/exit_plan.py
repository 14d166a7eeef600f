"""What the policy has in mind for the stop of a position, for publishing: the initial stop, locks and trail to come.

It asks the same functions as `explain`, of the answer that the book was made from. Nothing that decides reads it, and
it is worked out when what is wanted for the position is another object than the last time (docs/same-object.md): the
mark is not in it.
"""

from __future__ import annotations

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.exits.policies import parts_for
from position_monitor.core.exits.view import AskedExits
from position_monitor.core.publication.state import ExitPlan, PlannedLock, PlannedTrail


def exit_plan(judgement: Judgement) -> ExitPlan | None:
    """The plan of one position; None where nothing may be wanted for it, or its policy cannot say."""
    if judgement.asked is None:
        return None
    try:
        return _planned(judgement.asked)
    except Exception:  # a policy that cannot explain itself keeps nothing else from being published
        return None


def is_kept(before: Judgement, now: Judgement) -> bool:
    """Whether the plan of `now` is that of `before`: the settings are among the facts of the difference."""
    return before.diff is now.diff and before.position.entry_price == now.position.entry_price


def _planned(asked: AskedExits) -> ExitPlan:
    view, answer = asked
    parts = parts_for(view, answer)
    return ExitPlan(
        initial_stop=answer.initial_stop.price,
        r=answer.r if answer.r is not None else view.r,
        rungs_done=parts.rungs_gone,
        trail_after_rung=parts.trail_after_rung,
        trail=tuple(PlannedTrail(one.from_price, one.distance_pct, one.distance_atr) for one in parts.trail),
        locks=tuple(
            PlannedLock(one.level.price, one.lock.after_rung, one.from_price)
            for one in parts.locks
            if one.level is not None
        ),
    )
