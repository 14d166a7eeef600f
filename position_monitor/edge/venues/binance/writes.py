"""How our three actions look on the wire, and which answers count as accepted.

Every request built here can only reduce a position (invariant 1): close-all, or reduce-only in one-way mode, or in
hedge mode the exit side of the position's own `positionSide` (where the venue refuses `reduceOnly`, -1106).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import OrderStatus, Purpose, Role
from position_monitor.core.model.sides import Side
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.rows import AlgoCanceledRow, AlgoPlacedRow, OrderAnswerRow, parse_object
from position_monitor.edge.venues.binance.sides import PositionSide, exit_side
from position_monitor.edge.venues.binance.words import ORDER_TYPES
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import RequestInvalid

_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,36}", re.ASCII)
_RESTING: Final = frozenset({Purpose.STOP, Purpose.TAKE_PROFIT})
_ACKNOWLEDGED: Final = frozenset({OrderStatus.NEW, OrderStatus.TRIGGERING, OrderStatus.TRIGGERED, OrderStatus.FINISHED})
"""Statuses a conditional order may have in its acknowledgement. Only the read-back says whether it protects."""
_SENT: Final = frozenset({"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"})
"""Statuses of an order of the matching engine that was taken, whatever became of it: what rests, and the position, is
read, not this."""


def plain_number(value: Decimal) -> str:
    """Digits with at most one point, never an exponent; raises RequestInvalid for what no order may carry."""
    if not value.is_finite() or value <= 0:
        raise RequestInvalid("an order number was not above zero")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def placing_call(order: DesiredOrder) -> Endpoint:
    """The call that places an order: limit orders go to the matching engine, all others wait apart for their price."""
    return Endpoint.PLACE_ORDER if order.is_limit else Endpoint.PLACE_ALGO_ORDER


def place_request(order: DesiredOrder) -> dict[str, str]:
    """The order's parameters; raises RequestInvalid for an order this venue cannot rest."""
    return _limit_request(order) if order.is_limit else _conditional_request(order)


def _limit_request(order: DesiredOrder) -> dict[str, str]:
    """A take-profit that rests in the order book: reducing, at its price, until it is cancelled."""
    if order.quantity is None:
        raise RequestInvalid("a limit order needs a quantity")
    return {
        "symbol": order.symbol,
        "side": exit_side(order.side).value,
        "positionSide": _position_side(order.side, hedged=order.hedged),
        "type": ORDER_TYPES[order.purpose],
        "timeInForce": "GTC",
        "price": plain_number(order.trigger_price),
        "quantity": plain_number(order.quantity),
        "newClientOrderId": _client_id(order.client_id),
        **_reducing(hedged=order.hedged),
    }


def _conditional_request(order: DesiredOrder) -> dict[str, str]:
    if order.purpose not in _RESTING:
        raise RequestInvalid(f"{order.purpose} cannot rest as a conditional market order")
    if order.role is Role.CLOSE:
        raise RequestInvalid("a close is not a conditional order")
    params = {
        "algoType": "CONDITIONAL",
        "symbol": order.symbol,
        "side": exit_side(order.side).value,
        "positionSide": _position_side(order.side, hedged=order.hedged),
        "type": ORDER_TYPES[order.purpose],
        "triggerPrice": plain_number(order.trigger_price),
        # Both are the venue's defaults for somebody else's purpose: last price, and no trigger while prices differ.
        "workingType": order.working_type.value,
        "priceProtect": "false",
        "clientAlgoId": _client_id(order.client_id),
    }
    if order.quantity is None:
        params["closePosition"] = "true"
    else:
        params["quantity"] = plain_number(order.quantity)
        params.update(_reducing(hedged=order.hedged))
    return params


def place_lane(place: Place) -> Lane:
    """Stops may use the reserve; take-profits may not (invariant 3)."""
    return Lane.STOP if place.order.role.is_stop else Lane.OTHER_WRITE


