"""One order of ours by its client id. The id says in which of the venue's two services the order lives."""

from __future__ import annotations

from collections.abc import Mapping

from position_monitor.core.model import ids
from position_monitor.core.model.orders import LiveOrder
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.order_rows import algo_order, plain_order
from position_monitor.edge.venues.binance.rows import AlgoOrderRow, PlainOrderRow, parse_object
from position_monitor.edge.venues.transport import Endpoint


def query_request(symbol: str, client_id: str) -> tuple[Endpoint, dict[str, str]]:
    """The call that asks for an order: limit orders are known to the matching engine, all others wait apart."""
    if ids.is_limit(client_id):
        return Endpoint.QUERY_ORDER, {"symbol": symbol, "origClientOrderId": client_id}
    return Endpoint.QUERY_ALGO_ORDER, {"clientAlgoId": client_id}


def answered_order(symbol: str, client_id: str, body: object) -> LiveOrder:
    """The order in an answer; raises `Unreachable` or `Unreadable` where the answer is not about it."""
    endpoint, _ = query_request(symbol, client_id)
    limit = endpoint is Endpoint.QUERY_ORDER
    parse_object(endpoint, PlainOrderRow if limit else AlgoOrderRow, body)
    assert isinstance(body, Mapping)
    order = plain_order(body) if limit else algo_order(body)
    if order.client_id != client_id or order.symbol != symbol:
        raise unusable(endpoint, "the answer was about another order")
    return order
