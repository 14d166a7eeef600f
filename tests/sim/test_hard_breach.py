"""The stop is already passed, refused, triggered in vain or gone: re-anchor, re-place, and the close ladder."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.journal import Entry
from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, against, staged

BTC = "BTCUSDT"
ENTRY = 42_000
CLOSE = {"protection": {"on_breach": "close", "max_loss_pct": 5}}
ALERT = {"protection": {"on_breach": "alert"}}
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"


def btc(side: str, quantity: str = "0.300", **more: Any) -> Held:
    return Held(BTC, side, quantity, entry=ENTRY, **more)


def closes(stage: Stage) -> list[Entry]:
    """Close orders of ours that the venue took."""
    return [e for e in stage.entries("order_accepted", ours=True) if e.detail["client_id"][4] == "c"]


def attempts(stage: Stage) -> list[Entry]:
    """Requests to close, taken or struck by a fault."""
    return [e for e in stage.entries("fault_struck") if e.detail["path"] == ORDER] + closes(stage)


def flat_at(stage: Stage, symbol: str) -> int:
    """The journal's number of the fill that ended the position."""
    return next(e.sequence for e in stage.entries("filled", symbol) if not e.position_after)


def stops_outlived_the_position(stage: Stage, symbol: str = BTC) -> bool:
    """Whether no stop of ours was removed by us before the position read 0."""
    ended = flat_at(stage, symbol)
    gone = [e for e in stage.entries("order_canceled", symbol, ours=True) if e.detail["type"] == "STOP_MARKET"]
    return all(entry.sequence > ended for entry in gone)


async def refused_as_crossed(stage: Stage) -> None:
    """Every stop is refused with -2021 from now on."""
    stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1b")
    stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1w")


@TWO_WORLDS
@pytest.mark.parametrize("loss_pct", [1.5, 3, 8])
@staged
async def test_crossed_at_first_sight_is_anchored_to_the_mark(loss_pct: float, hedge: bool, side: str) -> None:
    """X7, DESIGN 9: a stop 1.5 % from the entry would fire at once; it is placed that far from the mark instead."""
    mark = against(ENTRY, side, loss_pct)
    async with Stage(btc(side, mark=mark), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(10)
        stage.must_be_protected()
        (backstop,) = stage.own(BTC, side, "b")
        assert abs(backstop.trigger - against(mark, side, 1.5)) <= Decimal("0.1")
        assert not closes(stage)


@EVERY_WORLD
@staged
async def test_a_re_anchored_stop_stays_when_the_price_comes_back_and_when_it_falls_on(hedge: bool, side: str) -> None:
    """Invariant 8: what was anchored in a loss neither follows a falling price nor jumps on the first bounce."""
    async with Stage(btc(side, mark=against(ENTRY, side, 3)), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        before = {order.algo_id for order in stage.stops(BTC, side)}
        with stage.never_uncovered():
            for loss_pct in (4, 2, 4.4, 0.5):
                stage.price(BTC, against(ENTRY, side, loss_pct))
                await stage.run(12)
        assert {order.algo_id for order in stage.stops(BTC, side)} == before


@EVERY_WORLD
@staged
async def test_three_refusals_in_a_row_close_the_position(hedge: bool, side: str) -> None:
    """X7: a stop that was refused as passed three times, and that the price passed, is completed at market."""
    async with Stage(btc(side, mark=against(ENTRY, side, 2)), hedge=hedge) as stage:
        await refused_as_crossed(stage)
        stage.start()
        await stage.run(12)
        assert not closes(stage), "the price has not passed what was refused"
        stage.price(BTC, against(ENTRY, side, 4))
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=20)
        refused = [e for e in stage.entries("fault_struck") if e.detail["path"] == ALGO]
        assert len(refused) >= 3
        assert [entry.detail["type"] for entry in closes(stage)] == ["MARKET"]
        await stage.run(20)
        assert stage.published(BTC, side) == {}
        assert "CLOSING" in stage.verdicts(BTC, side)
        assert not stage.own()


@EVERY_WORLD
@staged
async def test_two_refusals_and_an_acceptance_do_not_close(hedge: bool, side: str) -> None:
    """X7: an accepted stop starts the count again."""
    async with Stage(btc(side, mark=against(ENTRY, side, 2)), hedge=hedge) as stage:
        for _ in range(4):
            stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1b", count=2)
            if not stage.processes:
                stage.start()
            await stage.until("protected", stage.is_protected, within_s=20)
            stage.cancel_by_hand(stage.own(BTC, side, "b")[0])
        await stage.until("protected", stage.is_protected, within_s=20)
        assert not closes(stage)
        assert stage.size(BTC, side) == Decimal("0.300")


@EVERY_WORLD
@staged
async def test_on_breach_close_ends_what_lost_more_than_allowed(hedge: bool, side: str) -> None:
    """DESIGN 9: beyond max_loss_pct at first sight: the stop is placed, two reads agree, the market order follows."""
    async with Stage(btc(side, mark=against(ENTRY, side, 6)), hedge=hedge, config=CLOSE) as stage:
        stage.start()
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=15)
        placed = next(e for e in stage.entries("order_accepted", ours=True) if e.detail["type"] == "STOP_MARKET")
        assert placed.sequence < closes(stage)[0].sequence, "the stop comes first even then"
        await stage.run(20)
        assert stops_outlived_the_position(stage)
        assert not stage.own()
        assert stage.events("EmergencyClose")


