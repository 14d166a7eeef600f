"""The dynamic policy through the whole daemon: it places, rests, and reads its levels back after a restart (S1, S2)."""

from __future__ import annotations

import pytest

from position_monitor.core.model.ids import part_of, tag_of
from position_monitor.core.model.pins import NOT_PINNED
from tests.sim.stage import Held, Stage, staged

BTC, ENTRY = "BTCUSDT", 42_000
CONFIG = {"exit": {"legacy_policy": "dynamic"}}


def written(stage: Stage) -> int:
    """Orders of ours that the venue took."""
    return len(stage.entries("order_accepted", ours=True))


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
@pytest.mark.parametrize("candles", [True, False], ids=["candles", "no-candles"])
@staged
async def test_a_quiet_hour_and_a_restart_write_nothing(side: str, candles: bool) -> None:
    """What was decided at entry is read back from the exchange; nothing is written a second time."""
    config = {"exit": {**CONFIG["exit"], "candles": candles}}
    async with Stage(Held(BTC, side, "0.238", entry=ENTRY, mark=ENTRY), config=config) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(30)
        orders = [(order.client_id, order.trigger) for role in "bwt" for order in stage.own(BTC, side, role)]
        tag = tag_of(stage.own(BTC, side, "b")[0].client_id)
        assert tag is not None and part_of(tag.rung) != NOT_PINNED
        before = written(stage)
        await stage.run(1_800)
        stage.processes[0].kill()
        stage.start()
        await stage.run(1_800)
        stage.must_be_protected()
        assert written(stage) == before
        assert [(order.client_id, order.trigger) for role in "bwt" for order in stage.own(BTC, side, role)] == orders
