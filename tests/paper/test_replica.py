"""A replica that lags: every endpoint it serves shows one past moment, consistent with itself and never going back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.paper.paper_support import (
    call,
    engine_with,
    gateway_of,
    limit_params,
    long_btc,
    market_params,
    part_params,
    stop_params,
)

ALGO = ("POST", "/fapi/v1/algoOrder")
POSITIONS = "/fapi/v3/positionRisk"
OPEN_ALGOS = "/fapi/v1/openAlgoOrders"
BTC = {"symbol": "BTCUSDT"}


def later(gateway, ms):
    gateway.engine.advance_to(gateway.engine.now_ms + ms)


def read(gateway, path, params=None):
    return call(gateway, "GET", path, params).body


def test_a_lagging_replica_shows_one_moment_of_the_past_on_every_endpoint_it_serves():
    """Positions, marks, orders, trades and history are those of the same moment, 3 s ago."""
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    later(gateway, 1_000)
    engine.add_fault("replica_lag", delay_ms=3_000)
    later(gateway, 1_000)
    call(gateway, *ALGO, stop_params(clientAlgoId="s1"))
    call(gateway, "POST", "/fapi/v1/order", limit_params(newClientOrderId="l1"))
    call(gateway, "POST", "/fapi/v1/order", market_params())
    engine.set_price("BTCUSDT", mark=Decimal(40_100))
    before = {
        "position": read(gateway, POSITIONS, BTC)[0],
        "account": read(gateway, "/fapi/v3/account")["positions"][0]["positionAmt"],
        "algos": read(gateway, OPEN_ALGOS, BTC),
        "plain": read(gateway, "/fapi/v1/openOrders", BTC),
        "history": read(gateway, "/fapi/v1/allAlgoOrders", BTC) + read(gateway, "/fapi/v1/allOrders", BTC),
        "trades": read(gateway, "/fapi/v1/userTrades", BTC),
        "index": read(gateway, "/fapi/v1/premiumIndex", BTC)["markPrice"],
        "one": call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).body["code"],
    }
    assert before["position"]["positionAmt"] == "0.500"
    assert before["position"]["markPrice"] == before["index"] == "40000.00000000"
    assert before["position"]["unRealizedProfit"] == "0.00000000"
    assert (before["account"], before["one"]) == ("0.500", -2013)
    assert before["algos"] == before["plain"] == before["history"] == before["trades"] == []
    later(gateway, 3_000)
    assert read(gateway, POSITIONS, BTC)[0]["positionAmt"] == "0.400"
    assert read(gateway, POSITIONS, BTC)[0]["markPrice"] == "40100.00000000"
    assert [row["clientAlgoId"] for row in read(gateway, OPEN_ALGOS, BTC)] == ["s1"]
    assert len(read(gateway, "/fapi/v1/userTrades", BTC)) == 1


def test_each_endpoint_may_lag_by_its_own_time():
    """Two rules with different lags do not take each other's past away."""
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.add_fault("replica_lag", delay_ms=10_000, path="positionRisk")
    engine.add_fault("replica_lag", delay_ms=2_000, path="openAlgoOrders")
    later(gateway, 1_000)
    call(gateway, *ALGO, stop_params())
    engine.trade("close", "BTCUSDT", None, None)
    engine.trade("open", "BTCUSDT", "LONG", Decimal("0.3"))
    call(gateway, *ALGO, stop_params())
    for second in range(12):
        amount = read(gateway, POSITIONS, BTC)[0]["positionAmt"]
        listed = len(read(gateway, OPEN_ALGOS, BTC))
        assert (amount, listed) == ("0.500" if second < 10 else "0.300", 0 if second < 2 else 1)
        assert len(read(gateway, "/fapi/v1/openOrders", BTC)) == 0
        assert read(gateway, "/fapi/v3/account")["positions"][0]["positionAmt"] == "0.300"
        later(gateway, 1_000)