@EVERY_WORLD
@staged
async def test_on_breach_close_inside_the_allowed_loss_does_nothing(hedge: bool, side: str) -> None:
    """The limit is max_loss_pct, not the stop's distance: 4.9 % with 5 % allowed is re-anchored."""
    async with Stage(btc(side, mark=against(ENTRY, side, 4.9)), hedge=hedge, config=CLOSE) as stage:
        stage.start()
        await stage.run(30)
        assert not closes(stage)
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_on_breach_alert_never_closes(hedge: bool, side: str) -> None:
    """The operator asked to be told only: refused stops, a huge loss, a stuck stop: nothing is ever sold."""
    async with Stage(btc(side, mark=against(ENTRY, side, 20)), hedge=hedge, config=ALERT) as stage:
        await refused_as_crossed(stage)
        stage.start()
        await stage.run(120)
        assert not attempts(stage)
        assert stage.verdict(BTC, side) == "NAKED"
        assert stage.status()["risk_status"] == "CRITICAL"
        stage.heal()
        await stage.until("protected", stage.is_protected)
        assert stage.size(BTC, side) == Decimal("0.300")


@EVERY_WORLD
@staged
async def test_on_breach_alert_replaces_a_stuck_stop_without_closing(hedge: bool, side: str) -> None:
    """X12 with alert: the close-all slot is held by a stop that hangs in TRIGGERING; a working stop covers again."""
    async with Stage(btc(side), hedge=hedge, config=ALERT) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("stuck_triggering", count=1)
        stage.price(BTC, against(ENTRY, side, 1.8))
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=30)
        await stage.run(20)
        assert not attempts(stage)
        assert stage.own(BTC, side, "w")
        assert stage.verdict(BTC, side) == "PROTECTED"


def _mark_halved(side: str) -> Any:
    """One answer in which the mark price is a mistake."""
    left = 1

    def rewrite(endpoint: Endpoint, params: Mapping[str, str], body: Any) -> Any:
        nonlocal left
        if endpoint is not Endpoint.POSITIONS or not left:
            return body
        left -= 1
        wrong = str(against(ENTRY, side, 40))
        return [{**row, "markPrice": wrong} if row["symbol"] == BTC else row for row in body]

    return rewrite


@EVERY_WORLD
@staged
async def test_one_absurd_price_in_one_read_does_not_close(hedge: bool, side: str) -> None:
    """DESIGN 9: two agreeing reads first: a single answer with a wrong mark price must not sell a position."""
    async with Stage(btc(side), hedge=hedge, config=CLOSE) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(12)
        daemon.transport.rewrites.append(_mark_halved(side))
        await stage.run(20)
        assert not closes(stage)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_one_absurd_price_does_not_close_what_the_user_protects_himself(hedge: bool, side: str) -> None:
    """DESIGN 9: the same with the user's own stop as the cover, where no stop of ours is seen as firing."""
    async with Stage(btc(side), hedge=hedge, config=CLOSE) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, 2))
        daemon = stage.start()
        await stage.until("the ladder rests", lambda: stage.targets(BTC, side))
        await stage.run(12)
        daemon.transport.rewrites.append(_mark_halved(side))
        await stage.run(20)
        assert not closes(stage)
        assert stage.size(BTC, side) == Decimal("0.300")


