"""Candles and entries from files: what is taken, and the word with file and line for what is not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from position_monitor.core.backtest.candle_series import price
from position_monitor.core.backtest.terms import FundingRate
from position_monitor.edge import candle_files
from position_monitor.edge.candle_files import missing_candles, read_candles
from position_monitor.edge.entry_files import read_entries, refuse_what_has_no_candle
from position_monitor.edge.funding_files import read_funding
from position_monitor.edge.sample_market import write_sample
from position_monitor.edge.tries import add_try, ledger_beside
from position_monitor.errors import BadInput

HEAD = "time,open,high,low,close,volume\n"
FIRST = "1767225600000,100,101,99,100.5,1\n"
SECOND = "1767225660000,100.5,101,99.5,100,1\n"
ENTRY_HEAD = "time,symbol,side,quantity,price\n"


def candles(tmp_path: Path, text: str | bytes):
    path = tmp_path / "candles.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_candles(path, "BTCUSDT")


def said(tmp_path: Path, text: str | bytes) -> str:
    """What is said of a file that is refused, without its folder."""
    with pytest.raises(BadInput) as refused:
        candles(tmp_path, text)
    return str(refused.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    "text",
    [
        HEAD + FIRST + SECOND,
        HEAD + FIRST + SECOND + "\n\n",
        (HEAD + FIRST + SECOND).replace("\n", "\r\n"),
        "\ufeff" + HEAD + FIRST + SECOND,
        'Open_Time,"open",high,low,close\n"1767225600000","100","101","99","100.5"\n1767225660000,100.5,101,99.5,100\n',
        "close,low,high,open,time\n100.5,99,101,100,2026-01-01T00:00Z\n100,99.5,101,100.5,2026-01-01 00:01:00+00:00\n",
        "time,open,high,low,close\n2026-01-01,100,101,99,100.5\n2026-01-01T01:01+01:00,100.5,101,99.5,100\n",
    ],
)
def test_the_same_two_candles_in_every_way_of_writing_them(tmp_path: Path, text: str) -> None:
    """Columns by name, in any order; times in milliseconds or ISO 8601; both ends of line."""
    file = candles(tmp_path, text)
    series = file.series
    assert list(series.times) == [1_767_225_600_000, 1_767_225_660_000]
    assert [list(one) for one in (series.opens, series.highs, series.lows, series.closes)] == [
        [100, 100.5],
        [101, 101],
        [99, 99.5],
        [100.5, 100],
    ]
    assert (series.interval_ms, series.stretches, file.decimals) == (60_000, ((0, 2),), 1)


def test_a_price_comes_out_as_it_was_written(tmp_path: Path) -> None:
    """Fifteen digits, in a row of floats."""
    digits = "0.000012345678901234"
    row = ",".join([digits] * 4)
    series = candles(tmp_path, f"time,open,high,low,close\n1767225600000,{row}\n1767225660000,{row}\n").series
    assert price(series.highs[1]) == Decimal(digits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "candles.csv: is empty"),
        (HEAD, "candles.csv: has 0 candles; at least two are needed"),
        (HEAD + FIRST, "candles.csv: has 1 candles; at least two are needed"),
        ("time,open,high,close\n", "candles.csv:1: no column low;"),
        (FIRST + SECOND, "candles.csv:1: no column time, open, high, low, close;"),
        (HEAD + SECOND + FIRST, "candles.csv:3: the time 1767225600000 comes after 1767225660000: not in order"),
        (HEAD + FIRST + FIRST, "candles.csv:3: the time 1767225600000 comes twice"),
        (HEAD + FIRST + SECOND.replace("100.5", "nan"), "candles.csv:3: open was 'nan': a number above zero"),
        (HEAD + FIRST + SECOND.replace("101", "inf"), "candles.csv:3: high was 'inf': a number above zero"),
        (HEAD + FIRST + SECOND.replace("99.5", "-99.5"), "candles.csv:3: low was '-99.5': a number above zero"),
        (HEAD + FIRST.replace("99", "0") + SECOND, "candles.csv:2: low was '0': a number above zero"),
        (HEAD + FIRST + SECOND.replace("100.5", "many"), "candles.csv:3: open was 'many': a number is expected"),
        (HEAD + FIRST + SECOND.replace("101", "98"), "candles.csv:3: open 100.5 lies outside of low 99.5 to high 98"),
        (HEAD + FIRST + SECOND.replace(",100,", ",99,"), "candles.csv:3: close 99 lies outside of low 99.5"),
        (HEAD + FIRST + SECOND.replace(",1\n", "\n"), "candles.csv:3: 5 fields; the line before it has 6"),
        (HEAD + FIRST + "\n" + SECOND, "candles.csv:3: 1 fields; the line before it has 6"),
        ("time,open,high,low,close,volume\n1,2\n3,4\n", "candles.csv:2: 2 fields; expected at least 5"),
        (HEAD + FIRST.replace("000,", ",") + SECOND, "candles.csv:2: the time was 1767225600: epoch milliseconds"),
        (HEAD + "yesterday,1,1,1,1,1\n", "candles.csv:2: the time was 'yesterday'; expected epoch milliseconds or ISO"),
        (HEAD + FIRST + SECOND + "1767225700000,100,101,99,100,1\n", "candles.csv:4: 40 s after the candle before it"),
        (HEAD.encode() + FIRST.encode() + b"\xff\xfe,1,1,1,1,1\n", "candles.csv:3: holds something else than plain"),
        (
            HEAD + FIRST + SECOND.replace("100.5", "100.123456789012345"),
            "candles.csv:3: open was '100.12345678901",
        ),
    ],
)
def test_what_cannot_be_believed_is_named_with_its_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert said(tmp_path, text).startswith(expected)


def test_the_line_is_right_in_a_later_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order is judged across blocks as well."""
    monkeypatch.setattr(candle_files, "BLOCK_BYTES", 100)
    rows = [f"{1_767_225_600_000 + number * 60_000},100,101,99,100,1\n" for number in range(40)]
    assert len(candles(tmp_path, HEAD + "".join(rows)).series) == 40
    for place in (2, 3, 17, 39):
        twice = [*rows[:place], rows[place - 1], *rows[place:]]
        assert said(tmp_path, HEAD + "".join(twice)).startswith(f"candles.csv:{place + 2}: the time")


