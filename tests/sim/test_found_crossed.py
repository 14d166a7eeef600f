"""Found from outside, parts 4.4, 4.7, 4.8: the price that arms an order, and what a refusal as passed proves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.errors import refusal
from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, against, staged
from tests.sim.virtual_time import true_ms

BTC, ENTRY = "BTCUSDT", 42_000
ALGO = "/fapi/v1/algoOrder"
BY_LAST = {"protection": {"working_type": "CONTRACT_PRICE"}}
CLOSE = {"protection": {"on_breach": "close", "max_loss_pct": 5}}


def btc(side: str, **more: Any) -> Held:
    return Held(BTC, side, "0.300", entry=ENTRY, **more)


def closes(stage: Stage) -> list[Any]:
    """Closing orders of ours that the venue took."""
    return [e for e in stage.entries("order_accepted", ours=True) if e.detail["client_id"][4] == "c"]


def prices(stage: Stage, mark: object, last: object) -> None:
    """Put mark and last price apart."""
    stage.engine.advance_to(true_ms())
    stage.engine.set_price(BTC, Decimal(str(mark)), Decimal(str(last)).quantize(Decimal("0.1")))


# -- 4.4: CONTRACT_PRICE


@EVERY_WORLD
@pytest.mark.parametrize("last_pct", [1.3, 1.6, 2.0])
@pytest.mark.parametrize("mark_pct", [0.1, -0.5, 1.7])
@staged
async def test_a_stop_is_made_from_the_price_that_arms_it(
    mark_pct: float, last_pct: float, hedge: bool, side: str
) -> None:
    """4.4: last and mark apart: the stop rests behind the last price, is protected, and nothing is closed."""
    async with Stage(btc(side), hedge=hedge, config=BY_LAST) as stage:
        prices(stage, against(ENTRY, side, mark_pct), against(ENTRY, side, last_pct))
        stage.start()
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=3)
        await stage.run(30)
        stage.must_be_protected()
        assert not closes(stage)
        assert len(stage.entries("order_refused", ours=True)) == 0
        (backstop,) = stage.own(BTC, side, "b")
        anchor = ENTRY if last_pct < 1.5 else against(ENTRY, side, last_pct)
        assert abs(backstop.trigger - against(anchor, side, 1.5)) <= Decimal("0.2")


@TWO_WORLDS
@staged
async def test_the_stop_trails_the_price_that_arms_it(hedge: bool, side: str) -> None:
    """4.4: a mark that runs ahead of the last price must not pull the stop beyond it."""
    async with Stage(btc(side), hedge=hedge, config=BY_LAST) as stage:
        stage.start(stream=True)
        await stage.until("protected", stage.is_protected)
        with stage.never_uncovered():
            for step in range(1, 13):
                prices(stage, against(ENTRY, side, -step * 0.25), against(ENTRY, side, -step * 0.25 + 1.4))
                await stage.run(6)
        assert stage.size(BTC, side) == Decimal("0.210"), "the first rung took its profit"
        assert not [e for e in stage.entries("order_refused", ours=True) if e.detail["code"] == -2021]
        assert not closes(stage)


@TWO_WORLDS
@staged
async def test_a_trailed_stop_stays_while_the_price_that_arms_it_cannot_be_read(hedge: bool, side: str) -> None:
    """A mark that runs ahead stands for no last price here (seed 5678); when it is read again, the stop follows it."""
    async with Stage(btc(side), hedge=hedge, config=BY_LAST) as stage:
        stage.start(stream=True)
        await stage.until("protected", stage.is_protected)
        prices(stage, against(ENTRY, side, -2), against(ENTRY, side, -2))
        await stage.until("trailed", lambda: stage.own(BTC, side, "w"), within_s=20)
        await stage.run(20)
        rested = {order.trigger for order in stage.stops(BTC, side)}
        stage.fault("unavailable_503", path="/fapi/v1/ticker/price")
        prices(stage, against(ENTRY, side, -3.8), against(ENTRY, side, -2))
        with stage.never_uncovered():
            await stage.run(40)
        assert {order.trigger for order in stage.stops(BTC, side)} == rested
        assert not [e for e in stage.entries("order_refused", ours=True) if e.detail["type"] == "STOP_MARKET"]
        stage.heal()
        prices(stage, against(ENTRY, side, -3.8), against(ENTRY, side, -3.5))
        await stage.run(30)
        best = min(abs(order.trigger - against(ENTRY, side, -3.5)) for order in stage.stops(BTC, side))
        assert best <= Decimal("0.0151") * ENTRY * Decimal("1.04"), "the stop is as far behind as it trails"
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_a_trailed_stop_that_the_mark_passed_stays_while_the_last_price_cannot_be_read(
    hedge: bool, side: str
) -> None:
    """The mark does not arm it, so it is no reason to take it away (invariant 8, seed 9609)."""
    async with Stage(btc(side), hedge=hedge, config=BY_LAST) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        prices(stage, against(ENTRY, side, -2), against(ENTRY, side, -2))
        await stage.until("trailed", lambda: stage.own(BTC, side, "w"), within_s=20)
        await stage.run(20)
        rested = {order.trigger for order in stage.stops(BTC, side)}
        stage.fault("unavailable_503", path="/fapi/v1/ticker/price")
        prices(stage, against(ENTRY, side, 0.2), against(ENTRY, side, -2))
        await stage.run(60)
        assert {order.trigger for order in stage.stops(BTC, side)} == rested
        assert not closes(stage)


@TWO_WORLDS
@staged
async def test_a_stop_that_the_last_price_has_not_reached_is_no_stuck_stop(hedge: bool, side: str) -> None:
    """4.4: the mark has passed the trigger for minutes, the last price has not: it rests, counts, and stays."""
    async with Stage(btc(side), hedge=hedge, config=BY_LAST) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        (backstop,) = stage.own(BTC, side, "b")
        prices(stage, against(ENTRY, side, 2), against(ENTRY, side, 0.5))
        with stage.never_uncovered():
            await stage.run(60)
        assert [order.algo_id for order in stage.stops(BTC, side)] == [backstop.algo_id]
        stage.must_be_protected()
        assert not closes(stage)


@pytest.mark.parametrize("failure", ["unavailable_503", "html", "latency", "lose_request"])
@TWO_WORLDS
@staged
async def test_without_the_last_price_the_mark_stands_for_it(failure: str, hedge: bool, side: str) -> None:
    """4.4: side, size and some price are enough; a refusal as passed sends the next try a step further back."""
    settings = {"delay_ms": 60_000} if failure == "latency" else {}
    async with Stage(btc(side), hedge=hedge, config=BY_LAST) as stage:
        stage.fault(failure, path="/fapi/v1/ticker/price", **settings)
        prices(stage, against(ENTRY, side, 0.1), against(ENTRY, side, 1.9))
        stage.start()
        took_s = await stage.until("covered", lambda: stage.covered(BTC, side), within_s=12)
        assert took_s <= 8
        (backstop,) = stage.own(BTC, side, "b")
        assert abs(backstop.trigger - against(ENTRY, side, 2)) <= Decimal("0.2")
        await stage.run(60)
        assert not closes(stage)
        assert stage.covered(BTC, side)


@TWO_WORLDS
@staged
async def test_the_mark_alone_is_read_where_the_mark_arms_the_orders(hedge: bool, side: str) -> None:
    """The usual setting pays nothing for the other one."""
    async with Stage(btc(side), hedge=hedge) as stage:
        process = stage.start()
        await stage.run(60)
        assert not process.transport.counts[Endpoint.LAST_PRICE.name]
        assert not process.transport.counts[Endpoint.MARK_PRICE.name]


# -- 4.7: what a count of refusals is worth


@EVERY_WORLD
@staged
async def test_refusals_of_a_tighter_stop_do_not_close_a_position_later(hedge: bool, side: str) -> None:
    """4.7: -2021 again and again for a working stop above a whole backstop; then the user cancels everything."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        rule = stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1w")
        stage.price(BTC, against(ENTRY, side, -2.2))
        await stage.run(40)
        assert rule.hits >= 3
        for order in stage.own(BTC, side):
            stage.cancel_by_hand(order)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=10)
        await stage.run(30)
        assert stage.size(BTC, side) == Decimal("0.210"), "one rung took its profit, nothing else was sold"
        assert not closes(stage)


