"""A position whose stop has trailed is closed while the daemon is down, and entered again nearer to that stop."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.paper.amounts import round_to
from position_monitor.paper.errors import VenueRefusal
from tests.sim.powers import power
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

TREND = Decimal("1.025")
BACK = Decimal("0.988")
TRAILED_S = 12.0
"""Long enough for the stop to follow the price in any rhythm of checks."""


def _move(run: Simulation, symbol: str, factor: Decimal) -> None:
    tick = run.engine.world.instruments[symbol].tick
    price = run.engine.world.market.mark(symbol) * factor
    run.engine.advance_to(true_ms())
    run.engine.set_price(symbol, price, max(tick, round_to(price, tick)))


@power(
    "life_after_a_trend",
    chance=0.04,
    later_s=20.0,
    why="what an earlier life left behind goes when its successor was read back",
    foggy=False,
)
async def life_after_a_trend(run: Simulation, rng: random.Random) -> None:
    """The price goes its way, the stop follows; killed, closed, entered again, started."""
    while True:
        await sleep(rng.uniform(4, 20))
        held = run.engine.world.account.open_positions()
        if not held:
            continue
        leg = rng.choice(sorted(held, key=lambda one: (one.symbol, one.side)))
        symbol, size = leg.symbol, abs(leg.amount)
        side = "LONG" if leg.amount > 0 else "SHORT"
        way, back = (TREND, BACK) if side == "LONG" else (1 / TREND, 1 / BACK)
        _move(run, symbol, way)
        await sleep(TRAILED_S)
        for index in run.alive:
            run.kill(index)
        await sleep(0.2)
        with suppress(VenueRefusal, ValueError):
            run.engine.advance_to(true_ms())
            run.engine.trade("close", symbol, side, None)
            _move(run, symbol, back)
            await sleep(rng.choice((0.001, 1.0)))
            run.engine.advance_to(true_ms())
            run.engine.trade("open", symbol, side, size)
            run.counts["fault life after a trend"] += 1
        if not run.alive:
            run.start_daemon()
