"""The venue's cap of 200 open conditional orders, foreign ones included: stops first, ladders give way (X19)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from position_monitor.edge.venues.binance.traits import TRAITS
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.paper.amounts import floor_to
from tests.sim.stage import EVERY_MODE, EVERY_WORLD, Held, Stage, against, staged

BTC, ETH = "BTCUSDT", "ETHUSDT"
ENTRY = 42_000
CAP = 200
FOUR = ((BTC, "0.300"), (ETH, "5.000"), ("SOLUSDT", "50"), ("XRPUSDT", "5000"))
LONG_SWEEP = {"full_sweep_s": 60}


def entries_of_another_bot(stage: Stage, count: int) -> None:
    """Conditional entry orders on a symbol without a position of ours: they use up the account's cap."""
    hedge = stage.world.account.hedge
    for number in range(count):
        params = {"algoType": "CONDITIONAL", "symbol": ETH, "side": "BUY", "type": "STOP_MARKET"}
        params |= {"positionSide": "LONG" if hedge else "BOTH", "quantity": "0.100"}
        params |= {"triggerPrice": str(Decimal(2_600) + number), "clientAlgoId": f"entry-{number}"}
        stage.engine.place_algo(params, origin="foreign")


def take_back(stage: Stage, count: int) -> None:
    """The other bot cancels some of them."""
    for order in [o for o in stage.resting(ETH) if o.client_id.startswith("entry-")][:count]:
        stage.cancel_by_hand(order)


def open_one(stage: Stage, symbol: str, side: str) -> None:
    instrument = stage.world.instruments[symbol]
    quantity = max(instrument.min_qty, floor_to(Decimal(500) / instrument.reference_price, instrument.step))
    stage.trade("open", symbol, side, str(quantity))


def crowd(count: int, **more: object) -> Stage:
    """An account of many small positions."""
    extra = {"generated_instruments": 150, "generated_positions": count, **more}
    return Stage(wallet="2000000", **extra)  # type: ignore[arg-type]


def all_covered(stage: Stage) -> bool:
    stage.observe()
    return not stage.checker.uncovered()


@EVERY_WORLD
@staged
async def test_the_last_free_slot_is_the_stops(hedge: bool, side: str) -> None:
    """199 of 200 are foreign: the stop takes the last one, the ladder waits, nothing is refused, and it says why."""
    async with Stage(Held(BTC, side, "0.300", entry=ENTRY), hedge=hedge) as stage:
        entries_of_another_bot(stage, CAP - 1)
        stage.start()
        await stage.run(20)
        assert len(stage.own(BTC, side, "b")) == 1
        assert not stage.targets(BTC, side)
        assert not stage.entries("order_refused", ours=True)
        assert stage.verdict(BTC, side) == "STOP_ONLY"
        assert "capacity" in stage.published(BTC, side)["reason"]
        assert stage.status()["risk_status"] == "DEGRADED"


