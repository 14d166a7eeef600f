"""Many seeds of the honest daemon: no violation, whatever breaks around it, and the same run for the same seed.

What a run checks is in `checkers.py`, `levels.py` and `bounds.py`; among it, that everything is covered again within
two check intervals after the faults stop (`Swarm.settle_s` names the faults whose consequences outlive them, and why).
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.sim.report import failure
from tests.sim.simulation import INTERVAL_S, simulate
from tests.sim.swarm import HOST_FAULTS, LATER_S, RARE, VENUE_FAULTS, Swarm

FIRST = 1
SEEDS = 120
AT_ONCE = 20
"""Seeds of one test: small enough to be spread over the processes of the test run."""
PRINT_TRACE = "import sys; from tests.sim.simulation import simulate; print(simulate(int(sys.argv[1])).trace)"


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, AT_ONCE))
def test_no_violation(first: int) -> None:
    results = (simulate(seed) for seed in range(first, first + AT_ONCE))
    broken = [failure(result) for result in results if result.violations]
    assert not broken, "\n".join(broken)


SHOWED_A_FAULT = [
    345, 777, 810, 907, 1815, 2925, 3230, 3621, 3999, 4711, 4759, 4785, 4819, 5282, 5878, 6740, 6837, 8786, 9303, 9435,
]  # fmt: skip


@pytest.mark.parametrize("seed", SHOWED_A_FAULT)
def test_a_seed_that_showed_a_fault_is_clean(seed: int) -> None:
    """Seeds beyond those of `test_no_violation`, each named in `docs/faults.md` or in the judge that it corrected."""
    result = simulate(seed)
    assert not result.violations, failure(result)


@pytest.mark.parametrize("seed", [3, 17, 110])
def test_a_seed_is_one_run(seed: int) -> None:
    """Twice in this process, and once in another whose sets and dicts of strings hash differently."""
    first, second = simulate(seed), simulate(seed)
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    command = [sys.executable, "-c", PRINT_TRACE, str(seed)]
    elsewhere = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert first.trace == second.trace == elsewhere.stdout.strip()
    assert first.counts == second.counts


def test_the_trace_tells_the_run() -> None:
    lines: list[str] = []
    traced, silent = simulate(5, trace=lines), simulate(5)
    assert traced.trace == silent.trace, "looking must not change the run"
    text = "\n".join(lines)
    assert "venue: order_accepted by api" in text
    assert "daemon 0: INFO" in text
    assert "published by sim:0:0-0" in text


def test_without_faults_everything_is_covered_within_two_cycles() -> None:
    for seed in range(1, 9):
        result = simulate(seed, Swarm())
        assert not result.violations
        assert max(result.exposed_ms, default=0) <= 2_000 * INTERVAL_S
        assert result.converged_ms <= 2_000 * INTERVAL_S


def test_longer_convergence_is_granted_by_name_only() -> None:
    assert set(LATER_S) <= {*VENUE_FAULTS, *RARE, *HOST_FAULTS}
    assert Swarm({"lose_response": 0.2}, ("crash", "redis_down")).settle_s(INTERVAL_S) == 2 * INTERVAL_S
