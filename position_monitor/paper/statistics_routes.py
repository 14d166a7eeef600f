"""Public statistics: open interest, ratios, indexes.  Steady figures of plausible size; nobody trades on them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from position_monitor.paper.amounts import fixed, money
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import refusal
from position_monitor.paper.market import INTERVALS_MS
from position_monitor.paper.parameters import Params, integer, limit_of, need, optional
from position_monitor.paper.routes import Access, Route, Table
from position_monitor.paper.trading import ENDED

Body = dict[str, Any]
PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
OPEN_STEPS = 10_000_000
"""Open interest of every contract, in steps of its quantity."""
LONG, SHORT, RATIO = "0.5500", "0.4500", "1.2222"


class StatisticsRoutes:
    """Handlers that need no key and weigh little."""

    def __init__(self, engine: Engine) -> None:
        self._world = engine.world

    def table(self) -> Table:
        """Endpoint to route."""

        def public(handler: Callable[[Params], Any], weight: int = 1) -> Route:
            return Route(handler, Access.PUBLIC, weight)

        return {
            ("GET", "/fapi/v1/openInterest"): public(self.open_interest),
            ("GET", "/fapi/v1/constituents"): public(self.constituents, 2),
            ("GET", "/fapi/v1/symbolAdlRisk"): public(self.adl_risk),
            ("GET", "/fapi/v1/assetIndex"): public(self.asset_index, 10),
            ("GET", "/fapi/v1/indexInfo"): public(lambda _: []),
            ("GET", "/fapi/v1/insuranceBalance"): public(self.insurance),
            ("GET", "/fapi/v1/tradingSchedule"): public(self.schedule, 5),
            ("GET", "/futures/data/openInterestHist"): public(self._series(self._interest_row), 0),
            ("GET", "/futures/data/topLongShortAccountRatio"): public(self._series(_accounts_row), 0),
            ("GET", "/futures/data/topLongShortPositionRatio"): public(self._series(_accounts_row), 0),
            ("GET", "/futures/data/globalLongShortAccountRatio"): public(self._series(_accounts_row), 0),
            ("GET", "/futures/data/takerlongshortRatio"): public(self._series(_taker_row), 0),
            ("GET", "/futures/data/basis"): public(self._series(self._basis_row, "pair"), 0),
            ("GET", "/futures/data/delivery-price"): public(lambda _: [], 0),
        }

    def _symbol(self, params: Params) -> str:
        symbol = need(params, "symbol")
        self._world.instrument(symbol)
        return symbol

    def open_interest(self, params: Params) -> Body:
        """GET openInterest; a contract that has ended has none."""
        symbol = self._symbol(params)
        if self._world.instruments[symbol].status in ENDED:
            raise refusal(-4108)
        return {"openInterest": self._interest(symbol), "symbol": symbol, "time": self._world.now_ms}

    def _interest(self, symbol: str) -> str:
        instrument = self._world.instruments[symbol]
        return instrument.qty_text(instrument.step * OPEN_STEPS)

    def constituents(self, params: Params) -> Body:
        """GET constituents: the index has one source."""
        symbol = self._symbol(params)
        price = money(self._world.market.mark(symbol))
        source = {"exchange": "paper", "symbol": symbol, "price": price, "weight": "1.00000000"}
        return {"symbol": symbol, "time": self._world.now_ms, "constituents": [source]}

    def adl_risk(self, params: Params) -> Body | list[Body]:
        """GET symbolAdlRisk."""
        symbol = optional(params, "symbol")
        names = sorted(self._world.instruments) if symbol is None else [self._symbol(params)]
        rows: list[Body] = [
            {"symbol": name, "adlRisk": "low", "updateTime": self._world.now_ms} for name in names
        ]  # fmt: skip
        return rows if symbol is None else rows[0]

    def asset_index(self, params: Params) -> Body | list[Body]:
        """GET assetIndex: one margin asset, at par."""
        row: Body = {"symbol": "USDTUSD", "time": self._world.now_ms, "index": "1.00000000"}
        row |= {"bidBuffer": "0.00000000", "askBuffer": "0.00000000", "bidRate": "1.00000000", "askRate": "1.00000000"}
        row |= {f"autoExchange{name}": value for name, value in
                (("BidBuffer", "0.00000000"), ("AskBuffer", "0.00000000"),
                 ("BidRate", "1.00000000"), ("AskRate", "1.00000000"))}  # fmt: skip
        return [row] if optional(params, "symbol") is None else row

    def insurance(self, _: Params) -> Body:
        """GET insuranceBalance: one fund for all."""
        fund = {"asset": "USDT", "marginBalance": "1000000.00000000", "updateTime": self._world.now_ms}
        return {"symbols": sorted(self._world.instruments), "assets": [fund]}

    def schedule(self, _: Params) -> Body:
        """GET tradingSchedule: every contract trades around the clock here."""
        return {"updateTime": self._world.now_ms, "marketSchedules": {}}

    def _series(self, render: Callable[[str, int], Body], name: str = "symbol") -> Callable[[Params], list[Body]]:
        """One row per period, oldest first, at most 500 of the last 30 days."""

        def handler(params: Params) -> list[Body]:
            subject, period = need(params, name), need(params, "period")
            if subject not in self._world.instruments:
                raise refusal(-1121 if name == "symbol" else -4144)
            if period not in PERIODS:
                raise refusal(-1130, "Data sent for parameter 'period' is not valid.")
            span, limit = INTERVALS_MS[period], limit_of(params, 30, 500)
            newest = min(integer(params, "endTime") or self._world.now_ms, self._world.now_ms)
            newest -= newest % span
            oldest = max(integer(params, "startTime") or 0, newest - span * (limit - 1))
            return [render(subject, at) for at in range(newest, oldest - 1, -span)][::-1]

        return handler

    def _interest_row(self, symbol: str, at_ms: int) -> Body:
        instrument = self._world.instruments[symbol]
        amount = instrument.step * OPEN_STEPS
        value = amount * self._world.market.mark(symbol)
        return {
            "symbol": symbol, "sumOpenInterest": money(amount), "sumOpenInterestValue": money(value),
            "CMCCirculatingSupply": "0.00000000", "timestamp": at_ms,
        }  # fmt: skip

    def _basis_row(self, pair: str, at_ms: int) -> Body:
        price = fixed(self._world.market.mark(pair), 8)
        return {
            "indexPrice": price, "contractType": "PERPETUAL", "basisRate": "0.0000", "futuresPrice": price,
            "annualizedBasisRate": "", "basis": "0", "pair": pair, "timestamp": at_ms,
        }  # fmt: skip


def _accounts_row(symbol: str, at_ms: int) -> Body:
    return {"symbol": symbol, "longShortRatio": RATIO, "longAccount": LONG, "shortAccount": SHORT, "timestamp": at_ms}


def _taker_row(_: str, at_ms: int) -> Body:
    return {"buySellRatio": RATIO, "buyVol": "1222.2000", "sellVol": "1000.0000", "timestamp": at_ms}
