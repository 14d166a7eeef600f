"""The actions the edge tests send."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.sides import PositionKey, Side


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
        "purpose": Purpose.TAKE_PROFIT if role is Role.TAKE_PROFIT else Purpose.STOP,
        "trigger_price": Decimal(trigger),
        "quantity": None if quantity is None else Decimal(quantity),
        "hedged": hedged,
        "working_type": WorkingType.MARK_PRICE,
        "client_id": "qpmBTC1",
        "source": "static",
    }
    return DesiredOrder(**(fields | changes))


def backstop() -> Place:
    return Place(desired(), "test")


def live(*, conditional: bool = True) -> LiveOrder:
    return LiveOrder(
        key=PositionKey("BTCUSDT", Side.LONG),
        order_id="5",
        client_id="qpmBTC1",
        tag=None,
        purpose=Purpose.STOP,
        quantity=None,
        trigger_price=Decimal("60085.10"),
        limit_price=None,
        working_type=WorkingType.MARK_PRICE,
        status=OrderStatus.NEW,
        executed_quantity=Decimal(0),
        reduces=True,
        hedged=False,
        conditional=conditional,
        caveat="",
        created_at_ms=0,
        updated_at_ms=0,
    )


def cancel_algo() -> Cancel:
    return Cancel(live(), PositionKey("BTCUSDT", Side.LONG), "test")


def cancel_plain() -> Cancel:
    return Cancel(live(conditional=False), PositionKey("BTCUSDT", Side.LONG), "test")


def close_market(
    *, side: Side = Side.LONG, hedged: bool = False, limit: str | None = None, quantity: str = "0.500"
) -> Close:
    return Close(
        key=PositionKey("BTCUSDT", side),
        hedged=hedged,
        quantity=Decimal(quantity),
        client_id="qpmCLOSE1",
        limit_price=None if limit is None else Decimal(limit),
        reason="test",
        level=Decimal(1),
        working_type=WorkingType.MARK_PRICE,
    )