# -- 4.8: a venue that lies


@EVERY_WORLD
@pytest.mark.parametrize("mark_pct", [0, 1.4, -3, 2, 6])
@staged
async def test_a_lie_closes_nothing(mark_pct: float, hedge: bool, side: str) -> None:
    """4.8: every stop is refused as passed, the price stands: no close, ever; covered when the lie ends."""
    async with Stage(btc(side, mark=against(ENTRY, side, mark_pct)), hedge=hedge) as stage:
        rule = stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1b")
        other = stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1w")
        stage.start()
        await stage.run(120)
        assert not closes(stage)
        assert stage.verdict(BTC, side) == "NAKED"
        assert "-2021" in stage.published(BTC, side)["reason"]
        assert rule.hits >= 3
        triggers = {line.split(" @ ")[1].split(" ")[0] for line in stage.log if "SL order for" in line}
        assert triggers, "it is said"
        stage.engine.remove_fault(fault_id=rule.fault_id)
        stage.engine.remove_fault(fault_id=other.fault_id)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=12)
        await stage.run(30)
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_the_stop_is_tried_further_back_and_taken_there(hedge: bool, side: str) -> None:
    """4.8: the venue takes a stop only where it is 2.3 % away: it rests there, inside the bound."""
    async with Stage(btc(side), hedge=hedge) as stage:
        limit = against(ENTRY, side, 2.3)

        def near(trigger: Decimal) -> bool:
            return trigger > limit if side == "LONG" else trigger < limit

        process = stage.start()
        refuse_where(process, near)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=12)
        (backstop,) = stage.own(BTC, side, "b")
        assert abs(backstop.trigger - against(ENTRY, side, 2.5)) <= Decimal("0.2")
        await stage.run(60)
        assert not closes(stage)


