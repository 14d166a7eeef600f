"""Somebody else's orders: a close-all stop in the one slot the venue has (-4130), budgets used up, listing lag."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.sim.stage import EVERY_WORLD, Held, Stage, against, opposite, staged

BTC = "BTCUSDT"
ENTRY = 42_000
IGNORE = {"protection": {"foreign_orders": "ignore"}}


def btc(side: str, quantity: str = "0.300") -> Held:
    return Held(BTC, side, quantity, entry=ENTRY)


@EVERY_WORLD
@staged
async def test_the_users_close_all_stop_inside_the_allowed_loss_is_the_cover(hedge: bool, side: str) -> None:
    """X6, H2, invariant 5: a whole foreign stop on the right side counts; no stop of ours is forced beside it."""
    async with Stage(btc(side), hedge=hedge) as stage:
        theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, 2))
        stage.start()
        await stage.until("the ladder rests", lambda: stage.targets(BTC, side))
        await stage.run(30)
        assert not stage.stops(BTC, side)
        assert theirs.status == "NEW"
        assert stage.verdict(BTC, side) == "PROTECTED"
        assert Decimal(stage.published(BTC, side)["stop_price"]) == theirs.trigger
        assert not stage.entries("order_refused", ours=True)


@EVERY_WORLD
@pytest.mark.parametrize(("config", "away_pct"), [({}, 9), (IGNORE, 2), (IGNORE, 9)], ids=["far", "ignore", "both"])
@staged
async def test_a_close_all_stop_that_does_not_count_gets_our_working_stop_beside_it(
    config: dict, away_pct: int, hedge: bool, side: str
) -> None:
    """X6: the close-all slot is taken by a stop that is no cover, so a reduce-only stop of the full size covers."""
    async with Stage(btc(side), hedge=hedge, config=config) as stage:
        theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, away_pct))
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(20)
        stage.must_be_protected()
        assert not stage.own(BTC, side, "b")
        assert sum(order.quantity for order in stage.own(BTC, side, "w")) == Decimal("0.300")
        assert theirs.status == "NEW"


@EVERY_WORLD
@staged
async def test_our_working_stop_follows_the_size_while_the_users_stop_takes_the_slot(hedge: bool, side: str) -> None:
    """X14 without a backstop: the quantity stop is enlarged make-before-break and shrunk again, never doubled."""
    async with Stage(btc(side), hedge=hedge, config=IGNORE) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, 3))
        stage.start()
        await stage.until("protected", stage.is_protected)
        for action, quantity, size in (("add", "0.200", "0.500"), ("reduce", "0.350", "0.150")):
            stage.trade(action, BTC, side, quantity)
            await stage.run(7)
            stops = stage.own(BTC, side, "w")
            assert sum(order.quantity for order in stops) >= Decimal(size)
            await stage.run(20)
            stage.must_be_protected()
            assert [order.quantity for order in stage.own(BTC, side, "w")] == [Decimal(size)]


@EVERY_WORLD
@staged
async def test_the_users_stop_removed_later_is_replaced_by_our_quantity_stop(hedge: bool, side: str) -> None:
    """H1, X6: when his cover goes, ours comes at the next look, and leaves him the only slot for a close-all."""
    async with Stage(btc(side), hedge=hedge) as stage:
        near = stage.foreign_stop(BTC, side, against(ENTRY, side, 2))
        stage.start()
        await stage.until("the ladder rests", lambda: stage.targets(BTC, side))
        assert not stage.stops(BTC, side)
        stage.cancel_by_hand(near)
        await stage.until("our stop rests", lambda: stage.own(BTC, side, "w"), within_s=7)
        await stage.run(10)
        assert not stage.own(BTC, side, "b")
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_from_working_stop_to_backstop_without_a_gap(hedge: bool, side: str) -> None:
    """Invariant 2: the working stop that stood in for the backstop goes only after the backstop was read back."""
    async with Stage(btc(side), hedge=hedge) as stage:
        theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, 9))
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        assert stage.own(BTC, side, "w")
        with stage.never_uncovered():
            stage.cancel_by_hand(theirs)
            await stage.until("the backstop rests", lambda: stage.own(BTC, side, "b"))
            await stage.run(20)
        stage.must_be_protected()
        assert not stage.own(BTC, side, "w"), "the backstop holds the same level"


@EVERY_WORLD
@staged
async def test_a_close_all_stop_that_no_list_shows_still_leads_to_a_stop(hedge: bool, side: str) -> None:
    """X6 with listing lag: -4130 says a close-all stop exists, no list shows it; a quantity stop covers meanwhile."""
    async with Stage(btc(side), hedge=hedge) as stage:
        # Only the human's orders are late: ours carry our prefix and are listed at once.
        theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, 9))
        stage.fault("delayed_listing", delay_ms=120_000, client_id=theirs.client_id)
        stage.start()
        await stage.until("a stop of ours rests", lambda: stage.own(BTC, side, "w"), within_s=5)
        assert [entry.detail["code"] for entry in stage.entries("order_refused", ours=True)] == [-4130]
        await stage.until("protected", stage.is_protected)
        await stage.run(60)
        stage.must_be_protected()
        assert len(stage.entries("order_refused", ours=True)) == 1, "the taken slot is not asked for again and again"
        await stage.run(90)  # now it is listed
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_half_a_foreign_stop_is_no_cover(hedge: bool, side: str) -> None:
    """H2: the user's stop covers half; our backstop covers all, and both rest side by side."""
    async with Stage(btc(side), hedge=hedge) as stage:
        theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, 2), "0.150")
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(10)
        stage.must_be_protected()
        assert stage.own(BTC, side, "b")
        assert theirs.status == "NEW"


