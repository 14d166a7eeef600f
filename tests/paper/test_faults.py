"""Every switchable fault: what the client sees, and what really happened."""

from __future__ import annotations

import json

import pytest

from position_monitor.paper.faults import (
    ALGO,
    CLOCK,
    GARBLING,
    NAMES,
    ONE_SHOT,
    PLAIN,
    READING,
    REFUSING,
    STREAM,
    TRANSPORT,
)
from tests.paper.paper_support import (
    amount,
    call,
    engine_with,
    gateway_of,
    limit_params,
    long_btc,
    names,
    signed,
    stop_params,
)

ORDER = ("POST", "/fapi/v1/algoOrder")
POSITIONS = ("GET", "/fapi/v3/positionRisk")
OPEN = ("GET", "/fapi/v1/openAlgoOrders")


def resting(gateway) -> int:
    return gateway.engine.world.algo.open_count


@pytest.mark.parametrize(
    ("name", "executed"),
    [("lose_request", 0), ("timeout_before", 0), ("lose_response", 1), ("timeout_after", 1)],
)
def test_lost_requests_and_lost_responses(name, executed):
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault(name, count=1, delay_ms=250)
    reply = call(gateway, *ORDER, stop_params())
    assert (reply.dropped, reply.delay_ms, resting(gateway)) == (True, 250, executed)
    second = call(gateway, *ORDER, stop_params())
    assert (second.dropped, second.status) == (False, 400 if executed else 200)


def test_request_that_takes_effect_after_the_client_gave_up():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("late_execution", count=1, delay_ms=2000)
    assert call(gateway, *ORDER, stop_params(clientAlgoId="late")).dropped
    gateway.engine.advance_to(gateway.engine.now_ms + 1999)
    assert resting(gateway) == 0
    gateway.engine.advance_to(gateway.engine.now_ms + 1)
    assert gateway.engine.algos.find({"clientAlgoId": "late"}) is not None


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("unknown_503", 503, -1000), ("internal_503", 503, -1001), ("unexpected", 503, -1006),
     ("backend_timeout", 408, -1007), ("bad_key", 401, -2015), ("rate_limited", 429, -1003), ("banned", 418, -1003)],
)  # fmt: skip
@pytest.mark.parametrize("executed", [False, True])
def test_refusing_faults(name, status, code, executed):
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault(name, count=1, executed=executed)
    reply = call(gateway, *ORDER, stop_params())
    assert (reply.status, reply.body["code"], resting(gateway)) == (status, code, int(executed))


def test_plain_text_503_has_no_code():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("unavailable_503", count=1)
    reply = call(gateway, *ORDER, stop_params())
    assert (reply.status, reply.text(), resting(gateway)) == (503, "Service Unavailable.", 0)


def test_forced_error_only_where_asked_for():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("error", code=-4400, path="/fapi/v1/algoOrder", method="POST", symbol="BTCUSDT")
    assert call(gateway, *ORDER, stop_params()).body["code"] == -4400
    assert call(gateway, *OPEN).status == 200
    assert call(gateway, "POST", "/fapi/v1/order", limit_params()).status == 200


@pytest.mark.parametrize(
    ("name", "text"),
    [("empty", ""), ("empty_object", "{}"), ("null", "null"), ("code_zero", '{"code":0}')],
)
def test_unusable_bodies_with_status_200(name, text):
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault(name, path="positionRisk")
    reply = call(gateway, *POSITIONS)
    assert (reply.status, reply.text()) == (200, text)


def test_html_and_truncated_bodies():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("html", count=1)
    assert call(gateway, *POSITIONS).content_type == "text/html"
    gateway.engine.add_fault("truncated", count=1)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(call(gateway, *POSITIONS).text())
    assert len(call(gateway, *POSITIONS).body) == 1


def test_garbled_answer_to_a_write_that_worked():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("empty_object", count=1)
    assert call(gateway, *ORDER, stop_params()).text() == "{}"
    assert resting(gateway) == 1


def two_positions():
    return engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "SHORT", "2", "2200"))


def test_false_flat_and_shrunken_lists():
    gateway = gateway_of(two_positions())
    gateway.engine.add_fault("false_flat", count=1)
    assert call(gateway, *POSITIONS).body == []
    gateway.engine.add_fault("shrunken_positions", keep=1, count=1)
    assert [r["symbol"] for r in call(gateway, *POSITIONS).body] == ["BTCUSDT"]
    gateway.engine.add_fault("shrunken_positions", symbol="BTCUSDT")
    assert [r["symbol"] for r in call(gateway, *POSITIONS).body] == ["ETHUSDT"]
    gateway.engine.remove_fault()
    assert len(call(gateway, *POSITIONS).body) == 2
    gateway.engine.add_fault("false_flat", path="account")
    assert call(gateway, "GET", "/fapi/v3/account").body["positions"] == []


def test_false_empty_order_list():
    gateway = gateway_of(long_btc())
    call(gateway, *ORDER, stop_params())
    gateway.engine.add_fault("empty_orders", count=1)
    assert call(gateway, *OPEN).body == []
    assert len(call(gateway, *OPEN).body) == 1


