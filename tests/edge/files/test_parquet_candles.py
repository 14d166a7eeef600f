"""Candles from Parquet: what a CSV file of the same rows gives, and a word where pyarrow is missing."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from position_monitor.edge import parquet_lines
from position_monitor.edge.candle_files import read_candles
from position_monitor.errors import BadInput

TIMES = [1_767_225_600_000 + 60_000 * number for number in range(5)]
PRICES = {"open": [100, 100.5, 100, 101, 100.25], "high": [101.5] * 5, "low": [99.5] * 5, "close": [100.5] * 5}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes these columns as a Parquet file."""
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    from pyarrow import parquet

    def written(**columns: Any) -> Path:
        path = tmp_path / "candles.parquet"
        parquet.write_table(pyarrow.table(columns), path)
        return path

    return written


@pytest.mark.parametrize(
    "columns",
    [
        {"time": TIMES, **PRICES},
        {**PRICES, "volume": [None] * 5, "open_time": TIMES},
        {"time": [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms in TIMES], **PRICES},
        {"time": TIMES, **{name: [Decimal(f"{one:.18f}") for one in column] for name, column in PRICES.items()}},
    ],
)
def test_the_same_candles_as_from_csv(
    write: Any, tmp_path: Path, columns: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Floats and decimals, numbers and times, in any order and in several blocks."""
    monkeypatch.setattr(parquet_lines, "ROWS_AT_ONCE", 2)
    rows = zip(TIMES, *PRICES.values(), strict=True)
    text = tmp_path / "candles.csv"
    text.write_text("\n".join(("time,open,high,low,close", *(",".join(map(str, row)) for row in rows))))
    read: list[int] = []
    path = write(**columns)
    mine, theirs = read_candles(path, "BTCUSDT", read.append), read_candles(text, "BTCUSDT")
    for name in ("times", "opens", "highs", "lows", "closes", "interval_ms"):
        assert getattr(mine.series, name) == getattr(theirs.series, name), name
    assert mine.decimals == theirs.decimals == 2
    assert read[-1] == path.stat().st_size


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"time": TIMES[:3] + TIMES[2:4]}, "candles.parquet:5: the time 1767225720000 comes twice"),
        ({"low": [99.5, None, 99.5, 99.5, 99.5]}, "candles.parquet:3: low was '': a number is expected"),
        ({"high": [101.5, 99.75, 101.5, 101.5, 101.5]}, "candles.parquet:3: open 100.5 lies outside of low 99.5"),
        ({"close": None}, "candles.parquet:1: no column close;"),
    ],
)
def test_what_cannot_be_believed_is_named_with_its_row(
    write: Any, tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    """Counted as the lines of a CSV file: the first row is 2."""
    columns = {name: column for name, column in ({"time": TIMES} | PRICES | change).items() if column}
    with pytest.raises(BadInput) as refused:
        read_candles(write(**columns), "BTCUSDT")
    assert str(refused.value).replace(f"{tmp_path}/", "").startswith(expected)


def test_a_file_that_is_none_is_refused(write: Any, tmp_path: Path) -> None:
    """A CSV file with the wrong name, and no file at all."""
    path = tmp_path / "other.parquet"
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_candles(path, "BTCUSDT")
    path.write_text("time,open,high,low,close\n")
    with pytest.raises(BadInput, match="is no Parquet file that can be read"):
        read_candles(path, "BTCUSDT")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what can be done without it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"the extra parquet\), which is not installed: pip install pyarrow"):
        read_candles(tmp_path / "candles.parquet", "BTCUSDT")
