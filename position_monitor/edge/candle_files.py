"""Candles from a CSV file: read in blocks, checked whole, and a word with the line where one cannot be believed.

The first line names the columns: `time,open,high,low,close`; `volume` and others may follow and are not read. `time` is
when a candle opened, in epoch milliseconds or ISO 8601 (UTC). Files of Binance's public data call it `open_time`.
A file whose name ends in `.parquet` is read through the same checks, by the lines that it would have as CSV.
"""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, pairwise
from operator import le, lt, methodcaller, sub
from pathlib import Path
from typing import NamedTuple

from position_monitor.core.backtest.candle_series import DIGITS_MAX, CandleSeries
from position_monitor.edge.parquet_lines import SUFFIX, parquet_lines
from position_monitor.errors import BadInput

COLUMNS = ("time", "open", "high", "low", "close")
TIME_NAMES = ("time", "open_time")
BLOCK_BYTES = 262_144
"""What is read at once stays in the cache of a processor: a fifth faster than blocks of 4 MB."""
ROWS_MAX = 20_000_000
"""Each takes 40 bytes of memory: a file by mistake must not take the host down."""
_FIRST_ROWS = 1_000
_EARLIEST_MS = 100_000_000_000
"""Before March 1973: such a number is seconds."""
_LATEST_MS = 100_000_000_000_000


class CandleFile(NamedTuple):
    """What was read."""

    series: CandleSeries
    data_hash: str
    """SHA-256 of its lines."""
    decimals: int
    """The most decimals of a price in the first thousand candles: the tick where nobody states one."""


def read_candles(path: Path, symbol: str, progress: Callable[[int], None] = lambda _: None) -> CandleFile:
    """The candles of a file. Raises `BadInput` for one that cannot be believed. `progress` is told the bytes read."""
    columns = _Columns()
    digest, decimals, line = hashlib.sha256(), 0, 1
    try:
        blocks = parquet_lines(path) if path.suffix == SUFFIX else _lines(path)
        header, _ = next(blocks)
        digest.update(b"".join(header))
        places = _places(path, b"".join(header))
        for lines, read_bytes in blocks:
            digest.update(b"".join(lines))
            follows = line + len(lines)
            while lines and not lines[-1].strip():
                lines.pop()
            if not lines:
                line = follows
                continue
            fields = _fields(path, b"".join(lines), lines, line + 1)
            if len(fields) <= max(places):
                raise BadInput(f"{path}:{line + 1}: {len(fields)} fields; expected at least {max(places) + 1}")
            if line <= _FIRST_ROWS:
                first = chain.from_iterable(fields[place][:_FIRST_ROWS] for place in places[1:])
                decimals = max(decimals, *map(_decimals_of, first))
            _take(path, columns, [fields[place] for place in places], line=line + 1)
            line = follows
            progress(read_bytes)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if len(columns.times) < 2:
        raise BadInput(f"{path}: has {len(columns.times)} candles; at least two are needed")
    interval_ms = _interval_ms(path, columns.times)
    series = CandleSeries(symbol=symbol, interval_ms=interval_ms, times=columns.times, **columns.prices)
    return CandleFile(series, digest.hexdigest(), decimals)


