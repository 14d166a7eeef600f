"""What an attacker who knew only README and DESIGN found: small scenes of the whole daemon."""

from __future__ import annotations

import pytest

from tests.sim.stage import EVERY_MODE, EVERY_WORLD, Held, Stage, staged

BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"


def covered(stage: Stage) -> bool:
    stage.observe()
    return not stage.checker.uncovered()


@pytest.mark.parametrize("kept_free", [0, 1])
@EVERY_MODE
@staged
async def test_a_venue_that_takes_fewer_orders_than_configured_makes_ladders_give_way(
    hedge: bool, kept_free: int
) -> None:
    """-4045 for a stop while our take-profits hold the places, far below `conditional_orders_max`."""
    async with Stage(Held(BTC, "LONG", "0.300", entry=42_000), Held(ETH, "SHORT", "3"), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.world.conditional_orders_max = len(stage.resting()) + kept_free
        stage.trade("open", SOL, "SHORT", "10")
        await stage.until("the new position is covered", lambda: covered(stage), within_s=13)
        await stage.run(40)
        assert covered(stage)
        refused = [e for e in stage.entries("order_refused", ours=True) if e.detail["code"] == -4045]
        assert len([e for e in refused if e.detail["type"] == "STOP_MARKET"]) <= 4, "what the venue takes is remembered"
        assert len(refused) <= 20
        assert stage.targets(BTC, "LONG"), "ladders are shortened, not taken away"


@staged
async def test_a_venue_that_says_full_for_one_symbol_takes_no_ladder_of_the_others_away() -> None:
    """-4045 for ever for one symbol: room is made once, and what rests for the others stays."""
    async with Stage(Held(BTC, "LONG", "0.300", entry=42_000), Held(ETH, "SHORT", "3")) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("error", method="POST", path="algoOrder", code=-4045, symbol=SOL)
        stage.trade("open", SOL, "SHORT", "10")
        await stage.run(90)
        assert stage.verdict(SOL, "SHORT") == "NAKED"
        assert stage.targets(BTC, "LONG")
        assert stage.targets(ETH, "SHORT")


@pytest.mark.parametrize("refusal", ["403", "hang"])
@staged
async def test_an_interval_of_a_minute_is_not_waited_for_while_no_event_can_come(refusal: str) -> None:
    """`check_interval_s = 60` and a stream that is away: a position opened then has its stop within 15 s."""
    async with Stage(config={"loop": {"check_interval_s": 60, "full_sweep_s": 60}}) as stage:
        stage.start(stream=True)
        await stage.run(70)
        stage.streams.troubles.refuse = refusal
        for socket in list(stage.streams.sockets):
            socket.cut()
        await stage.run(7)
        stage.trade("open", SOL, "SHORT", "10")
        await stage.until("covered", lambda: covered(stage), within_s=15)


@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@EVERY_WORLD
@staged
async def test_a_hand_that_removes_every_ladder_is_answered_at_the_pace_of_the_checks(
    hedge: bool, side: str, stream: bool
) -> None:
    """Found with two daemons that could not hear of each other: 200 take-profits in nine seconds."""
    calm = {"loop": {"check_interval_s": 10, "full_sweep_s": 20}}
    async with Stage(Held(BTC, side, "0.300", entry=42_000), hedge=hedge, config=calm) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        before = len(stage.entries("order_accepted", ours=True))
        with stage.never_uncovered():
            for _ in range(120):
                for rung in stage.targets(BTC, side):
                    stage.cancel_by_hand(rung)
                await stage.run(0.5)
        ladders = (len(stage.entries("order_accepted", ours=True)) - before) / 3
        assert 2 <= ladders <= 9, ladders
        await stage.until("protected", stage.is_protected)