def placed_order_id(order: DesiredOrder, body: object) -> str:
    """The venue's id from the acknowledgement; raises Ambiguous unless it is about this very order."""
    if order.is_limit:
        return _placed_limit_id(order, body)
    row = parse_object(Endpoint.PLACE_ALGO_ORDER, AlgoPlacedRow, body)
    if row.client_algo_id != order.client_id or row.symbol != order.symbol:
        raise unusable(Endpoint.PLACE_ALGO_ORDER, "the acknowledgement was about another order")
    if row.algo_status not in _ACKNOWLEDGED:
        raise unusable(Endpoint.PLACE_ALGO_ORDER, "the acknowledgement did not say the order was taken")
    return row.algo_id


def _placed_limit_id(order: DesiredOrder, body: object) -> str:
    row = parse_object(Endpoint.PLACE_ORDER, OrderAnswerRow, body)
    if row.client_order_id != order.client_id or row.symbol != order.symbol or row.status not in _SENT:
        raise unusable(Endpoint.PLACE_ORDER, "the acknowledgement was not about this order")
    return row.order_id


def cancel_request(cancel: Cancel) -> tuple[Endpoint, dict[str, str]]:
    """Which call removes this order: the list it was read from decides, never a guess."""
    order_id = cancel.order.order_id
    if not (order_id.isascii() and order_id.isdigit()):
        raise RequestInvalid("the order id to cancel was not a number")
    if cancel.order.conditional:
        return Endpoint.CANCEL_ALGO_ORDER, {"algoId": order_id}
    return Endpoint.CANCEL_ORDER, {"symbol": cancel.order.symbol, "orderId": order_id}


def check_canceled(cancel: Cancel, body: object) -> None:
    """Accept only the documented answer about this order; raises Ambiguous otherwise."""
    if cancel.order.conditional:
        algo = parse_object(Endpoint.CANCEL_ALGO_ORDER, AlgoCanceledRow, body)
        if algo.code != 200 or algo.algo_id != cancel.order.order_id:
            raise unusable(Endpoint.CANCEL_ALGO_ORDER, "the answer did not confirm this cancel")
        return
    plain = parse_object(Endpoint.CANCEL_ORDER, OrderAnswerRow, body)
    if plain.status != "CANCELED" or plain.order_id != cancel.order.order_id:
        raise unusable(Endpoint.CANCEL_ORDER, "the answer did not confirm this cancel")


def close_request(close: Close) -> dict[str, str]:
    """The parameters of a reducing MARKET, or LIMIT IOC, order."""
    params = {
        "symbol": close.key.symbol,
        "side": exit_side(close.key.side).value,
        "positionSide": _position_side(close.key.side, hedged=close.hedged),
        "type": "MARKET" if close.limit_price is None else "LIMIT",
        "quantity": plain_number(close.quantity),
        "newClientOrderId": _client_id(close.client_id),
        **_reducing(hedged=close.hedged),
    }
    if close.limit_price is not None:
        params.update({"timeInForce": "IOC", "price": plain_number(close.limit_price)})
    return params


def check_closed(close: Close, body: object) -> None:
    """Accept only an answer about this order; raises Ambiguous otherwise."""
    row = parse_object(Endpoint.PLACE_ORDER, OrderAnswerRow, body)
    if row.client_order_id != close.client_id or row.symbol != close.key.symbol or row.status not in _SENT:
        raise unusable(Endpoint.PLACE_ORDER, "the acknowledgement was not about this order")


def _position_side(side: Side, *, hedged: bool) -> str:
    """BOTH, or the position's own side: the other one would open a position (invariant 1)."""
    return (PositionSide(side.value) if hedged else PositionSide.BOTH).value


def _reducing(*, hedged: bool) -> Mapping[str, str]:
    return {} if hedged else {"reduceOnly": "true"}


def _client_id(text: str) -> str:
    if not _CLIENT_ID.fullmatch(text):
        raise RequestInvalid("the client id was not 1 to 36 allowed characters")
    return text
