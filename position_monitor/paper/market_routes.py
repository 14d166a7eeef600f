"""Public endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from position_monitor.paper import market_bodies as bodies
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import refusal
from position_monitor.paper.market import INTERVALS_MS
from position_monitor.paper.parameters import Params, integer, limit_of, need, optional
from position_monitor.paper.routes import Access, Route, Table
from position_monitor.paper.world import World

Body = dict[str, Any]
DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
CONTRACT_TYPES = ("PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER", "TRADIFI_PERPETUAL")


def klines_weight(params: Params) -> int:
    """1, 2, 5 or 10 by the number of candles asked for."""
    limit = params.get("limit", "500")
    count = int(limit) if limit.isdigit() else 500
    return 1 if count < 100 else 2 if count < 500 else 5 if count <= 1000 else 10


def depth_weight(params: Params) -> int:
    """2, 5, 10 or 20 by the number of levels asked for."""
    limit = params.get("limit", "")
    return {"5": 2, "10": 2, "20": 2, "50": 2, "100": 5, "1000": 20}.get(limit, 10)


class MarketRoutes:
    """Handlers that need no key."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._world = engine.world

    def table(self) -> Table:
        """Endpoint to route."""

        def public(
            handler: Callable[[Params], Any],
            weight: int = 1,
            every: int | None = None,
            weigh: Callable[[Params], int] | None = None,
        ) -> Route:
            return Route(handler, Access.PUBLIC, weight, every, weigh=weigh)

        return {
            ("GET", "/fapi/v1/ping"): public(lambda _: {}),
            ("GET", "/fapi/v1/time"): public(self.time),
            ("GET", "/fapi/v1/exchangeInfo"): public(self.exchange_info),
            ("GET", "/fapi/v1/premiumIndex"): public(self._each(self._premium), 1, 10),
            ("GET", "/fapi/v1/ticker/price"): public(self._each(bodies.price_ticker), 1, 2),
            ("GET", "/fapi/v2/ticker/price"): public(self._each(bodies.price_ticker), 1, 2),
            ("GET", "/fapi/v1/ticker/24hr"): public(self._each(bodies.day_ticker), 1, 40),
            ("GET", "/fapi/v1/ticker/bookTicker"): public(self._each(bodies.book_ticker), 2, 5),
            ("GET", "/fapi/v1/depth"): public(self.depth, weigh=depth_weight),
            ("GET", "/fapi/v1/rpiDepth"): public(self.depth, 20),
            ("GET", "/fapi/v1/klines"): public(self.klines, weigh=klines_weight),
            ("GET", "/fapi/v1/markPriceKlines"): public(self.klines, weigh=klines_weight),
            ("GET", "/fapi/v1/indexPriceKlines"): public(self.pair_klines, weigh=klines_weight),
            ("GET", "/fapi/v1/continuousKlines"): public(self.contract_klines, weigh=klines_weight),
            ("GET", "/fapi/v1/premiumIndexKlines"): public(self.premium_klines, weigh=klines_weight),
            ("GET", "/fapi/v1/fundingRate"): public(self.funding_rate),
            ("GET", "/fapi/v1/fundingInfo"): public(self.funding_info),
            ("GET", "/fapi/v1/trades"): public(self.trades, 5),
            ("GET", "/fapi/v1/historicalTrades"): Route(self.trades, Access.KEY, 20),
            ("GET", "/fapi/v1/aggTrades"): public(self.aggregates, 20),
        }

    def time(self, _: Params) -> Body:
        """GET time."""
        return {"serverTime": self._engine.server_time_ms()}

    def exchange_info(self, _: Params) -> Body:
        """GET exchangeInfo."""
        listed = self._engine.replica(None, "/fapi/v1/exchangeInfo").instruments
        return bodies.exchange_info(listed.values(), self._engine.server_time_ms())

    def _each(self, render: Callable[[World, str], Body]) -> Callable[[Params], Any]:
        """One row for a symbol, all rows without."""

        def handler(params: Params) -> Body | list[Body]:
            symbol = optional(params, "symbol")
            if symbol is None:
                return [render(self._world, name) for name in sorted(self._world.listed())]
            self._world.instrument(symbol)
            return render(self._world, symbol)

        return handler

    def _premium(self, world: World, symbol: str) -> Body:
        view = self._engine.replica(symbol, "/fapi/v1/premiumIndex")
        return bodies.premium_index(world, symbol, view.mark(symbol))

    def _symbol(self, params: Params) -> str:
        symbol = need(params, "symbol")
        self._world.instrument(symbol)
        return symbol

    def depth(self, params: Params) -> Body:
        """GET depth."""
        symbol, limit = self._symbol(params), limit_of(params, 500, 1000)
        if limit not in DEPTHS:
            raise refusal(-4021, "Invalid depth limit.")
        return bodies.depth(self._world, symbol, limit)

    def klines(self, params: Params) -> list[list[Any]]:
        """GET klines and markPriceKlines: newest last, at most 1,500."""
        return self._klines(self._symbol(params), params)

    def pair_klines(self, params: Params) -> list[list[Any]]:
        """GET indexPriceKlines: by pair, which is the symbol of its perpetual contract; without volumes."""
        rows = self._klines(self._pair(params), params)
        return [[*row[:5], "0", row[6], "0", row[8], "0", "0", "0"] for row in rows]

    def contract_klines(self, params: Params) -> list[list[Any]]:
        """GET continuousKlines: only perpetual contracts are traded here."""
        symbol = self._pair(params)
        if need(params, "contractType") not in CONTRACT_TYPES:
            raise refusal(-4104)
        perpetual = params["contractType"] == self._world.instruments[symbol].contract_type
        return self._klines(symbol, params) if perpetual else []

    def premium_klines(self, params: Params) -> list[list[Any]]:
        """GET premiumIndexKlines: the mark never leaves the index here."""
        flat = ["0.00000000"] * 4
        return [[row[0], *flat, "0", row[6], "0", row[8], "0", "0", "0"] for row in self.klines(params)]

    def _pair(self, params: Params) -> str:
        pair = need(params, "pair")
        if pair not in self._world.instruments:
            raise refusal(-4144)
        return pair

    def _klines(self, symbol: str, params: Params) -> list[list[Any]]:
        interval = need(params, "interval")
        if interval not in INTERVALS_MS:
            raise refusal(-1120)
        start, end = _range(params)
        limit = limit_of(params, 500, 1500)
        return bodies.kline_rows(self._world, symbol, interval, start, end, limit)

    def funding_rate(self, params: Params) -> list[Body]:
        """GET fundingRate."""
        symbol = optional(params, "symbol") or "BTCUSDT"
        self._world.instrument(symbol)
        return bodies.funding_rows(self._world, symbol, limit_of(params, 100, 1000))

    def funding_info(self, _: Params) -> list[Body]:
        """GET fundingInfo: no symbol deviates from the standard interval."""
        return []

    def trades(self, params: Params) -> list[Body]:
        """GET trades and historicalTrades (which may begin at an id)."""
        symbol, since = self._symbol(params), integer(params, "fromId")
        limit = limit_of(params, 500, 1000)
        instrument, now_ms = self._world.instruments[symbol], self._world.now_ms
        return [bodies.trade_row(instrument, one) for one in bodies.prints(self._world, symbol, since, now_ms, limit)]

    def aggregates(self, params: Params) -> list[Body]:
        """GET aggTrades from an id, or within a time, or the newest."""
        symbol = self._symbol(params)
        start, end = _range(params)
        since = integer(params, "fromId")
        limit = limit_of(params, 500, 1000)
        found = bodies.prints(
            self._world, symbol, start if since is None else since, end or self._world.now_ms, limit
        )  # fmt: skip
        return [bodies.aggregate_row(self._world.instruments[symbol], one) for one in found]


def _range(params: Params) -> tuple[int | None, int | None]:
    start, end = integer(params, "startTime"), integer(params, "endTime")
    if start is not None and end is not None and start > end:
        raise refusal(-1023)
    return start, end