# -- the rungs of the close ladder


@EVERY_WORLD
@staged
async def test_a_market_order_outside_the_band_is_followed_by_a_limit_inside_it(hedge: bool, side: str) -> None:
    """X22: -4131 means the book is too thin for a market order; a LIMIT IOC inside the price band is next."""
    async with Stage(btc(side, mark=against(ENTRY, side, 6)), hedge=hedge, config=CLOSE) as stage:
        stage.fault("error", method="POST", path=ORDER, code=-4131, count=1)
        stage.start()
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=30)
        assert [entry.detail["type"] for entry in closes(stage)] == ["LIMIT"]
        await stage.run(20)
        assert stops_outlived_the_position(stage)
        assert not stage.own()


@TWO_WORLDS
@staged
async def test_a_book_that_stays_thin_is_tried_in_turns_and_within_the_limit(hedge: bool, side: str) -> None:
    """X22, invariant 10: while nothing fills, market and limit alternate, six a minute, and the stop stays."""
    async with Stage(btc(side, mark=against(ENTRY, side, 6)), hedge=hedge, config=CLOSE) as stage:
        last = against(ENTRY, side, 20)  # nobody bids inside the band
        stage.engine.set_price(BTC, None, last.quantize(Decimal("0.1")))
        stage.start()
        await stage.run(180)
        assert stage.size(BTC, side) == Decimal("0.300")
        kinds = [e.detail["type"] for e in [*closes(stage), *stage.entries("order_refused", ours=True)]]
        assert {"MARKET", "LIMIT"} <= set(kinds)
        times = sorted(e.at_ms for e in [*closes(stage), *_refused_closes(stage)])
        assert len(times) >= 10
        assert all(later - earlier >= 60_000 for earlier, later in zip(times, times[6:], strict=False))
        assert len(stage.own(BTC, side, "b")) == 1
        assert stage.verdict(BTC, side) == "CLOSING"
        stage.price(BTC, against(ENTRY, side, 6))
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=70)
        assert stops_outlived_the_position(stage)


def _refused_closes(stage: Stage) -> list[Entry]:
    return [e for e in stage.entries("order_refused", ours=True) if e.detail["client_id"][4] == "c"]


@EVERY_WORLD
@staged
async def test_more_than_the_market_maximum_is_closed_in_slices(hedge: bool, side: str) -> None:
    """DESIGN 9: no slice is larger than the venue takes; the end is the position at 0, not the last answer."""
    async with Stage(btc(side, "0.950", mark=against(ENTRY, side, 6)), hedge=hedge, config=CLOSE) as stage:
        stage.engine.change_instrument(BTC, market_max_qty=Decimal("0.2"), max_qty=Decimal("0.25"))
        stage.start()
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=60)
        sizes = [Decimal(entry.detail["quantity"]) for entry in closes(stage)]
        assert sum(sizes) == Decimal("0.950")
        assert max(sizes) <= Decimal("0.25")
        assert stops_outlived_the_position(stage)
        await stage.run(20)
        assert not stage.own()


@TWO_WORLDS
@pytest.mark.parametrize("fault", ["lose_response", "unknown_503", "timeout_after"])
@staged
async def test_a_close_whose_answer_was_lost_is_not_sent_twice_into_a_new_position(
    fault: str, hedge: bool, side: str
) -> None:
    """N2, X1: the close was executed and its answer lost: flat is read, nothing is sold a second time."""
    settings = {"executed": True} if fault == "unknown_503" else {"delay_ms": 9_000} if "timeout" in fault else {}
    async with Stage(btc(side, mark=against(ENTRY, side, 6)), hedge=hedge, config=CLOSE) as stage:
        stage.fault(fault, method="POST", path=ORDER, count=1, **settings)
        stage.start()
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=30)
        await stage.run(60)
        assert len(closes(stage)) == 1
        assert not stage.open_keys()


