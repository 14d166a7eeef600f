"""Planted bugs about take-profits, ids and the stops of others: what the daemon did before they were found."""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal
from typing import Any

from position_monitor.core.book import standing, stop_book
from position_monitor.core.decision import guard, plan
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model import ids
from tests.sim.mutants import changed, mutant
from tests.sim.swarm import Swarm


@mutant("INV-4", swarm=Swarm({}, ("ai_advice",)))
def an_id_is_used_again_after_its_order_ended(stack: ExitStack) -> None:
    def next_id(spent: Any, **intent: Any) -> str:
        return ids.client_id(**intent)

    stack.enter_context(changed(ids, "next_id", next_id))


@mutant("INV-5", swarm=Swarm({}, ("other_program_moves_its_stop",)))
def the_slot_of_another_programs_stop_is_taken(stack: ExitStack) -> None:
    stack.enter_context(changed(stop_book, "_fits_in_parts", lambda facts: False))


@mutant("INV-16", swarm=Swarm({}, (), judges=("over_exit",)))
def a_ladder_is_placed_beside_a_ladder(stack: ExitStack) -> None:
    stack.enter_context(changed(plan, "_beside_what_rests", lambda inputs, case, book, diff, targets: list(targets)))
    stack.enter_context(changed(guard, "why_over_exit", lambda order, position, gate: ""))


@mutant("INV-10", swarm=Swarm({}, ("other_program_changes_its_targets",)))
def a_trifle_replaces_a_ladder(stack: ExitStack) -> None:
    stack.enter_context(changed(standing, "TOLERANCE_PCT", Decimal(0)))


@mutant("INV-16", swarm=Swarm({}, ("closed_positions_linger",)), caught_at=2)
def a_stop_that_fired_is_forgotten_when_it_is_not_listed(stack: ExitStack) -> None:
    stack.enter_context(changed(Belief, "_closing", lambda self, now_ms, grace_ms: []))


@mutant("INV-16", swarm=Swarm({}, ("slow_triggers",), judges=("over_exit",)))
def take_profits_are_placed_while_a_stop_triggers(stack: ExitStack) -> None:
    stack.enter_context(changed(Belief, "firing", lambda self, now_ms, grace_ms: False))
