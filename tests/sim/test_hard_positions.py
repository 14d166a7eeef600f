"""The position changes under our hands: it grows, shrinks, flips, ends, or only seems to have ended."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.stage import EVERY_MODE, EVERY_SIDE, EVERY_WORLD, TWO_WORLDS, Held, Stage, against, opposite, staged

BTC = "BTCUSDT"
ENTRY = 42_000


def btc(side: str, quantity: str = "0.300", **more: object) -> Held:
    return Held(BTC, side, quantity, entry=ENTRY, **more)  # type: ignore[arg-type]


async def with_working_stop(stage: Stage, side: str) -> None:
    """A foreign close-all stop was in the way, so a working stop of ours rests; then the user took his away."""
    theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, 9))
    stage.start()
    await stage.until("a working stop rests", lambda: stage.own(BTC, side, "w"))
    await stage.run(12)
    stage.cancel_by_hand(theirs)


@EVERY_WORLD
@staged
async def test_a_position_that_grows_is_covered_by_the_backstop_at_once(hedge: bool, side: str) -> None:
    """X14: between a fill and our next look only an order the venue sizes itself can cover the new quantity."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        with stage.never_uncovered():
            for quantity in ("0.001", "0.200", "1.500"):
                stage.trade("add", BTC, side, quantity)
                await stage.run(12)
                stage.must_be_protected()
        assert stage.size(BTC, side) == Decimal("2.001")
        assert len(stage.own(BTC, side, "b")) == 1


@EVERY_WORLD
@staged
async def test_a_position_that_grows_between_our_read_and_our_cancel_stays_covered(hedge: bool, side: str) -> None:
    """X14, invariant 2: the last read before a cancel is old when the cancel arrives; the backstop bears the growth."""
    async with Stage(btc(side), hedge=hedge) as stage:
        await with_working_stop(stage, side)
        daemon = stage.processes[0]
        await stage.until("a backstop rests", lambda: stage.own(BTC, side, "b"))
        # The working stop is looser or equal now: its removal is the cancel the trader runs into.
        stage.on_call(Endpoint.CANCEL_ALGO_ORDER, lambda: stage.trade("add", BTC, side, "0.500"), process=daemon)
        with stage.never_uncovered():
            await stage.until("the trader added", lambda: stage.size(BTC, side) == Decimal("0.800"))
            await stage.run(20)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_growth_before_the_removal_of_a_ladder_never_costs_cover(hedge: bool, side: str) -> None:
    """X13, X14: a shrinking position retires rungs; when it grows again in that very moment nothing is lost."""
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        stage.on_call(Endpoint.CANCEL_ALGO_ORDER, lambda: stage.trade("add", BTC, side, "0.700"), process=daemon)
        with stage.never_uncovered():
            stage.trade("reduce", BTC, side, "0.200")
            await stage.until("the trader added", lambda: stage.size(BTC, side) == Decimal("0.800"))
            await stage.run(15)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_partial_close_resizes_the_ladder_and_leaves_the_stop(hedge: bool, side: str) -> None:
    """X13: quantities follow the position in every cycle; the close-all stop needs no resizing and is not touched."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        backstop = stage.own(BTC, side, "b")[0].algo_id
        with stage.never_uncovered():
            stage.trade("reduce", BTC, side, "0.170")
            await stage.run(15)
        stage.must_be_protected()
        assert [order.algo_id for order in stage.own(BTC, side, "b")] == [backstop]
        assert sum(order.quantity for order in stage.targets(BTC, side)) == Decimal("0.130")


@EVERY_SIDE
@staged
async def test_a_flip_protects_the_new_side_before_the_old_sides_orders_go(side: str) -> None:
    """X15: the new direction is naked and comes first; the old one's ladder is swept only after it is proven flat."""
    new = opposite(side)
    async with Stage(btc(side)) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        assert stage.targets(BTC, side)
        stage.trade("flip", BTC, side)
        await stage.until("the new side has its stop", lambda: stage.own(BTC, new, "b"), within_s=7)
        await stage.until("protected and tidy", lambda: stage.is_protected() and not stage.own(BTC, side))
        stage.must_be_protected()
        flipped = next(e.sequence for e in stage.entries("filled") if e.position_before != {} and not e.position_after)
        after = [entry for entry in stage.entries(ours=True) if entry.sequence > flipped]
        first_stop = next(e for e in after if e.kind == "order_accepted" and e.detail["type"] == "STOP_MARKET")
        swept = [entry for entry in after if entry.kind == "order_canceled"]
        assert swept and first_stop.sequence < min(entry.sequence for entry in swept)


