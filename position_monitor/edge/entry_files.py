"""Entries from a CSV file: the positions that a backtest opens.

The first line names the columns: `time,symbol,side,quantity`, and `price` where it is stated what was paid. `time` is
epoch milliseconds or ISO 8601 (UTC). A line with the same symbol and side while another is open is a position of its
own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from position_monitor.core.backtest.candle_series import CandleSeries
from position_monitor.core.backtest.terms import Entry
from position_monitor.core.model.sides import Side
from position_monitor.edge.candle_files import time_ms, why_no_time
from position_monitor.errors import BadInput

COLUMNS = ("time", "symbol", "side", "quantity")
ENTRIES_MAX = 1_000_000
_SIDES = {"LONG": Side.LONG, "BUY": Side.LONG, "SHORT": Side.SHORT, "SELL": Side.SHORT}
_DIGITS_MAX = 28


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The entries of a file in the order of time. Raises `BadInput` with the line of the first that is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            entries = list(_entries(path, csv.DictReader(file, strict=True)))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: is no CSV file: {error}") from None
    if not entries:
        raise BadInput(f"{path}: holds no entry below the line that names the columns")
    return tuple(sorted(entries, key=lambda entry: (entry.at_ms, entry.line)))


def _entries(path: Path, reader: csv.DictReader[str]) -> Iterator[Entry]:
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BadInput(
            f"{path}:1: no column {', '.join(missing)}; the first line names the columns: {','.join(COLUMNS)}[,price]"
        )
    reader.fieldnames = names
    for number, row in enumerate(reader, start=1):
        if number > ENTRIES_MAX:
            raise BadInput(f"{path}:{reader.line_num}: more than {ENTRIES_MAX} entries")
        try:
            yield _entry(row, reader.line_num)
        except ValueError as problem:
            raise BadInput(f"{path}:{reader.line_num}: {problem}") from None


def _entry(row: Mapping[str, str | None], line: int) -> Entry:
    """One line. Raises `ValueError` with what is wrong with it."""
    text = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    try:
        at_ms = time_ms(text["time"])
    except ValueError:
        raise ValueError(f"the time was {text['time']!r}; expected epoch milliseconds or ISO 8601") from None
    if why := why_no_time(at_ms):
        raise ValueError(why)
    side = _SIDES.get(text["side"].upper())
    if side is None:
        raise ValueError(f"the side was {text['side']!r}; expected LONG or SHORT")
    if not text["symbol"]:
        raise ValueError("the symbol is missing")
    price = _above_zero("price", text["price"]) if text.get("price") else None
    quantity = _above_zero("quantity", text["quantity"])
    symbol = text["symbol"].upper()
    return Entry(line=line, at_ms=at_ms, symbol=symbol, side=side, quantity=quantity, price=price)


def _above_zero(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0 or len(value.as_tuple().digits) > _DIGITS_MAX:
        raise ValueError(f"the {name} was {text!r}; expected a number above zero")
    return value


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
