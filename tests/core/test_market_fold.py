"""The candles of one symbol: what is refused, what is missing, and a state that says why there is none (S20, S21)."""

import math
import sys
from dataclasses import replace

import pytest

from position_monitor.core.market.candles import INTERVAL_MS, Candle, CandlesRefused, closed_candles
from position_monitor.core.market.fold import MarketFold, six_digits
from position_monitor.core.model.market import Regime
from position_monitor.core.model.regime_settings import RegimeThresholds

from .build import D

HOUR = INTERVAL_MS
START_MS = 480_000 * HOUR
THRESHOLDS = RegimeThresholds()


def path(count, first=0):
    """Candles of a market that moves about one percent an hour, up and down."""
    rows = []
    for number in range(first, first + count):
        close = 100 + (number * 7 % 11) * 0.1 - (number * 5 % 7) * 0.1
        rows.append(Candle(START_MS + number * HOUR, close + 0.5, close - 0.5, close))
    return rows


def closed(count):
    """When the candle number `count` closed, counted from 1."""
    return START_MS + count * HOUR


def folded(rows):
    fold = MarketFold()
    fold.add(rows, THRESHOLDS)
    return fold


BAD = {
    "twice": (lambda rows: [*rows[:5], rows[4], *rows[5:]], "comes after the one of"),
    "wrong order": (lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]], "comes after the one of"),
    "newest first": (lambda rows: rows[::-1], "comes after the one of"),
    "from the future": (lambda rows: [*rows, replace(rows[-1], open_ms=closed(len(rows) + 1))], "from the future"),
    "off the grid": (lambda rows: [*rows[:2], replace(rows[2], open_ms=rows[2].open_ms + 1)], "does not begin with"),
    "before all time": (lambda rows: [replace(rows[0], open_ms=-HOUR), *rows[1:]], "does not begin with"),
    "in seconds": (lambda rows: [replace(row, open_ms=row.open_ms // 1000) for row in rows], "does not begin with"),
    "nan": (lambda rows: [*rows[:2], replace(rows[2], high=math.nan)], "no finite number above zero"),
    "nan close": (lambda rows: [*rows[:2], replace(rows[2], close=math.nan)], "no finite number above zero"),
    "infinite": (lambda rows: [*rows[:2], replace(rows[2], high=math.inf)], "no finite number above zero"),
    "zero": (lambda rows: [*rows[:2], replace(rows[2], low=0.0)], "no finite number above zero"),
    "negative": (lambda rows: [*rows[:2], replace(rows[2], low=-1.0)], "no finite number above zero"),
    "high below low": (lambda rows: [*rows[:2], replace(rows[2], high=1.0)], "outside of its own range"),
    "close above high": (lambda rows: [*rows[:2], replace(rows[2], close=500.0)], "outside of its own range"),
}


@pytest.mark.parametrize(("spoil", "reason"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_believed_is_refused_whole(spoil, reason):
    rows = path(10)
    with pytest.raises(CandlesRefused, match=reason):
        closed_candles(spoil(rows), after_ms=-1, now_ms=closed(10))


def test_the_candle_that_is_still_open_is_left_out():
    rows = path(10)
    assert closed_candles(rows, after_ms=-1, now_ms=closed(10) - 1) == rows[:9]
    assert closed_candles(rows, after_ms=-1, now_ms=closed(10)) == rows
    assert closed_candles(rows, after_ms=rows[6].open_ms, now_ms=closed(10)) == rows[7:]
    assert closed_candles([], after_ms=-1, now_ms=closed(10)) == []


def test_a_state_needs_thirty_candles_in_a_row():
    for count in range(31):
        fold = folded(path(count))
        assert (fold.state(closed(count)) is None) == (count < 30) == bool(fold.missing(closed(count)))
    assert folded([]).missing(0) == "no candle was read yet"
    assert folded(path(29)).missing(closed(29)) == "29 closed candles in a row of 30 that are needed"


def test_the_numbers_have_six_digits():
    """Those of TA-Lib 0.8.2 for the same candles."""
    state = folded(path(300)).state(closed(300))
    assert (state.atr, state.close) == (D("1.11403"), D("99.9"))
    assert (state.adx, state.plus_di, state.minus_di) == (D("3.96487"), D("17.044"), D("18.8219"))
    assert state.regime is Regime.RANGING
    assert (state.closed_at_ms, state.expires_at_ms) == (closed(300), closed(302))
    assert [six_digits(value) for value in (123456.789, 1e-7 / 3, 0.1 + 0.2)] == [
        D("123457"),
        D("3.33333E-8"),
        D("0.3"),
    ]


def test_the_same_candles_in_any_portions_give_the_same_state():
    whole = folded(path(300)).state(closed(300))
    fold = folded(path(120))
    for number in range(120, 300):
        fold.add(path(1, first=number), THRESHOLDS)
    assert fold.state(closed(300)) == whole
    assert fold.state(closed(300)) is fold.state(closed(301))


def test_a_state_ends_two_intervals_after_its_close():
    fold = folded(path(60))
    assert fold.state(closed(62) - 1) is not None
    assert fold.state(closed(62)) is None
    assert fold.missing(closed(62)) == "the last candle closed 120 min ago"
    fold.add(path(2, first=60), THRESHOLDS)
    assert fold.state(closed(62)) is not None


@pytest.mark.parametrize("missing", [1, 5, 400])
def test_a_gap_in_the_last_thirty_means_no_state(missing):
    fold = folded(path(100))
    again = 100 + missing
    for number in range(again, again + 29):
        fold.add(path(1, first=number), THRESHOLDS)
        assert fold.state(closed(number + 1)) is None
    assert fold.missing(closed(again + 29)) == "29 closed candles in a row of 30 that are needed"
    fold.add(path(1, first=again + 29), THRESHOLDS)
    assert fold.state(closed(again + 30)) is not None


def test_the_jump_over_a_gap_is_no_range_of_one_candle():
    """The price doubled while candles are missing: what follows moves one percent an hour as before."""
    fold = folded(path(100))
    again = [Candle(row.open_ms, row.high + 100, row.low + 100, row.close + 100) for row in path(30, first=110)]
    fold.add(again, THRESHOLDS)
    assert D("1") < fold.state(closed(140)).atr < D("1.3")


def test_a_market_that_stands_still_has_no_atr():
    rows = [replace(row, high=100.0, low=100.0, close=100.0) for row in path(60)]
    assert folded(rows).missing(closed(60)) == "the price did not move"


def test_after_a_restart_the_regime_is_the_fold_of_the_candles_that_are_loaded():
    """Starting raw (12.9): a daemon that read 900 candles and one that loads the last 300 of them agree."""
    long_ago, now = folded(path(900)), folded(path(300, first=600))
    assert now.state(closed(900)) == long_ago.state(closed(900))


def test_a_symbol_needs_the_same_memory_for_ever():
    def size(fold):
        parts = [fold._wilder, fold._in_force, fold._wilder._atr, fold._wilder._adx, fold._wilder._moves]
        return sum(sys.getsizeof(part) for part in [fold, *parts]) + sys.getsizeof(fold._wilder._last)

    assert size(folded(path(2000))) == size(folded(path(60)))
    assert not any(isinstance(getattr(folded(path(90)), name), list | dict | tuple) for name in MarketFold.__slots__)
