"""Candles of an hour and the turnover of a day: public market data, read in the background (S20, 12.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

from position_monitor.core.market.candles import INTERVAL_MS, Candle
from position_monitor.core.model.orders import WorkingType
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.exact_numbers import nearest_float, whole_number
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.rows import (
    Amount,
    Row,
    SymbolId,
    list_of_rows,
    parse_object,
)
from position_monitor.edge.venues.binance.wire import BinanceWire
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import ExchangeFailure

_INTERVAL: Final = "1h"
_FIELDS: Final = 7
"""Open time, open, high, low, close, volume, close time; what follows is not read."""


class TurnoverRow(Row):
    """A row of the statistics of the last 24 hours."""

    symbol: SymbolId
    quote_volume: Amount


async def read_candles(
    wire: BinanceWire, symbol: str, working_type: WorkingType, *, first_ms: int, count: int
) -> Sequence[Candle]:
    """`count` candles from the one that began at `first_ms` on, as many of them as there are; raises `ExchangeFailure`.

    Of the mark price where that arms the orders, of trades else. Weight 1 below 100 candles, 2 below 500.
    """
    endpoint = Endpoint.MARK_CANDLES if working_type is WorkingType.MARK_PRICE else Endpoint.TRADE_CANDLES
    params = {
        "symbol": symbol,
        "interval": _INTERVAL,
        "startTime": str(first_ms),
        "endTime": str(first_ms + count * INTERVAL_MS - 1),
        "limit": str(count),
    }
    body = await wire.call(endpoint, params, Lane.BACKGROUND)
    if not isinstance(body, list):
        raise unusable(endpoint, "the answer was not a list")
    if len(body) > count:
        raise unusable(endpoint, "the answer had more candles than were asked for")
    return [_candle(endpoint, row, number) for number, row in enumerate(body, 1)]


def _candle(endpoint: Endpoint, row: object, number: int) -> Candle:
    """One row; raises `Unreadable` with the place and the kind of the fault, never its content."""
    if not isinstance(row, list) or len(row) < _FIELDS:
        raise unusable(endpoint, f"row {number} was not a candle")
    try:
        open_ms, close_ms = whole_number(row[0]), whole_number(row[6])
        high, low, close = nearest_float(row[2]), nearest_float(row[3]), nearest_float(row[4])
    except ValueError as error:
        raise unusable(endpoint, f"row {number} was malformed: {error}") from None
    if close_ms != open_ms + INTERVAL_MS - 1:
        raise unusable(endpoint, f"row {number} was not a candle of {_INTERVAL}")
    return Candle(open_ms, high, low, close)


async def read_turnovers(wire: BinanceWire) -> Mapping[str, Decimal]:
    """Turnover of the last 24 hours by symbol, in quote units (weight 40); raises `ExchangeFailure`.

    It only decides who is read first, so a malformed row is passed over.
    """
    turnovers: dict[str, Decimal] = {}
    for raw in list_of_rows(Endpoint.TURNOVER, await wire.call(Endpoint.TURNOVER, {}, Lane.BACKGROUND)):
        with suppress(ExchangeFailure):
            row = parse_object(Endpoint.TURNOVER, TurnoverRow, raw)
            turnovers[row.symbol] = row.quote_volume
    return turnovers
