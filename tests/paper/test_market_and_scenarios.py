"""Prices, candles, instruments, scenarios, determinism, the control interface, and the layers."""

from __future__ import annotations

import ast
import itertools
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import position_monitor.paper as paper
from position_monitor.paper import scenario
from position_monitor.paper.control import Control
from position_monitor.paper.market import INTERVALS_MS
from position_monitor.paper.signing import Request
from tests.paper.paper_support import START_MS, amount, gateway_of, long_btc, part_params, stop_params

EDGES = {"certificates", "server", "streams", "wsapi", "__main__"}


def test_pure_modules_import_no_sockets_clocks_or_loops():
    forbidden = {"asyncio", "aiohttp", "socket", "time", "datetime", "threading", "secrets", "uuid", "os"}
    for path in sorted(Path(paper.__file__).parent.glob("*.py")):
        if path.stem in EDGES:
            continue
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
                assert not (node.module or "").endswith(tuple(f"paper.{edge}" for edge in EDGES)), path
        assert not imported & forbidden, path


def script(seed: int) -> tuple[str, list[dict]]:
    """A fixed series of calls; everything it leads to."""
    engine = scenario.build("with-foreign", seed, START_MS)
    engine.add_fault("ws_duplicate", probability=0.3)
    events = []
    for step in range(40):
        engine.advance_to(START_MS + step * 1000)
        engine.step_prices()
        if step == 5:
            engine.trade("open", "XRPUSDT", "LONG", Decimal("4000"))
        if step == 9:
            engine.place_algo(stop_params(symbol="XRPUSDT", triggerPrice="0.5100"))
        if step == 20:
            engine.set_price("XRPUSDT", mark=Decimal("0.5"), last=Decimal("0.5"))
        if step == 30:  # several symbols fill in one walk step
            for symbol, price in (("BTCUSDT", "41300"), ("SOLUSDT", "101.5"), ("ADAUSDT", "0.5")):
                engine.world.market.set_price(symbol, engine.now_ms, Decimal(price), Decimal(price))
        events += [event.body for event in engine.drain_events()]
    journal = json.dumps([entry.body() for entry in engine.world.journal.after(0)])
    return journal, events


def test_same_seed_and_calls_give_the_same_world_and_another_seed_another():
    assert script(3) == script(3)
    assert script(3) != script(4)


def test_string_hashing_does_not_reach_the_world():
    """The same script in processes with different hash seeds: a set's order must not matter."""
    code = "import hashlib; from tests.paper.test_market_and_scenarios import script; "
    code += "print(hashlib.sha256(repr(script(3)).encode()).hexdigest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True, capture_output=True,
        ).stdout
        for seed in (1, 2, 3)
    }  # fmt: skip
    assert len(digests) == 1


@pytest.mark.parametrize("name", [*scenario.available(), "generated-0", "generated-31"])
def test_scenarios_load_with_sound_positions(name):
    engine = scenario.build(name, 1, START_MS)
    declared = scenario.load(name)
    legs = engine.world.account.open_positions()
    assert len(legs) == len(declared.positions) + declared.generated_positions
    assert engine.world.account.available() > 0 or not legs
    assert engine.drain_events() == []
    for leg in legs:
        instrument = engine.world.instruments[leg.symbol]
        assert leg.amount % instrument.step == 0
        assert abs(leg.amount) * engine.world.market.mark(leg.symbol) >= instrument.min_notional


@pytest.mark.parametrize("name", ["generated-", "generated--1", "generated-2001", "generated-1.5", "nowhere"])
def test_unknown_scenarios_are_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"known: flat, .*generated-N"):
        scenario.load(name)


def test_the_seven_naked_positions_of_the_incident():
    engine = scenario.build("seven-naked", 1, START_MS)
    legs = {leg.symbol: leg for leg in engine.world.account.open_positions()}
    assert set(legs) == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT"}
    assert {leg.side for leg in legs.values()} == {"BOTH"}
    assert {leg.amount > 0 for leg in legs.values()} == {True, False}
    assert (legs["BTCUSDT"].entry, legs["BTCUSDT"].amount * 42000) == (42000, Decimal("9996.000"))
    assert engine.world.plain.open_count == engine.world.algo.open_count == 0