@staged
async def test_in_hedge_mode_a_flip_is_one_leg_ending_and_another_beginning() -> None:
    """X15 in hedge mode: each leg has its own orders; the ended leg's ladder goes, the other leg's never moves."""
    async with Stage(btc("LONG"), btc("SHORT", "0.100"), hedge=True) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        short_before = {order.algo_id for order in stage.own(BTC, "SHORT")}
        stage.trade("close", BTC, "LONG")
        await stage.until("the ended leg's orders are gone", lambda: not stage.own(BTC, "LONG"))
        assert {order.algo_id for order in stage.own(BTC, "SHORT")} == short_before
        stage.trade("open", BTC, "LONG", "0.050")
        await stage.until("protected again", stage.is_protected)
        stage.must_be_protected()
        assert {order.algo_id for order in stage.own(BTC, "SHORT")} == short_before


@EVERY_WORLD
@staged
async def test_orphans_are_swept_only_after_flat_is_proven(hedge: bool, side: str) -> None:
    """Invariant 7, X16: several agreeing reads apart in time and a row that says zero, then the ladder goes."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(3)
        stage.trade("close", BTC, side)
        stage.observe()
        ended_ms = stage.world.now_ms
        assert stage.targets(BTC, side), "the venue leaves reduce-only conditional orders resting"
        await stage.until("swept", lambda: not stage.own(BTC, side))
        swept = [entry for entry in stage.entries("order_canceled", ours=True) if entry.at_ms >= ended_ms]
        assert min(entry.at_ms for entry in swept) - ended_ms >= 2_000
        await stage.run(2)
        assert stage.published(BTC, side) == {}
        assert stage.events("PositionFlat")


@TWO_WORLDS
@staged
async def test_a_zero_row_that_never_comes_keeps_the_orphans(hedge: bool, side: str) -> None:
    """Invariant 7: absence alone, however often it is read, is not proof; without the zero row nothing is removed."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("error", path="/fapi/v2/positionRisk", code=-1001)
        stage.fault("false_flat", path="/fapi/v3/positionRisk")
        before = stage.book()
        with stage.never_uncovered():
            await stage.run(120)
        assert stage.book() == before
        assert not stage.entries("order_canceled", ours=True)
        stage.heal()
        await stage.run(10)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("fault", ["false_flat", "shrunken_positions", "empty_orders"])
@staged
async def test_a_burst_of_false_answers_removes_nothing(fault: str, hedge: bool, side: str) -> None:
    """N6 to N8, invariant 7: half a minute of empty lists costs not one order, and creates none twice."""
    async with Stage(btc(side), Held("ETHUSDT", side, "3.000", entry=2_250), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        before = {order.algo_id for order in stage.own()}
        stage.fault(fault)
        with stage.never_uncovered():
            await stage.run(30)
        stage.heal()
        await stage.run(20)
        assert not stage.entries("order_canceled", ours=True)
        assert {order.algo_id for order in stage.own()} == before
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_single_false_flats_between_true_reads_never_add_up(hedge: bool) -> None:
    """Invariant 7: an empty answer now and then, for five minutes, is never counted together."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("false_flat", probability=0.4)
        with stage.never_uncovered():
            await stage.run(300)
        assert not stage.entries("order_canceled", ours=True)
        stage.heal()
        await stage.run(10)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_closed_and_opened_again_at_once_is_a_new_position(hedge: bool, side: str) -> None:
    """X16: the venue removed the backstop with the old position; the new one is naked and gets a stop of its own."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.price(BTC, against(ENTRY, side, -1))
        stage.trade("close", BTC, side)
        stage.trade("open", BTC, side, "0.120")
        await stage.until("the new position is covered", lambda: stage.covered(BTC, side), within_s=7)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_human_who_cancels_everything_gets_it_back(hedge: bool, side: str) -> None:
    """H1, H4: orders cancelled by hand are placed again at the next look, in both layers and with the ladder."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        before = stage.book()
        for order in stage.own(BTC, side):
            stage.cancel_by_hand(order)
        assert not stage.covered(BTC, side)
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=7)
        await stage.until("protected", stage.is_protected)
        assert stage.book() == before


@staged
async def test_a_human_who_moves_our_stop_has_made_it_his() -> None:
    """H3: the moved order is cancelled and placed anew by the page, so it is foreign; ours comes back beside it."""
    async with Stage(btc("LONG")) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.cancel_by_hand(stage.own(BTC, "LONG", "b")[0])
        theirs = stage.foreign_stop(BTC, "LONG", "41000.0")
        await stage.run(15)
        stage.observe()
        assert stage.covered(BTC, "LONG")
        assert theirs.status == "NEW"
        assert stage.events("ForeignOrderSeen")
        assert stage.verdict(BTC, "LONG") == "PROTECTED"
