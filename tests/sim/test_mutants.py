"""The mutation proof: every planted bug is caught by the checkers, each by the invariant it breaks.

The same seed without the bug must not show that violation: what catches a mutant is the bug, not the weather.
"""

from __future__ import annotations

import pytest

from tests.sim import stream_mutants
from tests.sim.mutants import MUTANTS, Mutant
from tests.sim.report import kind
from tests.sim.simulation import simulate

SEEDS_MAX = 60
MUTANTS_MIN = 28
OF_STREAMS_MIN = 9


def test_there_are_enough_mutants() -> None:
    assert len({mutant.name for mutant in MUTANTS}) >= MUTANTS_MIN
    assert sum(mutant.plant.__module__ == stream_mutants.__name__ for mutant in MUTANTS) >= OF_STREAMS_MIN


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_is_caught(mutant: Mutant) -> None:
    seed, caught = first_catch(mutant)
    honest = simulate(seed, mutant.swarm, faulty_s=mutant.faulty_s)
    assert not caught & kinds(honest.violations), f"seed {seed} shows {caught} without the mutant: {honest.violations}"


def first_catch(mutant: Mutant) -> tuple[int, set[str]]:
    """The first seed on which an expected invariant is violated, and which."""
    others: set[str] = set()
    for seed in range(1, SEEDS_MAX + 1):
        with mutant.planted():
            result = simulate(seed, mutant.swarm, faulty_s=mutant.faulty_s)
        found = kinds(result.violations)
        if caught := found & mutant.expected:
            return seed, caught
        others |= found
    pytest.fail(f"{SEEDS_MAX} seeds did not show {sorted(mutant.expected)}, only {sorted(others) or 'nothing'}")


def kinds(violations: list[str]) -> set[str]:
    return {kind(violation) for violation in violations}