def test_a_file_that_is_too_long_is_refused_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the candles would be another backtest."""
    monkeypatch.setattr(candle_files, "ROWS_MAX", 1)
    assert said(tmp_path, HEAD + FIRST + SECOND) == (
        "candles.csv: has more than 1 candles; cut it, or take longer candles"
    )


def test_missing_candles_are_counted_and_no_candle_is_invented(tmp_path: Path) -> None:
    """Three of them, after the second one."""
    file = candles(tmp_path, HEAD + FIRST + SECOND + "1767225900000,100,101,99,100,1\n")
    assert list(missing_candles(file.series)) == [(1_767_225_660_000, 3)]
    assert file.series.stretches == ((0, 2), (2, 3))


def entries(tmp_path: Path, text: str):
    path = tmp_path / "entries.csv"
    path.write_text(text)
    return read_entries(path)


def test_entries_by_time_with_the_line_they_stand_in(tmp_path: Path) -> None:
    """BUY and SELL are taken for the sides, as trade lists write them."""
    text = ENTRY_HEAD + "2026-01-01T00:02,ethusdt,sell,2,\n1767225600000,BTCUSDT,LONG,0.10,42000.5\n"
    first, second = entries(tmp_path, text)
    assert (first.line, first.symbol, first.side, first.quantity, first.price) == (
        *(3, "BTCUSDT", "LONG"),
        *(Decimal("0.10"), Decimal("42000.5")),
    )
    assert (second.line, second.symbol, second.side, second.price) == (2, "ETHUSDT", "SHORT", None)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("", "holds no entry below the line that names the columns"),
        ("x,BTCUSDT,LONG,1,", ":2: the time was 'x'"),
        ("1767225600,BTCUSDT,LONG,1,", ":2: the time was 1767225600: epoch milliseconds are expected, this looks like"),
        ("1767225600000,BTCUSDT,UP,1,", ":2: the side was 'UP'; expected LONG or SHORT"),
        ("1767225600000,,LONG,1,", ":2: the symbol is missing"),
        ("1767225600000,BTCUSDT,LONG,-1,", ":2: the quantity was '-1'; expected a number above zero"),
        ("1767225600000,BTCUSDT,LONG,NaN,", ":2: the quantity was 'NaN'"),
        ("1767225600000,BTCUSDT,LONG,1,0", ":2: the price was '0'; expected a number above zero"),
        ("1767225600000,BTCUSDT", ":2: the side was ''; expected LONG or SHORT"),
    ],
)
def test_an_entry_that_is_none_is_named_with_its_line(tmp_path: Path, row: str, expected: str) -> None:
    with pytest.raises(BadInput) as refused:
        entries(tmp_path, ENTRY_HEAD + row)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("time", "symbol", "expected"),
    [
        ("2025-12-31T23:58", "BTCUSDT", "lies outside of the candles of BTCUSDT"),
        ("2026-01-01T00:02", "BTCUSDT", "lies outside of the candles of BTCUSDT"),
        ("2026-01-01T00:00", "ETHUSDT", ":2: no candles of ETHUSDT; there are those of BTCUSDT"),
    ],
)
def test_an_entry_without_a_candle_is_refused(tmp_path: Path, time: str, symbol: str, expected: str) -> None:
    """It would begin at another time than it says."""
    series = {"BTCUSDT": candles(tmp_path, HEAD + FIRST + SECOND).series}
    listed = entries(tmp_path, f"{ENTRY_HEAD}{time},{symbol},LONG,1,\n")
    with pytest.raises(BadInput) as refused:
        refuse_what_has_no_candle(tmp_path / "entries.csv", listed, series)
    assert expected in str(refused.value)


RATES = "calc_time,funding_interval_hours,last_funding_rate\n1767225600004,8,-0.0001\n1767254400000,8,0.00005\n"


@pytest.mark.parametrize(
    "text",
    [
        RATES,
        "time,rate\n1767225600004,-0.0001\n2026-01-01T08:00Z,5e-5\n",
        "symbol,fundingTime,fundingRate,markPrice\nbtcusdt,1767225600004,-0.0001,\nBTCUSDT,1767254400000,0.00005,\n",
    ],
)
def test_the_same_two_fundings_in_every_way_of_writing_them(tmp_path: Path, text: str) -> None:
    """As Binance's public data have them, by our names, and as its API answers."""
    rates = read_funding(written(tmp_path, text), "BTCUSDT")
    listed = [(1_767_225_600_004, Decimal("-0.0001"), None), (1_767_254_400_000, Decimal("0.00005"), None)]
    assert rates == {"BTCUSDT": tuple(FundingRate(*one) for one in listed)}


