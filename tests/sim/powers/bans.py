"""The venue asks for silence with absurd ends: hours, nothing, words."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.sim.powers import power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

ENDS = ("7200", "259200", "-1", "0", "soon", "", "1e9", "NaN", "99999999999999999999")
TEXTS = (None, None, "Way too many requests; IP banned until 99999999999999. Please use the websocket.", "slow down")


@power("absurd_bans", later_s=130.0, why="a ban that says it is long is probed in growing steps")
async def absurd_bans(run: Simulation, rng: random.Random) -> None:
    """One answer, or a few, is a 429 or a 418 whose end no client should believe."""
    while True:
        await sleep(rng.choice((0.0, rng.uniform(2, 25))))
        name = rng.choice(("rate_limited", "rate_limited", "banned"))
        run.counts[f"fault absurd {name}"] += 1
        run.engine.add_fault(name, count=rng.choice((1, 1, 3)), retry_after=rng.choice(ENDS), message=rng.choice(TEXTS))
        await sleep(rng.uniform(5, 60))
