"""Positions are closed and entered again: while the daemon is down, and within milliseconds."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from position_monitor.paper.errors import VenueRefusal
from tests.sim.powers import power
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

PAUSES_S = (0.0, 0.001, 0.005, 0.03, 0.2, 1.0)
"""Between the close and the new entry."""
DOWN_S = (0.5, 3.0, 12.0)


def _held(run: Simulation) -> list[tuple[str, str]]:
    legs = run.engine.world.account.open_positions()
    return sorted((leg.symbol, "LONG" if leg.amount > 0 else "SHORT") for leg in legs)


async def _again(run: Simulation, rng: random.Random) -> None:
    """One position is closed, and entered again: on the same side mostly, in another size, after an instant."""
    held = _held(run)
    if not held:
        return
    symbol, side = rng.choice(held)
    size = run.trader.size_for(symbol)
    other = {"LONG": "SHORT", "SHORT": "LONG"}[side]
    with suppress(VenueRefusal, ValueError):
        run.engine.advance_to(true_ms())
        run.engine.trade("close", symbol, side, None)
        await sleep(rng.choice(PAUSES_S))
        run.engine.advance_to(true_ms())
        run.engine.trade("open", symbol, side if rng.random() < 0.7 else other, size)
        run.counts["fault reentry"] += 1


@power("reentry", chance=0.06, foggy=False)
async def reentry(run: Simulation, rng: random.Random) -> None:
    """Under the eyes of the daemon, sometimes several times in a row."""
    while True:
        await sleep(rng.uniform(3, 15))
        for _ in range(rng.choice((1, 1, 2, 4))):
            await _again(run, rng)


@power("reentry_while_down", chance=0.04)
async def reentry_while_down(run: Simulation, rng: random.Random) -> None:
    """The daemon is killed, positions are closed and entered again meanwhile, and a new one starts."""
    while True:
        await sleep(rng.uniform(6, 20))
        for index in run.alive:
            run.kill(index)
        await sleep(rng.choice(DOWN_S) / 2)
        for _ in range(rng.choice((1, 2, 3))):
            await _again(run, rng)
        await sleep(rng.choice(DOWN_S) / 2)
        if not run.alive:
            run.start_daemon()
