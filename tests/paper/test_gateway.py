"""The front door: signatures, clocks, keys, budgets, unknown paths, replies' shapes."""

from __future__ import annotations

import json

import pytest

from position_monitor.paper.signing import Request, received
from tests.paper.paper_support import (
    KEY,
    amount,
    call,
    fingerprint,
    gateway_of,
    limit_params,
    long_btc,
    market_params,
    signed,
    stop_params,
)

ORDER = ("POST", "/fapi/v1/order")
ALGO = ("POST", "/fapi/v1/algoOrder")


def code_of(gateway, request) -> tuple[int, int]:
    before = fingerprint(gateway.engine)
    reply = gateway.handle(request)
    assert fingerprint(gateway.engine) == before, "a refused request changed the world"
    return reply.status, reply.body["code"]


@pytest.mark.parametrize(
    ("settings", "answer"),
    [({"key": ""}, (401, -2014)), ({"key": "some body"}, (401, -2014)), ({"key": "wrong"}, (401, -2015)),
     ({"secret": "wrong"}, (400, -1022)), ({"extra": "&side=BUY"}, (400, -1022)),
     ({"shift_ms": 1001}, (400, -1021)), ({"shift_ms": -5001}, (400, -1021))],
)  # fmt: skip
def test_unauthorised_or_untimely_requests(settings, answer):
    gateway = gateway_of(long_btc())
    request = signed(gateway.engine, *ORDER, market_params(), **settings)
    assert code_of(gateway, request) == answer


@pytest.mark.parametrize("shift_ms", [1000, 0, -5000])
def test_timestamps_inside_the_window(shift_ms):
    gateway = gateway_of(long_btc())
    reply = gateway.handle(signed(gateway.engine, *ORDER, market_params(), shift_ms=shift_ms))
    assert reply.status == 200


def test_receive_window_is_honoured_and_bounded():
    gateway = gateway_of(long_btc())
    wide, late = {"recvWindow": "20000"}, {"recvWindow": "60001"}
    assert gateway.handle(signed(gateway.engine, "GET", "/fapi/v3/account", wide, shift_ms=-19_000)).status == 200
    assert code_of(gateway, signed(gateway.engine, "GET", "/fapi/v3/account", late))[1] == -1131


def test_missing_timestamp_and_missing_signature():
    gateway = gateway_of(long_btc())
    assert code_of(gateway, received("GET", "/fapi/v3/account", "", "", KEY))[1] == -1102
    stamp = f"timestamp={gateway.engine.server_time_ms()}"
    assert code_of(gateway, received("GET", "/fapi/v3/account", stamp, "", KEY))[1] == -1102


def test_query_and_body_are_signed_together():
    gateway = gateway_of(long_btc())
    whole = signed(gateway.engine, *ORDER, market_params())
    text = f"{whole.signed_text}&signature={whole.signature}"
    head, tail = text.split("&quantity", 1)
    split = received(*ORDER, head, "quantity" + tail, KEY)
    # without the joining "&" this is another text than the one that was signed
    assert code_of(gateway, split)[1] == -1022
    again = received(*ORDER, head + "&", "quantity" + tail, KEY)
    assert gateway.handle(again).status == 200


def test_key_is_enough_for_the_listen_key_and_nothing_for_public_data():
    gateway = gateway_of(long_btc())
    first = gateway.handle(Request("POST", "/fapi/v1/listenKey", {}, KEY))
    again = gateway.handle(Request("POST", "/fapi/v1/listenKey", {}, KEY))
    assert first.body == again.body and len(first.body["listenKey"]) == 64
    assert gateway.handle(Request("PUT", "/fapi/v1/listenKey", {}, KEY)).status == 200
    assert gateway.handle(Request("DELETE", "/fapi/v1/listenKey", {}, KEY)).body == {}
    assert code_of(gateway, Request("PUT", "/fapi/v1/listenKey", {}, KEY))[1] == -1125
    assert code_of(gateway, Request("POST", "/fapi/v1/listenKey", {}, "other"))[1] == -2015
    assert gateway.handle(Request("GET", "/fapi/v1/exchangeInfo")).status == 200


def test_unknown_path_or_method():
    gateway = gateway_of(long_btc())
    for method, path in (("GET", "/fapi/v1/apiReferral"), ("PATCH", "/fapi/v1/order"), ("GET", "/api/v3/account")):
        reply = gateway.handle(Request(method, path))
        assert (reply.status, reply.body["code"]) == (404, -5000)


