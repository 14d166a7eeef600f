"""The Exit Brain owns exits on some of the symbols, and an operator changes the switches again and again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.sim.powers import power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

ROLLOUTS_PCT = (20, 50, 80)
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"live_rollout_pct": 20},
    {"live_rollout_pct": 50},
    {"live_rollout_pct": 100},
    {"live_rollout_pct": 0},
    {"kill_switch": True},
    {"executor_mode": "SHADOW"},
    {"live_rollout": "DISABLED"},
    {"mode": "LEGACY", "brain_v3_enabled": True},
    {"mode": "LEGACY", "legacy_policy": "static"},
)


def partly(rng: random.Random) -> Mapping[str, Mapping[str, Any]]:
    """The brain is live on a part of the symbols."""
    return {"exit": {"mode": "EXIT_BRAIN_V3", "live_rollout_pct": rng.choice(ROLLOUTS_PCT)}}


def as_it_began(run: Simulation, rng: random.Random) -> None:
    """The switches of the beginning stand in every file, and everybody is told to read it."""
    run.files.put_back()
    for number in run.alive:
        run.daemons[number][0].request_reload()


@power(
    "the_brain_is_rolled_out",
    chance=0.04,
    settings=partly,
    end=as_it_began,
    foggy=False,
    later_s=12.0,
    why="a reload waits for the one before",
    other_exits=True,
    switches_exits=True,
)
async def the_brain_is_rolled_out(run: Simulation, rng: random.Random) -> None:
    """Kill switch, rollout, shadow and owner change; each with SIGHUP."""
    await switches_change(run, rng, CHANGES)


async def switches_change(run: Simulation, rng: random.Random, changes: tuple[dict[str, Any], ...]) -> None:
    """One of the changes after the other is written into the file of a daemon, which is told to read it."""
    while True:
        await sleep(rng.choice((rng.uniform(1, 6), rng.uniform(5, 20))))
        if not run.alive:
            continue
        number = rng.choice(run.alive)
        run.files.write(number, {"exit": {**run.files.usual("exit"), **rng.choice(changes)}})
        run.counts["fault exit switches changed"] += 1
        run.daemons[number][0].request_reload()