def _lines(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """The line of the column names, then blocks of lines; with each how many bytes are read by then."""
    with path.open("rb") as file:
        yield [file.readline()], file.tell()
        while lines := file.readlines(BLOCK_BYTES):
            yield lines, file.tell()


class _Columns:
    def __init__(self) -> None:
        self.times: array[int] = array("q")
        self.prices: dict[str, array[float]] = {f"{name}s": array("d") for name in COLUMNS[1:]}


def _places(path: Path, header: bytes) -> tuple[int, ...]:
    """Where the columns stand."""
    names = [name.strip().strip('"').lower() for name in header.decode("utf-8-sig", errors="replace").split(",")]
    if names == [""]:
        raise BadInput(f"{path}: is empty; the first line names the columns: {','.join(COLUMNS)}")
    time = next((name for name in TIME_NAMES if name in names), "time")
    missing = [name for name in (time, *COLUMNS[1:]) if name not in names]
    if missing:
        raise BadInput(
            f"{path}:1: no column {', '.join(missing)}; the first line names the columns: {','.join(COLUMNS)}[,volume]"
        )
    return tuple(names.index(name) for name in (time, *COLUMNS[1:]))


def _fields(path: Path, block: bytes, lines: Sequence[bytes], line: int) -> Sequence[Sequence[str]]:
    """The lines as columns. One that is no text, or has another number of fields than the first, is named."""
    try:
        text = block.decode("ascii")
    except UnicodeDecodeError as error:
        number = line + block.count(b"\n", 0, error.start)
        raise BadInput(f"{path}:{number}: holds something else than plain text; is it a CSV file?") from None
    if '"' in text:
        text = "\n".join(",".join(row) for row in csv.reader(text.splitlines()))
        lines = text.encode().splitlines()
    commas = lines[0].count(b",")
    if set(map(methodcaller("count", b","), lines)) != {commas}:
        number, fields = next((n, one.count(b",") + 1) for n, one in enumerate(lines) if one.count(b",") != commas)
        raise BadInput(f"{path}:{line + number}: {fields} fields; the line before it has {commas + 1}")
    every = text.replace("\r", "").rstrip("\n").replace("\n", ",").split(",")
    return [every[place :: commas + 1] for place in range(commas + 1)]


def _take(path: Path, columns: _Columns, texts: Sequence[Sequence[str]], *, line: int) -> None:
    """Add a block. Whole columns are checked at once; only where something is wrong is the row looked for."""
    if len(columns.times) + len(texts[0]) > ROWS_MAX:
        raise BadInput(f"{path}: has more than {ROWS_MAX} candles; cut it, or take longer candles")
    before = columns.times[-1:]
    try:
        times = _times(texts[0])
        prices = [array("d", map(float, column)) for column in texts[1:]]
        sound = _is_sound(before + times, prices) and not _has_too_many_digits(texts[1:])
    except (ValueError, OverflowError):
        sound = False
    if not sound:
        raise _first_problem(path, texts, line, before)
    columns.times.extend(times)
    for column, values in zip(columns.prices.values(), prices, strict=True):
        column.extend(values)


def _is_sound(times: array[int], prices: Sequence[array[float]]) -> bool:
    """Whether the columns of a block can be believed."""
    opens, highs, lows, closes = prices
    inside = all(map(le, lows, opens)) and all(map(le, opens, highs)) and all(map(le, lows, closes))
    inside = inside and all(map(le, closes, highs)) and min(lows) > 0 and max(highs) < math.inf
    return inside and all(map(lt, times, times[1:])) and times[0] >= _EARLIEST_MS and times[-1] < _LATEST_MS


def _has_too_many_digits(columns: Sequence[Sequence[str]]) -> bool:
    """Whether some price has more digits than a float keeps; only long ones are counted."""
    long = (text for column in columns if max(set(map(len, column))) > DIGITS_MAX for text in column)
    return any(len(text) > DIGITS_MAX and _why_no_price(text) for text in long)


def _times(texts: Sequence[str]) -> array[int]:
    """Epoch milliseconds, or ISO 8601: all of a block in one way."""
    if texts[0].strip().isdigit():
        return array("q", map(int, texts))
    return array("q", map(time_ms, texts))


def time_ms(text: str) -> int:
    """A time as ms UTC: epoch milliseconds, or ISO 8601, which is UTC where it names no offset. Raises ValueError."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return round(at.timestamp() * 1000)


def why_no_time(at_ms: int) -> str:
    """Why a number is no time in milliseconds; empty for one that is."""
    if at_ms < _EARLIEST_MS:
        return f"the time was {at_ms}: epoch milliseconds are expected, this looks like seconds"
    return f"the time was {at_ms}: epoch milliseconds are expected" if at_ms >= _LATEST_MS else ""


def _first_problem(path: Path, texts: Sequence[Sequence[str]], line: int, before: Sequence[int]) -> BadInput:
    """The first row that cannot be believed, in words."""
    last = before[0] if before else None
    for number, row in enumerate(zip(*texts, strict=True), start=line):
        problem, last = _problem_of_row(row, last)
        if problem:
            return BadInput(f"{path}:{number}: {problem}")
    return BadInput(f"{path}:{line}: epoch milliseconds and ISO 8601 are mixed in the lines from here on")


def _problem_of_row(row: Sequence[str], last: int | None) -> tuple[str, int | None]:
    """What is wrong with a row, or empty; and its time."""
    try:
        at_ms = time_ms(row[0])
    except ValueError:
        return f"the time was {row[0]!r}; expected epoch milliseconds or ISO 8601", last
    if why := why_no_time(at_ms):
        return why, last
    if last is not None and at_ms <= last:
        return f"the time {at_ms} {'comes twice' if at_ms == last else f'comes after {last}: not in order'}", last
    prices = {}
    for name, text in zip(COLUMNS[1:], row[1:], strict=True):
        if why := _why_no_price(text):
            return f"{name} was {text!r}: {why}", last
        prices[name] = float(text)
    for name in ("open", "close"):
        if not prices["low"] <= prices[name] <= prices["high"]:
            return f"{name} {prices[name]:g} lies outside of low {prices['low']:g} to high {prices['high']:g}", last
    return "", at_ms


def _why_no_price(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return "a number is expected"
    if not math.isfinite(value) or value <= 0:
        return "a number above zero is expected"
    digits = text.strip().replace(".", "").lstrip("0").lower().partition("e")[0]
    return f"more than {DIGITS_MAX} digits" if len(digits.rstrip("0")) > DIGITS_MAX else ""


def _interval_ms(path: Path, times: array[int]) -> int:
    """The usual distance between two candles, of which every other one is a multiple."""
    distances: set[int] = set(map(sub, times[1:], times))
    if len(distances) == 1:  # nothing is missing: counting them all would take twice as long
        return distances.pop()
    usual: int = Counter(map(sub, times[1:], times)).most_common(1)[0][0]
    odd = next((distance for distance in distances if distance % usual), None)
    if odd is not None:
        line = next(n for n, (before, after) in enumerate(pairwise(times), start=3) if after - before == odd)
        raise BadInput(
            f"{path}:{line}: {odd / 1000:g} s after the candle before it, no multiple of the "
            f"interval of {usual / 1000:g} s"
        )
    return usual


def _decimals_of(text: str) -> int:
    return len(text.strip().partition(".")[2].rstrip("0"))


def missing_candles(series: CandleSeries) -> Iterator[tuple[int, int]]:
    """Each gap: when the candle before it opened, and how many are missing."""
    for (_, end), (begin, _) in pairwise(series.stretches):
        before = series.times[end - 1]
        yield before, (series.times[begin] - before) // series.interval_ms - 1