WEIGHTS = [
    ("GET", "/fapi/v1/openAlgoOrders", {}, 40), ("GET", "/fapi/v1/openAlgoOrders", {"symbol": "BTCUSDT"}, 1),
    ("GET", "/fapi/v1/openOrders", {}, 40), ("GET", "/fapi/v1/openOrders", {"symbol": "BTCUSDT"}, 1),
    ("GET", "/fapi/v3/positionRisk", {}, 5), ("GET", "/fapi/v3/account", {}, 5), ("GET", "/fapi/v3/balance", {}, 5),
    ("GET", "/fapi/v1/positionSide/dual", {}, 30), ("GET", "/fapi/v1/accountConfig", {}, 5),
    ("GET", "/fapi/v1/allAlgoOrders", {"symbol": "BTCUSDT"}, 5), ("GET", "/fapi/v1/premiumIndex", {}, 10),
    ("GET", "/fapi/v1/premiumIndex", {"symbol": "BTCUSDT"}, 1), ("GET", "/fapi/v1/symbolConfig", {}, 5),
    ("POST", "/fapi/v1/countdownCancelAll", {"symbol": "BTCUSDT", "countdownTime": "0"}, 10),
    ("POST", "/fapi/v1/algoOrder", None, 0), ("GET", "/fapi/v1/exchangeInfo", {}, 1),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "params", "weight"), WEIGHTS)
def test_request_weights(method, path, params, weight):
    gateway = gateway_of(long_btc())
    reply = call(gateway, method, path, stop_params() if params is None else params)
    assert reply.status == 200
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_order_counts_are_shared_and_shown_on_writes_only():
    gateway = gateway_of(long_btc())
    assert call(gateway, *ORDER, limit_params()).headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert call(gateway, *ALGO, stop_params()).headers["X-MBX-ORDER-COUNT-1M"] == "2"
    batch = json.dumps([limit_params(), limit_params()])
    assert call(gateway, "POST", "/fapi/v1/batchOrders", {"batchOrders": batch}).headers["X-MBX-ORDER-COUNT-10S"] == "4"
    assert "X-MBX-ORDER-COUNT-10S" not in call(gateway, "GET", "/fapi/v3/account").headers
    gateway.engine.advance_to(gateway.engine.now_ms + 10_000)
    reply = call(gateway, *ORDER, limit_params())
    assert (reply.headers["X-MBX-ORDER-COUNT-10S"], reply.headers["X-MBX-ORDER-COUNT-1M"]) == ("1", "5")


def test_three_hundred_orders_in_ten_seconds():
    gateway = gateway_of(long_btc())
    for _ in range(300):
        reply = call(gateway, *ORDER, limit_params(quantity="0.0001"))
    assert reply.body["code"] == -1111
    reply = gateway.handle(signed(gateway.engine, *ALGO, stop_params()))
    assert (reply.status, reply.body["code"], reply.headers["Retry-After"]) == (429, -1015, "10")
    assert gateway.engine.world.algo.open_count == 0
    gateway.engine.advance_to(gateway.engine.now_ms + 10_000)
    assert call(gateway, *ALGO, stop_params()).status == 200


def test_weight_budget_then_ban_for_going_on():
    gateway = gateway_of(long_btc())
    for _ in range(80):
        assert call(gateway, "GET", "/fapi/v1/positionSide/dual").status == 200
    over = call(gateway, "GET", "/fapi/v3/account")
    assert (over.status, over.body["code"]) == (429, -1003)
    assert 0 < int(over.headers["Retry-After"]) <= 60
    replies = [call(gateway, "GET", "/fapi/v3/account") for _ in range(20)]
    assert [r.status for r in replies] == [429] * 19 + [418]
    assert "banned until" in replies[-1].body["msg"]
    gateway.engine.advance_to(gateway.engine.now_ms + 60_000)
    assert call(gateway, "GET", "/fapi/v3/account").status == 418
    gateway.engine.advance_to(gateway.engine.now_ms + 60_000)
    assert call(gateway, "GET", "/fapi/v3/account").status == 200


def test_order_replies_carry_no_average_price_but_reads_do():
    gateway = gateway_of(long_btc())
    sent = market_params(newOrderRespType="RESULT", newClientOrderId="m1")
    reply = call(gateway, *ORDER, sent).body
    assert (reply["status"], reply["executedQty"]) == ("FILLED", "0.100")
    assert not {"avgPrice", "cumQuote"} & set(reply)
    acknowledged = call(gateway, *ORDER, market_params()).body
    assert (acknowledged["status"], acknowledged["executedQty"]) == ("NEW", "0.000")
    read = call(gateway, "GET", "/fapi/v1/order", {"symbol": "BTCUSDT", "origClientOrderId": "m1"}).body
    assert (read["avgPrice"], read["cumQuote"]) == ("40000.00000", "4000")