@EVERY_WORLD
@staged
async def test_a_foreign_close_all_on_the_winning_side_is_not_cover(hedge: bool, side: str) -> None:
    """H2: a close-all take-profit uses the other slot and protects nothing; our backstop rests beside it."""
    async with Stage(btc(side), hedge=hedge) as stage:
        theirs = stage.foreign_stop(BTC, side, against(ENTRY, side, -3), kind="TAKE_PROFIT_MARKET")
        stage.start()
        await stage.until("covered", lambda: stage.stops(BTC, side))
        await stage.run(10)
        assert stage.own(BTC, side, "b")
        assert theirs.status == "NEW"
        assert not stage.targets(BTC, side), "his take-profit closes everything: the ladder is his"
        assert stage.verdict(BTC, side) == "PROTECTED"


@staged
async def test_in_hedge_mode_the_other_legs_close_all_stop_is_nothing_to_us() -> None:
    """X6 in hedge mode: the slot is per direction; a stop of the SHORT leg does not block or cover the LONG leg."""
    async with Stage(btc("LONG"), btc("SHORT", "0.100"), hedge=True) as stage:
        stage.foreign_stop(BTC, "SHORT", against(ENTRY, "SHORT", 2))
        stage.start()
        await stage.until("covered", lambda: stage.own(BTC, "LONG", "b"))
        await stage.run(15)
        assert not stage.stops(BTC, "SHORT")
        assert {stage.verdict(BTC, side) for side in ("LONG", "SHORT")} == {"PROTECTED"}


@EVERY_WORLD
@staged
async def test_foreign_orders_are_never_touched_whatever_happens(hedge: bool, side: str) -> None:
    """Invariant 5: through growth, close and reopening the user's orders end only by his or the venue's hand."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, 2), "0.100")
        stage.foreign_stop(BTC, side, against(ENTRY, side, -3), "0.100", kind="TAKE_PROFIT_MARKET")
        stage.foreign_limit(BTC, side, against(ENTRY, side, -4), "0.050")
        stage.start()
        await stage.run(10)
        for action, leg, quantity in (
            ("add", side, "0.2"),
            ("reduce", side, "0.4"),
            ("close", side, None),
            ("open", opposite(side), "0.2"),
        ):
            stage.trade(action, BTC, leg, quantity)
            await stage.run(15)
        ended = [e for e in stage.entries("order_canceled") if e.origin == "api"]
        assert all(str(entry.detail["client_id"]).startswith("qpm") for entry in ended)
        assert [order for order in stage.resting() if not order.client_id.startswith("qpm")]


@EVERY_WORLD
@staged
async def test_the_users_take_profits_count_toward_the_ladder(hedge: bool, side: str) -> None:
    """Invariant 5: what his own orders close is left out of ours; together they are the position."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, -3), "0.100", kind="TAKE_PROFIT_MARKET")
        stage.foreign_limit(BTC, side, against(ENTRY, side, -2), "0.080")
        stage.start()
        await stage.until("the ladder rests", lambda: stage.targets(BTC, side))
        await stage.run(10)
        assert sum(order.quantity for order in stage.targets(BTC, side)) == Decimal("0.120")
        assert stage.verdict(BTC, side) == "PROTECTED"


@EVERY_WORLD
@staged
async def test_our_close_sheds_our_own_ladder_when_the_budget_is_used_up(hedge: bool, side: str) -> None:
    """X8: resting reducers use up the size and the close is refused: our rungs go, stops stay, the close repeats."""
    config = {"protection": {"on_breach": "close", "max_loss_pct": 3, "foreign_orders": "respect"}}
    async with Stage(btc(side), hedge=hedge, config=config) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, 5))
        limit = stage.foreign_limit(BTC, side, against(ENTRY, side, -4), "0.100")
        stage.start()
        await stage.until("the ladder rests", lambda: stage.targets(BTC, side))
        await stage.run(6)
        with stage.never_uncovered():
            stage.price(BTC, against(ENTRY, side, 3.5))
            await stage.until("the close was refused", lambda: -4118 in _codes(stage))
            assert stage.size(BTC, side) == Decimal("0.300")
            await stage.until("our ladder went", lambda: not stage.targets(BTC, side))
            stage.engine.cancel_order({"symbol": BTC, "orderId": str(limit.order_id)}, origin="foreign")
            await stage.until("closed", lambda: not stage.size(BTC, side), within_s=60)
        await stage.until("swept", lambda: not stage.own(BTC, side))


def _codes(stage: Stage) -> list[int]:
    return [entry.detail["code"] for entry in stage.entries("order_refused", ours=True)]
