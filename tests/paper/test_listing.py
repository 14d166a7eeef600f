"""Contracts that come, stop, are settled and go in mid-run, by engine calls and by control."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.paper.control import Control
from position_monitor.paper.subscriptions import Streams, payloads_of
from tests.paper.paper_support import (
    amount,
    call,
    engine_with,
    gateway_of,
    limit_params,
    long_btc,
    market_params,
    names,
    part_params,
    refused_code,
    stop_params,
)

NEW = {"price": "2.5", "tick": "0.001", "step": "1"}


def listed(gateway):
    return {row["symbol"]: row["status"] for row in call(gateway, "GET", "/fapi/v1/exchangeInfo").body["symbols"]}


def test_a_contract_that_is_listed_in_mid_run_trades_at_once():
    gateway = gateway_of(long_btc())
    engine, streams = gateway.engine, Streams(gateway.engine.world)
    assert streams.parse("freshusdt@markPrice") is None
    engine.list_symbol("FRESHUSDT", **NEW)
    assert listed(gateway)["FRESHUSDT"] == "TRADING"
    engine.trade("open", "FRESHUSDT", "LONG", Decimal(100))
    assert engine.place_algo(stop_params(symbol="FRESHUSDT", triggerPrice="2.4")).status == "NEW"
    assert "FRESHUSDT" in engine.step_prices()
    update = engine.world.market.publish_book("FRESHUSDT")
    frames = payloads_of(engine.world, streams.parse("freshusdt@markPrice"), {"FRESHUSDT": update})
    assert frames[0]["s"] == "FRESHUSDT"
    with pytest.raises(ValueError, match="listed already"):
        engine.list_symbol("FRESHUSDT", **NEW)


def test_a_contract_before_its_first_trade_takes_no_orders():
    engine = long_btc()
    engine.list_symbol("FRESHUSDT", **NEW, status="PENDING_TRADING")
    order = market_params(symbol="FRESHUSDT", side="BUY", quantity="100")
    assert refused_code(engine, lambda: engine.place_order(order)) == -4108
    engine.set_status("FRESHUSDT", "TRADING")
    assert engine.place_order(order).status == "FILLED"


def test_a_halt_holds_triggers_and_fills_until_trading_resumes():
    engine = long_btc()
    engine.place_algo(stop_params())
    engine.place_order(limit_params())
    engine.set_status("BTCUSDT", "BREAK")
    price = engine.world.market.mark("BTCUSDT")
    assert "BTCUSDT" not in engine.step_prices()
    assert engine.world.market.mark("BTCUSDT") == price
    engine.set_price("BTCUSDT", mark=Decimal(38_500), last=Decimal(38_500))
    assert (amount(engine), engine.world.algo.open_count, engine.world.plain.open_count) == (Decimal("0.5"), 1, 1)
    for action in (lambda: engine.place_order(market_params()), lambda: engine.place_algo(part_params())):
        assert refused_code(engine, action) == -1122
    engine.set_status("BTCUSDT", "TRADING")
    assert engine.world.algo.open_count == 0


def test_shortly_before_the_end_positions_can_only_be_closed():
    engine = long_btc()
    engine.set_status("BTCUSDT", "PRE_SETTLE")
    assert refused_code(engine, lambda: engine.place_order(limit_params())) == -4140
    assert engine.place_algo(stop_params()).status == "NEW"
    assert engine.place_order(market_params(reduceOnly="true")).status == "FILLED"


def test_a_settling_contract_refuses_and_its_position_stays_until_it_is_settled():
    """Row 5.1, then its end: the venue closes the position itself and every order expires."""
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.place_algo(stop_params(clientAlgoId="s1"))
    engine.place_order(limit_params(newClientOrderId="l1"))
    engine.set_status("BTCUSDT", "SETTLING")
    reply = call(gateway, "POST", "/fapi/v1/algoOrder", part_params())
    assert reply.body == {
        "code": -4108,
        "msg": "Symbol is on delivering or delivered or settling or closed or pre-trading.",
    }
    assert call(gateway, "GET", "/fapi/v1/openInterest", {"symbol": "BTCUSDT"}).body["code"] == -4108
    assert amount(engine) == Decimal("0.5")
    engine.drain_events()
    engine.settle_symbol("BTCUSDT", Decimal(39_700))
    assert amount(engine) == 0
    assert call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body["algoStatus"] == "EXPIRED"
    ended = call(gateway, "GET", "/fapi/v1/order", {"symbol": "BTCUSDT", "origClientOrderId": "l1"}).body
    assert ended["status"] == "EXPIRED"
    closing = call(gateway, "GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT"}).body[-1]
    assert (closing["qty"], Decimal(closing["price"])) == ("0.500", Decimal(39_700))
    assert names(engine).count("ACCOUNT_UPDATE") == 1
    assert listed(gateway)["BTCUSDT"] == "CLOSE"


def test_both_legs_are_settled_in_hedge_mode():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("BTCUSDT", "SHORT", "0.2", "40000"), hedge=True)
    engine.settle_symbol("BTCUSDT")
    assert engine.world.account.open_positions() == []


def test_a_delisted_contract_is_unknown_and_its_past_stays_readable():
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.place_algo(stop_params(clientAlgoId="s1"))
    with pytest.raises(ValueError, match="settle it first"):
        engine.delist_symbol("BTCUSDT")
    engine.settle_symbol("BTCUSDT")
    engine.delist_symbol("BTCUSDT")
    assert "BTCUSDT" not in listed(gateway)
    assert call(gateway, "GET", "/fapi/v1/premiumIndex", {"symbol": "BTCUSDT"}).body["code"] == -1121
    assert call(gateway, "POST", "/fapi/v1/algoOrder", stop_params()).body["code"] == -1121
    assert call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body["algoStatus"] == "EXPIRED"
    for path in ("premiumIndex", "ticker/bookTicker", "ticker/24hr"):
        assert "BTCUSDT" not in {row["symbol"] for row in call(gateway, "GET", f"/fapi/v1/{path}").body}
    engine.list_symbol("BTCUSDT", "41000", "0.1", "0.001")
    assert listed(gateway)["BTCUSDT"] == "TRADING"


def test_at_the_control_interface():
    engine = long_btc()
    control = Control(engine)

    def ask(action, **values):
        return control.handle("POST", "symbol", {"action": action, "symbol": "BTCUSDT", **values})

    fresh = {"symbol": "FRESHUSDT", "action": "list", **NEW, "status": "PENDING_TRADING"}
    assert control.handle("POST", "symbol", fresh)[1]["status"] == "PENDING_TRADING"
    assert ask("halt")[1]["status"] == "BREAK"
    assert ask("resume")[1]["status"] == "TRADING"
    assert ask("halt", status="SETTLING")[1]["status"] == "SETTLING"
    assert ask("settle", price="39000")[1] == {"symbol": "BTCUSDT", "status": "CLOSE", "listed": True}
    assert ask("delist")[1]["listed"] is False
    for wrong in (ask("halt", status="ASLEEP"), ask("sell"), control.handle("POST", "symbol", {"symbol": "X"})):
        assert wrong[0] == 400
