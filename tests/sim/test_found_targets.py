"""Found from outside: take-profits, ids and stops of other programs (rows 2.3, 3.5, 3.7, 3.8 of the page)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.sim.over_exit import Least, too_much
from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, against, staged

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


# -- nothing is placed beside a stop that fires (2.3)


def placed_since(stage: Stage, sequence: int) -> list[tuple[str, str]]:
    """What we asked the venue to place since a moment, taken or refused."""
    return [
        (entry.kind, str(entry.detail["type"]))
        for entry in stage.entries("", "BTCUSDT", ours=True)
        if entry.sequence > sequence and entry.origin == "api" and entry.kind in ("order_accepted", "order_refused")
    ]


def beyond_its_stop(stage: Stage, side: str) -> None:
    (stop,) = stage.stops("BTCUSDT", side)
    stage.price("BTCUSDT", against(stop.trigger, side, "0.1"))


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@pytest.mark.parametrize("laddered", [False, True], ids=["bare", "laddered"])
@staged
async def test_nothing_is_placed_for_a_position_whose_stop_has_fired_while_it_is_still_listed(
    hedge, side, stream, laddered
):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge, stale_ms=4_200) as stage:
        stage.start(stream=stream)
        ready = stage.is_protected if laddered else (lambda: stage.covered("BTCUSDT", side))
        await stage.until("its stop rests", ready)
        await stage.run(3 if laddered else 0.5)
        stage.fault("replica_lag", path="positionRisk", delay_ms=4_000)
        moment = stage.world.journal.last_sequence
        beyond_its_stop(stage, side)
        await stage.run(15)
        assert not stage.open_keys()
        assert not placed_since(stage, moment)


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@pytest.mark.parametrize("delay_ms", [4, 900, 6_000])
@staged
async def test_nothing_is_placed_while_a_stop_is_triggering(hedge, side, stream, delay_ms):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        stage.start(stream=stream)
        await stage.until("covered", lambda: stage.covered("BTCUSDT", side))
        stage.world.trigger_delay_ms = delay_ms
        moment = stage.world.journal.last_sequence
        beyond_its_stop(stage, side)
        await stage.until("flat", lambda: not stage.open_keys(), 12)
        await stage.run(6)
        assert not placed_since(stage, moment)


@TWO_WORLDS
@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@staged
async def test_a_stop_that_closed_a_part_only_is_followed_by_one_for_the_rest(hedge, side, stream):
    """The stop's child left the engine with a part filled: what is left is a position like any other."""
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        stage.fault("child_partial", fraction="0.4", count=1)
        beyond_its_stop(stage, side)
        await stage.run(1)
        assert Decimal(0) < stage.size("BTCUSDT", side) < Decimal("0.3")
        await stage.until(
            "closed or covered", lambda: not stage.open_keys() or stage.covered("BTCUSDT", side), within_s=30
        )


@TWO_WORLDS
@staged
async def test_a_position_opened_again_after_its_stop_fired_gets_a_stop_at_once(hedge, side):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        stage.start(stream=True)
        await stage.until("protected", stage.is_protected)
        for _ in range(2):
            beyond_its_stop(stage, side)
            await stage.run(0.1)
            assert not stage.open_keys()
            stage.trade("open", "BTCUSDT", side, "0.2")
            await stage.until("covered", lambda: stage.covered("BTCUSDT", side), 1)
            await stage.run(20)
            stage.must_be_protected()


# -- never more take-profit than the policy wants (3.5, 3.8)


