"""A process is cut from the venue and keeps Redis, or is cut from Redis and keeps the venue."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.sim.powers import Prepare, power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

LENGTHS_S = (3, 15, 40, 1_000)


def cut_from_venue(run: Simulation, number: int, *, cut: bool) -> None:
    """Neither requests nor streams of this daemon reach the venue any more, or they do again."""
    run.daemons[number][3].cut = cut
    for route in ("private", "market") if cut else ():
        for socket in list(run.stream_host.of(number, route)):
            socket.cut()
    cut_off = run.stream_host.troubles.cut_off
    (cut_off.add if cut else cut_off.discard)(number)


def together(run: Simulation, rng: random.Random) -> None:
    """Everybody reaches everything."""
    for number in range(len(run.daemons)):
        cut_from_venue(run, number, cut=False)
    run.redis.cut_off.clear()


async def _by_turns(run: Simulation, rng: random.Random, act: Prepare, undo: Prepare) -> None:
    await sleep(rng.uniform(0, 15))
    while True:
        act(run, rng)
        await sleep(rng.choice(LENGTHS_S))
        undo(run, rng)
        await sleep(rng.uniform(2, 15))


@power("cut_from_venue", chance=0.04, end=together)
async def daemon_cut_from_venue(run: Simulation, rng: random.Random) -> None:
    """One daemon, the leader as often as the standby, keeps Redis and loses the exchange."""

    def act(run: Simulation, rng: random.Random) -> None:
        if run.alive:
            cut_from_venue(run, rng.choice(run.alive), cut=True)
            run.counts["fault cut from the venue"] += 1
        if len(run.alive) < 2 and rng.random() < 0.5:
            run.start_daemon()

    await _by_turns(run, rng, act, together)


@power("cut_from_redis", chance=0.05, end=together)
async def daemon_cut_from_redis(run: Simulation, rng: random.Random) -> None:
    """One daemon keeps the exchange and loses Redis."""

    def act(run: Simulation, rng: random.Random) -> None:
        if run.alive:
            run.redis.cut_off.add(run.owner_of(rng.choice(run.alive)))
            run.counts["fault cut from Redis"] += 1
        if len(run.alive) < 2 and rng.random() < 0.5:
            run.start_daemon()

    await _by_turns(run, rng, act, together)