@pytest.mark.parametrize("seed", range(5))
def test_gentle_prices_never_come_near_a_stop(seed):
    engine = scenario.build("seven-naked", seed, START_MS)
    for _ in range(600):
        engine.step_prices()
        for leg in engine.world.account.open_positions():
            moved = abs(engine.world.market.mark(leg.symbol) / leg.entry - 1)
            assert moved < Decimal("0.006")
            assert engine.world.market.last(leg.symbol) % engine.world.instruments[leg.symbol].tick == 0


def test_frozen_prices_stand_still_and_a_set_price_becomes_the_anchor():
    engine = long_btc()
    engine.world.market.frozen = True
    assert engine.step_prices() == []
    engine.world.market.frozen = False
    engine.set_price("BTCUSDT", mark=Decimal("45000"), last=Decimal("45000"))
    for _ in range(200):
        engine.step_prices()
    assert abs(engine.world.market.mark("BTCUSDT") / 45000 - 1) < Decimal("0.003")


@pytest.mark.parametrize("interval", ["1m", "5m", "1h", "1d"])
def test_candles_are_stable_connected_and_end_at_the_last_price(interval):
    engine = long_btc()
    span = INTERVALS_MS[interval]
    market = engine.world.market
    before = market.candles("BTCUSDT", span, engine.now_ms, 60)
    assert [c.open_ms for c in before] == list(range(before[0].open_ms, before[0].open_ms + 60 * span, span))
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in before)
    assert all(left.close == right.open for left, right in itertools.pairwise(before[:-1]))
    assert len({c.close for c in before}) > 30
    engine.advance_to(engine.now_ms + 30_000)
    engine.set_price("BTCUSDT", last=Decimal("41234.5"))
    after = market.candles("BTCUSDT", span, engine.now_ms, 60)
    assert after[:-2] == before[:-2] or after[:-3] == before[1:-2]
    assert (after[-1].close, after[-1].high >= Decimal("41234.5")) == (Decimal("41234.5"), True)


def test_candles_of_the_past_stay_as_they_were_told_and_the_present_goes_on():
    asked, fresh = long_btc(), long_btc()
    market = asked.world.market
    told = [repr(candle) for candle in market.candles("BTCUSDT", 60_000, START_MS, 30)]
    for engine in (asked, fresh):
        engine.advance_to(START_MS + 90_000)
        engine.set_price("BTCUSDT", mark=Decimal("43000"), last=Decimal("43000"))
    again = [repr(candle) for candle in market.candles("BTCUSDT", 60_000, START_MS + 90_000, 31)]
    assert again == [repr(candle) for candle in fresh.world.market.candles("BTCUSDT", 60_000, START_MS + 90_000, 31)]
    assert again[:27] == told[1:28] and "43000" in again[-1]