def shares_are_kept(stage: Stage, side: str) -> bool:
    """At no price of ours more than the shares up to it, of what is there now."""
    size, entry = stage.size("BTCUSDT", side), stage.world.account.positions["BTCUSDT"]
    price = next(leg.entry for leg in entry.values() if leg.amount)
    rungs = [(order.trigger, order.quantity) for order in stage.targets("BTCUSDT", side)]
    least = Least(Decimal("0.001"), Decimal("0.001"), Decimal(5))
    return not too_much(rungs, side, size, price, least)


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@staged
async def test_a_position_resized_again_and_again_never_has_a_ladder_beside_a_ladder(hedge, side, stream):
    async with Stage(Held("BTCUSDT", side, "0.4", entry=ENTRY), hedge=hedge) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        for action, quantity in (("add", "0.2"), ("reduce", "0.15"), ("add", "0.3"), ("reduce", "0.5"), ("add", "0.1")):
            stage.trade(action, "BTCUSDT", side, quantity)
            for _ in range(60):
                await stage.run(0.25)
                rungs = [order.client_id[5] for order in stage.targets("BTCUSDT", side)]
                assert len(rungs) == len(set(rungs)), "a rung rests twice"
            assert shares_are_kept(stage, side)
            stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_without_redis_nothing_is_closed_beyond_the_first_share_at_the_first_rung(hedge, side):
    """The row: a position resized twice without the lease, and then the price reaches the first rung."""
    async with Stage(Held("BTCUSDT", side, "0.4", entry=ENTRY), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.redis.down = True
        await stage.run(40)
        stage.trade("add", "BTCUSDT", side, "0.2")
        await stage.run(12)
        stage.trade("reduce", "BTCUSDT", side, "0.15")
        await stage.run(12)
        size = stage.size("BTCUSDT", side)
        stage.price("BTCUSDT", against(ENTRY, side, "-1.65"))
        await stage.run(12)
        assert stage.size("BTCUSDT", side) >= size * Decimal("0.69")


@TWO_WORLDS
@pytest.mark.parametrize("sizes", [("0.1005", "0.1", "0.1005", "0.1"), ("0.1", "0.1005", "0.101", "0.1005")])
@staged
async def test_a_ladder_stays_while_the_users_own_take_profits_change_a_little(hedge, side, sizes):
    async with Stage(Held("BTCUSDT", side, "0.8", entry=ENTRY), hedge=hedge) as stage:
        far = stage.world.instruments["BTCUSDT"].tick
        price = (against(ENTRY, side, -3) // far) * far
        size = "0.100"
        own = stage.foreign_stop("BTCUSDT", side, price, size, kind="TAKE_PROFIT_MARKET")
        stage.start()
        await stage.until("protected", lambda: stage.verdict("BTCUSDT", side) == "PROTECTED")
        await stage.run(11)
        before = sorted(order.client_id for order in stage.targets("BTCUSDT", side))
        for size in sizes:
            stage.cancel_by_hand(own)
            own = stage.foreign_stop(
                "BTCUSDT", side, price, str(Decimal(size).quantize(Decimal("0.001"))), kind="TAKE_PROFIT_MARKET"
            )
            await stage.run(11)
            assert sorted(order.client_id for order in stage.targets("BTCUSDT", side)) == before
            assert stage.verdict("BTCUSDT", side) == "PROTECTED"


@TWO_WORLDS
@staged
async def test_a_take_profit_stuck_in_triggering_does_not_hold_up_the_ladder_for_ever(hedge, side):
    async with Stage(Held("BTCUSDT", side, "0.4", entry=ENTRY), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("stuck_triggering", count=1)
        stage.price("BTCUSDT", against(ENTRY, side, "-1.6"))
        await stage.run(1)
        stage.price("BTCUSDT", against(ENTRY, side, "-0.5"))
        stage.trade("add", "BTCUSDT", side, "0.2")
        await stage.until("a ladder for all of it rests", lambda: len(stage.targets("BTCUSDT", side)) == 3, 40)
        assert sum(order.quantity for order in stage.targets("BTCUSDT", side)) == Decimal("0.6")


# -- the slot of another program's own stop (3.7)


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polled", "streamed"])
@pytest.mark.parametrize("gap_s", [0.05, 0.5, 7])
@staged
async def test_another_program_can_replace_its_own_close_all_stop(hedge, side, stream, gap_s):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        own = stage.foreign_stop("BTCUSDT", side, against(ENTRY, side, "1"))
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        for pct in ("0.9", "0.8", "0.7", "0.9", "0.6"):
            stage.cancel_by_hand(own)
            await stage.run(gap_s)
            own = stage.foreign_stop("BTCUSDT", side, against(ENTRY, side, pct))  # raises what the venue refuses
            await stage.run(6)
            assert stage.covered("BTCUSDT", side)
        stage.cancel_by_hand(own)
        await stage.until("covered by ours", lambda: stage.covered("BTCUSDT", side), 8)
        await stage.run(20)
        assert not stage.own("BTCUSDT", side, "b")
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_the_slot_stays_free_over_a_restart_and_is_ours_in_the_next_life(hedge, side):
    async with Stage(Held("BTCUSDT", side, "0.3", entry=ENTRY), hedge=hedge) as stage:
        own = stage.foreign_stop("BTCUSDT", side, against(ENTRY, side, "1"))
        process = stage.start()
        await stage.until("protected", stage.is_protected)
        stage.cancel_by_hand(own)
        await stage.until("covered by ours", lambda: stage.covered("BTCUSDT", side), 8)
        process.kill()
        stage.start()
        await stage.run(20)
        stage.foreign_stop("BTCUSDT", side, against(ENTRY, side, "0.8"))
        stage.must_be_protected()
        stage.trade("close", "BTCUSDT", side)
        await stage.run(30)
        stage.trade("open", "BTCUSDT", side, "0.2")
        await stage.until("protected", stage.is_protected)
        assert len(stage.own("BTCUSDT", side, "b")) == 1
