"""Who else uses the address, and what the venue says when it has had enough: a neighbour on the request budget, limits
and bans with absurd ends; and contracts that are listed while the daemon runs."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.ratelimit import WEIGHT_LIMIT
from tests.sim.powers import power
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

MINUTE_MS = 60_000
RULES_WITHIN_S = 12.0
"""Two looks and some time: within it the rules of a new symbol are there."""
ENDS = ("", "0", "-5", "1", "7200", "259200", "99999999", "9" * 30, "soon", "2035-01-01", "1e9")
"""What a Retry-After may say instead of an end."""


@power(
    "neighbour_on_the_budget",
    chance=0.04,
    later_s=61.0,
    why="a minute that somebody used up must end first",
    removals_rest_s=61.0,
)
async def neighbour_on_the_budget(run: Simulation, rng: random.Random) -> None:
    """Another program on the address takes most of each minute at its beginning, and perhaps the rest bit by bit."""
    weight, greedy = rng.choice((1_250, 1_900, 2_150, 2_150, 2_200)), rng.random() < 0.2
    while True:
        run.engine.advance_to(true_ms())
        limiter, now_ms = run.gateway.limiter.weight, run.engine.now_ms
        taken = min(weight, WEIGHT_LIMIT - limiter.used(now_ms))
        limiter.add(now_ms, taken)
        run.counts["fault neighbour_on_the_budget"] += 1
        left_s = (MINUTE_MS - true_ms() % MINUTE_MS + 1) / 1000
        if greedy and left_s > 10:
            await sleep(rng.uniform(5, 10))
            weight = rng.choice((40, 80))
        else:
            await sleep(left_s)
            weight = max(weight, 1_250)


@power("limit_without_sense", chance=0.04, later_s=61.0, why="a limit is kept for the rest of its minute")
async def limit_without_sense(run: Simulation, rng: random.Random) -> None:
    """One 429 now and then, with a Retry-After that cannot be."""
    while True:
        await sleep(rng.uniform(1, 40))
        run.engine.add_fault("rate_limited", count=1, status=429, retry_after=rng.choice(ENDS))


@power("ban_without_sense", chance=0.04, later_s=301.0, why="a ban is asked about every five minutes at least")
async def ban_without_sense(run: Simulation, rng: random.Random) -> None:
    """The venue bans the address for a while, and says nonsense about how long."""
    await sleep(rng.uniform(1, 30))
    end = rng.choice([end for end in ENDS if end not in ("7200", "259200")])
    message = None if rng.random() < 0.5 else f"IP banned until {rng.choice((1, 10**9, 10**13 - 1, true_ms() - 5))}."
    run.engine.add_fault("banned", status=418, retry_after=end, message=message or "IP banned.")
    await sleep(1_000)


@power("late_listing", chance=0.04, foggy=False)
async def late_listing(run: Simulation, rng: random.Random) -> None:
    """Contracts appear while the daemon runs, and somebody buys them at once or soon."""
    for number in range(1, 4):
        await sleep(rng.uniform(1, 20))
        symbol, side = f"NEW{number}USDT", rng.choice(("LONG", "SHORT"))
        run.engine.advance_to(true_ms())
        run.engine.list_symbol(symbol, "10", "0.001", "1")
        run.symbols = [*run.symbols, symbol]
        await sleep(rng.choice((0.0, 0.5, 8.0)))
        run.engine.advance_to(true_ms())
        run.counts["fault late_listing"] += 1
        with suppress(VenueRefusal):
            run.engine.trade("open", symbol, side, Decimal(100))
        if run.swarm.host == ("late_listing",) and not run.swarm.venue:
            await sleep(RULES_WITHIN_S)
            _judge_ladder(run, symbol)


def _judge_ladder(run: Simulation, symbol: str) -> None:
    """Where nothing else happens: a stop needs no rules, its ladder does, so it shows when they were read."""
    world = run.engine.world
    ladders = [order for order in world.algo.open_all() if order.symbol == symbol and order.client_id[3:5] == "1t"]
    if any(leg.symbol == symbol for leg in world.account.open_positions()) and not ladders:
        run.checker.violations.append(f"INV-3: {symbol} is held for {RULES_WITHIN_S:g} s and has no take-profit")