def test_market_endpoints_answer_for_one_and_for_all():
    gateway = gateway_of(long_btc())
    for path in ("premiumIndex", "ticker/price", "ticker/24hr", "ticker/bookTicker"):
        one = gateway.handle(Request("GET", f"/fapi/v1/{path}", {"symbol": "BTCUSDT"})).body
        every = gateway.handle(Request("GET", f"/fapi/v1/{path}")).body
        assert one in every and len(every) == len(gateway.engine.world.instruments)
    bad = gateway.handle(Request("GET", "/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "7m"}))
    assert bad.body["code"] == -1120
    start = START_MS - 3_600_000 * 5
    rows = gateway.handle(
        Request(
            "GET", "/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1h", "startTime": str(start), "limit": "3"}
        )
    ).body
    assert (len(rows), rows[0][0]) == (3, start - start % 3_600_000 + 3_600_000)


def test_exchange_info_has_the_contracts_asked_for():
    info = gateway_of(long_btc()).handle(Request("GET", "/fapi/v1/exchangeInfo")).body
    symbols = {row["symbol"]: row for row in info["symbols"]}
    assert len(symbols) >= 12
    assert {row["contractType"] for row in symbols.values()} == {"PERPETUAL", "TRADIFI_PERPETUAL"}
    kinds = {f["filterType"] for f in symbols["1000PEPEUSDT"]["filters"]}
    assert kinds == {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MAX_NUM_ORDERS", "MIN_NOTIONAL", "PERCENT_PRICE"}


def control() -> Control:
    return Control(long_btc())


def test_control_state_shows_the_truth_under_faults():
    panel = control()
    panel.handle("POST", "fault", {"name": "false_flat"})
    panel.engine.place_algo(stop_params())
    status, state = panel.handle("GET", "state", {})
    assert status == 200
    assert [row["positionAmt"] for row in state["positions"]] == ["0.500"]
    assert [(row["algoStatus"], row["origin"]) for row in state["algo_orders"]] == [("NEW", "api")]
    assert [rule["name"] for rule in state["faults"]] == ["false_flat"]
    json.dumps(state)
    panel.engine.cancel_all_algos("BTCUSDT")
    assert [row["algoStatus"] for row in panel.handle("GET", "state", {})[1]["algo_orders"]] == ["CANCELED"]
    assert panel.handle("GET", "state", {"history": "false"})[1]["algo_orders"] == []


def test_control_trades_moves_prices_and_pages_the_journal():
    panel = control()
    assert panel.handle("POST", "price", {"symbol": "BTCUSDT", "price": "41000"})[1]["last"] == "41000"
    assert panel.handle("POST", "position", {"action": "reduce", "symbol": "BTCUSDT", "quantity": "0.1"})[1][
        "position"
    ] == {"BOTH": "0.4"}
    assert panel.handle("POST", "position", {"action": "flip", "symbol": "BTCUSDT"})[1]["position"] == {"BOTH": "-0.4"}
    page = panel.handle("GET", "journal", {"after": "1"})[1]
    assert [e["sequence"] for e in page["entries"]] == list(range(2, page["last_sequence"] + 1))
    fills = [e for e in page["entries"] if e["kind"] == "filled"]
    assert (fills[0]["position_before"], fills[0]["position_after"]) == ({"BOTH": "0.5"}, {"BOTH": "0.4"})


def test_the_cap_on_conditional_orders_can_be_raised_for_a_bench():
    panel = control()
    assert panel.handle("POST", "limits", {"conditional_orders": 1}) == (200, {"conditional_orders": 1})
    assert panel.handle("POST", "order", part_params())[0] == 200
    assert panel.handle("POST", "order", part_params())[1]["code"] == -4045
    assert panel.handle("POST", "limits", {"conditional_orders": 2})[0] == 200
    assert panel.handle("POST", "order", part_params())[0] == 200
    assert panel.handle("POST", "limits", {"conditional_orders": 0})[0] == 400


def test_control_places_and_removes_foreign_orders_by_the_rules():
    panel = control()
    status, body = panel.handle("POST", "order", {**stop_params(clientAlgoId="web1"), "closePosition": True})
    assert (status, body["algoStatus"]) == (200, "NEW")
    assert panel.handle("POST", "order", stop_params())[1]["code"] == -4130
    assert panel.handle("DELETE", "order", {"clientAlgoId": "web1", "silently": True})[1]["vanished"] is True
    assert panel.handle("DELETE", "order", {"clientAlgoId": "web1"})[1]["code"] == -2011


def test_control_settings_and_bad_requests():
    panel = control()
    assert panel.handle("POST", "mode", {"hedge": True})[1]["code"] == -4068
    assert panel.handle("POST", "mode", {"hedge": True, "force": True})[1] == {"hedge": True}
    assert amount(panel.engine, side="LONG") == Decimal("0.5")
    assert panel.handle("POST", "filters", {"symbol": "BTCUSDT", "tick": "0.5"})[1]["tick"] == "0.5"
    assert panel.handle("POST", "leverage", {"symbol": "ETHUSDT", "leverage": 3})[0] == 200
    assert panel.handle("POST", "margin-type", {"symbol": "ETHUSDT", "isolated": True})[0] == 200
    for method, name, values in (
        ("POST", "price", {"symbol": "BTCUSDT"}),
        ("POST", "price", {"symbol": "BTCUSDT", "mark": "much"}),
        ("POST", "position", {"action": "dance", "symbol": "BTCUSDT"}),
        ("POST", "fault", {"name": "meteor"}),
        ("POST", "filters", {"symbol": "BTCUSDT", "colour": "red"}),
        ("POST", "mode", {}),
    ):
        status, answer = panel.handle(method, name, values)
        assert status == 400 and "error" in answer
    assert panel.handle("GET", "nothing", {})[0] == 404
    assert panel.handle("POST", "fault", {"name": "latency", "delay_ms": 5})[1]["fault_id"] > 0
    assert panel.handle("DELETE", "fault", {})[1]["removed"] == 1
