"""JSON shapes of orders, trades and incomes, field for field as documented.

Since 2026-07-15 the replies of POST, PUT and DELETE of plain orders carry no
`avgPrice` and no `cumQuote`; GET does.
"""

from __future__ import annotations

from typing import Any

from position_monitor.paper.amounts import ZERO, fixed, money, plain
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.orders import AlgoOrder, PlainOrder, changing_of
from position_monitor.paper.world import Amendment, Income, MarginMove, Trade

Body = dict[str, Any]


def _order_common(order: PlainOrder, instrument: Instrument) -> Body:
    return {
        "orderId": order.order_id, "symbol": order.symbol, "status": order.status,
        "clientOrderId": order.client_id, "price": instrument.price_text(order.price),
        "origQty": instrument.qty_text(order.quantity),
        "executedQty": instrument.qty_text(order.executed),
        "timeInForce": order.time_in_force, "type": order.type,
        "reduceOnly": order.reduce_only, "closePosition": order.close_position,
        "side": order.side, "positionSide": order.position_side,
        "stopPrice": instrument.price_text(ZERO), "workingType": order.working_type,
        "priceProtect": False, "origType": order.original_type or order.type,
        "priceMatch": order.price_match, "selfTradePreventionMode": order.self_trade,
        "goodTillDate": order.good_till_ms, "updateTime": order.updated_ms,
    }  # fmt: skip


def order_written(order: PlainOrder, instrument: Instrument) -> Body:
    """Reply of POST and DELETE."""
    body = _order_common(order, instrument)
    body["cumQty"] = body["executedQty"]
    return body


def order_acknowledged(order: PlainOrder, instrument: Instrument) -> Body:
    """Reply of POST with newOrderRespType ACK: as accepted, before any execution."""
    body = order_written(order, instrument)
    nothing = instrument.qty_text(ZERO)
    body |= {"status": "NEW", "executedQty": nothing, "cumQty": nothing,
             "updateTime": order.created_ms}  # fmt: skip
    return body


def order_amended(order: PlainOrder, instrument: Instrument) -> Body:
    """Reply of PUT."""
    return {**order_written(order, instrument), "pair": order.symbol}


def order_read(order: PlainOrder, instrument: Instrument) -> Body:
    """Row of GET order, openOrder(s), allOrders."""
    body = _order_common(order, instrument)
    body |= {
        "avgPrice": fixed(order.average, max(5, instrument.price_decimals)),
        "cumQuote": plain(order.quote), "time": order.created_ms,
    }  # fmt: skip
    return body


def force_order(order: PlainOrder, instrument: Instrument) -> Body:
    """Row of GET forceOrders: the venue shows liquidations as LIMIT IOC there."""
    return {**order_read(order, instrument), "type": "LIMIT", "origType": "LIMIT"}


def algo_written(order: AlgoOrder, instrument: Instrument) -> Body:
    """Reply of POST algoOrder."""
    body = _algo_common(order, instrument)
    activate = order.activate_price
    body |= {
        "activatePrice": instrument.price_text(activate) if activate is not None else "",
        "callbackRate": plain(order.callback_rate) if order.callback_rate is not None else "",
    }
    return body


def algo_read(order: AlgoOrder, instrument: Instrument) -> Body:
    """Row of GET algoOrder, openAlgoOrders, allAlgoOrders.  Most are as they were when they were read before; answers
    share those, for nobody changes a row."""
    facts = (instrument, changing_of(order))
    if order.row is None or order.row[0] != facts:
        order.row = (facts, _algo_row(order, instrument))
    return order.row[1]


