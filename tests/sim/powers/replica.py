"""Answers come from a replica that lags by up to 10 s, consistent with itself; for every read or for some."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.powers import power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

LAGS_MS = (300, 1_000, 2_500, 6_000, 10_000)
LENGTHS_S = (8, 30, 1_000)
POSITIONS = (Endpoint.POSITIONS.value.path, Endpoint.POSITION_ROWS.value.path)
LISTS = (Endpoint.OPEN_ALGO_ORDERS.value.path, Endpoint.OPEN_ORDERS.value.path, Endpoint.QUERY_ALGO_ORDER.value.path)
SCOPES: tuple[tuple[str | None, ...], ...] = ((None,), (None,), POSITIONS[:1], POSITIONS, LISTS[:1], LISTS)
"""Every read, or the positions only, or the orders only."""


def lag(run: Simulation, rng: random.Random) -> list[int]:
    """Let some reads come from one replica, from now on; returns the numbers of the rules."""
    behind_ms, drifts = rng.choice(LAGS_MS), rng.random() < 0.3
    run.counts["fault replica"] += 1
    most_ms = min(10_000, 2 * behind_ms) if drifts else None
    return [
        run.engine.add_fault("replica_lag", delay_ms=behind_ms, delay_max_ms=most_ms, method="GET", path=path).fault_id
        for path in rng.choice(SCOPES)
    ]


@power(
    "lagging_replica",
    chance=0.04,
    stale_ms=10_200,
    later_s=15.0,
    why="what was read last may be 10 s old when the lag ends",
)
async def lagging_replica(run: Simulation, rng: random.Random) -> None:
    """One replica at a time, for a while or for good."""
    await sleep(rng.choice((0.0, 0.0, rng.uniform(1, 15))))
    while True:
        rules = lag(run, rng)
        await sleep(rng.choice(LENGTHS_S))
        for number in rules:
            run.engine.remove_fault(fault_id=number)
        await sleep(rng.uniform(2, 15))
