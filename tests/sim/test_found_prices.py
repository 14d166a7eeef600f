"""Found from outside (docs/faults.md, part 4): where a stop may lie, what the venue's limits leave, and no jam.

Each row as it was found, on both sides, and its near relatives.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.stage import EVERY_SIDE, EVERY_WORLD, Held, Stage, against, staged

BTC, SOL = "BTCUSDT", "SOLUSDT"
ENTRY = 42_000


def way(side: str) -> int:
    return 1 if side == "LONG" else -1


# -- 4.1: the liquidation price lies anywhere


@EVERY_WORLD
@staged
async def test_a_winning_position_whose_entry_lies_beyond_its_liquidation_price_has_a_stop(
    hedge: bool, side: str
) -> None:
    """4.1: cross margin; another position lost so much that this one would be liquidated in profit."""
    entry = Decimal("131.28")
    mark, liquidation = entry + way(side) * Decimal("1.57"), entry + way(side) * Decimal("0.72")
    async with Stage(Held(SOL, side, "10", entry=entry, mark=mark), hedge=hedge) as stage:
        stage.fault("odd_rows", field="liquidationPrice", value=str(liquidation), symbol=SOL)
        stage.start()
        await stage.until("protected", stage.is_protected, 15)
        stops = [order.trigger for order in stage.stops(SOL, side)]
        assert any(way(side) * (mark - stop) > 0 and way(side) * (stop - liquidation) > 0 for stop in stops), stops
        assert not stage.entries("order_refused", ours=True)


@EVERY_SIDE
@staged
async def test_a_liquidation_price_that_passes_the_entry_moves_the_stop_before_it(side: str) -> None:
    """Others lose while this one is open: its liquidation price comes nearer until it lies beyond the entry."""
    async with Stage(Held(BTC, side, "0.3", entry=ENTRY, mark=against(ENTRY, side, -1))) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        for away_pct in ("3", "1", "0", "-0.2", "-0.4"):
            liquidation = against(ENTRY, side, away_pct)
            stage.heal()
            stage.fault("odd_rows", field="liquidationPrice", value=str(liquidation), symbol=BTC)
            await stage.run(25)
            best = max(way(side) * order.trigger for order in stage.stops(BTC, side))
            assert best > way(side) * liquidation, (away_pct, best)
            assert stage.verdict(BTC, side) == "PROTECTED", stage.published(BTC, side)["reason"]


# -- 4.2: every price and size limit


@EVERY_WORLD
@staged
async def test_a_stop_beyond_the_prices_the_venue_permits_goes_to_the_nearest_one(hedge: bool, side: str) -> None:
    """4.2: the policy's stop lies below the symbol's minPrice, a short's above its maxPrice."""
    bound = {"min_price": Decimal(41_600)} if side == "LONG" else {"max_price": Decimal(42_400)}
    async with Stage(Held(BTC, side, "0.3", entry=ENTRY, mark=ENTRY), hedge=hedge) as stage:
        stage.engine.change_instrument(BTC, **bound)
        stage.start()
        await stage.until("protected", stage.is_protected, 15)
        assert [order.trigger for order in stage.stops(BTC, side)] == list(bound.values())
        assert not stage.entries("order_refused", ours=True)


@EVERY_SIDE
@staged
async def test_take_profits_beyond_the_prices_the_venue_permits_go_to_the_nearest_one(side: str) -> None:
    bound = {"max_price": Decimal(42_700)} if side == "LONG" else {"min_price": Decimal(41_300)}
    async with Stage(Held(BTC, side, "0.3", entry=ENTRY, mark=ENTRY)) as stage:
        stage.engine.change_instrument(BTC, **bound)
        stage.start()
        await stage.until("protected", stage.is_protected, 15)
        (limit,) = bound.values()
        assert {order.trigger for order in stage.targets(BTC, side)} <= {limit, *(against(ENTRY, side, "-1.5"),)}
        assert not stage.entries("order_refused", ours=True)


