"""Signed endpoints about what happened on the account: trades, income, liquidations, moves of margin."""

from __future__ import annotations

from typing import Any

from position_monitor.paper import bodies
from position_monitor.paper.engine import Engine
from position_monitor.paper.parameters import Params, integer, limit_of, need, optional, week_of
from position_monitor.paper.routes import Route, Table

Body = dict[str, Any]
INCOME_KINDS = frozenset({"TRANSFER", "REALIZED_PNL", "FUNDING_FEE", "COMMISSION", "INSURANCE_CLEAR"})


class HistoryRoutes:
    """Handlers over the past of the account."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._world = engine.world

    def table(self) -> Table:
        """Endpoint to route."""
        return {
            ("GET", "/fapi/v1/positionMargin/history"): Route(self.margin_moves),
            ("GET", "/fapi/v1/userTrades"): Route(self.trades, weight=5),
            ("GET", "/fapi/v1/income"): Route(self.income, weight=30),
            ("GET", "/fapi/v1/forceOrders"): Route(self.force_orders, weight=20, weight_all=50),
        }

    def margin_moves(self, params: Params) -> list[Body]:
        """GET positionMargin/history of a symbol, oldest first."""
        symbol = need(params, "symbol")
        self._world.instrument(symbol)
        kind, start, end = optional(params, "type"), integer(params, "startTime") or 0, integer(params, "endTime")
        rows = [
            bodies.margin_move_row(move) for move in self._world.margin_moves
            if move.symbol == symbol and move.at_ms >= start and (end is None or move.at_ms <= end)
        ]  # fmt: skip
        limit = limit_of(params, 500, 1000)
        return [row for row in rows if kind in (None, str(row["type"]))][-limit:]

    def trades(self, params: Params) -> list[Body]:
        """GET userTrades of a symbol, oldest first."""
        symbol = need(params, "symbol")
        instrument = self._world.instrument(symbol)
        start, end = week_of(params)
        order_id, from_id = integer(params, "orderId"), integer(params, "fromId")
        shown_ms = self._engine.replica(symbol, "/fapi/v1/userTrades").at_ms
        found = [
            trade for trade in self._world.trades
            if trade.symbol == symbol and (start or 0) <= trade.at_ms <= shown_ms
            and (end is None or trade.at_ms <= end)
            and order_id in (None, trade.order_id)
            and (from_id is None or trade.trade_id >= from_id)
        ]  # fmt: skip
        limit = limit_of(params, 500, 1000)
        chosen = found[:limit] if from_id is not None else found[-limit:]
        return [bodies.trade_row(trade, instrument) for trade in chosen]

    def income(self, params: Params) -> list[Body]:
        """GET income, oldest first."""
        symbol, kind = self._symbol(params), optional(params, "incomeType")
        if kind is not None and kind not in INCOME_KINDS:
            return []
        start, end = integer(params, "startTime") or 0, integer(params, "endTime")
        shown_ms = self._engine.replica(symbol, "/fapi/v1/income").at_ms
        found = [
            row for row in self._world.incomes
            if symbol in (None, row.symbol) and kind in (None, row.kind) and start <= row.at_ms <= shown_ms
            and (end is None or row.at_ms <= end)
        ]  # fmt: skip
        limit = limit_of(params, 100, 1000)
        return [bodies.income_row(row) for row in found[-limit:]]

    def force_orders(self, params: Params) -> list[Body]:
        """GET forceOrders: liquidations."""
        symbol, kind = self._symbol(params), optional(params, "autoCloseType")
        if kind == "ADL":
            return []
        limit = limit_of(params, 50, 100)
        return [
            bodies.force_order(order, self._world.instruments[order.symbol])
            for order in self._engine.liquidation.forced[-limit:]
            if symbol in (None, order.symbol)
        ]

    def _symbol(self, params: Params) -> str | None:
        symbol = optional(params, "symbol")
        if symbol is not None:
            self._world.instrument(symbol)
        return symbol
