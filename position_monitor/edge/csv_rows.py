"""Rows of a small CSV file by the names of their columns, each with its line; a word with file and line for what is
wrong.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, TypeVar

from position_monitor.edge.candle_files import time_ms, why_no_time
from position_monitor.errors import BadInput

ROWS_MAX = 1_000_000
_DIGITS_MAX = 28
_Row = TypeVar("_Row")


class Columns(NamedTuple):
    """What the first line of a file must name, and may."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    other_names: Mapping[str, str] = {}
    """How others write a column, in small letters."""


def csv_rows(path: Path, columns: Columns, made: Callable[[Mapping[str, str], int], _Row]) -> list[_Row]:
    """What is made of each row and its line. `made` raises `ValueError` with what is wrong with a row.

    Raises `BadInput` for the first row that cannot be used, and for a file that is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(path, columns, csv.DictReader(file, strict=True), made))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: is no CSV file: {error}") from None


def _rows(
    path: Path, columns: Columns, reader: csv.DictReader[str], made: Callable[[Mapping[str, str], int], _Row]
) -> Iterator[_Row]:
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    names = [columns.other_names.get(name, name) for name in names]
    missing = [name for name in columns.required if name not in names]
    if missing:
        header = ",".join(columns.required) + "".join(f"[,{name}]" for name in columns.optional)
        raise BadInput(f"{path}:1: no column {', '.join(missing)}; the first line names the columns: {header}")
    reader.fieldnames = names
    for number, row in enumerate(reader, start=1):
        line = reader.line_num
        if number > ROWS_MAX:
            raise BadInput(f"{path}:{line}: more than {ROWS_MAX} rows")
        text = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        try:
            yield made(text, line)
        except ValueError as problem:
            raise BadInput(f"{path}:{line}: {problem}") from None


def row_time_ms(text: str) -> int:
    """The time of a row, ms UTC. Raises `ValueError` with what was expected."""
    try:
        at_ms = time_ms(text)
    except ValueError:
        raise ValueError(f"the time was {text!r}; expected epoch milliseconds or ISO 8601") from None
    if why := why_no_time(at_ms):
        raise ValueError(why)
    return at_ms


def number_of(name: str, text: str) -> Decimal:
    """A finite number as it was written. Raises `ValueError` with what was expected."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or len(value.as_tuple().digits) > _DIGITS_MAX:
        raise ValueError(f"the {name} was {text!r}; expected a number")
    return value


def above_zero(name: str, text: str) -> Decimal:
    """A number above zero. Raises `ValueError` with what was expected."""
    try:
        value = number_of(name, text)
    except ValueError:
        value = Decimal(0)
    if value <= 0:
        raise ValueError(f"the {name} was {text!r}; expected a number above zero")
    return value
