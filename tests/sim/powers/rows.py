"""Rows of positions in which a field is missing, zero or nonsense, while side and size are right."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.sim.powers import power
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

FIELDS = ("markPrice", "liquidationPrice", "unRealizedProfit", "updateTime", "leverage")
VALUES = (None, "", "NaN", "-1", "soon")
"""What a field says that cannot be read. A liquidation price below zero is one that is not there, so it can be."""


@power("spoiled_rows", chance=0.04, later_s=5.0, why="take-profits wait for two complete reads")
async def spoiled_rows(run: Simulation, rng: random.Random) -> None:
    """One symbol's rows, or all, from the first second on or later, for a while."""
    await sleep(rng.choice((0.0, rng.uniform(1, 15))))
    while True:
        symbol = rng.choice((None, *run.symbols))
        if rng.random() < 0.5:
            rule = run.engine.add_fault("zero_mark", path="positionRisk", symbol=symbol)
        else:
            field, value = rng.choice(FIELDS), rng.choice(VALUES)
            rule = run.engine.add_fault("odd_rows", path="positionRisk", symbol=symbol, field=field, value=value)
        run.counts["fault rows with a field spoiled"] += 1
        await sleep(rng.choice((3, 12, 1_000)))
        run.engine.remove_fault(fault_id=rule.fault_id)
        await sleep(rng.uniform(1, 15))


@power("unreadable_sizes", chance=0.04, later_s=5.0, why="take-profits wait for two complete reads")
async def unreadable_sizes(run: Simulation, rng: random.Random) -> None:
    """The size of one symbol's rows is no number for a while, from the first second on or later."""
    await sleep(rng.choice((0.0, rng.uniform(1, 15))))
    while True:
        value = rng.choice(("lots", "NaN", None, "", []))
        symbol = rng.choice(run.symbols)
        rule = run.engine.add_fault("odd_rows", path="positionRisk", symbol=symbol, field="positionAmt", value=value)
        run.counts["fault rows without a size"] += 1
        await sleep(rng.choice((3, 12, 40)))
        run.engine.remove_fault(fault_id=rule.fault_id)
        await sleep(rng.uniform(1, 15))
