"""Fills, orders and income as a venue lists them, with little to say."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

from position_monitor.core.model import ids
from position_monitor.core.model.orders import Purpose, Role, WorkingType
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.facts import Fill, Income, IncomeKind, PastOrder, PriceRange

BEGAN_MS = 1_780_000_000_000
EPOCH = ids.epoch_of(BEGAN_MS)
_numbers = count(1)
D = Decimal


def fill(at_s: float, buys: bool, price: str, quantity: str, **changes: Any) -> Fill:
    """An execution this many seconds after the beginning; the fee is 0.05 % unless something else is said."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "symbol": "ETHUSDT",
        "leg": None,
        "trade_id": number,
        "order_id": f"o{number}",
        "at_ms": BEGAN_MS + round(at_s * 1000),
        "buys": buys,
        "price": D(price),
        "quantity": D(quantity),
        "fee": D(price) * D(quantity) * D("0.0005"),
        "fee_asset": "USDT",
        "realised": D(0),
        "settle_asset": "USDT",
        "maker": False,
    }
    return Fill(**values | changes)


def order(executing: str, role: Role | None, trigger: str | None = None, **changes: Any) -> PastOrder:
    """An order of the short, ours when it has a role."""
    rung, epoch = changes.pop("rung", 0), changes.pop("epoch", EPOCH)
    number = next(_numbers)
    client_id = f"foreign{number}"
    quantity = D(changes.pop("quantity")) if changes.get("quantity") else None
    if role is not None:
        client_id = ids.client_id(
            account="main", symbol="ETHUSDT", side=Side.SHORT, role=role, rung=rung, trigger=D(trigger or 0),
            quantity=D(number), epoch=epoch,
        )  # fmt: skip
    values: dict[str, Any] = {
        "key": PositionKey("ETHUSDT", Side.SHORT),
        "order_id": f"a{number}",
        "executing_id": executing,
        "client_id": client_id,
        "tag": ids.tag_of(client_id),
        "purpose": Purpose.TAKE_PROFIT if role is Role.TAKE_PROFIT else Purpose.STOP,
        "quantity": quantity,
        "trigger_price": None if trigger is None else D(trigger),
        "limit_price": None,
        "working_type": WorkingType.MARK_PRICE,
        "reduces": True,
        "created_at_ms": BEGAN_MS + 250,
        "ended_at_ms": 0,
    }
    return PastOrder(**values | changes)


def booked(*fills: Fill) -> tuple[Income, ...]:
    """The income rows of these fills, as the venue books them."""
    rows = []
    for one in fills:
        for kind, amount in ((IncomeKind.REALISED, one.realised), (IncomeKind.FEE, -one.fee)):
            if amount:
                asset = one.settle_asset if kind is IncomeKind.REALISED else one.fee_asset
                rows.append(Income(one.symbol, kind, amount, asset, one.at_ms, one.trade_id))
    return tuple(rows)


def funding(amount: str, at_s: float) -> Income:
    return Income("ETHUSDT", IncomeKind.FUNDING, D(amount), "USDT", BEGAN_MS + round(at_s * 1000), None)


def marks(low: str, high: str) -> PriceRange:
    return PriceRange(D(low), BEGAN_MS + 60_000, D(high), BEGAN_MS + 30_000)
