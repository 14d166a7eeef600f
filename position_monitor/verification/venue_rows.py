"""Rows of the venue's three lists as positions and orders, in words of this room.

Source: Binance, USDⓈ-M futures: Position Information V3, Current All Open Orders, Current All Algo Open Orders. A row
that cannot be read is an error of the whole look: nothing is compared with half of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

OUR_PREFIX: Final = "qpm"
"""How client ids of the daemon begin (DESIGN 2, invariant 4)."""
_DIGITS_MAX: Final = 60
_TAKING_PROFIT: Final = frozenset({"TAKE_PROFIT_MARKET", "TAKE_PROFIT", "LIMIT"})
WORKING_TYPES: Final = frozenset({"MARK_PRICE", "CONTRACT_PRICE"})


class RowUnread(ValueError):
    """A row is not what the venue documents; says which field and what it was."""


class Leg(StrEnum):
    """The side of a position."""

    LONG = "LONG"
    SHORT = "SHORT"


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """An open position as the venue lists it; `quantity` is above zero."""

    symbol: str
    side: Leg
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    liquidation_price: Decimal | None
    hedged: bool
    """Whether the row names a leg: the account is in hedge mode."""

    @property
    def key(self) -> str:
        """`BTCUSDT:LONG`."""
        return f"{self.symbol}:{self.side}"

    @property
    def notional(self) -> Decimal:
        """Value at the mark, in quote units."""
        return self.quantity * self.mark_price


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An open order, of either list."""

    symbol: str
    side: Leg
    """The position it reduces, or would."""
    client_id: str
    type: str
    status: str
    close_all: bool
    quantity: Decimal
    """What is left of it; 0 for a close-all order."""
    trigger_price: Decimal
    limit_price: Decimal
    working_type: str
    reduces: bool
    """Whether it can do nothing but make the position smaller."""
    hedged: bool
    price_protect: bool
    good_till_ms: int

    @property
    def ours(self) -> bool:
        """Whether the daemon's prefix stands in its id."""
        return self.client_id.startswith(OUR_PREFIX)

    @property
    def rests(self) -> bool:
        """Whether it waits for its price."""
        return self.status == "NEW" or (self.type == "LIMIT" and self.status == "PARTIALLY_FILLED")

    @property
    def takes_profit(self) -> bool:
        """Whether it is of a type that closes in profit."""
        return self.type in _TAKING_PROFIT and self.reduces

    @property
    def price(self) -> Decimal:
        """Its limit where it is a plain limit order, else its trigger."""
        return self.limit_price if self.type == "LIMIT" else self.trigger_price


Row = Mapping[str, object]


def position_of(row: Row) -> VenuePosition | None:
    """An open position; None for a row of a flat one. Raises `RowUnread`."""
    symbol, named = _text(row, "symbol"), _word(row, "positionSide", ("BOTH", "LONG", "SHORT"))
    amount = _number(row, "positionAmt")
    if amount == 0:
        return None
    hedged = named != "BOTH"
    side = Leg(named) if hedged else Leg.LONG if amount > 0 else Leg.SHORT
    if named == "LONG" and amount < 0:
        raise RowUnread(f"positionAmt of {symbol} LONG was {amount}")
    liquidation = _number(row, "liquidationPrice")
    return VenuePosition(
        symbol=symbol,
        side=side,
        quantity=abs(amount),
        entry_price=_number(row, "entryPrice"),
        mark_price=_number(row, "markPrice"),
        liquidation_price=liquidation if liquidation > 0 else None,
        hedged=hedged,
    )


def plain_order_of(row: Row) -> VenueOrder:
    """A row of `openOrders`. Raises `RowUnread`."""
    return _order(row, client="clientOrderId", type_="type", status="status", trigger="stopPrice",
                  size="origQty", done="executedQty")  # fmt: skip


def algo_order_of(row: Row) -> VenueOrder:
    """A row of `openAlgoOrders`. Raises `RowUnread`. `actualQty` is not in the documented example: it may be absent."""
    if _text(row, "algoType") != "CONDITIONAL":
        row = {**row, "orderType": f"{row['algoType']} {_text(row, 'orderType')}"}
    return _order(row, client="clientAlgoId", type_="orderType", status="algoStatus", trigger="triggerPrice",
                  size="quantity", done="actualQty")  # fmt: skip


def _order(row: Row, *, client: str, type_: str, status: str, trigger: str, size: str, done: str) -> VenueOrder:
    direction, named = _word(row, "side", ("BUY", "SELL")), _word(row, "positionSide", ("BOTH", "LONG", "SHORT"))
    close_all, reduce_only = _flag(row, "closePosition"), _flag(row, "reduceOnly")
    reduced = Leg.LONG if direction == "SELL" else Leg.SHORT
    hedged = named != "BOTH"
    side = Leg(named) if hedged else reduced
    left = Decimal(0) if close_all else max(_number(row, size) - _number_or_zero(row, done), Decimal(0))
    return VenueOrder(
        symbol=_text(row, "symbol"),
        side=side,
        client_id=_text(row, client),
        type=_text(row, type_),
        status=_text(row, status),
        close_all=close_all,
        quantity=left,
        trigger_price=_number_or_zero(row, trigger),
        limit_price=_number_or_zero(row, "price"),
        working_type=str(row.get("workingType") or "CONTRACT_PRICE"),
        reduces=side == reduced if hedged else reduce_only or close_all,
        hedged=hedged,
        price_protect=_flag(row, "priceProtect"),
        good_till_ms=int(_number_or_zero(row, "goodTillDate")),
    )


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise RowUnread(f"{name} was {_shown(value)}; expected a text")
    return value


def _word(row: Row, name: str, allowed: tuple[str, ...]) -> str:
    value = row.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise RowUnread(f"{name} was {_shown(value)}; expected {' or '.join(allowed)}")
    return value


def _flag(row: Row, name: str) -> bool:
    value = row.get(name, False)
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise RowUnread(f"{name} was {_shown(value)}; expected true or false")
    return value


def _number_or_zero(row: Row, name: str) -> Decimal:
    return Decimal(0) if row.get(name) in (None, "") else _number(row, name)


def _number(row: Row, name: str) -> Decimal:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or len(str(value)) > _DIGITS_MAX:
        raise RowUnread(f"{name} was {_shown(value)}; expected a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise RowUnread(f"{name} was {_shown(value)}; expected a number") from None
    if not number.is_finite() or (number and abs(number.adjusted()) > _DIGITS_MAX):
        raise RowUnread(f"{name} was {_shown(value)}; expected a number")
    return number


def _shown(value: object) -> str:
    return repr(value)[:60] if value is not None else "missing"