def test_algo_replies_differ_between_post_get_and_delete():
    gateway = gateway_of(long_btc())
    posted = call(gateway, *ALGO, stop_params(clientAlgoId="a1")).body
    assert posted["activatePrice"] == posted["callbackRate"] == ""
    assert "actualOrderId" not in posted
    read = call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "a1"}).body
    assert (read["actualOrderId"], read["actualQty"], read["quantity"], read["timeInForce"]) == (
        "",
        "0.000",
        "0",
        "GTE_GTC",
    )
    assert read["closePosition"] is True and read["reduceOnly"] is True and read["icebergQuantity"] is None
    assert call(gateway, "GET", "/fapi/v1/openAlgoOrders", {"symbol": "BTCUSDT"}).body == [read]
    cancelled = call(gateway, "DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "a1"}).body
    assert cancelled == {"algoId": posted["algoId"], "clientAlgoId": "a1", "code": "200", "msg": "success"}
    assert call(gateway, "GET", "/fapi/v1/openAlgoOrders").body == []
    history = call(gateway, "GET", "/fapi/v1/allAlgoOrders", {"symbol": "BTCUSDT"}).body
    assert [row["algoStatus"] for row in history] == ["CANCELED"]
    missing = call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "nobody"})
    assert (missing.status, missing.body["code"]) == (400, -2013)


def test_batch_answers_each_order_for_itself():
    gateway = gateway_of(long_btc())
    rows = [limit_params(), market_params(type="STOP_MARKET"), market_params(side="BUY", reduceOnly=True)]
    body = call(gateway, "POST", "/fapi/v1/batchOrders", {"batchOrders": json.dumps(rows)}).body
    assert [row.get("code") for row in body] == [None, -4120, -2022]
    six = json.dumps([limit_params()] * 6)
    assert call(gateway, "POST", "/fapi/v1/batchOrders", {"batchOrders": six}).body["code"] == -4082
    cancel = {"symbol": "BTCUSDT", "orderIdList": json.dumps([body[0]["orderId"], 77])}
    done = call(gateway, "DELETE", "/fapi/v1/batchOrders", cancel).body
    assert (done[0]["status"], done[1]["code"]) == ("CANCELED", -2011)


def test_order_test_endpoint_checks_and_does_nothing():
    gateway = gateway_of(long_btc())
    before = fingerprint(gateway.engine)
    assert call(gateway, "POST", "/fapi/v1/order/test", market_params()).status == 200
    assert call(gateway, "POST", "/fapi/v1/order/test", market_params(quantity="0")).body["code"] == -4003
    assert fingerprint(gateway.engine) == before


def test_cancel_everything_of_a_symbol_by_kind():
    gateway = gateway_of(long_btc())
    call(gateway, *ORDER, limit_params())
    call(gateway, *ALGO, stop_params())
    call(gateway, "DELETE", "/fapi/v1/allOpenOrders", {"symbol": "BTCUSDT"})
    assert (gateway.engine.world.plain.open_count, gateway.engine.world.algo.open_count) == (0, 1)
    call(gateway, "DELETE", "/fapi/v1/algoOpenOrders", {"symbol": "BTCUSDT"})
    assert gateway.engine.world.algo.open_count == 0


def test_history_endpoints_after_a_trade():
    gateway = gateway_of(long_btc())
    order = call(gateway, *ORDER, market_params()).body
    trades = call(gateway, "GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT"}).body
    assert [(t["orderId"], t["qty"], t["side"], t["buyer"]) for t in trades] == [
        (order["orderId"], "0.100", "SELL", False)
    ]
    kinds = [row["incomeType"] for row in call(gateway, "GET", "/fapi/v1/income").body]
    assert kinds == ["COMMISSION"]  # nothing was earned at the entry price
    assert call(gateway, "GET", "/fapi/v1/forceOrders").body == []
    adl = call(gateway, "GET", "/fapi/v1/adlQuantile").body
    assert adl == [{"symbol": "BTCUSDT", "adlQuantile": {"BOTH": 2}}]


def test_busy_venue_lets_reducing_plain_orders_and_cancels_through():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("busy")
    assert call(gateway, *ORDER, limit_params()).body["code"] == -1008
    assert call(gateway, *ALGO, stop_params()).status == 503
    assert call(gateway, *ORDER, market_params(reduceOnly="true")).status == 200
    assert str(amount(gateway.engine)) == "0.4"
    assert call(gateway, "DELETE", "/fapi/v1/allOpenOrders", {"symbol": "BTCUSDT"}).status == 200


def test_obeying_for_a_while_clears_the_count_of_ignored_refusals():
    gateway = gateway_of(long_btc())
    for _ in range(3):
        for _ in range(80):
            call(gateway, "GET", "/fapi/v1/positionSide/dual")
        assert [call(gateway, "GET", "/fapi/v1/positionSide/dual").status for _ in range(15)] == [429] * 15
        gateway.engine.advance_to(gateway.engine.now_ms + 60_000)
        assert call(gateway, "GET", "/fapi/v1/positionSide/dual").status == 200
