"""Planted bugs about living beside another program: a stop that gives way too soon or for too little, a long wait."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from position_monitor.core.book import desired_book, other_program
from position_monitor.core.decision import guard, surplus
from position_monitor.core.evidence import learning, other_programs
from position_monitor.core.exits import live_policy
from tests.sim.mutants import changed, mutant
from tests.sim.simulation import SPEAKER
from tests.sim.swarm import Swarm

BESIDE_A_BOT = Swarm({}, ("beside_a_bot",))


@mutant("INV-2", swarm=BESIDE_A_BOT)
def ours_gives_way_after_one_read(stack: ExitStack) -> None:
    """Planner and guard alike take a stop that was read once for proven."""
    honest = other_programs.foreign_stop_reads
    stack.enter_context(
        changed(
            learning, "foreign_stop_reads", lambda before, live: {i: n + 9 for i, n in honest(before, live).items()}
        )
    )


@mutant("INV-2", "INV-8", swarm=BESIDE_A_BOT)
def ours_gives_way_to_a_looser_stop(stack: ExitStack) -> None:
    for module in (other_program, surplus, guard):
        stack.enter_context(changed(module, "tighter", lambda a, b, side: False))


@mutant("INV-3", swarm=BESIDE_A_BOT)
def a_grace_never_ends(stack: ExitStack) -> None:
    honest = other_program.waits_for_foreign

    def waits(inputs: Any, exits: Any) -> bool:
        fresh = inputs.belief._replace(appeared_at_ms=0)
        position = replace(inputs.position, updated_at_ms=0)
        return honest(inputs._replace(belief=fresh, position=position), exits)

    stack.enter_context(changed(desired_book, "waits_for_foreign", waits))


@mutant("INV-5", swarm=BESIDE_A_BOT)
def ours_never_gives_way(stack: ExitStack) -> None:
    stack.enter_context(changed(desired_book, "gives_way", lambda inputs, enough: False))


@mutant("INV-11", swarm=Swarm({}, ("the_brain_is_rolled_out", "crash")))
def the_rollout_goes_by_a_hash_of_the_process(stack: ExitStack) -> None:
    """As the old stack had it: Python salts `hash` anew in each process (exits.md 1, row 2)."""

    def salted(symbol: str) -> int:
        return int(hashlib.sha256(f"{SPEAKER.get()}{symbol}".encode()).hexdigest()[:8], 16) % 100

    stack.enter_context(changed(live_policy, "rollout_bucket", salted))