@TWO_WORLDS
@staged
async def test_a_close_that_never_arrives_is_repeated_within_the_limit(hedge: bool, side: str) -> None:
    """N1, invariant 10: lost requests; never more than six closing orders in any minute, for the whole account."""
    others = [Held(s, side, q) for s, q in (("ETHUSDT", "3.0"), ("SOLUSDT", "40"), ("XRPUSDT", "9000"))]
    async with Stage(btc(side, mark=against(ENTRY, side, 6)), *others, hedge=hedge, config=CLOSE) as stage:
        for held in others:
            price = stage.world.market.mark(held.symbol)
            stage.price(held.symbol, against(price, side, 6))
        stage.fault("lose_request", method="POST", path=ORDER)
        stage.start()
        await stage.run(200)
        times = sorted(entry.at_ms for entry in attempts(stage))
        assert len(times) >= 12
        assert all(later - earlier >= 59_000 for earlier, later in zip(times, times[6:], strict=False))
        stage.heal()
        await stage.until("all closed", lambda: not stage.open_keys(), within_s=130)


@staged
async def test_the_human_who_closes_first_wins() -> None:
    """X8: the position is gone when our close arrives: -2022 is a reason to read again, nothing else."""
    async with Stage(btc("LONG", mark=against(ENTRY, "LONG", 6)), config=CLOSE) as stage:
        daemon = stage.start()
        stage.on_call(Endpoint.PLACE_ORDER, lambda: stage.trade("close", BTC, "LONG"), process=daemon)
        await stage.until("closed", lambda: not stage.size(BTC, "LONG"), within_s=30)
        await stage.run(20)
        assert not closes(stage)
        assert not stage.own()


# -- a stop that was accepted and does not do its work


@EVERY_WORLD
@staged
async def test_a_triggered_stop_whose_child_was_rejected_is_replaced(hedge: bool, side: str) -> None:
    """X12: the stop is spent and the position still open: it is exposed, says so, and gets a new stop at once."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("child_rejected", count=1)
        stage.price(BTC, against(ENTRY, side, 1.6))
        stage.observe()
        assert not stage.covered(BTC, side)
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=7)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()
        assert stage.size(BTC, side) == Decimal("0.300")


@EVERY_WORLD
@staged
async def test_stops_whose_children_are_always_rejected_never_leave_it_uncovered_for_long(
    hedge: bool, side: str
) -> None:
    """X12 again and again while the price falls: every spent stop has a successor at the next look."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("child_rejected")
        for step in range(1, 7):
            stage.price(BTC, against(ENTRY, side, 1.6 * step))
            await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=12)
        stage.heal()
        stage.price(BTC, against(ENTRY, side, 12))
        await stage.run(20)
        assert not stage.size(BTC, side), "the last stop fired"
        await stage.run(15)
        assert not stage.own()


@EVERY_WORLD
@staged
async def test_a_partly_filled_child_leaves_a_rest_that_gets_a_stop(hedge: bool, side: str) -> None:
    """X13: the stop sold 40 %; what is left is a naked position until its own stop rests."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("child_partial", count=1, fraction="0.4")
        stage.price(BTC, against(ENTRY, side, 1.6))
        assert stage.size(BTC, side) == Decimal("0.180")
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=7)
        await stage.run(20)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_partly_filled_rung_leaves_a_ladder_for_the_rest(hedge: bool, side: str) -> None:
    """X13 on the winning side: the first rung took part of its profit; the ladder adds up to what is left."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("child_partial", count=1, fraction="0.5", client_id="qpm1t")
        with stage.never_uncovered():
            stage.price(BTC, against(ENTRY, side, -1.6))
            await stage.run(20)
        stage.must_be_protected()
        assert stage.size(BTC, side) == Decimal("0.255")


