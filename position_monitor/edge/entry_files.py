"""Entries from a CSV file: the positions that a backtest opens.

The first line names the columns: `time,symbol,side,quantity`, and `price` where it is stated what was paid. `time` is
epoch milliseconds or ISO 8601 (UTC). A line with the same symbol and side while another is open is a position of its
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from position_monitor.core.backtest.candle_series import CandleSeries
from position_monitor.core.backtest.terms import Entry
from position_monitor.core.model.sides import Side
from position_monitor.edge.csv_rows import Columns, above_zero, csv_rows, row_time_ms
from position_monitor.errors import BadInput

COLUMNS = Columns(required=("time", "symbol", "side", "quantity"), optional=("price",))
_SIDES = {"LONG": Side.LONG, "BUY": Side.LONG, "SHORT": Side.SHORT, "SELL": Side.SHORT}


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The entries of a file in the order of time. Raises `BadInput` with the line of the first that is none."""
    entries = csv_rows(path, COLUMNS, _entry)
    if not entries:
        raise BadInput(f"{path}: holds no entry below the line that names the columns")
    return tuple(sorted(entries, key=lambda entry: (entry.at_ms, entry.line)))


def _entry(text: Mapping[str, str], line: int) -> Entry:
    """One line. Raises `ValueError` with what is wrong with it."""
    at_ms = row_time_ms(text["time"])
    side = _SIDES.get(text["side"].upper())
    if side is None:
        raise ValueError(f"the side was {text['side']!r}; expected LONG or SHORT")
    if not text["symbol"]:
        raise ValueError("the symbol is missing")
    price = above_zero("price", text["price"]) if text.get("price") else None
    quantity = above_zero("quantity", text["quantity"])
    symbol = text["symbol"].upper()
    return Entry(line=line, at_ms=at_ms, symbol=symbol, side=side, quantity=quantity, price=price)


def refuse_what_has_no_candle(path: Path, entries: tuple[Entry, ...], candles: Mapping[str, CandleSeries]) -> None:
    """Raise `BadInput` for the first entry that lies outside of the candles of its symbol."""
    for entry in entries:
        series = candles.get(entry.symbol)
        if series is None:
            raise BadInput(
                f"{path}:{entry.line}: no candles of {entry.symbol}; there are those of {', '.join(sorted(candles))}"
            )
        first_ms, last_ms = series.times[0], series.times[-1]
        if not first_ms - series.interval_ms < entry.at_ms <= last_ms:
            raise BadInput(
                f"{path}:{entry.line}: the entry of {entry.at_ms} lies outside of the candles of {entry.symbol}, "
                f"which open from {first_ms} to {last_ms}"
            )
