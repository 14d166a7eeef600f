"""Conditional orders: every refusal by its code and by the unchanged world."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.paper.paper_support import (
    engine_with,
    limit_params,
    long_btc,
    names,
    part_params,
    refused_code,
    stop_params,
)

STOP_REFUSALS = [
    ({"algoType": None}, -1102), ({"algoType": "TWAP"}, -1130), ({"symbol": None}, -1102),
    ({"symbol": "NOSUCHUSDT"}, -1121), ({"side": "sell"}, -1117), ({"type": "MARKET"}, -1116),
    ({"triggerPrice": None}, -1102), ({"triggerPrice": "None"}, -1100),
    ({"triggerPrice": "39000.05"}, -4014), ({"triggerPrice": "39000.001"}, -1111),
    ({"triggerPrice": "0"}, -4006), ({"triggerPrice": "-5"}, -4006),
    ({"triggerPrice": "4200000.1", "side": "BUY"}, -4007), ({"triggerPrice": "400"}, -4013),
    ({"quantity": "0.1"}, -4137), ({"reduceOnly": "true"}, -1106), ({"reduceOnly": "false"}, -1106),
    ({"price": "38990"}, -1106), ({"callbackRate": "1"}, -1106),
    ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1"}, -4136),
    ({"type": "STOP", "price": "38990"}, -4136), ({"workingType": "INDEX_PRICE"}, -4031),
    ({"timeInForce": "DAY"}, -1115), ({"priceMatch": "OPPONENT"}, -5038),
    ({"clientAlgoId": "a" * 37}, -4015), ({"clientAlgoId": "a b"}, -4015),
    ({"positionSide": "LONG"}, -4061), ({"positionSide": "SIDE"}, -4060),
    ({"closePosition": "yes"}, -1100), ({"selfTradePreventionMode": "X"}, -5039),
    ({"triggerPrice": "40000"}, -2021), ({"triggerPrice": "40100"}, -2021),
    ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "39900"}, -2021),
    ({"side": "BUY", "triggerPrice": "41000"}, -4509), ({"symbol": "ETHUSDT", "triggerPrice": "2200"}, -4509),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), STOP_REFUSALS)
def test_close_all_stop_is_refused(changes, code):
    engine = long_btc()
    assert refused_code(engine, lambda: engine.place_algo(stop_params(**changes))) == code


PART_REFUSALS = [
    ({"quantity": None}, -1102), ({"quantity": "0"}, -4003), ({"quantity": "0.0001"}, -1111),
    ({"quantity": "121"}, -4005), ({"side": "BUY", "triggerPrice": "41000"}, -2022),
    ({"symbol": "ETHUSDT", "triggerPrice": "2200"}, -2022),
    ({"reduceOnly": None, "quantity": "0.001"}, -4164),
    ({"type": "STOP"}, -1102), ({"type": "STOP", "price": "38999.95"}, -4014),
    ({"type": "STOP", "price": "37000"}, -4184),
    ({"type": "TAKE_PROFIT", "triggerPrice": "41000", "price": "41000", "priceMatch": "QUEUE"}, -1128),
    ({"type": "TRAILING_STOP_MARKET", "callbackRate": "1"}, -2021),
    ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None}, -1102),
    ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "0.05"}, -1130),
    ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "20.1"}, -1130),
    ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1", "activatePrice": "39900"}, -2021),
    ({"timeInForce": "GTD", "goodTillDate": "1"}, -5040),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), PART_REFUSALS)
def test_quantity_stop_is_refused(changes, code):
    engine = long_btc()
    assert refused_code(engine, lambda: engine.place_algo(part_params(**changes))) == code


def test_buy_limit_price_above_the_trigger_cap():
    engine = engine_with(("BTCUSDT", "SHORT", "0.5", "40000"))
    changes = {"side": "BUY", "type": "STOP", "triggerPrice": "41000", "price": "43100"}
    assert refused_code(engine, lambda: engine.place_algo(part_params(**changes))) == -4183


def test_accepted_close_all_stop_has_the_live_shape():
    engine = long_btc()
    order = engine.place_algo(stop_params(clientAlgoId="qpmA1"))
    assert (order.time_in_force, order.quantity, order.reduce_only, order.status) == ("GTE_GTC", 0, True, "NEW")
    (event,) = engine.drain_events()
    inner = event.body["o"]
    wanted = {
        "caid": "qpmA1",
        "aid": order.algo_id,
        "f": "GTE_GTC",
        "q": "0",
        "X": "NEW",
        "ai": "",
        "tp": "39000",
        "cp": True,
        "R": True,
        "tt": 0,
        "ia": False,
        "wt": "MARK_PRICE",
        "ps": "BOTH",
    }
    assert {key: inner[key] for key in wanted} == wanted
    assert not {"ap", "aq", "act", "rm"} & set(inner)


def test_one_close_all_stop_and_one_take_profit_per_direction():
    engine = long_btc()
    engine.place_algo(stop_params(), origin="foreign")
    assert refused_code(engine, lambda: engine.place_algo(stop_params(triggerPrice="38500"))) == -4130
    target = stop_params(type="TAKE_PROFIT_MARKET", triggerPrice="41000")
    engine.place_algo(target)
    assert refused_code(engine, lambda: engine.place_algo({**target, "triggerPrice": "42000"})) == -4130
    engine.place_algo(part_params(triggerPrice="38700"))
    assert engine.world.algo.open_count == 3


def test_cancelling_the_close_all_stop_makes_room_for_another():
    engine = long_btc()
    first = engine.place_algo(stop_params())
    engine.cancel_algo({"algoId": str(first.algo_id)})
    second = engine.place_algo(stop_params(triggerPrice="38500"))
    assert (first.status, second.status) == ("CANCELED", "NEW")


def test_client_id_is_unique_among_open_orders_of_the_account():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "LONG", "3", "2200"))
    first = engine.place_algo(stop_params(clientAlgoId="same"))
    other = stop_params(symbol="ETHUSDT", triggerPrice="2100", clientAlgoId="same")
    assert refused_code(engine, lambda: engine.place_algo(other)) == -4116
    engine.cancel_algo({"clientAlgoId": "same"})
    assert engine.place_algo(other).status == "NEW"
    assert first.status == "CANCELED"


def test_two_hundred_conditional_orders_over_all_symbols():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "LONG", "3", "2200"))
    for number in range(100):
        engine.place_algo(part_params(quantity="0.001", triggerPrice=f"{38000 + number}"))
        engine.place_algo(part_params(symbol="ETHUSDT", quantity="0.001", triggerPrice=f"{2000 + number}"))
    assert refused_code(engine, lambda: engine.place_algo(stop_params())) == -4045
    engine.cancel_all_algos("ETHUSDT")
    assert engine.place_algo(stop_params()).status == "NEW"


def test_trigger_is_judged_by_the_price_it_works_on():
    engine = long_btc()
    engine.set_price("BTCUSDT", mark=Decimal("40000"), last=Decimal("39000"))
    by_last = part_params(workingType="CONTRACT_PRICE", triggerPrice="39500")
    assert refused_code(engine, lambda: engine.place_algo(by_last)) == -2021
    assert engine.place_algo(part_params(triggerPrice="39500")).status == "NEW"
    default = part_params(workingType=None, triggerPrice="39400")
    assert refused_code(engine, lambda: engine.place_algo(default)) == -2021


def test_finding_and_cancelling_unknown_orders():
    engine = long_btc()
    assert refused_code(engine, lambda: engine.cancel_algo({"algoId": "5"})) == -2011
    assert refused_code(engine, lambda: engine.cancel_algo({})) == -1102
    order = engine.place_algo(stop_params())
    engine.drain_events()
    elsewhere = {"algoId": str(order.algo_id), "symbol": "ETHUSDT"}
    assert refused_code(engine, lambda: engine.cancel_algo(elsewhere)) == -2011
    engine.cancel_algo({"algoId": str(order.algo_id), "symbol": "BTCUSDT"})
    assert names(engine) == ["ALGO CANCELED"]
    assert refused_code(engine, lambda: engine.cancel_algo({"algoId": str(order.algo_id)})) == -2011


def test_quantity_order_bound_to_the_position_needs_one():
    engine = long_btc()
    order = engine.place_algo(part_params(timeInForce="GTE_GTC"))
    assert order.time_in_force == "GTE_GTC"
    flat = part_params(symbol="ETHUSDT", triggerPrice="2200", timeInForce="GTE_GTC")
    assert refused_code(engine, lambda: engine.place_algo(flat)) == -4509


def test_position_mode_cannot_change_under_orders_or_positions():
    engine = long_btc()
    assert refused_code(engine, lambda: engine.set_hedge(False)) == -4059
    assert refused_code(engine, lambda: engine.set_hedge(True)) == -4068
    engine.place_algo(stop_params())
    assert refused_code(engine, lambda: engine.set_hedge(True)) == -4067
    empty = engine_with()
    order = empty.place_order(limit_params())
    assert refused_code(empty, lambda: empty.set_hedge(True)) == -4067
    empty.cancel_order({"symbol": "BTCUSDT", "orderId": str(order.order_id)})
    empty.set_hedge(True)
    assert empty.world.account.hedge


def test_leverage_and_margin_type_rules():
    engine = long_btc()
    assert refused_code(engine, lambda: engine.set_leverage("BTCUSDT", 126)) == -4028
    assert refused_code(engine, lambda: engine.set_leverage("BTCUSDT", 0)) == -4028
    assert refused_code(engine, lambda: engine.set_margin_type("BTCUSDT", False)) == -4046
    assert refused_code(engine, lambda: engine.set_margin_type("BTCUSDT", True)) == -4048
    engine.place_order(limit_params(symbol="ETHUSDT", price="2200", quantity="1"))
    assert refused_code(engine, lambda: engine.set_margin_type("ETHUSDT", True)) == -4047
    engine.set_leverage("BTCUSDT", 20)
    assert names(engine)[-1] == "ACCOUNT_CONFIG_UPDATE"
    isolated = long_btc(isolated=True)
    assert refused_code(isolated, lambda: isolated.set_leverage("BTCUSDT", 5)) == -4161
