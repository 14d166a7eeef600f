"""A trigger and its fill are not one instant: NEW, TRIGGERING, TRIGGERED, the child fills, FINISHED."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.paper.control import Control
from tests.paper.paper_support import (
    amount,
    call,
    engine_with,
    gateway_of,
    limit_params,
    long_btc,
    names,
    part_params,
    stop_params,
)


def statuses(engine):
    return [order.status for order in engine.world.algo.history_of("BTCUSDT")]


def later(engine, ms):
    engine.advance_to(engine.now_ms + ms)


def fire(engine, price="38999"):
    engine.set_price("BTCUSDT", mark=Decimal(price), last=Decimal(price))


@pytest.mark.parametrize("delay_ms", [4, 30_000])
def test_the_documented_life_takes_as_long_as_it_is_told_to(delay_ms):
    engine = long_btc()
    engine.world.trigger_delay_ms = delay_ms
    engine.place_algo(stop_params())
    engine.drain_events()
    fire(engine)
    assert (statuses(engine), amount(engine)) == (["TRIGGERING"], Decimal("0.5"))
    later(engine, delay_ms // 2 - 1)
    assert statuses(engine) == ["TRIGGERING"]
    later(engine, 1)
    assert (statuses(engine), amount(engine)) == (["TRIGGERED"], Decimal("0.5"))
    later(engine, delay_ms // 2)
    assert (statuses(engine), amount(engine)) == (["FINISHED"], Decimal(0))
    assert names(engine) == [
        "ALGO TRIGGERING", "ALGO TRIGGERED", "ORDER NEW NEW", "TRADE_LITE", "ACCOUNT_UPDATE",
        "ORDER TRADE FILLED", "ALGO FINISHED",
    ]  # fmt: skip


def test_one_order_alone_can_be_slow():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "LONG", "1", "2250"))
    engine.add_fault("slow_trigger", delay_ms=10_000, symbol="BTCUSDT", count=1)
    engine.place_algo(stop_params())
    engine.place_algo(stop_params(symbol="ETHUSDT", triggerPrice="2200"))
    fire(engine)
    engine.set_price("ETHUSDT", mark=Decimal(2190), last=Decimal(2190))
    assert (statuses(engine), amount(engine, "ETHUSDT")) == (["TRIGGERING"], Decimal(0))
    later(engine, 10_000)
    assert amount(engine) == 0


def test_the_child_takes_what_the_position_is_when_it_reaches_the_engine():
    """The user closes half meanwhile: the close-all order closes the rest, and nothing is opened."""
    engine = long_btc()
    engine.world.trigger_delay_ms = 1_000
    engine.place_algo(stop_params())
    fire(engine)
    engine.trade("reduce", "BTCUSDT", None, Decimal("0.3"))
    later(engine, 1_000)
    assert (statuses(engine), amount(engine)) == (["FINISHED"], Decimal(0))


@pytest.mark.parametrize(("closed_after_ms", "status"), [(0, "REJECTED"), (600, "FINISHED")])
def test_a_position_that_goes_before_the_fill_is_not_closed_twice(closed_after_ms, status):
    engine = long_btc()
    engine.world.trigger_delay_ms = 1_000
    engine.place_algo(stop_params())
    fire(engine)
    later(engine, closed_after_ms)
    engine.trade("close", "BTCUSDT", None, None)
    later(engine, 1_000)
    assert (statuses(engine), amount(engine)) == ([status], Decimal(0))


def test_meanwhile_the_position_is_listed_and_the_stop_cannot_be_cancelled():
    """Row 2.3: the next look still shows the position; the child, once sent, is an order of the engine."""
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.world.trigger_delay_ms = 1_000
    call(gateway, "POST", "/fapi/v1/algoOrder", stop_params(clientAlgoId="s1"))
    fire(engine)
    assert call(gateway, "DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body["code"] == -2011
    assert call(gateway, "GET", "/fapi/v1/openAlgoOrders").body[0]["algoStatus"] == "TRIGGERING"
    assert call(gateway, "GET", "/fapi/v3/positionRisk").body[0]["positionAmt"] == "0.500"
    later(engine, 500)
    row = call(gateway, "GET", "/fapi/v1/openAlgoOrders").body[0]
    child = call(gateway, "GET", "/fapi/v1/openOrders").body[0]
    assert (row["algoStatus"], row["actualOrderId"]) == ("TRIGGERED", str(child["orderId"]))
    fire(engine, "38500")  # a price that moves on meanwhile does not fill a market order at no price
    later(engine, 500)
    done = call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body
    assert (done["algoStatus"], Decimal(done["actualPrice"])) == ("FINISHED", Decimal(38500))


def test_at_the_control_interface():
    engine = long_btc()
    control = Control(engine)
    assert control.handle("POST", "trigger", {"delay_ms": 4}) == (200, {"delay_ms": 4})
    assert engine.world.trigger_delay_ms == 4
    for wrong in (-1, "soon", 10**9, None):
        assert control.handle("POST", "trigger", {"delay_ms": wrong})[0] == 400
    assert engine.world.trigger_delay_ms == 4


def test_partial_fills_by_control_and_by_rule():
    engine = long_btc()
    control = Control(engine)
    engine.place_order(
        limit_params(side="SELL", price="40500", quantity="0.4", reduceOnly="true", newClientOrderId="t")
    )
    ask = {"symbol": "BTCUSDT", "origClientOrderId": "t"}
    status, body = control.handle("POST", "fill", {**ask, "quantity": "0.1"})
    assert (status, body["status"], body["executedQty"]) == (200, "PARTIALLY_FILLED", "0.100")
    assert amount(engine) == Decimal("0.4")
    for wrong in ("0.31", "0", "-1", "NaN"):
        assert control.handle("POST", "fill", {**ask, "quantity": wrong})[0] == 400
    assert control.handle("POST", "fill", {**ask, "origClientOrderId": "x", "quantity": "0.1"})[1]["code"] == -2013
    engine.add_fault("partial_fills", fraction="0.5")
    fire(engine, "40500")
    assert amount(engine) == Decimal("0.25")
    fire(engine, "40501")
    assert amount(engine) == Decimal("0.175")
    engine.remove_fault("partial_fills")
    fire(engine, "40502")
    assert amount(engine) == Decimal("0.1")
    assert control.handle("POST", "fill", {**ask, "quantity": "0.1"})[0] == 400


def test_a_stop_that_fills_in_part_leaves_the_rest_of_the_position():
    engine = long_btc()
    engine.world.trigger_delay_ms = 100
    engine.add_fault("child_partial", fraction="0.4")
    engine.place_algo(part_params(quantity="0.5"))
    fire(engine)
    later(engine, 100)
    assert (statuses(engine), amount(engine)) == (["FINISHED"], Decimal("0.3"))
