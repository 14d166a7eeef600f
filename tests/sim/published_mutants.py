"""Planted bugs in what words of the published state claim."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.publication import position_state
from position_monitor.edge.redis.lease import Lease
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm


@mutant("INV-17", swarm=Swarm({"busy": 0.3, "internal_503": 0.2}))
def take_profits_are_called_placed_when_the_verdict_is_good(stack: ExitStack) -> None:
    """The condition is another word for PROTECTED."""
    honest = position_state._conditions

    def conditions(judgement: Judgement, backstop: Any, _: Any) -> Any:
        return honest(judgement, backstop, [SimpleNamespace(resting=judgement.verdict is Verdict.PROTECTED)])

    stack.enter_context(changed(position_state, "_conditions", conditions))


@mutant("INV-17", swarm=Swarm({}, ("other_program_moves_its_stop",)))
def a_stop_of_the_user_is_called_our_backstop(stack: ExitStack) -> None:
    """Any close-all stop makes `BackstopLive` true and gives its price."""
    stack.enter_context(changed(position_state, "_is_our_backstop", lambda order: order.close_all))


@mutant("INV-17", swarm=Swarm({}, ("reloads",)), faulty_s=120.0)
def a_lease_that_is_given_up_is_called_lost(stack: ExitStack) -> None:
    """Whatever ends it."""
    stack.enter_context(changed(Lease, "why_given_up", lambda self, epoch: ""))
