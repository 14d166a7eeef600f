"""The venue's rows as strict models: a row is either exactly what the documentation says, or it is refused.

Numbers come as strings of digits (or as JSON numbers that `parse_json` kept exact); floats, NaN, infinity and absurd
exponents are refused (D1). Unknown keys are ignored, because the venue adds some. Reasons name the field and the rule,
never the value: a captive portal's page must not end up in a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from position_monitor.edge.venues.binance.exact_numbers import exact_decimal, whole_number
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.sides import OrderSide, PositionSide
from position_monitor.edge.venues.transport import Endpoint

R = TypeVar("R", bound="Row")
ROWS_MAX: Final = 20_000
"""More rows than any account can hold: beyond that an answer is garbage (invariant 10)."""


def _optional_decimal(value: object) -> Decimal:
    return Decimal(0) if value is None or value == "" else exact_decimal(value)


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("negative")
    return value


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("not above zero")
    return value


def _amount_or_zero(value: object) -> Decimal:
    try:
        return max(exact_decimal(value), Decimal(0))
    except ValueError:
        return Decimal(0)


def _order_id(value: object) -> str:
    return str(whole_number(value))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("not a yes or no")


def _text_or_empty(value: object) -> str:
    return value if isinstance(value, str) else ""


Number = Annotated[Decimal, BeforeValidator(exact_decimal)]
Amount = Annotated[Decimal, BeforeValidator(exact_decimal), AfterValidator(_not_negative)]
Positive = Annotated[Decimal, BeforeValidator(exact_decimal), AfterValidator(_positive)]
OptionalAmount = Annotated[Decimal, BeforeValidator(_optional_decimal), AfterValidator(_not_negative)]
"""Zero when the field is absent, null or empty."""
AmountToTell = Annotated[Decimal, BeforeValidator(_amount_or_zero)]
"""A number that is only told: zero where it cannot be read, for the row must be believed all the same."""
Whole = Annotated[int, BeforeValidator(whole_number)]
OrderId = Annotated[str, BeforeValidator(_order_id)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, BeforeValidator(_text_or_empty)]
SymbolId = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\s\x00-\x1f]+$")]
"""Symbols may be non-ASCII."""
OrderSideField = Annotated[OrderSide, BeforeValidator(lambda value: OrderSide(value))]
PositionSideField = Annotated[PositionSide, BeforeValidator(lambda value: PositionSide(value))]


class Row(BaseModel):
    """Base of all rows: strict, unknown keys ignored, venue's camelCase names."""

    model_config = ConfigDict(
        extra="ignore", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=False
    )


class PositionSizeRow(Row):
    """What must be readable of every position row, zero or not."""

    symbol: SymbolId
    position_side: PositionSideField
    position_amt: Number


class PositionRow(PositionSizeRow):
    """A position row of v3 or v2 that says there is a position."""

    entry_price: OptionalAmount
    mark_price: Positive
    un_realized_profit: Number
    liquidation_price: Number
    """Zero or below when no price in reach liquidates the position."""
    update_time: Whole
    leverage: Annotated[int | None, BeforeValidator(lambda value: None if value is None else whole_number(value))] = (
        None
    )


def readable_part(raw: Mapping[str, Any], name: str) -> Decimal:
    """A number of a malformed row, above zero; 0 where it is not that either."""
    return _amount_or_zero(raw.get(name))


class PlainOrderRow(Row):
    """A row of `openOrders`."""

    symbol: SymbolId
    order_id: OrderId
    client_order_id: Text = ""
    type: Text = ""
    side: OrderSideField
    position_side: PositionSideField
    status: Text = ""
    orig_qty: OptionalAmount
    executed_qty: OptionalAmount = Decimal(0)
    avg_price: AmountToTell = Decimal(0)
    price: OptionalAmount = Decimal(0)
    stop_price: OptionalAmount = Decimal(0)
    close_position: Flag = False
    reduce_only: Flag
    working_type: Text = ""
    price_protect: Flag = False
    good_till_date: Whole = 0
    time: Whole = 0
    update_time: Whole = 0


