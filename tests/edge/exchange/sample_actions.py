"""The actions the edge tests send."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder, OrderKind, OrderList, OrderStatus, Role, WorkingType
from position_monitor.core.model.sides import OrderSide, PositionKey, PositionSide, Side


def desired(
    role: Role = Role.BACKSTOP,
    *,
    side: Side = Side.LONG,
    hedged: bool = False,
    quantity: str | None = None,
    trigger: str = "60085.10",
    **changes: Any,
) -> DesiredOrder:
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": side,
        "role": role,
        "rung": 0,
        "kind": OrderKind.TAKE_PROFIT_MARKET if role is Role.TAKE_PROFIT else OrderKind.STOP_MARKET,
        "trigger_price": Decimal(trigger),
        "quantity": None if quantity is None else Decimal(quantity),
        "position_side": PositionSide(side.value) if hedged else PositionSide.BOTH,
        "working_type": WorkingType.MARK_PRICE,
        "client_id": "qpmBTC1",
        "source": "static",
    }
    return DesiredOrder(**(fields | changes))


def backstop() -> Place:
    return Place(desired(), "test")


def live(order_list: OrderList = OrderList.ALGO) -> LiveOrder:
    return LiveOrder(
        symbol="BTCUSDT",
        order_id="5",
        client_id="qpmBTC1",
        tag=None,
        order_list=order_list,
        kind=OrderKind.STOP_MARKET,
        side=OrderSide.SELL,
        position_side=PositionSide.BOTH,
        quantity=Decimal(0),
        close_all=True,
        reduce_only=True,
        trigger_price=Decimal("60085.10"),
        price=None,
        working_type=WorkingType.MARK_PRICE,
        price_protect=False,
        status=OrderStatus.NEW,
        executed_quantity=Decimal(0),
        good_till_ms=0,
        created_at_ms=0,
        updated_at_ms=0,
    )


def cancel_algo() -> Cancel:
    return Cancel(live(), PositionKey("BTCUSDT", Side.LONG), "test")


def cancel_plain() -> Cancel:
    return Cancel(live(OrderList.PLAIN), PositionKey("BTCUSDT", Side.LONG), "test")


def close_market(
    *, side: Side = Side.LONG, hedged: bool = False, limit: str | None = None, quantity: str = "0.500"
) -> Close:
    return Close(
        key=PositionKey("BTCUSDT", side),
        position_side=PositionSide(side.value) if hedged else PositionSide.BOTH,
        quantity=Decimal(quantity),
        client_id="qpmCLOSE1",
        limit_price=None if limit is None else Decimal(limit),
        reason="test",
        level=Decimal(1),
        working_type=WorkingType.MARK_PRICE,
    )
