"""Rows of Binance about the past: fills, ended orders, income, candles. As strict as the others (`rows.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, StringConstraints, ValidationError

from position_monitor.core.model import ids
from position_monitor.core.model.orders import OrderStatus, Purpose, WorkingType
from position_monitor.core.performance.facts import Fill, Forced, Income, IncomeKind, PastOrder, PriceRange
from position_monitor.core.shadow.candle_walk import PriceCandle
from position_monitor.edge.venues.binance.exact_numbers import exact_decimal, whole_number
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.rows import (
    AlgoOrderRow,
    Flag,
    Number,
    OrderId,
    OrderSideField,
    PlainOrderRow,
    PositionSideField,
    Positive,
    Row,
    SymbolId,
    Text,
    Whole,
    list_of_rows,
    row_reason,
)
from position_monitor.edge.venues.binance.sides import OrderSide, key_of, leg_of, only_reduces
from position_monitor.edge.venues.binance.words import PURPOSES, word_or
from position_monitor.edge.venues.transport import Endpoint

MINUTE_MS: Final = 60_000

Asset = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=r"^[^\s\x00-\x1f]+$")]

_FORCED: Final[Mapping[str, Forced]] = {
    "autoclose-": Forced.LIQUIDATION,
    "adl_autoclose": Forced.ADL,
    "settlement_autoclose-": Forced.SETTLEMENT,
}
"""How the client ids of the venue's own closing orders begin (Binance, Query Order)."""
_KINDS: Final[Mapping[str, IncomeKind]] = {
    "REALIZED_PNL": IncomeKind.REALISED,
    "COMMISSION": IncomeKind.FEE,
    "FUNDING_FEE": IncomeKind.FUNDING,
    "INSURANCE_CLEAR": IncomeKind.CLEARANCE,
}
_DEFAULT_ASSET: Final = "USDT"
"""What profits are paid in where an older row does not say."""


def _number_or_none(value: object) -> int | None:
    return None if value in (None, "") else whole_number(value)


class TradeRow(Row):
    """A row of `userTrades`."""

    symbol: SymbolId
    id: Whole
    order_id: OrderId
    time: Whole
    side: OrderSideField
    position_side: PositionSideField
    price: Positive
    qty: Positive
    commission: Number
    commission_asset: Asset
    realized_pnl: Number
    margin_asset: Asset = _DEFAULT_ASSET
    maker: Flag


class IncomeRow(Row):
    """A row of `income` that is about a position."""

    symbol: SymbolId
    income_type: Text
    income: Number
    asset: Asset
    time: Whole
    trade_id: Annotated[int | None, BeforeValidator(_number_or_none)] = None


class PastAlgoOrderRow(AlgoOrderRow):
    """A row of `allAlgoOrders`: what became of it in the matching engine."""

    actual_order_id: Text = ""


def fills_of(body: object) -> list[Fill]:
    """The fills in an answer; raises Unreadable: a row that is left out would make every size after it wrong."""
    return [_fill(row) for row in _rows(Endpoint.FILLS, TradeRow, body)]


def income_of(body: object) -> list[Income]:
    """The rows about positions in an answer; others (transfers, rebates) are left out. Raises Unreadable."""
    raw = [row for row in list_of_rows(Endpoint.INCOME, body) if row.get("incomeType") in _KINDS and row.get("symbol")]
    return [
        Income(
            symbol=row.symbol,
            kind=_KINDS[row.income_type],
            amount=row.income,
            asset=row.asset,
            at_ms=row.time,
            trade_id=row.trade_id,
        )
        for row in _rows(Endpoint.INCOME, IncomeRow, raw)
    ]


def past_plain_orders(body: object) -> list[PastOrder]:
    """The orders of the matching engine in an answer; raises Unreadable."""
    return [_plain(row) for row in _rows(Endpoint.PAST_ORDERS, PlainOrderRow, body)]


def past_algo_orders(body: object) -> list[PastOrder]:
    """The conditional orders in an answer; raises Unreadable."""
    return [_algo(row) for row in _rows(Endpoint.PAST_ALGO_ORDERS, PastAlgoOrderRow, body)]


def candle_range(body: object) -> PriceRange | None:
    """The extremes of a list of candles; None of an empty one. Raises Unreadable."""
    extremes: PriceRange | None = None
    for open_ms, high, low, _ in _candles(body):
        candle = PriceRange(low, open_ms, high, open_ms)
        extremes = candle if extremes is None else extremes.joined(candle)
    return extremes