def test_a_trailing_stop_is_shown_where_it_was_then():
    """Its trigger moves with the price and no entry of the journal tells of it: no past may share an older one."""
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("replica_lag", delay_ms=3_000, path="openAlgoOrders")
    trailing = part_params(type="TRAILING_STOP_MARKET", triggerPrice=None, callbackRate="1", activatePrice="40500")
    call(gateway, *ALGO, trailing | {"clientAlgoId": "t1"})
    shown, was = [], []
    for second in range(8):
        gateway.engine.set_price("BTCUSDT", mark=Decimal(40_500 + 100 * second), last=Decimal(40_500 + 100 * second))
        later(gateway, 1_000)
        was.append(call(gateway, "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "t1"}).body["triggerPrice"])
        shown += [row["triggerPrice"] for row in read(gateway, OPEN_ALGOS, BTC)]
    assert len(set(was)) == 8
    assert shown[-6:] == was[:6]


def test_a_drifting_lag_never_shows_an_older_moment_again():
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.add_fault("replica_lag", delay_ms=0, delay_max_ms=10_000)
    shown, lags = [], []
    for step in range(240):
        later(gateway, 500)
        engine.set_price("BTCUSDT", mark=Decimal(40_000 + step))
        mark = Decimal(read(gateway, POSITIONS, BTC)[0]["markPrice"])
        shown.append(mark)
        lags.append(40_000 + step - mark)
    assert shown == sorted(shown)
    assert max(lags) >= 19  # 10 s of half seconds
    assert min(lags[60:]) <= 1


def test_a_write_sees_the_present_and_a_lagging_list_hides_what_it_made():
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("replica_lag", delay_ms=8_000, path="openAlgoOrders")
    call(gateway, *ALGO, stop_params(clientAlgoId="s1"))
    assert call(gateway, *ALGO, stop_params()).body["code"] == -4130
    assert read(gateway, OPEN_ALGOS) == []
    assert read(gateway, "/fapi/v1/algoOrder", {"clientAlgoId": "s1"})["algoStatus"] == "NEW"


def test_a_lagging_list_still_shows_what_has_ended():
    gateway = gateway_of(long_btc())
    call(gateway, *ALGO, stop_params(clientAlgoId="s1"))
    gateway.engine.add_fault("replica_lag", delay_ms=5_000, path="openAlgoOrders")
    later(gateway, 100)
    assert call(gateway, "DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "s1"}).status == 200
    assert [row["algoStatus"] for row in read(gateway, OPEN_ALGOS)] == ["NEW"]
    later(gateway, 5_000)
    assert read(gateway, OPEN_ALGOS) == []


def test_a_new_contract_and_a_mode_are_told_late_by_a_replica():
    gateway = gateway_of(engine_with())
    engine = gateway.engine
    engine.add_fault("replica_lag", delay_ms=4_000)
    later(gateway, 1_000)
    engine.list_symbol("FRESHUSDT", "2.5", "0.001", "1")
    engine.set_hedge(True)
    info = [row["symbol"] for row in read(gateway, "/fapi/v1/exchangeInfo")["symbols"]]
    assert "FRESHUSDT" not in info
    assert read(gateway, "/fapi/v1/accountConfig")["dualSidePosition"] is False
    later(gateway, 4_000)
    assert "FRESHUSDT" in [row["symbol"] for row in read(gateway, "/fapi/v1/exchangeInfo")["symbols"]]
    assert read(gateway, "/fapi/v1/positionSide/dual") == {"dualSidePosition": True}


def test_the_past_is_dropped_with_the_fault_and_kept_no_longer_than_the_lag():
    gateway = gateway_of(long_btc())
    engine = gateway.engine
    engine.add_fault("replica_lag", delay_ms=1_000)
    for step in range(100):
        later(gateway, 100)
        engine.set_price("BTCUSDT", mark=Decimal(40_000 + step))
    assert len(engine.past._kept) <= 13
    engine.remove_fault("replica_lag")
    assert engine.past._kept == []
    assert read(gateway, POSITIONS, BTC)[0]["markPrice"] == "40099.00000000"


@pytest.mark.parametrize(("path", "name"), [("openOrders", "l1"), ("openAlgoOrders", "s1")])
def test_fresh_orders_of_either_kind_are_listed_late(path, name):
    gateway = gateway_of(long_btc())
    gateway.engine.add_fault("delayed_listing", delay_ms=5_000, path=path)
    call(gateway, *ALGO, stop_params(clientAlgoId="s1"))
    call(gateway, "POST", "/fapi/v1/order", limit_params(newClientOrderId="l1"))

    def listed():
        rows = read(gateway, OPEN_ALGOS) + read(gateway, "/fapi/v1/openOrders")
        return {row.get("clientAlgoId", row.get("clientOrderId")) for row in rows}

    assert listed() == {"l1", "s1"} - {name}
    later(gateway, 5_000)
    assert listed() == {"l1", "s1"}
