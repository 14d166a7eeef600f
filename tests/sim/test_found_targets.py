"""Found from outside: take-profits, ids and stops of other programs (rows 2.3, 3.5, 3.7, 3.8 of the page)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, staged

ENTRY = Decimal(42_000)


def ids_accepted(stage: Stage) -> list[str]:
    return [str(entry.detail["client_id"]) for entry in stage.entries("order_accepted", "BTCUSDT", ours=True)]


# -- an id names one order (3.8)


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@staged
async def test_a_stop_cancelled_by_hand_comes_back_under_a_new_id(hedge, side, stream):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        for _ in range(3):
            (stop,) = stage.stops("BTCUSDT", side)
            stage.cancel_by_hand(stop)
            await stage.until("covered again", lambda: stage.covered("BTCUSDT", side), 12)
            (again,) = stage.stops("BTCUSDT", side)
            assert again.trigger == stop.trigger and again.client_id != stop.client_id
        await stage.run(12)
        stage.must_be_protected()
        assert len(set(ids_accepted(stage))) == len(ids_accepted(stage))


@TWO_WORLDS
@pytest.mark.parametrize("role", ["b", "t"])
@staged
async def test_an_order_cancelled_while_the_daemon_is_down_comes_back_under_a_new_id(hedge, side, role):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        process = stage.start()
        await stage.until("protected", stage.is_protected)
        process.kill()
        for order in stage.own("BTCUSDT", side):
            stage.cancel_by_hand(order)
        stage.start()
        await stage.until("protected", stage.is_protected)
        accepted = ids_accepted(stage)
        assert len(set(accepted)) == len(accepted) == 8


@TWO_WORLDS
@staged
async def test_take_profits_cancelled_by_hand_come_back_under_new_ids(hedge, side):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        for _ in range(2):
            for order in stage.targets("BTCUSDT", side):
                stage.cancel_by_hand(order)
            await stage.run(6)
            await stage.until("protected", stage.is_protected)
        accepted = ids_accepted(stage)
        assert len(set(accepted)) == len(accepted) == 10


@TWO_WORLDS
@staged
async def test_a_stop_does_not_wait_for_an_answer_about_its_id(hedge, side):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        stage.fault("unavailable_503", path="algoOrder", method="GET")
        stage.start()
        await stage.until("covered", lambda: stage.covered("BTCUSDT", side), 3)
        (stop,) = stage.stops("BTCUSDT", side)
        await stage.run(10)
        stage.cancel_by_hand(stop)
        await stage.until("covered again", lambda: stage.covered("BTCUSDT", side), 12)
        stage.checker.violations.clear()  # nobody could know


@TWO_WORLDS
@staged
async def test_an_order_of_which_nobody_knows_whether_it_arrived_is_sent_again_under_the_same_id(hedge, side):
    async with Stage(hedge=hedge) as stage:
        stage.start()
        await stage.run(6)
        stage.fault("lose_response", path="algoOrder", method="POST", count=1)
        stage.fault("delayed_listing", delay_ms=6_000, count=1)
        stage.trade("open", "BTCUSDT", side, "0.3")
        await stage.until("protected", stage.is_protected, 40)
        tried = [
            str(entry.detail["client_id"])
            for entry in stage.entries("", "BTCUSDT", ours=True)
            if entry.kind in ("order_accepted", "order_refused") and entry.detail["client_id"][4] == "b"
        ]
        assert len(set(tried)) == 1