def price_candles(body: object) -> tuple[PriceCandle, ...]:
    """The candles of one minute of a list, oldest first. Raises Unreadable."""
    closes = _candles(body)
    assert isinstance(body, list)
    try:
        opens = [exact_decimal(row[1]) for row in body]
    except (ValueError, TypeError, IndexError, KeyError):
        raise unusable(Endpoint.MARK_CANDLES, "a candle was malformed") from None
    made = [
        PriceCandle(
            open=opened, high=high, low=low, close=close, opened_at_ms=open_ms, closed_at_ms=open_ms + MINUTE_MS
        )
        for opened, (open_ms, high, low, close) in zip(opens, closes, strict=True)
    ]
    for candle in made:
        if not 0 < candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high:
            raise unusable(Endpoint.MARK_CANDLES, "a candle opened or closed outside of its own range")
    return tuple(sorted(made, key=lambda candle: candle.opened_at_ms))


def last_close(body: object) -> Decimal | None:
    """The close of the last candle of a list; None of an empty one. Raises Unreadable."""
    candles = _candles(body)
    return candles[-1][3] if candles else None


def _candles(body: object) -> list[tuple[int, Decimal, Decimal, Decimal]]:
    """(open time, high, low, close) of each candle."""
    if not isinstance(body, list):
        raise unusable(Endpoint.MARK_CANDLES, "the answer was not a list")
    try:
        return [
            (whole_number(row[0]), exact_decimal(row[2]), exact_decimal(row[3]), exact_decimal(row[4])) for row in body
        ]
    except (ValueError, TypeError, IndexError, KeyError):
        raise unusable(Endpoint.MARK_CANDLES, "a candle was malformed") from None


def _rows(endpoint: Endpoint, model: type[Any], body: object) -> list[Any]:
    try:
        return [model.model_validate(row) for row in list_of_rows(endpoint, body)]
    except ValidationError as error:
        raise unusable(endpoint, row_reason(error)) from None


def _fill(row: TradeRow) -> Fill:
    return Fill(
        symbol=row.symbol,
        leg=leg_of(row.position_side),
        trade_id=row.id,
        order_id=row.order_id,
        at_ms=row.time,
        buys=row.side is OrderSide.BUY,
        price=row.price,
        quantity=row.qty,
        fee=row.commission,
        fee_asset=row.commission_asset,
        realised=row.realized_pnl,
        settle_asset=row.margin_asset,
        maker=row.maker,
    )


def _plain(row: PlainOrderRow) -> PastOrder:
    ended = word_or(OrderStatus.OTHER, row.status).terminal or row.status in ("FILLED", "EXPIRED_IN_MATCH")
    return PastOrder(
        key=key_of(row.symbol, row.side, row.position_side),
        order_id=row.order_id,
        executing_id=row.order_id,
        client_id=row.client_order_id,
        tag=ids.tag_of(row.client_order_id),
        purpose=PURPOSES.get(row.type, Purpose.OTHER),
        quantity=None if row.close_position else row.orig_qty,
        trigger_price=row.stop_price or None,
        limit_price=row.price or None,
        working_type=word_or(WorkingType.CONTRACT_PRICE, row.working_type),
        reduces=only_reduces(
            row.side, row.position_side, reduce_only=row.reduce_only, close_position=row.close_position
        ),
        created_at_ms=row.time,
        ended_at_ms=row.update_time if ended else 0,
        forced=_forced(row.client_order_id),
    )


def _algo(row: PastAlgoOrderRow) -> PastOrder:
    status = word_or(OrderStatus.OTHER, row.algo_status)
    return PastOrder(
        key=key_of(row.symbol, row.side, row.position_side),
        order_id=row.algo_id,
        executing_id=row.actual_order_id,
        client_id=row.client_algo_id,
        tag=ids.tag_of(row.client_algo_id),
        purpose=PURPOSES.get(row.order_type, Purpose.OTHER) if row.algo_type == "CONDITIONAL" else Purpose.OTHER,
        quantity=None if row.close_position else row.quantity,
        trigger_price=row.trigger_price or None,
        limit_price=row.price or None,
        working_type=word_or(WorkingType.CONTRACT_PRICE, row.working_type),
        reduces=only_reduces(
            row.side, row.position_side, reduce_only=row.reduce_only, close_position=row.close_position
        ),
        created_at_ms=row.create_time,
        ended_at_ms=row.update_time if status.terminal else 0,
    )


def _forced(client_id: str) -> Forced | None:
    return next((forced for beginning, forced in _FORCED.items() if client_id.startswith(beginning)), None)
