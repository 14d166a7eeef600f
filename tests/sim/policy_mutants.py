"""Planted bugs of exit policies: what may go wrong above the ratchet, the gate and the bounds."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.core.book import stop_level
from position_monitor.core.decision import gate_price
from position_monitor.core.exits import advice, answer, brain, policies, time_stop
from position_monitor.core.model.desired import Level
from position_monitor.core.model.money import tighter
from position_monitor.core.model.orders import Role
from tests.sim.mutants import changed, everywhere, mutant, nothing_loosens
from tests.sim.swarm import Swarm


@mutant("INV-8", swarm=Swarm({}, ("profile_trails_soon",)))
def a_policy_that_loosens(stack: ExitStack) -> None:
    """The stop is where the policy wants it now, and a lock or a trail that the mark has left behind is forgotten."""
    stack.enter_context(everywhere(stop_level.effective_stop, lambda inputs, resting, exits: exits.stop))
    nothing_loosens(stack)


@mutant("INV-16", swarm=Swarm({}, ("profile_trend",)))
def the_runner_is_dropped(stack: ExitStack) -> None:
    """The last rung takes what should run on; planner and gate alike take the ladder for the whole position."""
    honest = brain._plan

    def without_runner(*args: Any) -> Any:
        return replace(honest(*args), runner=Decimal(0))

    stack.enter_context(changed(brain, "_plan", without_runner))
    stack.enter_context(everywhere(policies.share_up_to, lambda rung, settings, pin=0: Decimal(1)))


@mutant("INV-16", swarm=Swarm({}, ("advice_in_fractions",)))
def advice_is_clamped_into_the_bounds(stack: ExitStack) -> None:
    """What is in another unit is brought inside the bounds instead of being ignored (S9)."""
    stack.enter_context(everywhere(advice.why_ignored, lambda *inputs: ""))


@mutant("DESIGN-9", swarm=Swarm({}, ("wick_over_a_rung",)))
def a_lock_is_placed_beyond_the_mark(stack: ExitStack) -> None:
    """Neither policy nor gate asks whether the mark is back behind the lock: it would be an exit, not a stop."""
    honest = gate_price.why_wrong_price

    def tightest(view: Any, own: Level, others: Iterable[Level | None]) -> Level:
        chosen = own
        for level in others:
            if level is not None and tighter(level.price, chosen.price, view.position.side):
                chosen = level
        return chosen

    def wrong(order: Any, position: Any, gate: Any) -> str:
        return "" if order.role is Role.WORKING_STOP else honest(order, position, gate)

    stack.enter_context(everywhere(answer.tightest_before_the_mark, tightest))
    stack.enter_context(everywhere(honest, wrong))


@mutant("INV-16", swarm=Swarm({}, ("old_is_closed", "crash")))
def the_time_stop_acts_on_adopted_positions(stack: ExitStack) -> None:
    """What was open before the daemon began is closed for its age (S8)."""
    stack.enter_context(changed(time_stop, "_is_adopted", lambda view: False))
