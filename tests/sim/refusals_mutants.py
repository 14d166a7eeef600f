"""Planted bugs about refusals: hammering, closing on the word of one witness, the wrong price for the right one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from position_monitor.core import plan as planner
from position_monitor.daemon.repeats import Repeats
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm

HOPELESS = Swarm({}, ("hopeless_symbol",))


@mutant("INV-10", swarm=HOPELESS, caught_at=6)
def what_was_refused_is_sent_again_at_every_look(stack: ExitStack) -> None:
    stack.enter_context(changed(planner, "worth_a_try", lambda orders, *rest: (list(orders), [])))


@mutant("INV-10", swarm=HOPELESS, caught_at=40)
def every_refusal_is_told(stack: ExitStack) -> None:
    stack.enter_context(changed(Repeats, "failed", lambda self, subject, reason: 0))


@mutant("INV-3", swarm=HOPELESS, caught_at=4)
def take_profits_do_not_wait_for_the_stop(stack: ExitStack) -> None:
    honest = planner._why_targets_wait

    def why(case: Any, known: Any) -> str:
        reason = honest(case, known)
        return "" if "until the stop rests" in reason else reason

    stack.enter_context(changed(planner, "_why_targets_wait", why))