@EVERY_SIDE
@pytest.mark.parametrize("ends", ["the price moves", "the bound moves"])
@staged
async def test_where_the_rules_permit_no_stop_price_it_is_said_and_one_is_tried(side: str, ends: str) -> None:
    """The rules that were read may be older than the venue's: they hold back no stop."""
    bound, way = ("min_price", 1) if side == "LONG" else ("max_price", -1)
    async with Stage(Held(BTC, side, "0.3", entry=ENTRY, mark=ENTRY)) as stage:
        stage.engine.change_instrument(BTC, **{bound: Decimal(42_000 + way * 100)})
        stage.start()
        await stage.run(30)
        told = stage.published(BTC, side)
        assert told["verdict"] == "NAKED" and "permits no stop price" in told["reason"], told
        refused = len(stage.entries("order_refused", ours=True))
        assert 1 <= refused <= 8, "tried at the pace of the checks"
        if ends == "the price moves":
            stage.price(BTC, against(ENTRY, side, "-1.5"))
        else:
            stage.engine.change_instrument(BTC, **{bound: Decimal(42_000 - way * 2_000)})
        await stage.until("a stop as soon as one can rest", lambda: stage.covered(BTC, side), 15)


@EVERY_SIDE
@staged
async def test_the_limits_change_while_a_stop_is_to_be_placed(side: str) -> None:
    """The rules that were read are older than the venue's: the refusal makes the daemon read them again."""
    bound = {"min_price": Decimal(41_600)} if side == "LONG" else {"max_price": Decimal(42_400)}
    async with Stage() as stage:
        stage.start()
        await stage.run(5)
        stage.price(BTC, ENTRY)
        stage.engine.change_instrument(BTC, **bound)
        stage.trade("open", BTC, side, "0.3")
        await stage.until("covered", lambda: stage.covered(BTC, side), 75)


# -- 4.3: added to while winning or losing


