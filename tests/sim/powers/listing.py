"""Contracts are listed in mid-run, and somebody opens a position in one at once."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.paper.errors import VenueRefusal
from tests.sim.powers import power
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

NEW = ("NEWUSDT", "FRESHUSDT")
WAITS_S = (0.0, 0.5, 8.0, 30.0)


@power("listed_in_mid_run", foggy=False)
async def listed_in_mid_run(run: Simulation, rng: random.Random) -> None:
    """A new contract or two; fills follow at once, or some seconds later."""
    for symbol in NEW[: rng.choice((1, 1, 2))]:
        await sleep(rng.uniform(1, 12))
        run.engine.list_symbol(symbol, price=rng.choice(("2.5", "0.04", "310")), tick="0.0001", step="1")
        run.symbols.append(symbol)
        run.counts["fault listed in mid-run"] += 1
        await sleep(rng.choice(WAITS_S))
        for _ in range(rng.choice((1, 2))):
            run.engine.advance_to(true_ms())
            size = max(Decimal(1), round(Decimal(500) / run.engine.world.market.mark(symbol)))
            with suppress(VenueRefusal, ValueError):
                run.engine.trade("open", symbol, rng.choice(("LONG", "SHORT")), Decimal(size))
            await sleep(rng.uniform(0.01, 10))