def test_stale_reads_show_the_past_and_writes_see_the_present():
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.add_fault("stale_reads", delay_ms=1000)
    engine.advance_to(engine.now_ms + 100)
    call(gateway, *ORDER, stop_params(clientAlgoId="s1"))
    engine.trade("reduce", "BTCUSDT", None, engine.world.instruments["BTCUSDT"].step * 100)
    assert call(gateway, *OPEN).body == []
    assert call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body["code"] == -2013
    assert call(gateway, *POSITIONS).body[0]["positionAmt"] == "0.500"
    assert call(gateway, *ORDER, stop_params()).body["code"] == -4130
    engine.advance_to(engine.now_ms + 1000)
    assert [row["clientAlgoId"] for row in call(gateway, *OPEN).body] == ["s1"]
    assert call(gateway, *POSITIONS).body[0]["positionAmt"] == "0.400"


def test_fresh_orders_are_listed_late():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("delayed_listing", delay_ms=800)
    call(gateway, *ORDER, stop_params(clientAlgoId="fresh"))
    one = ("GET", "/fapi/v1/algoOrder", {"clientAlgoId": "fresh"})
    assert call(gateway, *one).body["code"] == -2013
    assert call(gateway, *OPEN).body == []
    gateway.engine.advance_to(gateway.engine.now_ms + 800)
    assert call(gateway, *one).body["algoStatus"] == "NEW"
    assert len(call(gateway, *OPEN).body) == 1


def test_clock_skew_moves_time_and_its_judgement():
    gateway = gateway_of(long_btc())
    stamp = gateway.engine.now_ms
    gateway.engine.add_fault("clock_skew", delay_ms=-30_000)
    assert call(gateway, "GET", "/fapi/v1/time").body["serverTime"] == stamp - 30_000
    unaware = {"timestamp": str(stamp)}
    assert (
        gateway.handle(signed(gateway.engine, "GET", "/fapi/v3/account", unaware, shift_ms=30_000)).body["code"]
        == -1021
    )
    assert call(gateway, "GET", "/fapi/v3/account").status == 200


def test_latency_is_added_to_the_reply():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("latency", delay_ms=40, path="positionRisk")
    assert call(gateway, *POSITIONS).delay_ms == 40
    assert call(gateway, *OPEN).delay_ms == 0


def test_stream_faults():
    engine = long_btc()
    engine.add_fault("ws_drop", path="ALGO_UPDATE", count=1)
    engine.place_algo(stop_params())
    assert names(engine) == []
    engine.add_fault("ws_duplicate", path="ORDER_TRADE_UPDATE", count=1)
    engine.place_order(limit_params())
    assert names(engine) == ["ORDER NEW NEW", "ORDER NEW NEW"]
    engine.add_fault("ws_silent", symbol="BTCUSDT")
    engine.place_order(limit_params())
    assert names(engine) == []
    engine.remove_fault("ws_silent")
    engine.add_fault("ws_reorder")
    engine.trade("close", "BTCUSDT", None, None)
    shuffled = names(engine)
    assert sorted(shuffled) == sorted(
        ["ORDER NEW NEW", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER TRADE FILLED", "ALGO EXPIRED"]
    )
    assert shuffled != ["ORDER NEW NEW", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER TRADE FILLED", "ALGO EXPIRED"]


def test_listen_key_lives_an_hour_unless_extended():
    engine = long_btc()
    key = engine.listen_keys.issue()
    engine.advance_to(engine.now_ms + 3_599_000)
    assert engine.listen_keys.extend() == key
    engine.advance_to(engine.now_ms + 3_599_999)
    assert engine.listen_keys.current == key
    engine.advance_to(engine.now_ms + 1)
    assert (engine.listen_keys.current, names(engine)) == (None, ["listenKeyExpired"])
    fresh = engine.listen_keys.issue()
    engine.add_fault("listen_key_expire")
    assert (fresh != key, engine.listen_keys.current, engine.world.faults.active()) == (True, None, [])


def test_probability_is_seeded_and_counted():
    def struck(seed_engine) -> list[bool]:
        gateway = gateway_of(seed_engine)
        gateway.engine.add_fault("lose_request", probability=0.3)
        return [call(gateway, *POSITIONS).dropped for _ in range(200)]

    first, second = struck(long_btc()), struck(long_btc())
    assert first == second
    assert 30 < sum(first) < 90


def test_every_fault_belongs_to_a_group_and_unknown_ones_are_refused():
    engine = long_btc()
    assert set(TRANSPORT + REFUSING + GARBLING + READING + ALGO + PLAIN + STREAM + CLOCK + ONE_SHOT) == NAMES
    with pytest.raises(ValueError, match="unknown fault"):
        engine.add_fault("meteor")
    with pytest.raises(ValueError, match="unknown settings"):
        engine.add_fault("latency", speed=3)
    assert engine.world.faults.active() == []


def test_faults_strike_in_the_journal():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("lose_request", count=1)
    call(gateway, *ORDER, stop_params())
    entry = gateway.engine.world.journal.after(0)[-1]
    assert (entry.kind, entry.detail["name"], entry.symbol) == ("fault_struck", "lose_request", "BTCUSDT")
    assert str(amount(gateway.engine)) == "0.5"
