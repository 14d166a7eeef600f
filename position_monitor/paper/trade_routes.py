"""Signed endpoints about orders: plain and conditional."""

from __future__ import annotations

import json
from typing import Any

from position_monitor.paper import bodies
from position_monitor.paper.engine import Engine
from position_monitor.paper.errors import VenueRefusal, missing, refusal
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from position_monitor.paper.parameters import Params, integer, limit_of, need, optional, week_of
from position_monitor.paper.routes import Route, Table

Body = dict[str, Any]
ALL_CANCELLED: Body = {"code": 200, "msg": "The operation of cancel all open order is done."}
LARGEST_BATCH = 5
LARGEST_CANCEL_BATCH = 10
DELAYED = ("delayed_listing",)


class TradeRoutes:
    """Handlers over plain and conditional orders."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._world = engine.world

    def table(self) -> Table:
        """Endpoint to route."""
        return {
            ("POST", "/fapi/v1/order"): Route(self.place, weight=0, orders=1),
            ("POST", "/fapi/v1/order/test"): Route(self.test, weight=0),
            ("PUT", "/fapi/v1/order"): Route(self.amend, weight=1, orders=1),
            ("GET", "/fapi/v1/order"): Route(self.order),
            ("DELETE", "/fapi/v1/order"): Route(self.cancel),
            ("POST", "/fapi/v1/batchOrders"): Route(self.place_batch, weight=5, orders=None),
            ("PUT", "/fapi/v1/batchOrders"): Route(self.amend_batch, weight=5, orders=None),
            ("DELETE", "/fapi/v1/batchOrders"): Route(self.cancel_batch),
            ("GET", "/fapi/v1/orderAmendment"): Route(self.amendments),
            ("GET", "/fapi/v1/openOrder"): Route(self.open_order),
            ("GET", "/fapi/v1/openOrders"): Route(self.open_orders, weight_all=40),
            ("GET", "/fapi/v1/allOrders"): Route(self.all_orders, weight=5),
            ("DELETE", "/fapi/v1/allOpenOrders"): Route(self.cancel_all),
            ("POST", "/fapi/v1/countdownCancelAll"): Route(self.countdown, weight=10),
            ("POST", "/fapi/v1/algoOrder"): Route(self.place_algo, weight=0, orders=1),
            ("GET", "/fapi/v1/algoOrder"): Route(self.algo_order),
            ("DELETE", "/fapi/v1/algoOrder"): Route(self.cancel_algo),
            ("GET", "/fapi/v1/openAlgoOrders"): Route(self.open_algos, weight_all=40),
            ("GET", "/fapi/v1/allAlgoOrders"): Route(self.all_algos, weight=5),
            ("DELETE", "/fapi/v1/algoOpenOrders"): Route(self.cancel_all_algos),
        }

    # -- plain --------------------------------------------------------------

    def place(self, params: Params) -> Body:
        """POST order."""
        order = self._engine.place_order(params)
        instrument = self._world.instruments[order.symbol]
        if optional(params, "newOrderRespType") == "RESULT":
            return bodies.order_written(order, instrument)
        return bodies.order_acknowledged(order, instrument)

    def test(self, params: Params) -> Body:
        """POST order/test: every rule, no effect."""
        order = self._engine.trading.validated(params)
        return bodies.order_written(order, self._world.instruments[order.symbol])

    def amend(self, params: Params) -> Body:
        """PUT order."""
        order = self._engine.amend_order(params)
        return bodies.order_amended(order, self._world.instruments[order.symbol])

    def cancel(self, params: Params) -> Body:
        """DELETE order."""
        order = self._engine.cancel_order(params)
        return bodies.order_written(order, self._world.instruments[order.symbol])

    def place_batch(self, params: Params) -> list[Body]:
        """POST batchOrders: up to five, each with its own answer."""
        rows = _batch(need(params, "batchOrders"))
        if not 1 <= len(rows) <= LARGEST_BATCH:
            raise refusal(-4082)
        return [self._tried(self.place, row) for row in rows]

    def amend_batch(self, params: Params) -> list[Body]:
        """PUT batchOrders: up to five, each with its own answer."""
        rows = _batch(need(params, "batchOrders"))
        if not 1 <= len(rows) <= LARGEST_BATCH:
            raise refusal(-4082)
        return [self._tried(self.amend, row) for row in rows]

    def amendments(self, params: Params) -> list[Body]:
        """GET orderAmendment of a symbol, oldest first."""
        symbol = need(params, "symbol")
        instrument, order_id = self._world.instrument(symbol), integer(params, "orderId")
        client_id = optional(params, "origClientOrderId")
        found = [
            one for one in self._world.amendments
            if one.symbol == symbol and order_id in (None, one.order_id) and client_id in (None, one.client_id)
            and _within(params, one.at_ms)
        ]  # fmt: skip
        limit = limit_of(params, 50, 100)
        return [bodies.amendment_row(one, instrument) for one in found[-limit:]]

    def cancel_batch(self, params: Params) -> list[Body]:
        """DELETE batchOrders: up to ten, each with its own answer.

        ccxt writes the names of the two lists in lower case, which the venue takes as well.
        """
        symbol = need(params, "symbol")
        for source, name in (("orderIdList", "orderId"),
                             ("origClientOrderIdList", "origClientOrderId")):  # fmt: skip
            text = optional(params, source) or optional(params, source.lower())
            if text is not None:
                values = _list(text)
                if not 1 <= len(values) <= LARGEST_CANCEL_BATCH:
                    raise refusal(-4082)
                return [self._tried(self.cancel, {"symbol": symbol, name: str(value)}) for value in values]
        raise missing("orderIdList")

    def _tried(self, handler: Any, params: Params) -> Body:  # noqa: ANN401 - bound method
        try:
            body: Body = handler(params)
        except VenueRefusal as refused:
            return refused.body()
        return body

    def order(self, params: Params) -> Body:
        """GET order, open or closed."""
        order = self._seen(params, "/fapi/v1/order")
        if order is None:
            raise refusal(-2013)
        return bodies.order_read(order, self._world.instruments[order.symbol])

    def open_order(self, params: Params) -> Body:
        """GET openOrder: only while it is open."""
        order = self._seen(params, "/fapi/v1/openOrder")
        if order is None or not order.open:
            raise refusal(-2013)
        return bodies.order_read(order, self._world.instruments[order.symbol])

    def _seen(self, params: Params, path: str) -> PlainOrder | None:
        order = self._engine.trading.find(params)
        seen = None if order is None else self._engine.view(params.get("symbol"), path).plain_as_seen(order)
        return None if seen is None or self._unlisted_plain(seen, path) else seen

    def open_orders(self, params: Params) -> list[Body]:
        """GET openOrders of a symbol or all."""
        path, symbol = "/fapi/v1/openOrders", self._symbol(params)
        if self._world.faults.take(("empty_orders",), symbol=symbol, path=path, method="GET"):
            return []
        orders = [
            o for o in self._engine.view(symbol, path).plain_open(symbol) if not self._unlisted_plain(o, path)
        ]  # fmt: skip
        return [bodies.order_read(o, self._world.instruments[o.symbol]) for o in orders]

    def all_orders(self, params: Params) -> list[Body]:
        """GET allOrders; since 2026-08-25 the symbol may be left out."""
        symbol = self._symbol(params)
        since = integer(params, "orderId")
        view = self._engine.replica(symbol, "/fapi/v1/allOrders")
        found = [
            o for one in self._world.plain.history_of(symbol)
            if (o := view.plain_as_seen(one)) is not None
            and _within(params, o.created_ms) and (since is None or o.order_id >= since)
        ]  # fmt: skip
        limit = limit_of(params, 500, 1000)
        return [bodies.order_read(o, self._world.instruments[o.symbol]) for o in found[-limit:]]

    def cancel_all(self, params: Params) -> Body:
        """DELETE allOpenOrders."""
        self._engine.cancel_all_orders(need(params, "symbol"))
        return ALL_CANCELLED

    def countdown(self, params: Params) -> Body:
        """POST countdownCancelAll."""
        symbol, countdown = need(params, "symbol"), integer(params, "countdownTime")
        if countdown is None:
            raise missing("countdownTime")
        self._engine.countdown_cancel(symbol, countdown)
        return {"symbol": symbol, "countdownTime": str(countdown)}

    def _symbol(self, params: Params) -> str | None:
        symbol = optional(params, "symbol")
        if symbol is not None:
            self._world.instrument(symbol)
        return symbol

    # -- conditional --------------------------------------------------------

    def place_algo(self, params: Params) -> Body:
        """POST algoOrder."""
        order = self._engine.place_algo(params)
        return bodies.algo_written(order, self._world.instruments[order.symbol])

    def algo_order(self, params: Params) -> Body:
        """GET algoOrder."""
        order = self._engine.algos.find(params)
        if order is not None:
            path = "/fapi/v1/algoOrder"
            seen = self._engine.view(order.symbol, path).algo_as_seen(order)
            order = seen if seen is not None and not self._unlisted(seen, path) else None
        if order is None:
            raise refusal(-2013)
        return bodies.algo_read(order, self._world.instruments[order.symbol])

    def _unlisted(self, order: AlgoOrder, path: str) -> bool:
        """The delayed-listing fault: too fresh to be seen."""
        return any(
            rule.admits(order.symbol, path, "GET", order.client_id)
            and self._world.now_ms - order.created_ms < rule.delay_ms
            for rule in self._world.faults.of(DELAYED)
        )

    def _unlisted_plain(self, order: PlainOrder, path: str) -> bool:
        """The same for a plain order, where a rule names the path."""
        return any(
            rule.path is not None and rule.admits(order.symbol, path, "GET", order.client_id)
            and self._world.now_ms - order.created_ms < rule.delay_ms
            for rule in self._world.faults.of(DELAYED)
        )  # fmt: skip

    def cancel_algo(self, params: Params) -> Body:
        """DELETE algoOrder."""
        return bodies.algo_cancelled(self._engine.cancel_algo(params))

    def open_algos(self, params: Params) -> list[Body]:
        """GET openAlgoOrders of a symbol or all."""
        path, symbol = "/fapi/v1/openAlgoOrders", self._symbol(params)
        if self._world.faults.take(("empty_orders",), symbol=symbol, path=path, method="GET"):
            return []
        wanted, orders = optional(params, "algoId"), self._engine.view(symbol, path).algo_open(symbol)
        if wanted is not None:
            orders = [o for o in orders if str(o.algo_id) == wanted]
        if self._world.faults.of(DELAYED):
            orders = [o for o in orders if not self._unlisted(o, path)]
        return [bodies.algo_read(o, self._world.instruments[o.symbol]) for o in orders]

    def all_algos(self, params: Params) -> list[Body]:
        """GET allAlgoOrders of a symbol, oldest first."""
        symbol = need(params, "symbol")
        self._world.instrument(symbol)
        since = integer(params, "algoId")
        view = self._engine.replica(symbol, "/fapi/v1/allAlgoOrders")
        found = [
            o for one in self._world.algo.history_of(symbol)
            if (o := view.algo_as_seen(one)) is not None
            and _within(params, o.created_ms) and (since is None or o.algo_id >= since)
            and not self._unlisted(o, "/fapi/v1/allAlgoOrders")
        ]  # fmt: skip
        limit = limit_of(params, 500, 1000)
        return [bodies.algo_read(o, self._world.instruments[o.symbol]) for o in found[-limit:]]

    def cancel_all_algos(self, params: Params) -> Body:
        """DELETE algoOpenOrders."""
        self._engine.cancel_all_algos(need(params, "symbol"))
        return ALL_CANCELLED


def _within(params: Params, created_ms: int) -> bool:
    start, end = week_of(params)
    return (start is None or created_ms >= start) and (end is None or created_ms <= end)


def _list(text: str) -> list[Any]:
    try:
        values = json.loads(text)
    except ValueError:
        raise refusal(-1130, "Data sent for a list parameter is not valid.") from None
    if not isinstance(values, list):
        raise refusal(-1130, "Data sent for a list parameter is not valid.")
    return values


def _batch(text: str) -> list[Params]:
    rows = _list(text)
    if not all(isinstance(row, dict) for row in rows):
        raise refusal(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    return [{str(k): _text(v) for k, v in row.items()} for row in rows]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
