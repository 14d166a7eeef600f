"""Any one endpoint down, slow, or garbage for any length from the first request on; refusals that lie, by rule."""

from __future__ import annotations

import json

import pytest

from tests.paper.paper_support import call, gateway_of, limit_params, long_btc, part_params, stop_params

ALGO = ("POST", "/fapi/v1/algoOrder")
READS = {
    "exchangeInfo": {}, "time": {}, "accountConfig": {}, "positionSide/dual": {}, "symbolConfig": {},
    "leverageBracket": {}, "v2/positionRisk": {}, "v3/positionRisk": {}, "v3/account": {}, "v3/balance": {},
    "openOrders": {}, "openAlgoOrders": {}, "algoOrder": {"clientAlgoId": "s1"}, "premiumIndex": {},
    "order": {"symbol": "BTCUSDT", "origClientOrderId": "l1"}, "userTrades": {"symbol": "BTCUSDT"},
    "income": {}, "allAlgoOrders": {"symbol": "BTCUSDT"}, "klines": {"symbol": "BTCUSDT", "interval": "1m"},
}  # fmt: skip
BODIES = {"html": "<html", "empty": "", "null": "null", "truncated": None, "code_zero": '{"code":0}'}


def full(path):
    return f"/fapi/{path}" if path.startswith("v") else f"/fapi/v1/{path}"


def world():
    gateway = gateway_of(long_btc())
    call(gateway, *ALGO, stop_params(clientAlgoId="s1"))
    call(gateway, "POST", "/fapi/v1/order", limit_params(newClientOrderId="l1"))
    return gateway


def readable(gateway):
    """Which reads answer with a usable body."""
    usable = set()
    for path, params in READS.items():
        reply = call(gateway, "GET", full(path), params)
        try:
            parsed = json.loads(reply.text()) if not reply.dropped else None
        except ValueError:
            parsed = None
        if reply.status == 200 and reply.delay_ms < 60_000 and parsed not in (None, {"code": 0}):
            usable.add(path)
    return usable


@pytest.mark.parametrize("broken", sorted(READS))
@pytest.mark.parametrize(
    ("name", "settings"),
    [("lose_request", {}), ("latency", {"delay_ms": 600_000}), ("unavailable_503", {}),
     ("error", {"code": -1000, "status": 403}), *((name, {}) for name in BODIES)],
)  # fmt: skip
def test_one_endpoint_is_broken_and_only_that_one(broken, name, settings):
    """From the first request on, for as long as the rule says, then all is well again."""
    gateway = world()
    gateway.engine.add_fault(name, path=full(broken), method="GET", lasts_ms=86_400_000, **settings)
    assert readable(gateway) == set(READS) - {broken}
    gateway.engine.advance_to(gateway.engine.now_ms + 86_400_000)
    assert readable(gateway) == set(READS)


def test_the_stream_key_can_be_refused_alone():
    gateway = world()
    gateway.engine.add_fault("lose_request", path="listenKey")
    assert call(gateway, "POST", "/fapi/v1/listenKey").dropped
    assert readable(gateway) == set(READS)


def test_a_written_order_is_lost_while_its_query_is_down():
    """Row 1.4: the POST never arrived, `GET algoOrder` answers 503, the list is readable and empty."""
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("lose_request", path="algoOrder", method="POST", count=1)
    gateway.engine.add_fault("unavailable_503", path="algoOrder", method="GET")
    assert call(gateway, *ALGO, stop_params(clientAlgoId="s1")).dropped
    assert call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).status == 503
    assert call(gateway, "GET", "/fapi/v1/openAlgoOrders").body == []
    assert call(gateway, *ALGO, stop_params(clientAlgoId="s1")).status == 200


def test_cancels_and_queries_of_resting_orders_are_refused_by_rule():
    """Row 4.5: by client id also where the request names the venue's number."""
    gateway = world()
    other = call(gateway, *ALGO, part_params(clientAlgoId="other")).body["algoId"]
    number = call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body["algoId"]
    for method, code in (("DELETE", -2011), ("GET", -2013)):
        gateway.engine.add_fault("error", code=code, path="algoOrder", method=method, client_id="s1")
    for ask in ({"clientAlgoId": "s1"}, {"algoId": str(number)}):
        assert call(gateway, "DELETE", "/fapi/v1/algoOrder", ask).body["code"] == -2011
        assert call(gateway, "GET", "/fapi/v1/algoOrder", ask).body["code"] == -2013
    assert gateway.engine.world.algo.open_count == 2
    assert call(gateway, "DELETE", "/fapi/v1/algoOrder", {"algoId": str(other)}).status == 200