def _algo_row(order: AlgoOrder, instrument: Instrument) -> Body:
    nothing = instrument.price_text(ZERO)
    body = _algo_common(order, instrument)
    body |= {
        "actualOrderId": str(order.actual_order_id) if order.actual_order_id else "",
        "actualPrice": fixed(order.actual_price, max(5, instrument.price_decimals)),
        "actualQty": instrument.qty_text(order.actual_quantity),
        "actualType": order.actual_type, "isActivated": order.activated,
        "tpTriggerPrice": nothing, "tpPrice": nothing, "slTriggerPrice": nothing,
        "slPrice": nothing, "tpOrderType": "",
    }  # fmt: skip
    if order.type == "TRAILING_STOP_MARKET":
        activate = order.activate_price or ZERO
        body |= {"activatePrice": instrument.price_text(activate),
                 "callbackRate": plain(order.callback_rate or ZERO)}  # fmt: skip
    return body


def _algo_common(order: AlgoOrder, instrument: Instrument) -> Body:
    quantity = "0" if order.close_position else instrument.qty_text(order.quantity)
    return {
        "algoId": order.algo_id, "clientAlgoId": order.client_id, "algoType": "CONDITIONAL",
        "orderType": order.type, "symbol": order.symbol, "side": order.side,
        "positionSide": order.position_side, "timeInForce": order.time_in_force,
        "quantity": quantity, "algoStatus": order.status,
        "triggerPrice": instrument.price_text(order.trigger),
        "price": instrument.price_text(order.price), "icebergQuantity": None,
        "selfTradePreventionMode": order.self_trade, "workingType": order.working_type,
        "priceMatch": order.price_match, "closePosition": order.close_position,
        "priceProtect": order.price_protect, "reduceOnly": order.reduce_only,
        "createTime": order.created_ms, "updateTime": order.updated_ms,
        "triggerTime": order.triggered_ms, "goodTillDate": order.good_till_ms,
    }  # fmt: skip


def algo_cancelled(order: AlgoOrder) -> Body:
    """Reply of DELETE algoOrder; the code is a text."""
    return {
        "algoId": order.algo_id, "clientAlgoId": order.client_id, "code": "200", "msg": "success",
    }  # fmt: skip


def trade_row(trade: Trade, instrument: Instrument) -> Body:
    """Row of userTrades."""
    return {
        "buyer": trade.side == "BUY", "commission": money(trade.fee), "commissionAsset": "USDT",
        "id": trade.trade_id, "maker": trade.maker, "orderId": trade.order_id,
        "price": instrument.price_text(trade.price), "qty": instrument.qty_text(trade.quantity),
        "quoteQty": plain(trade.price * trade.quantity), "marginAsset": "USDT",
        "realizedPnl": money(trade.realized), "side": trade.side,
        "positionSide": trade.position_side, "symbol": trade.symbol, "time": trade.at_ms,
    }  # fmt: skip


def income_row(income: Income) -> Body:
    """Row of income; what does not come from an execution names none."""
    trade = str(income.trade_id) if income.trade_id else ""
    return {
        "symbol": income.symbol, "incomeType": income.kind, "income": money(income.amount),
        "asset": "USDT", "info": trade or income.kind, "time": income.at_ms,
        "tranId": income.transaction_id, "tradeId": trade,
    }  # fmt: skip


def amendment_row(one: Amendment, instrument: Instrument) -> Body:
    """Row of orderAmendment."""
    before, after = one.price
    price = {"before": instrument.price_text(before), "after": instrument.price_text(after)}
    had, has = one.quantity
    quantity = {"before": instrument.qty_text(had), "after": instrument.qty_text(has)}
    return {
        "amendmentId": one.number, "symbol": one.symbol, "pair": one.symbol, "orderId": one.order_id,
        "clientOrderId": one.client_id, "time": one.at_ms,
        "amendment": {"price": price, "origQty": quantity, "count": one.count},
    }  # fmt: skip


def margin_move_row(move: MarginMove) -> Body:
    """Row of positionMargin/history."""
    return {
        "symbol": move.symbol, "type": 1 if move.amount > 0 else 2, "deltaType": "USER_ADJUST",
        "amount": plain(abs(move.amount)), "asset": "USDT", "time": move.at_ms, "positionSide": move.side,
    }  # fmt: skip