def refuse_where(process: Any, near: Callable[[Decimal], bool]) -> None:
    """The venue refuses stops by their trigger."""
    honest = process.transport._answer

    def answer(endpoint: Endpoint, params: Mapping[str, str]) -> Any:
        is_stop = endpoint is Endpoint.PLACE_ALGO_ORDER and params["type"] == "STOP_MARKET"
        if is_stop and near(Decimal(params["triggerPrice"])):
            return process.transport._gateway._refused(refusal(-2021))
        return honest(endpoint, params)

    process.transport._answer = answer


@EVERY_WORLD
@staged
async def test_where_the_price_did_pass_the_refused_stop_the_exit_is_completed(hedge: bool, side: str) -> None:
    """4.8: refused as passed three times, and two reads and a price read apart agree that it is: closed at market."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.fault("error", method="POST", path=ALGO, code=-2021, client_id="qpm1b")
        stage.start()
        await stage.run(20)
        assert not closes(stage)
        stage.price(BTC, against(ENTRY, side, 1.8))
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=25)
        assert len(closes(stage)) == 1


def _wrong_mark(side: str, endpoints: set[Endpoint]) -> Callable[[Endpoint, Mapping[str, str], Any], Any]:
    """Answers in which the mark price is a mistake, for good."""

    def rewrite(endpoint: Endpoint, params: Mapping[str, str], body: Any) -> Any:
        if endpoint not in endpoints:
            return body
        wrong = str(against(ENTRY, side, 40))
        rows = body if isinstance(body, list) else [body]
        changed = [{**row, "markPrice": wrong} if row["symbol"] == BTC else row for row in rows]
        return changed if isinstance(body, list) else changed[0]

    return rewrite


@EVERY_WORLD
@pytest.mark.parametrize("config", [CLOSE, {}], ids=["close", "reanchor"])
@staged
async def test_a_wrong_mark_in_every_row_closes_nothing(config: dict[str, Any], hedge: bool, side: str) -> None:
    """Invariant 16: every read of the position shows a mark 40 % away, for a minute: nobody else says so."""
    async with Stage(btc(side), hedge=hedge, config=config) as stage:
        process = stage.start()
        await stage.until("protected", stage.is_protected)
        process.transport.rewrites.append(_wrong_mark(side, {Endpoint.POSITIONS, Endpoint.POSITION_ROWS}))
        with stage.never_uncovered():
            await stage.run(60)
        process.transport.rewrites.clear()
        await stage.run(20)
        assert not closes(stage)
        assert stage.size(BTC, side) == Decimal("0.300")
        assert stage.covered(BTC, side)


@TWO_WORLDS
@staged
async def test_without_a_second_witness_a_loss_is_closed_when_it_lasts(hedge: bool, side: str) -> None:
    """DESIGN 9, invariant 16: the price cannot be read apart; reads that agree for long enough stand for it."""
    async with Stage(btc(side, mark=against(ENTRY, side, 6)), hedge=hedge, config=CLOSE) as stage:
        stage.fault("unavailable_503", path="/fapi/v1/premiumIndex")
        stage.start()
        await stage.run(13)
        assert not closes(stage)
        await stage.until("closed", lambda: not stage.size(BTC, side), within_s=25)
