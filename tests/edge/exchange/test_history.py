"""Fills, orders, income and marks of the past as Binance serves them: whole, exact, and turned away before all else."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.model.orders import Purpose
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.facts import Forced, IncomeKind
from position_monitor.edge.clock import VenueClock
from position_monitor.edge.http.rate_budget import Lane, RateBudget
from position_monitor.edge.venues.binance import history as pages
from position_monitor.edge.venues.binance.history import BinanceHistory
from position_monitor.edge.venues.binance.wire import BinanceWire
from position_monitor.edge.venues.transport import NOT_JSON, Endpoint, Reply
from position_monitor.errors import RateLimited, Unreadable
from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.signing import Gatekeeper, Request
from tests.paper.paper_support import START_MS, engine_with, stop_params

BTC = PositionKey("BTCUSDT", Side.LONG)
D = Decimal


class OfEngine:
    """A connection to an engine in memory that remembers what was asked."""

    def __init__(self, engine: Engine) -> None:
        self.gateway = Gateway(engine, Gatekeeper("key", "secret"))
        self.asked: list[tuple[Endpoint, Mapping[str, str]]] = []
        self.rewrite: dict[Endpoint, Any] = {}

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        self.asked.append((endpoint, params))
        spec = endpoint.value
        answer = self.gateway.handle(Request(spec.method, spec.path, dict(params), trusted=True, charged=True))
        return Reply(answer.status, self.rewrite.get(endpoint, answer.body))

    async def aclose(self) -> None: ...


class Stage:
    """An engine, its clock, and its history as the daemon reads it."""

    def __init__(self, clock: Any, engine: Engine) -> None:
        clock.wall_ms = engine.now_ms
        self.engine, self.clock = engine, clock
        self.line = OfEngine(engine)
        self.budget = RateBudget(VenueClock(clock))
        self.history = BinanceHistory(BinanceWire(self.line, clock, self.budget))

    def at(self, seconds: float) -> None:
        self.engine.advance_to(START_MS + round(seconds * 1000))
        self.clock.wall_ms = self.engine.now_ms

    @property
    def span(self) -> dict[str, int]:
        return {"since_ms": START_MS, "until_ms": self.engine.now_ms}


@pytest.fixture
def stage(clock: Any) -> Stage:
    return Stage(clock, engine_with())


async def test_a_position_by_its_fills_orders_and_income(stage: Stage) -> None:
    engine = stage.engine
    stage.at(1)
    engine.trade("open", "BTCUSDT", "LONG", D("0.5"))
    entry = engine.world.account.position("BTCUSDT", "BOTH").entry
    stage.at(2)
    engine.place_algo(stop_params(clientAlgoId="backstop1"))
    engine.charge_funding(D("0.0001"))
    stage.at(60)
    engine.set_price("BTCUSDT", D("38990"), D("38980"))
    fills = await stage.history.fills("BTCUSDT", **stage.span)
    assert [(one.buys, one.quantity, one.leg, one.at_ms) for one in fills] == [
        (True, D("0.5"), None, START_MS + 1000),
        (False, D("0.5"), None, START_MS + 60_000),
    ]
    assert fills[1].realised == D("0.5") * (D("38980") - entry)
    assert (fills[1].fee, fills[1].fee_asset, fills[1].settle_asset) == (D("9.745"), "USDT", "USDT")
    [stop] = [
        one
        for one in await stage.history.past_orders("BTCUSDT", **stage.span)
        if one.client_id == "backstop1" and one.trigger_price
    ]
    assert (stop.key, stop.executing_id, stop.purpose) == (BTC, fills[1].order_id, Purpose.STOP)
    assert (stop.quantity, stop.trigger_price, stop.reduces) == (None, D("39000"), True)
    assert (stop.created_at_ms, stop.ended_at_ms) == (START_MS + 2000, START_MS + 60_000)
    income = await stage.history.income(**stage.span)
    assert [(row.kind, row.trade_id) for row in income] == [
        (IncomeKind.FEE, fills[0].trade_id),
        (IncomeKind.FUNDING, None),
        (IncomeKind.REALISED, fills[1].trade_id),
        (IncomeKind.FEE, fills[1].trade_id),
    ]
    assert sum(row.amount for row in income if row.kind is IncomeKind.FEE) == -(fills[0].fee + fills[1].fee)


async def test_the_venue_own_closing_orders_are_told_apart(stage: Stage, clock: Any) -> None:
    doomed = Stage(clock, engine_with(("BTCUSDT", "LONG", "0.5", "40000"), isolated=True))
    doomed.at(60)
    doomed.engine.set_price("BTCUSDT", D(35000), D(35000))
    doomed.engine.trade("open", "ETHUSDT", "SHORT", D(1))
    doomed.engine.settle_symbol("ETHUSDT")
    forced = {
        one.forced
        for symbol in ("BTCUSDT", "ETHUSDT")
        for one in await doomed.history.past_orders(symbol, **doomed.span)
    }
    assert forced == {Forced.LIQUIDATION, Forced.SETTLEMENT, None}


async def test_a_full_page_is_read_in_halves_until_nothing_is_cut_off(stage: Stage, monkeypatch: Any) -> None:
    """Pages of three: every fill of a busy hour is there, once, whichever end the venue cuts off."""
    monkeypatch.setattr(pages, "ROWS_MAX", 3)
    for second in range(20):
        stage.at(1 + second)
        stage.engine.trade("open" if second == 0 else "add", "BTCUSDT", "LONG", D("0.01"))
    fills = await stage.history.fills("BTCUSDT", **stage.span)
    assert [one.at_ms for one in fills] == [START_MS + 1000 * (1 + second) for second in range(20)]


async def test_no_request_covers_more_than_seven_days(stage: Stage) -> None:
    stage.at(1)
    stage.engine.trade("open", "BTCUSDT", "LONG", D("0.01"))
    stage.at(20 * 86_400)
    stage.engine.trade("close", "BTCUSDT", None, None)
    fills = await stage.history.fills("BTCUSDT", **stage.span)
    assert len(fills) == 2
    spans = [int(params["endTime"]) - int(params["startTime"]) for _, params in stage.line.asked]
    assert len(spans) == 3 and max(spans) < 7 * 86_400_000


async def test_marks_of_the_past_are_the_extremes_of_its_minutes(stage: Stage) -> None:
    for second, price in ((60, "40500"), (130, "39500"), (200, "40100")):
        stage.at(second)
        stage.engine.set_price("BTCUSDT", D(price), D(price))
    found = await stage.history.mark_range("BTCUSDT", since_ms=START_MS + 130_000, until_ms=START_MS + 200_000)
    assert found is not None
    assert (found.low, found.high) == (D("39500"), D("40500")), "the minute of 130 s opens at the price before it"
    assert found.low_at_ms == found.high_at_ms == START_MS + 130_000 - (START_MS + 130_000) % 60_000


async def test_marks_of_three_weeks_cost_no_more_than_those_of_a_day(stage: Stage) -> None:
    """Whole hours inside, minutes at both ends: the same extremes, by few requests."""
    prices = ((30, "40500"), (86_400 * 9 + 77, "43000"), (86_400 * 20 + 4000, "39000"), (86_400 * 21, "41000"))
    for second, price in prices:
        stage.at(second)
        stage.engine.set_price("BTCUSDT", D(price), D(price))
    found = await stage.history.mark_range(
        "BTCUSDT", since_ms=START_MS + 86_400_000, until_ms=START_MS + 86_400_000 * 21
    )
    assert found is not None and (found.low, found.high) == (D(39000), D(43000))
    assert 0 <= START_MS + (86_400 * 9 + 77) * 1000 - found.high_at_ms < 3_600_000
    assert stage.budget.own_weight_1m <= 12


async def test_an_asset_without_a_contract_has_no_price(stage: Stage) -> None:
    stage.at(600)
    minute = START_MS - START_MS % 60_000
    assert await stage.history.mark_of_asset("BTC", "USDT", minute) is not None
    assert await stage.history.mark_of_asset("NOSUCH", "USDT", minute) is None


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (Endpoint.FILLS, {}),
        (Endpoint.FILLS, [{"symbol": "BTCUSDT", "id": 1}]),
        (Endpoint.FILLS, NOT_JSON),
        (Endpoint.INCOME, [{"symbol": "X", "incomeType": "COMMISSION", "income": 0.1, "asset": "USDT", "time": 1}]),
        (Endpoint.PAST_ALGO_ORDERS, [7]),
        (Endpoint.PAST_ORDERS, "no"),
        (Endpoint.MARK_CANDLES, [[1, 2]]),
        (Endpoint.MARK_CANDLES, [[1, "1", "NaN", "1", "1"]]),
    ],
)  # fmt: skip
async def test_garbage_is_never_an_empty_list(stage: Stage, endpoint: Endpoint, body: Any) -> None:
    stage.at(60)
    stage.line.rewrite = {endpoint: body}
    with pytest.raises(Unreadable):
        await stage.history.fills("BTCUSDT", **stage.span)
        await stage.history.income(**stage.span)
        await stage.history.past_orders("BTCUSDT", **stage.span)
        await stage.history.mark_range("BTCUSDT", **stage.span)


async def test_transfers_and_rebates_are_no_income_of_positions(stage: Stage) -> None:
    stage.line.rewrite = {
        Endpoint.INCOME: [
            {"symbol": "", "incomeType": "TRANSFER", "income": "-0.37500000", "asset": "USDT", "info": "TRANSFER",
             "time": 1570608000000, "tranId": 9689322392, "tradeId": ""},
            {"symbol": "BTCUSDT", "incomeType": "COMMISSION", "income": "-0.01000000", "asset": "USDT",
             "info": "COMMISSION", "time": 1570636800000, "tranId": 9689322392, "tradeId": "2059192"},
        ]
    }  # fmt: skip
    [row] = await stage.history.income(**stage.span)
    assert (row.kind, row.amount, row.trade_id) == (IncomeKind.FEE, D("-0.01"), 2059192)


async def test_it_is_turned_away_before_anything_that_protects_waits(stage: Stage) -> None:
    """5 % of the minute for all of the background; what is beyond is refused at once, and reads go on."""
    with pytest.raises(RateLimited):
        while True:
            await stage.history.income(**stage.span)
    assert stage.budget.own_weight_1m == 120
    assert stage.budget.has_room(Lane.READ, 80)
