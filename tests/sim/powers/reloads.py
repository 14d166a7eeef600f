"""What an operator does: another configuration by SIGHUP, a stop in order, another time between two checks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.sim.powers import power
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

LADDERS: tuple[list[dict[str, Any]], ...] = (
    [{"target_pct": 2.0, "share_pct": 100}],
    [{"target_pct": 2.0, "share_pct": 60}, {"target_pct": 3.0, "share_pct": 40}],
)
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"protection": {"mode": "observe"}},
    {"protection": {"mode": "observe"}},
    {"protection": {"stop_loss_pct": 1.0}},
    {"protection": {"trailing_pct": 1.2}},
    {"protection": {"ladder": LADDERS[0]}},
    {"protection": {"ladder": LADDERS[1]}},
    {"protection": {"working_type": "CONTRACT_PRICE"}},
    {"loop": {"check_interval_s": 3}},
    {"loop": {"check_interval_s": 12}},
    {"account": "other"},
    {"exchange": {"request_timeout_s": 3}},
    {"exchange": {"environment": "demo"}},
    {"redis": {"key_prefix": "elsewhere"}},
    {"redis": {"url": "redis://elsewhere:1"}},
)
"""Each fits to what waits for a restart, whichever came before. Intervals above 12 s would make the lease longer."""
BROKEN: tuple[dict[str, Any], ...] = (
    {"protection": {"stop_loss_pct": "much"}},
    {"protection": {"mode": "observe", "no_such_key": 1}},
    {"loop": "soon"},
    {"loop": {"check_interval_s": 3_000}},
)


def usual_again(run: Simulation, rng: random.Random) -> None:
    """The usual configuration stands in every file, and everybody is told to read it."""
    run.files.put_back()
    for number in run.alive:
        run.daemons[number][0].request_reload()


@power(
    "reloads",
    chance=0.04,
    foggy=False,
    later_s=55.0,
    why="a reload waits for the one before, and a lease for the end of the last one or two",
    end=usual_again,
)
async def reloads(run: Simulation, rng: random.Random) -> None:
    """Any key changes, or the file is broken; SIGHUP once, or twenty times a second for a while."""
    while True:
        await sleep(rng.choice((rng.uniform(1, 10), rng.uniform(10, 40), 90)))
        if not run.alive:
            continue
        number = rng.choice(run.alive)
        run.files.write(number, rng.choice(BROKEN if rng.random() < 0.2 else CHANGES))
        run.counts["fault configuration reloaded"] += 1
        for _ in range(rng.choice((1, 1, 1, 200))):
            run.daemons[number][0].request_reload()
            await sleep(0.05)


def ends_now(run: Simulation, rng: random.Random) -> None:
    """Whoever is told to stop and has not ended yet is killed."""
    for number in run.alive:
        if run.daemons[number][0].turns.ended:
            run.kill(number)


@power("clean_stops", chance=0.05, foggy=False, end=ends_now)
async def clean_stops(run: Simulation, rng: random.Random) -> None:
    """SIGTERM, as `service/process.py` ends a daemon, and a start some time later."""
    while True:
        await sleep(rng.uniform(3, 30))
        if not run.alive:
            continue
        number = rng.choice(run.alive)
        service, _, task, transport = run.daemons[number]
        service.stop()
        await asyncio.wait({task})
        if not task.cancelled():
            await service.store.close()
            transport.gone = True
            run.judges.claims.ended(run.owner_of(number), true_ms())
            run.counts["fault stopped in order"] += 1
            await sleep(rng.choice((0.2, 4, 12)))
        if not run.alive:
            run.start_daemon()


def seldom(rng: random.Random) -> Mapping[str, Mapping[str, Any]]:
    """Another interval between two checks; a sweep is never more often."""
    seconds = rng.choice((20, 30, 45, 60))
    return {"loop": {"check_interval_s": seconds, "full_sweep_s": seconds}}


@power("other_interval", chance=0.04, foggy=False, settings=seldom)
async def other_interval(run: Simulation, rng: random.Random) -> None:
    """The daemons look seldom (`Simulation.interval_s`: what is granted follows from it)."""
    run.counts["fault another check interval"] += 1
    await sleep(100_000)
