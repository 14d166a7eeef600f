"""Settings for an account on which a bot trades too, and that bot: it guards a position by a quantity stop of its own,
moves it by cancel and place, leaves it, and forgets it.

What is judged about these settings is in `checkers.py` (what may be removed) and `judges.py` (what is left over)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from position_monitor.paper.amounts import round_to
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.orders import AlgoOrder
from tests.sim.powers import power
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

GRACES_S = (0, 0, 2, 6)


def settings(rng: random.Random) -> Mapping[str, Mapping[str, Any]]:
    """Each of the settings for itself; at least one of them is other than usual nearly always."""
    return {
        "protection": {
            "take_profits": rng.random() < 0.4,
            "trailing": rng.random() < 0.5,
            "foreign_stop_grace_s": rng.choice(GRACES_S),
            "yield_to_foreign_stop": rng.random() < 0.7,
        }
    }


@power(
    "beside_a_bot",
    chance=0.04,
    settings=settings,
    foggy=False,
    later_s=2.0 * max(GRACES_S),
    why="a fresh position waits for the bot's stop, and once more after a restart",
)
async def beside_a_bot(run: Simulation, rng: random.Random) -> None:
    """One position after the other gets its stop, a little later than the position was opened."""
    while True:
        await sleep(rng.uniform(0.3, 4))
        legs = run.engine.world.account.open_positions()
        if legs:
            leg = rng.choice(sorted(legs, key=lambda one: (one.symbol, one.side)))
            await _guard(run, rng, leg.symbol, leg.side)


async def _guard(run: Simulation, rng: random.Random, symbol: str, leg: str) -> None:
    stop: AlgoOrder | None = None
    for _ in range(rng.randint(1, 4)):
        run.engine.advance_to(true_ms())
        if stop is not None and stop.status == "NEW":
            run.engine.cancel_algo({"algoId": str(stop.algo_id)}, origin="foreign")
            await sleep(rng.choice((0.0, 0.05, 2.0)))
            run.engine.advance_to(true_ms())
        amount = run.engine.world.account.amount(symbol, leg)
        if not amount:
            return
        with suppress(VenueRefusal):
            stop = run.engine.place_algo(_stop(run, rng, symbol, leg, amount), origin="foreign")
            run.counts["fault a bot's stop"] += 1
        await sleep(rng.uniform(1, 14))
    if stop is not None and stop.status == "NEW" and rng.random() < 0.5:
        run.engine.advance_to(true_ms())
        if stop.status == "NEW":
            run.engine.cancel_algo({"algoId": str(stop.algo_id)}, origin="foreign")


def _stop(run: Simulation, rng: random.Random, symbol: str, leg: str, amount: Decimal) -> dict[str, str]:
    """A reduce-only stop over the whole position, 0.6 % to 2 % behind the mark."""
    way = 1 if amount > 0 else -1
    distance = Decimal(repr(round(rng.uniform(0.6, 2.0), 2))) / 100
    tick = run.engine.world.instruments[symbol].tick
    trigger = round_to(run.engine.world.market.mark(symbol) * (1 - way * distance), tick)
    hedge = leg in ("LONG", "SHORT")
    return {
        "algoType": "CONDITIONAL",
        "symbol": symbol,
        "side": "SELL" if amount > 0 else "BUY",
        "positionSide": leg,
        "type": "STOP_MARKET",
        "triggerPrice": str(trigger),
        "quantity": str(abs(amount)),
        "workingType": "MARK_PRICE",
        **({} if hedge else {"reduceOnly": "true"}),
    }
