"""ATR, directional indicators and ADX equal TA-Lib 0.8.2's to 1e-9 (exits.md 4.6, S21)."""

import pytest

from position_monitor.core.market.wilder import Wilder

SIXTEEN = """104 99 103 | 106 102 105 | 107 101 102 | 103 98 99 | 102 97 101 | 105 100 104 | 109 103 108 | 112 107 111 |
113 109 110 | 115 109 114 | 118 113 117 | 119 115 116 | 121 115 120 | 124 118 123 | 125 120 121 | 126 120 125"""
"""High, low and close of sixteen candles."""

ATR = "5 5.2 5.16 4.928 5.1424 5.11392 4.891136 5.112909 5.290327 5.232262 5.385809"
PLUS_DI = "21.904762 33.684211 39.345955 36.805949 35.940449 40.899366 38.18235 37.005675 40.029891 36.121534 31.716583"
ADX = "54.423665 59.715607 64.340244 68.738913 73.013122 76.636714 79.738344"
"""As they stand on the page, to six decimals."""

TALIB_ATR = [5.0, 5.2, 5.16, 4.928, 5.1424, 5.11392, 4.891136, 5.1129088, 5.29032704, 5.232261632, 5.3858093056]
TALIB_PLUS_DI = [
    21.9047619047619, 33.68421052631579, 39.345955249569705, 36.80594900849859, 35.94044928884753, 40.89936551069134,
    38.182350110462195, 37.00567481184908, 40.02989118939766, 36.12153390616386, 31.716583470212257,
]  # fmt: skip
TALIB_MINUS_DI = [
    15.238095238095239, 11.228070175438596, 8.812392426850257, 7.2521246458923505, 5.444636448225442,
    4.322441926420346, 3.5837872126342507, 2.714135882805455, 2.082465205888948, 1.6761216078355927, 1.2966159285496464,
]  # fmt: skip
TALIB_ADX = [
    54.423665112021446, 59.71560686544834, 64.34024354485885, 68.73891304492354, 73.01312171437317, 76.63671369624937,
    79.73834366832263,
]  # fmt: skip
"""The same from the library itself."""


def candles():
    return [tuple(map(float, row.split())) for row in SIXTEEN.split("|")]


def read(period, rows):
    """ATR, +DI and -DI from candle `period` + 1 on, ADX from candle 2 x `period` on."""
    wilder, found = Wilder(period), ([], [], [], [])
    for number, row in enumerate(rows, 1):
        wilder.add(*row)
        assert (wilder.atr is None) == (number <= period) and (wilder.adx is None) == (number < 2 * period)
        if number > period:
            for values, value in zip(found, (wilder.atr, wilder.plus_di, wilder.minus_di), strict=False):
                values.append(value)
        if wilder.adx is not None:
            found[3].append(wilder.adx)
    return found


def test_the_sixteen_candles_as_on_the_page():
    atr, plus_di, _, adx = read(5, candles())
    assert [round(value, 6) for value in atr] == [float(text) for text in ATR.split()]
    assert [round(value, 6) for value in plus_di] == [float(text) for text in PLUS_DI.split()]
    assert [round(value, 6) for value in adx] == [float(text) for text in ADX.split()]


def test_the_sixteen_candles_equal_talib():
    for ours, theirs in zip(read(5, candles()), (TALIB_ATR, TALIB_PLUS_DI, TALIB_MINUS_DI, TALIB_ADX), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)


def sixty():
    """Sixty candles that go up and down, with ties and inside bars."""
    rows, close = [], 100.0
    for number in range(60):
        step = [7, -3, 5, -6, 2, 9, -8, 4, -1, 3][number % 10] + [0, 2, -2, 1][number % 4]
        opened, close = close, close + step * 0.25
        high = max(opened, close) + 0.5 * ((number * 7) % 5)
        rows.append((high, min(opened, close) - 0.5 * ((number * 3) % 4), close))
    return rows


def test_the_period_of_production_equals_talib():
    found = read(14, sixty())
    assert [len(values) for values in found] == [46, 46, 46, 33]
    last = [values[-1] for values in found]
    assert last == pytest.approx(
        [3.010689323032089, 21.533473086986017, 6.369769447807186, 66.18294090620955], abs=1e-9
    )


def test_a_market_that_does_not_move_has_no_direction():
    """0/0 of the directional index is that of the candle before, else 0."""
    atr, plus_di, minus_di, adx = read(5, [(100.0, 100.0, 100.0)] * 12)
    assert {*atr, *plus_di, *minus_di, *adx} == {0.0}
    wilder = Wilder(5)
    for row in candles():
        wilder.add(*row)
    trending = wilder.adx
    for _ in range(3):
        wilder.add(125.0, 125.0, 125.0)
    assert wilder.adx > trending - 5


def test_across_a_gap_nothing_is_measured():
    """A jump over missing candles is no range of one candle, and later candles count as ever."""
    wilder = Wilder(5)
    for row in candles():
        wilder.add(*row)
    before = (wilder.atr, wilder.plus_di, wilder.adx)
    wilder.gap()
    wilder.add(226, 220, 225)
    assert (wilder.atr, wilder.plus_di, wilder.adx) == before
    wilder.add(228, 222, 227)
    assert wilder.atr == pytest.approx(before[0] + (6 - before[0]) / 5, abs=1e-12)