def test_a_venue_that_lies_about_the_kind_of_stop_it_is_asked_for():
    """`where` picks requests by their parameters: -2021 to close-all stops, not to quantity stops."""
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault(
        "error", code=-2021, path="algoOrder", method="POST", where={"closePosition": "true", "type": "STOP_MARKET"}
    )
    reply = call(gateway, *ALGO, stop_params())
    assert (reply.status, reply.body) == (400, {"code": -2021, "msg": "Order would immediately trigger."})
    assert call(gateway, *ALGO, part_params()).status == 200
    assert call(gateway, *ALGO, stop_params(type="TAKE_PROFIT_MARKET", triggerPrice="41000")).status == 200


@pytest.mark.parametrize("path", ["/fapi/v2/positionRisk", "/fapi/v3/positionRisk"])
def test_a_row_without_a_mark(path):
    """Row 1.5: quantity and entry are readable, the mark is zero."""
    gateway = world()
    gateway.engine.add_fault("zero_mark", symbol="BTCUSDT", path="positionRisk")
    rows = {row["symbol"]: row for row in call(gateway, "GET", path).body}
    assert rows["BTCUSDT"]["markPrice"] == "0.00000000"
    assert (rows["BTCUSDT"]["positionAmt"], rows["BTCUSDT"]["entryPrice"]) == ("0.500", "40000")
    assert all(row["markPrice"] != "0.00000000" for symbol, row in rows.items() if symbol != "BTCUSDT")


def test_any_field_of_a_row_can_be_anything():
    gateway = world()
    gateway.engine.add_fault("odd_rows", path="positionRisk", field="entryPrice", value=None)
    gateway.engine.add_fault("odd_rows", path="account", field="positionAmt", value="NaN")
    assert [row["entryPrice"] for row in call(gateway, "GET", "/fapi/v3/positionRisk").body] == [None]
    assert [r["positionAmt"] for r in call(gateway, "GET", "/fapi/v3/account").body["positions"]] == ["NaN"]
    gateway.engine.remove_fault()
    assert call(gateway, "GET", "/fapi/v3/positionRisk").body[0]["entryPrice"] == "40000"


@pytest.mark.parametrize("retry_after", ["7200", "-1", "soon", "99999999999", ""])
def test_a_ban_with_an_absurd_end(retry_after):
    gateway = world()
    gateway.engine.add_fault("banned", retry_after=retry_after or None, message="IP banned until 9999999999999.")
    reply = call(gateway, "GET", "/fapi/v1/time")
    assert (reply.status, reply.body["msg"]) == (418, "IP banned until 9999999999999.")
    assert reply.headers["Retry-After"] == (retry_after or "1")


def test_a_neighbour_on_the_same_address_spends_first_in_every_minute():
    gateway = world()
    start = gateway.engine.now_ms - gateway.engine.now_ms % 60_000 + 60_000
    gateway.limiter.neighbour_weight = 2_150
    for minute in range(3):
        gateway.engine.advance_to(start + minute * 60_000)
        reply = call(gateway, "GET", "/fapi/v3/positionRisk")
        assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "2155"
    statuses = [call(gateway, "GET", "/fapi/v3/positionRisk").status for _ in range(50)]
    assert (statuses.count(200), statuses[-1]) == (49, 429)


@pytest.mark.parametrize(
    "settings",
    [{"probability": 2}, {"delay_ms": "soon"}, {"lasts_ms": 0}, {"where": "closePosition"}, {"count": True}],
)
def test_a_rule_that_cannot_be_is_refused(settings):
    gateway = world()
    with pytest.raises(ValueError):
        gateway.engine.add_fault("error", **settings)
    assert gateway.engine.world.faults.active() == []