def test_the_symbol_of_a_row_goes_before_that_of_the_file_and_the_mark_is_taken(tmp_path: Path) -> None:
    """Rows of two contracts, each in its own order."""
    text = "time,rate,symbol,mark\n1767254400000,0.1e-3,ETHUSDT,3500.5\n1767225600000,0,,\n"
    rates = read_funding(written(tmp_path, text), "BTCUSDT")
    assert [(name, one.at_ms, one.mark) for name, (one,) in rates.items()] == [
        ("ETHUSDT", 1_767_254_400_000, Decimal("3500.5")),
        ("BTCUSDT", 1_767_225_600_000, None),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time,rate\n", "rates.csv: holds no rate below the line"),
        ("time,symbol\n", "rates.csv:1: no column rate; the first line names the columns: time,rate[,symbol][,mark]"),
        ("time,rate\nsoon,0.0001\n", "rates.csv:2: the time was 'soon'"),
        ("time,rate\n1767225600000,\n", "rates.csv:2: the rate was ''; expected a number"),
        ("time,rate\n1767225600000,nan\n", "rates.csv:2: the rate was 'nan'; expected a number"),
        ("time,rate\n1767225600000,0.1\n", "rates.csv:2: the rate was 0.1: a fraction is expected, 0.0001"),
        ("time,rate,mark\n1767225600000,0.0001,-3\n", "rates.csv:2: the mark was '-3'; expected a number above zero"),
        (RATES + "1767254400000,8,0.0001\n", "rates.csv:4: the time 1767254400000 of BTCUSDT comes twice"),
        (RATES + "1767240000000,8,0.0001\n", "rates.csv:4: the time 1767240000000 of BTCUSDT comes after 17672544000"),
    ],
)
def test_a_funding_that_is_none_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_funding(written(tmp_path, text), "BTCUSDT")
    assert str(refused.value).replace(f"{tmp_path}/", "").startswith(expected)


def test_a_funding_of_no_symbol_is_refused(tmp_path: Path) -> None:
    """Where several contracts are held nobody can tell whose it is."""
    with pytest.raises(BadInput, match=r"rates\.csv:2: no symbol, and there are several"):
        read_funding(written(tmp_path, RATES), None)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    return path


def test_the_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """And can be read."""
    one, two, other = (write_sample(tmp_path / name, seed, days=3) for name, seed in (("a", 7), ("b", 7), ("c", 8)))
    assert one.candles.read_bytes() == two.candles.read_bytes() != other.candles.read_bytes()
    assert one.entries.read_bytes() == two.entries.read_bytes()
    series = read_candles(one.candles, "BTCUSDT").series
    refuse_what_has_no_candle(one.entries, read_entries(one.entries), {"BTCUSDT": series})
    assert len(series) == 3 * 1_440


def test_the_ledger_counts_tries_and_settings_of_the_same_data(tmp_path: Path) -> None:
    """Another file of candles is another ledger's business; a file that is no ledger is not written to."""
    ledger = ledger_beside(tmp_path / "entries.csv")

    def tried(data: str, settings: str):
        return add_try(ledger, data_hash=data, settings_hash=settings, policy="hybrid", at_ms=1)

    counted = [tried(*one) for one in (("a", "x"), ("a", "y"), ("a", "y"), ("b", "x"))]
    assert [(one.number, one.settings) for one in counted] == [(1, 1), (2, 2), (3, 2), (1, 1)]
    ledger.write_text("time,symbol\n")
    assert "line 1 is no try" in tried("a", "x")
    assert ledger.read_text() == "time,symbol\n"