@staged
async def test_a_venue_with_fewer_slots_is_respected_without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own number is what counts: every stop rests, ladders share what is left, and nothing is refused."""
    monkeypatch.setattr(BinanceUsdm, "traits", replace(TRAITS, conditional_orders_max=10))
    async with Stage(*(Held(symbol, "LONG", size) for symbol, size in FOUR)) as stage:
        stage.world.conditional_orders_max = 10
        stage.start()
        await stage.run(60)
        assert [len(stage.own(symbol, "LONG", "b")) for symbol, _ in FOUR] == [1, 1, 1, 1]
        assert any(stage.targets(symbol, "LONG") for symbol, _ in FOUR)
        assert len(stage.resting()) <= 10
        assert not stage.entries("order_refused", ours=True)


@EVERY_WORLD
@staged
async def test_a_full_account_is_critical_and_the_first_freed_slot_is_the_stops(hedge: bool, side: str) -> None:
    """-4045 with not one slot free: published as exposed, asked for again without hammering, placed once one is."""
    async with Stage(Held(BTC, side, "0.300", entry=ENTRY), hedge=hedge) as stage:
        entries_of_another_bot(stage, CAP)
        stage.start()
        await stage.run(60)
        refused = [e for e in stage.entries("order_refused", ours=True) if e.detail["code"] == -4045]
        assert 10 <= len(refused) <= 70, "it keeps asking, at most about once a second"
        assert stage.verdict(BTC, side) == "NAKED"
        assert stage.status()["risk_status"] == "CRITICAL"
        take_back(stage, 1)
        await stage.until("the stop rests", lambda: stage.own(BTC, side, "b"), within_s=7)
        await stage.run(5)
        assert stage.verdict(BTC, side) == "STOP_ONLY"
        take_back(stage, 20)
        await stage.until("the ladder is back", stage.is_protected, within_s=40)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_foreign_orders_that_fill_the_cap_collapse_ladders_not_stops(hedge: bool) -> None:
    """X19: the cap is reached after our ladder rests; a position opened then still gets its stop, from the ladder."""
    async with Stage(Held(BTC, "LONG", "0.300", entry=ENTRY), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        entries_of_another_bot(stage, CAP - 4)
        stage.trade("open", "SOLUSDT", "SHORT", "10")
        await stage.until("the new position is covered", lambda: all_covered(stage), within_s=27)
        await stage.run(30)
        assert stage.own(BTC, "LONG", "b")
        assert stage.own("SOLUSDT", "SHORT", "b")
        take_back(stage, 50)
        await stage.until("both ladders are back", stage.is_protected, within_s=40)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_a_refusal_at_the_cap_makes_room_at_once(hedge: bool) -> None:
    """X19: -4045 says the count of foreign orders is out of date; waiting for the next full sweep is a naked minute."""
    async with Stage(Held(BTC, "LONG", "0.300", entry=ENTRY), hedge=hedge, config={"loop": LONG_SWEEP}) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        entries_of_another_bot(stage, CAP - 4)
        stage.trade("open", "SOLUSDT", "SHORT", "10")
        await stage.until("the new position is covered", lambda: all_covered(stage), within_s=12)


@staged
async def test_sixty_positions_get_every_stop_before_any_ladder() -> None:
    """Invariant 3: 60 stops are accepted before the first take-profit is sent; ladders share what is left."""
    async with crowd(60) as stage:
        stage.start()
        await stage.until("all covered", lambda: all_covered(stage))
        await stage.run(30)
        placed = [entry.detail["type"] for entry in stage.entries("order_accepted", ours=True)]
        assert set(placed[:60]) == {"STOP_MARKET"}
        assert not stage.entries("order_refused", ours=True)
        assert len(stage.resting()) <= CAP - 6, "some slots stay free for replacements"
        stage.must_be_protected()


@staged
async def test_more_positions_than_ladders_fit() -> None:
    """150 positions: every stop rests, the few rungs that fit are spread, the rest are STOP_ONLY, none is naked."""
    async with crowd(150) as stage:
        stage.start()
        await stage.until("all covered", lambda: all_covered(stage), within_s=40)
        await stage.run(20)
        assert all_covered(stage)
        assert len([o for o in stage.own() if o.client_id[4] == "b"]) == 150
        assert len(stage.resting()) <= CAP
        assert stage.status()["risk_status"] == "DEGRADED"
        assert {stage.verdict(*key) for key in stage.open_keys()} == {"PROTECTED", "STOP_ONLY"}
        stage.must_be_tidy()


@pytest.mark.parametrize("more", [30, 90])
@staged
async def test_new_positions_push_the_ladders_of_the_old_ones_together(more: int) -> None:
    """X19: at the cap, stops of new positions are made room for by collapsing ladders; -4045 never costs a stop."""
    async with crowd(60) as stage:
        stage.start()
        await stage.until("all protected", stage.is_protected, within_s=60)
        fresh = [s for s in stage.world.instruments if s.startswith("G") and (s, "LONG") not in stage.open_keys()]
        fresh = [s for s in fresh if (s, "SHORT") not in stage.open_keys()][:more]
        for symbol in fresh:
            open_one(stage, symbol, "LONG")
        await stage.until("all covered", lambda: all_covered(stage), within_s=45)
        await stage.run(20)
        assert all_covered(stage)
        assert len(stage.resting()) <= CAP
        stage.must_be_tidy()


@staged
async def test_freed_capacity_brings_the_ladders_back() -> None:
    """X19: when half of the positions end, the others get their full ladders again."""
    async with crowd(100) as stage:
        stage.start()
        await stage.until("all covered", lambda: all_covered(stage), within_s=40)
        await stage.run(20)
        for symbol, side in stage.open_keys()[20:]:
            stage.trade("close", symbol, side)
        await stage.until("laddered", lambda: stage.is_protected() and _full_ladders(stage), within_s=120)
        await stage.until("swept", lambda: _swept(stage), within_s=120)
        stage.must_be_protected()
        book = stage.book()
        await stage.run(60)
        assert stage.book() == book, "what has grown back stays"


@staged
async def test_a_collapsed_ladder_grows_back_after_a_restart_too() -> None:
    """X19, invariant 4: that rungs were merged stands in the ids of the orders that rest, and nowhere else."""
    async with crowd(70) as stage:
        first = stage.start()
        await stage.until("all covered", lambda: all_covered(stage), within_s=40)
        await stage.run(20)
        assert any(len(stage.targets(*key)) < 3 for key in stage.open_keys())
        first.kill()
        for symbol, side in stage.open_keys()[20:]:
            stage.trade("close", symbol, side)
        stage.start(host="b")
        await stage.until("laddered", lambda: stage.is_protected() and _full_ladders(stage), within_s=120)


@EVERY_WORLD
@staged
async def test_a_rung_that_took_its_profit_is_not_placed_again_by_room_that_comes_back(hedge: bool, side: str) -> None:
    """X19: taken, then collapsed, then restarted, then room again: two rungs for what is left, not three."""
    async with Stage(Held(BTC, side, "1.000", entry=ENTRY), hedge=hedge) as stage:
        first = stage.start()
        await stage.until("protected", stage.is_protected)
        stage.price(BTC, against(ENTRY, side, -1.6))
        await stage.until("the first rung was filled", lambda: stage.size(BTC, side) == Decimal("0.700"))
        stage.price(BTC, against(ENTRY, side, "-0.7"))
        await stage.run(10)
        entries_of_another_bot(stage, CAP - len(stage.resting()) - 1)
        rest = [Decimal("0.700")]
        await stage.until("collapsed", lambda: [o.quantity for o in stage.targets(BTC, side)] == rest, within_s=60)
        first.kill()
        stage.start(host="b")
        await stage.run(20)
        take_back(stage, 60)
        await stage.until("two rungs again", lambda: len(stage.targets(BTC, side)) == 2, within_s=60)
        await stage.run(30)
        assert sorted(str(order.quantity) for order in stage.targets(BTC, side)) == ["0.3", "0.4"]
        assert stage.verdict(BTC, side) == "PROTECTED"


def _swept(stage: Stage) -> bool:
    return {order.symbol for order in stage.own()} <= {symbol for symbol, _ in stage.open_keys()}


def _full_ladders(stage: Stage) -> bool:
    return all(len(stage.targets(*key)) == 3 for key in stage.open_keys())


@EVERY_WORLD
@staged
async def test_a_moving_stop_at_the_cap_keeps_the_old_one(hedge: bool, side: str) -> None:
    """B.4 (a): when the cap refuses the replacement, the old stop stays: nothing is broken before it is made."""
    async with Stage(Held(BTC, side, "0.300", entry=ENTRY), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        entries_of_another_bot(stage, CAP - len(stage.resting()))
        with stage.never_uncovered():
            stage.world.account.wallet = Decimal(240)
            stage.world.account.revalue(BTC)
            await stage.run(30)
            assert stage.own(BTC, side, "b")
            take_back(stage, 30)
            await stage.until("the nearer stop rests", lambda: stage.own(BTC, side, "w"), within_s=20)
            await stage.run(20)
        stage.must_be_protected()
        assert stage.own(BTC, side, "w")[0].trigger != against(ENTRY, side, 1.5)
