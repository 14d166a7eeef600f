"""The venue refuses, for good or for a while, rightly or not; and the price that arms the orders is not the mark."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.powers import power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

ALGO = Endpoint.PLACE_ALGO_ORDER.value
FOR_GOOD = (-4108, -4088, -4192, -4400, -4140, -1122, -4509, -2022, -4118, -4045, -1111, -4061, -2015, -1008, -4016)
"""Settling, locked, cooling-off, rules, status, position, room, digits, mode, key, load, band."""
HALTED = ("SETTLING", "CLOSE", "PENDING_TRADING", "BREAK")
LENGTHS_S = (5, 20, 1_000)


@power("hopeless_symbol", chance=0.08, foggy=False)
async def hopeless_symbol(run: Simulation, rng: random.Random) -> None:
    """No conditional order of a symbol is taken, or none of our stops or take-profits, with one code or several."""
    await sleep(rng.choice((0.0, rng.uniform(1, 20))))
    while True:
        symbol, only = rng.choice(run.symbols), rng.choice((None, None, "qpm1b", "qpm1t", "qpm1w"))
        rules = [
            run.engine.add_fault(
                "error",
                path=ALGO.path,
                method=ALGO.method,
                symbol=symbol,
                code=code,
                client_id=only,
                probability=rng.choice((1.0, 0.7)),
            )
            for code in rng.sample(FOR_GOOD, rng.choice((1, 1, 2, 3)))
        ]
        await sleep(rng.choice(LENGTHS_S))
        for rule in rules:
            run.engine.remove_fault(fault_id=rule.fault_id)
        await sleep(rng.uniform(1, 15))


@power("nothing_is_taken", chance=0.02, foggy=False)
async def nothing_is_taken(run: Simulation, rng: random.Random) -> None:
    """No conditional order of the account is taken, all the time: it is locked, say."""
    code = rng.choice(FOR_GOOD)
    run.engine.add_fault(
        "error", path=ALGO.path, method=ALGO.method, code=code, client_id=rng.choice(("qpm1", "qpm1t"))
    )


def _trading_again(run: Simulation, rng: random.Random) -> None:
    for symbol in run.symbols:
        if run.engine.world.instruments[symbol].status != "TRADING":
            run.engine.change_instrument(symbol, status="TRADING")


@power("halted_symbol", chance=0.08, end=_trading_again, foggy=False)
async def halted_symbol(run: Simulation, rng: random.Random) -> None:
    """A symbol stops trading for a while, as when it is settled or halted: the venue takes no order in it."""
    while True:
        await sleep(rng.uniform(2, 25))
        symbol = rng.choice(run.symbols)
        run.engine.change_instrument(symbol, status=rng.choice(HALTED))
        await sleep(rng.choice(LENGTHS_S))
        _trading_again(run, rng)


@power("lying_refusals", chance=0.05, foggy=False)
async def lying_refusals(run: Simulation, rng: random.Random) -> None:
    """Stops that are honest are refused as already passed (-2021), at random or all of them, of one symbol or all."""
    await sleep(rng.choice((0.0, rng.uniform(1, 20))))
    while True:
        rule = run.engine.add_fault(
            "error",
            path=ALGO.path,
            method=ALGO.method,
            symbol=rng.choice((None, *run.symbols)),
            code=-2021,
            client_id=rng.choice(("qpm1", "qpm1b", "qpm1w")),
            probability=rng.choice((1.0, 0.5, 0.2)),
        )
        await sleep(rng.choice(LENGTHS_S))
        run.engine.remove_fault(fault_id=rule.fault_id)
        await sleep(rng.uniform(1, 10))


def _last_is_the_mark(run: Simulation, rng: random.Random) -> None:
    run.market.apart.clear()


@power(
    "last_price_arms",
    chance=0.03,
    settings=lambda rng: {"protection": {"working_type": "CONTRACT_PRICE"}},
    end=_last_is_the_mark,
    foggy=False,
)
async def last_price_arms(run: Simulation, rng: random.Random) -> None:
    """`working_type = "CONTRACT_PRICE"`, and last price and mark up to 2 % apart, more or less by the second."""
    while True:
        for symbol in run.symbols:
            run.market.apart[symbol] = Decimal(repr(round(rng.choice((0, 1, 1)) * rng.uniform(-0.02, 0.02), 4)))
        await sleep(rng.choice((1, 5, 30)))
