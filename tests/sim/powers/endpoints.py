"""One endpoint of the venue is down, slow beyond every time-out, or answers rubbish, for any length, also from the
first second on; everything else is healthy. And an order is lost while nobody can be asked whether it arrived."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.faults import Fault
from tests.sim.powers import power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

OUT = {
    "unavailable_503": {},
    "internal_503": {},
    "html": {},
    "empty": {},
    "truncated": {},
    "null": {},
    "empty_object": {},
    "lose_request": {},
    "timeout_before": {"delay_ms": 60_000},
    "latency": {"delay_ms": 5_000},
}
"""Ways in which an endpoint fails: each a fault of the venue, with its settings."""
ENDPOINTS = [one for one in Endpoint if one is not Endpoint.PLACE_ORDER and not one.is_background]
BESIDE_A_STOP = [
    Endpoint.TIME,
    Endpoint.EXCHANGE_INFO,
    Endpoint.ACCOUNT_CONFIG,
    Endpoint.SYMBOL_CONFIG,
    Endpoint.POSITION_MODE,
    Endpoint.POSITION_ROWS,
    Endpoint.OPEN_ORDERS,
    Endpoint.OPEN_ALGO_ORDERS,
    Endpoint.QUERY_ALGO_ORDER,
    Endpoint.CANCEL_ALGO_ORDER,
]
"""What no stop may wait for."""
LENGTHS_S = (3, 12, 40, 1_000)


def break_endpoint(run: Simulation, rng: random.Random, endpoint: Endpoint, ways: list[str]) -> Fault:
    """Let one endpoint fail in one way, from now on; a few answers may get through."""
    way = rng.choice(ways)
    run.counts[f"fault {endpoint.name} {way}"] += 1
    probability = rng.choice((1.0, 1.0, 0.85))
    return run.engine.add_fault(
        way, path=endpoint.value.path, method=endpoint.value.method, probability=probability, **OUT[way]
    )


async def come_and_go(run: Simulation, rng: random.Random, endpoints: list[Endpoint]) -> None:
    """One endpoint after another, each for a while; the first perhaps from the first second on."""
    await sleep(rng.choice((0.0, rng.uniform(1, 20))))
    while True:
        rule = break_endpoint(run, rng, rng.choice(endpoints), sorted(OUT))
        await sleep(rng.choice(LENGTHS_S))
        run.engine.remove_fault(fault_id=rule.fault_id)
        await sleep(rng.uniform(1, 15))


@power("side_endpoint_out", chance=0.08, later_s=60.0, why="trading rules are read again at most once a minute")
async def side_endpoint_out(run: Simulation, rng: random.Random) -> None:
    """One of the endpoints that no stop may wait for."""
    await come_and_go(run, rng, BESIDE_A_STOP)


@power("endpoint_out", chance=0.05, later_s=60.0, why="trading rules are read again at most once a minute")
async def endpoint_out(run: Simulation, rng: random.Random) -> None:
    """Any of them."""
    await come_and_go(run, rng, ENDPOINTS)


@power(
    "write_lost_query_out", chance=0.05, later_s=5.0, why="what is absent from a readable list for 5 s is sent again"
)
async def write_lost_query_out(run: Simulation, rng: random.Random) -> None:
    """Orders are lost on their way now and then, and the question whether one arrived is never answered."""
    await sleep(rng.choice((0.0, rng.uniform(1, 10))))
    break_endpoint(run, rng, Endpoint.QUERY_ALGO_ORDER, ["unavailable_503", "lose_request", "html"])
    lost = Endpoint.PLACE_ALGO_ORDER.value
    while True:
        rule = run.engine.add_fault("lose_request", path=lost.path, method=lost.method, count=rng.choice((1, 1, 2)))
        await sleep(rng.uniform(3, 20))
        run.engine.remove_fault(fault_id=rule.fault_id)
