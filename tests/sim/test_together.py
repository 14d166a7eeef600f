"""Worlds of two powers that showed a violation once: each is lived again (`make sim TOGETHER=1`)."""

from __future__ import annotations

import pytest

from tests.sim.simulation import simulate
from tests.sim.swarm import ALL_POWERS, Swarm
from tests.sim.together import FAULTY_S, PAIRS, simulate_together, swarm_of

LAGGING_LISTS = Swarm({"delayed_listing": 0.1, "stale_reads": 0.1}, ("reentry", "lagging_replica"), {})


@pytest.mark.parametrize("world", [992, 1006, 1913, 1923, 2029])
def test_the_daemon_and_the_judges_agree(world: int) -> None:
    assert simulate_together(world).violations == []


@pytest.mark.parametrize("seed", [11, 13, 101, 118])
def test_positions_are_opened_again_while_lists_lag(seed: int) -> None:
    assert simulate(seed, LAGGING_LISTS, faulty_s=FAULTY_S).violations == []


def test_positions_are_opened_again_while_lists_hang() -> None:
    """Rounds of reading back put off the next look at the positions, and the last ones sent nothing."""
    assert simulate(255, Swarm({}, ("endpoint_out", "reentry")), faulty_s=FAULTY_S).violations == []


def test_a_round_has_every_pair_of_drawn_powers_once() -> None:
    drawn = {name for name, one in ALL_POWERS.items() if one.chance > 0}
    swarms = [swarm_of(world) for world in range(len(PAIRS))]
    assert len({swarm.host for swarm in swarms}) == len(drawn) * (len(drawn) - 1) // 2
    assert not any(swarm.venue for swarm in swarms)
    assert any(swarm_of(len(PAIRS) + number).venue for number in range(10))