@EVERY_WORLD
@staged
async def test_a_stop_stuck_in_triggering_is_not_called_protection_and_is_completed(hedge: bool, side: str) -> None:
    """X12: only NEW protects. Longer than the grace time in TRIGGERING: the exit is completed at market."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("stuck_triggering", count=1)
        stage.price(BTC, against(ENTRY, side, 1.6))
        await stage.run(8)
        assert stage.verdict(BTC, side) == "CLOSING"
        assert stage.size(BTC, side), "the venue is given time to finish it"
        await stage.until("completed", lambda: not stage.size(BTC, side), within_s=20)
        await stage.run(15)
        assert stage.published(BTC, side) == {}


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["by reads", "by events"])
@staged
async def test_a_stop_stuck_in_triggering_is_no_reason_to_close_the_next_position(
    stream: bool, hedge: bool, side: str
) -> None:
    """The exit was completed at market, and the order hangs for good: a new position is another life (seed 20934)."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        stage.fault("stuck_triggering", count=1)
        stage.price(BTC, against(ENTRY, side, 1.6))
        await stage.until("completed", lambda: not stage.size(BTC, side), within_s=40)
        await stage.run(20)
        assert [order.status for order in stage.world.algo.open_of(BTC)] == ["TRIGGERING"]
        stage.trade("open", BTC, side, "0.3")
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=12)
        await stage.run(60)
        assert stage.size(BTC, side) == Decimal("0.3"), "nothing of the new position is closed"
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_stop_stuck_in_triggering_protects_nothing_after_the_price_came_back(hedge: bool, side: str) -> None:
    """X12, invariant 6: the mark is on the good side of a hanging trigger again; the order is spent all the same."""
    async with Stage(btc(side), hedge=hedge, config=ALERT) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("stuck_triggering", count=1)
        stage.price(BTC, against(ENTRY, side, 1.6))
        stage.price(BTC, against(ENTRY, side, 0.5))
        await stage.run(8)
        assert stage.verdict(BTC, side) in ("CLOSING", "NAKED")
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=60)
        await stage.run(10)
        assert stage.verdict(BTC, side) == "PROTECTED"


@EVERY_WORLD
@staged
async def test_a_stop_that_vanishes_without_a_word_is_placed_again(hedge: bool, side: str) -> None:
    """X11: gone from every list, no event, no history: the next look sees a naked position and covers it."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.fault("vanish", delay_ms=8_000, count=1, client_id="qpm1b")
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.until("it vanished", lambda: stage.entries("order_vanished"))
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=7)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("fault", ["late_reject", "late_expire"])
@pytest.mark.parametrize("delay_ms", [30, 400, 3_000])
@staged
async def test_accepted_and_then_rejected_or_expired(fault: str, delay_ms: int, hedge: bool, side: str) -> None:
    """X11: an acknowledgement proves nothing; five stops in a row die after it, the sixth stays and is read back."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.fault(fault, delay_ms=delay_ms, count=5, client_id="qpm1b")
        stage.start()
        await stage.until("five died", lambda: len(_died(stage)) == 5, within_s=90)
        await stage.until("protected", stage.is_protected, within_s=15)
        stage.must_be_protected()


def _died(stage: Stage) -> list[Entry]:
    return [e for e in stage.entries(ours=True) if e.kind in ("order_rejected", "order_expired")]


@TWO_WORLDS
@staged
async def test_a_take_profit_that_dies_does_not_disturb_the_stop(hedge: bool, side: str) -> None:
    """Invariant 3: a TP failure never delays or moves a stop."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.fault("late_reject", delay_ms=300, client_id="qpm1t")
        stage.start()
        await stage.until("covered", lambda: stage.covered(BTC, side))
        backstop = stage.own(BTC, side, "b")[0].algo_id
        with stage.never_uncovered():
            await stage.run(60)
        assert [order.algo_id for order in stage.own(BTC, side, "b")] == [backstop]
        stage.heal()
        await stage.until("the ladder rests", stage.is_protected)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_liquidation_is_an_end_like_any_other(hedge: bool, side: str) -> None:
    """X16: the venue closes by force; the ladder is swept after the proof, nothing is sent into the void."""
    async with Stage(btc(side), hedge=hedge, wallet="2000") as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("child_rejected")
        stage.price(BTC, against(ENTRY, side, 20))
        assert not stage.size(BTC, side)
        await stage.run(30)
        assert not stage.own()
        assert not closes(stage)
