"""Planted bugs about ownership: values that pass for an owner, owners that see nothing, a second writer unnoticed."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace

from position_monitor.core.evidence import writers
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.evidence.writers import Writers
from position_monitor.edge.redis.lease_keeper import LeaseKeeper
from position_monitor.edge.redis.lease_states import Watched
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm

STALE = Swarm({}, ("lease_of_nobody",))
CUT = Swarm({}, ("cut_from_venue", "second_daemon"), judges=("liveness",))
STRANGER = Swarm({}, ("redis_of_its_own",))
SUCCESSOR = Swarm({}, ("crash", "slow_triggers"))


@mutant("INV-3", swarm=STALE)
def whatever_stands_in_the_lease_is_a_live_owner(stack: ExitStack) -> None:
    """Row 3.1."""
    stack.enter_context(changed(Watched, "alive_for_s", lambda self, now_s, ttl_s: ttl_s))


@mutant("INV-3", swarm=CUT)
def an_owner_that_reads_nothing_keeps_the_lease_and_everybody_waits(stack: ExitStack) -> None:
    """Row 3.2."""
    stack.enter_context(changed(LeaseKeeper, "reads", property(lambda self: True)))
    stack.enter_context(changed(Belief, "long_exposed", lambda self, settings, now_ms: False))


@mutant("INV-9", swarm=STRANGER, caught_at=3)
def a_second_writer_is_not_noticed(stack: ExitStack) -> None:
    """Row 3.6."""
    stack.enter_context(changed(Writers, "suspected", lambda self, now_ms: False))


@mutant("INV-17", swarm=SUCCESSOR, caught_at=2)
def what_the_venue_makes_of_a_stop_is_a_second_writer(stack: ExitStack) -> None:
    """Seed 6569: a stop of the predecessor triggers, and its child has the time of the trigger."""
    stack.enter_context(changed(writers, "Purpose", SimpleNamespace(MARKET=None)))
