"""Planted bugs in what words of the published state claim."""

from __future__ import annotations

from contextlib import ExitStack

from position_monitor.core.model.orders import Role
from position_monitor.core.publication import position_state
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm


@mutant("INV-17", swarm=Swarm({}, ("other_program_moves_its_stop",)))
def a_stop_of_the_user_is_called_our_backstop(stack: ExitStack) -> None:
    """Any close-all stop makes `BackstopLive` true and gives its price."""
    stack.enter_context(changed(position_state, "owned_role", lambda order: Role.BACKSTOP))