class AlgoOrderRow(Row):
    """A row of `openAlgoOrders`, or the answer of the `algoOrder` query."""

    symbol: SymbolId
    algo_id: OrderId
    client_algo_id: Text = ""
    algo_type: Text = ""
    order_type: Text = ""
    side: OrderSideField
    position_side: PositionSideField
    algo_status: Text
    quantity: OptionalAmount
    actual_qty: OptionalAmount = Decimal(0)
    actual_price: AmountToTell = Decimal(0)
    price: OptionalAmount = Decimal(0)
    trigger_price: OptionalAmount = Decimal(0)
    close_position: Flag
    reduce_only: Flag
    working_type: Text = ""
    price_protect: Flag = False
    good_till_date: Whole = 0
    create_time: Whole = 0
    update_time: Whole = 0


class AlgoPlacedRow(Row):
    """The acknowledgement of a conditional order."""

    symbol: SymbolId
    algo_id: OrderId
    client_algo_id: str
    algo_status: str


class AlgoCanceledRow(Row):
    """The acknowledgement of a cancelled conditional order; `code` comes as a string."""

    algo_id: OrderId
    code: Whole


class OrderAnswerRow(Row):
    """The acknowledgement of a plain order that was sent or cancelled."""

    symbol: SymbolId
    order_id: OrderId
    client_order_id: str
    status: str


class AccountConfigRow(Row):
    """The part of the account configuration that decides how orders look."""

    dual_side_position: Flag
    can_trade: Flag = True


class PositionModeRow(Row):
    """The position mode by its own call."""

    dual_side_position: Flag


class SymbolConfigRow(Row):
    """Leverage of one symbol."""

    symbol: SymbolId
    leverage: Whole


class ListenKeyRow(Row):
    """The key of the user stream; whoever has it reads the account's events."""

    listen_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")] = Field(repr=False)


class ServerTimeRow(Row):
    """The venue's clock."""

    server_time: Annotated[int, BeforeValidator(whole_number), Field(gt=1_500_000_000_000, lt=4_102_444_800_000)]


class LastPriceRow(Row):
    """A row of `ticker/price`: the price of the last trade."""

    symbol: SymbolId
    price: Positive


class MarkPriceRow(Row):
    """A row of `premiumIndex`."""

    symbol: SymbolId
    mark_price: Positive
    time: Whole


def row_reason(error: ValidationError) -> str:
    """Which field broke which rule, without the value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "row"
    return f"{where} was malformed ({first['type']})"


def parse_object(endpoint: Endpoint, model: type[R], body: object) -> R:
    """An answer that must be one object; raises Unreadable (after a read) or Ambiguous (after a write)."""
    reason = "the answer was not an object"
    if isinstance(body, dict):
        try:
            return model.model_validate(body)
        except ValidationError as error:
            reason = row_reason(error)
    raise unusable(endpoint, reason)


def list_of_rows(endpoint: Endpoint, body: object) -> list[Mapping[str, Any]]:
    """An answer that must be a list of objects; anything else is never an empty list (invariant 7)."""
    if not isinstance(body, list):
        raise unusable(endpoint, "the answer was not a list")
    if len(body) > ROWS_MAX:
        raise unusable(endpoint, f"the answer had more than {ROWS_MAX} rows")
    for row in body:
        if not isinstance(row, dict):
            raise unusable(endpoint, "the list held something that is not a row")
    return body


def row_symbol(endpoint: Endpoint, row: Mapping[str, Any], asked: str | None) -> str:
    """Whom a row is about, however malformed the rest is. A row that is about nobody spoils the whole answer."""
    symbol = row.get("symbol")
    if not isinstance(symbol, str) or not symbol or len(symbol) > 40:
        raise unusable(endpoint, "a row had no readable symbol")
    if asked is not None and symbol != asked:
        raise unusable(endpoint, "a row was about another symbol than the one asked for")
    return symbol
