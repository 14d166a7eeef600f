"""Positions and orders as the lists of the venue that they are read from: every field of a real row is in the text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal

from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import Side
from position_monitor.paper.amounts import money, plain


def positions_text(held: Iterable[Position]) -> str:
    """The answer of `GET /fapi/v3/positionRisk`, one-way mode."""
    return json.dumps([_position(one) for one in held], separators=(",", ":"))


def orders_text(resting: Iterable[LiveOrder]) -> str:
    """The answer of `GET /fapi/v1/openAlgoOrders`."""
    return json.dumps([_order(one) for one in resting], separators=(",", ":"))


def _position(held: Position) -> dict[str, object]:
    amount = held.quantity if held.side is Side.LONG else -held.quantity
    notional = amount * held.mark_price
    margin = money(abs(notional) / 5)
    return {
        "symbol": held.symbol, "positionSide": "BOTH", "positionAmt": plain(amount),
        "entryPrice": plain(held.entry_price), "breakEvenPrice": plain(held.entry_price),
        "markPrice": money(held.mark_price), "unRealizedProfit": money(held.unrealized_pnl),
        "liquidationPrice": plain(held.liquidation_price or Decimal(0)), "isolatedMargin": "0",
        "notional": money(notional), "marginAsset": "USDT", "isolatedWallet": "0", "initialMargin": margin,
        "maintMargin": money(abs(notional) / 100), "positionInitialMargin": margin, "openOrderInitialMargin": "0",
        "adl": 2, "bidNotional": "0", "askNotional": "0", "updateTime": held.updated_at_ms,
    }  # fmt: skip


def _order(one: LiveOrder) -> dict[str, object]:
    return {
        "algoId": int(one.order_id), "clientAlgoId": one.client_id, "algoType": "CONDITIONAL", "orderType": one.purpose,
        "symbol": one.symbol, "side": _exit_side(one.key.side), "positionSide": "BOTH", "timeInForce": "GTC",
        "quantity": plain(one.quantity or Decimal(0)), "algoStatus": one.status,
        "triggerPrice": plain(one.trigger_price or Decimal(0)), "price": "0.00",
        "icebergQuantity": None, "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": one.working_type, "priceMatch": "NONE", "closePosition": one.close_all,
        "priceProtect": False, "reduceOnly": not one.close_all, "createTime": one.created_at_ms,
        "updateTime": one.updated_at_ms, "triggerTime": 0, "goodTillDate": 0, "actualOrderId": "",
        "actualPrice": "0.00000", "actualQty": plain(one.executed_quantity), "actualType": "", "isActivated": False,
        "tpTriggerPrice": "0.00", "tpPrice": "0.00", "slTriggerPrice": "0.00", "slPrice": "0.00", "tpOrderType": "",
    }  # fmt: skip


def _exit_side(side: Side) -> str:
    return "SELL" if side is Side.LONG else "BUY"