@EVERY_WORLD
@staged
async def test_a_position_that_was_added_to_at_a_worse_price_has_its_stop_at_the_policys_level(
    hedge: bool, side: str
) -> None:
    """4.3: a small winner grows twentyfold at the top, and the mark falls back below the new entry."""
    first = Decimal(129)
    async with Stage(Held(SOL, side, "4", entry=first, mark=first), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.price(SOL, against(first, side, "-1.8"))
        await stage.run(15)
        stage.price(SOL, against(first, side, "-6"))
        stage.trade("add", SOL, side, "76")
        entry = next(leg.entry for leg in stage.world.account.open_positions())
        stage.price(SOL, against(entry, side, "0.7"))
        with stage.never_uncovered():
            await stage.run(25)
        best = max(way(side) * order.trigger for order in stage.stops(SOL, side))
        assert best >= way(side) * against(entry, side, "1.51"), (best, entry)
        assert stage.verdict(SOL, side) == "PROTECTED"


@EVERY_SIDE
@staged
async def test_a_stop_anchored_to_the_mark_in_a_loss_stays_there_over_a_restart(side: str) -> None:
    """The other half of 4.3: the bounce of a losing position must not pull its stop behind the price."""
    async with Stage(Held(BTC, side, "0.3", entry=ENTRY, mark=against(ENTRY, side, 4))) as stage:
        process = stage.start()
        await stage.until("covered", lambda: stage.covered(BTC, side))
        (anchored,) = [order.trigger for order in stage.stops(BTC, side)]
        for pct, restart in (("3", False), ("1.2", True), ("0.3", True)):
            if restart:
                process.kill()
                process = stage.start()
            stage.price(BTC, against(ENTRY, side, pct))
            await stage.run(25)
            assert [order.trigger for order in stage.stops(BTC, side)] == [anchored]
        assert "anchored to the mark" in stage.published(BTC, side)["reason"]


# -- 4.5: the venue removes nothing


@EVERY_SIDE
@staged
async def test_a_trend_is_followed_although_the_venue_removes_nothing(side: str) -> None:
    """4.5: cancels answer -2011 and queries -2013 for orders that rest; the market runs ten percent."""
    patient = {"protection": {"stop_loss_pct": 3, "ladder": [{"target_pct": 14, "share_pct": 100}]}}
    async with Stage(Held(BTC, side, "0.3", entry=ENTRY, mark=ENTRY), config=patient) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        for endpoint, code in ((Endpoint.CANCEL_ALGO_ORDER, -2011), (Endpoint.QUERY_ALGO_ORDER, -2013)):
            stage.fault("error", code=code, path=endpoint.value.path, method=endpoint.value.method)
        with stage.never_uncovered():
            for step in range(1, 41):
                stage.price(BTC, against(ENTRY, side, Decimal(step) / -4))
                await stage.run(4)
        mark = against(ENTRY, side, -10)
        best = max(way(side) * order.trigger for order in stage.stops(BTC, side))
        behind_pct = abs(best - way(side) * mark) / mark * 100
        assert behind_pct < Decimal("3.1"), behind_pct
        assert len(stage.stops(BTC, side)) <= 17
        stage.heal()
        await stage.run(60)
        assert len(stage.stops(BTC, side)) == 2, "what it moved from goes as soon as the venue lets it"
        stage.must_be_protected()


# -- 4.6: no jam


@EVERY_WORLD
@staged
async def test_fifty_fills_in_a_second_beside_a_far_close_all_make_a_handful_of_stops(hedge: bool, side: str) -> None:
    """4.6: each fill tells of itself, and only quantity stops can cover what it adds."""
    async with Stage(Held(BTC, side, "0.010", entry=ENTRY, mark=ENTRY), hedge=hedge) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, 9))
        stage.start(stream=True)
        await stage.until("protected", stage.is_protected)
        most = Decimal(0)
        for _ in range(50):
            stage.trade("add", BTC, side, "0.010")
            await asyncio.sleep(0.02)
            most = max(most, Decimal(len(stage.own(BTC, side, "w"))))
        await stage.run(1)
        assert stage.covered(BTC, side), "what was added is covered within the second"
        assert most <= 9, most
        total = sum(order.quantity for order in stage.own(BTC, side, "w"))
        assert total <= 4 * stage.size(BTC, side), total  # doublings twice over: of what rested, and of what was read
        await stage.run(40)
        stage.must_be_protected()
        assert [order.quantity for order in stage.own(BTC, side, "w")] == [stage.size(BTC, side)]


@EVERY_WORLD
@pytest.mark.parametrize("far", [True, False], ids=["beside-a-far-close-all", "beside-our-backstop"])
@staged
async def test_a_heap_of_our_own_working_stops_is_cleared(far: bool, hedge: bool, side: str) -> None:
    """What was found at 48 working stops: plan and guard waited for each other for good."""
    async with Stage(Held(BTC, side, "0.490", entry=ENTRY, mark=ENTRY), hedge=hedge) as stage:
        if far:
            stage.foreign_stop(BTC, side, against(ENTRY, side, 9))
        first = stage.start()
        await stage.until("protected", stage.is_protected)
        first.kill()
        for number in range(1, 49):
            stage.engine.place_algo(_working_stop(stage, side, number), origin="foreign")
        stage.start()
        with stage.never_uncovered():
            await stage.until("cleared", lambda: len(stage.own(BTC, side, "bw")) == 1, 150)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


def _working_stop(stage: Stage, side: str, number: int) -> dict[str, str]:
    epoch = stage.own(BTC, side)[0].client_id[6:14]
    tail = format(number, "018b").replace("0", "a").replace("1", "b")
    params = {
        "algoType": "CONDITIONAL",
        "symbol": BTC,
        "side": "SELL" if side == "LONG" else "BUY",
        "positionSide": side if stage.world.account.hedge else "BOTH",
        "type": "STOP_MARKET",
        "triggerPrice": str(against(ENTRY, side, "1.5")),
        "workingType": "MARK_PRICE",
        "quantity": str(Decimal(number) / 100),
        "clientAlgoId": f"qpm1w0{epoch}{tail}",
    }
    return params if stage.world.account.hedge else params | {"reduceOnly": "true"}
