"""The regime with hysteresis (exits.md 3.4, 4.7, S3), its direction (S10) and the AI engine's words for it."""

import pytest

from position_monitor.core.market.regime import RegimeInForce, local_direction
from position_monitor.core.market.words import Meaning, meaning_of, trend_direction
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.regime_settings import DEFAULT_REGIMES, RegimeTable, RegimeThresholds

from .build import LONG, SHORT, D

VECTOR = """
(0.80,18) RANGING  (0.82,24) RANGING  (0.85,26) RANGING  (0.90,27) TRENDING  (0.95,24) TRENDING  (0.93,21) TRENDING
(0.90,19) TRENDING  (0.88,18) RANGING  (1.55,18) RANGING  (1.60,18) RANGING  (1.66,19) RANGING  (1.70,18) HIGH_VOL
(1.45,17) HIGH_VOL  (1.34,17) HIGH_VOL  (1.33,17) RANGING  (3.40,22) RANGING  (3.50,23) EXTREME_VOL
(0.44,15) EXTREME_VOL  (0.43,15) LOW_VOL
"""
DEFAULTS = RegimeThresholds()


def after(*closes, thresholds=DEFAULTS):
    """The regimes in force after each of the closes (ATR in percent, ADX)."""
    in_force = RegimeInForce()
    return [str(in_force.close(D(atr_pct), D(adx), thresholds)) for atr_pct, adx in closes]


def test_the_vector_of_the_page():
    words = VECTOR.split()
    closes = [tuple(numbers.strip("()").split(",")) for numbers in words[::2]]
    assert len(closes) == 19
    assert after(*closes) == words[1::2]


@pytest.mark.parametrize(
    ("atr_pct", "adx", "regime"),
    [
        ("3", 40, "EXTREME_VOL"), ("2.99", 25, "TRENDING"), ("0.1", 25, "TRENDING"), ("1.5", 24.9, "HIGH_VOL"),
        ("2.99", 10, "HIGH_VOL"), ("0.499", 24.9, "LOW_VOL"), ("0.499", 10, "LOW_VOL"), ("0.5", 19.9, "RANGING"),
        ("0.5", 20, "NORMAL_VOL"), ("1.49", 24.9, "NORMAL_VOL"), ("0", 0, "LOW_VOL"),
    ],
)  # fmt: skip
def test_the_first_close_counts_as_it_is(atr_pct, adx, regime):
    assert after((atr_pct, str(adx))) == [regime]


def test_one_close_alone_changes_nothing():
    """Flapping around the edge of a regime: each change needs the same new regime twice in a row."""
    flapping = [("0.8", 18), ("0.8", 26), ("0.8", 18), ("2.0", 19), ("0.8", 18)] * 5
    assert set(after(*flapping)) == {"RANGING"}
    assert after(("0.8", 18), ("2", 18), ("4", 18), ("2", 18), ("2", 18))[1:] == ["RANGING"] * 3 + ["HIGH_VOL"]


def test_each_edge_is_left_ten_percent_behind():
    """A class between two edges is entered across the nearer one only: 0.47 is above 0.45, so it is not yet LOW."""
    assert after(("4", 22), ("0.47", 22), ("0.47", 22))[-1] == "NORMAL_VOL"
    assert after(("4", 22), ("0.449", 22), ("0.449", 22))[-1] == "LOW_VOL"
    assert after(("0.4", 22), ("0.549", 22), ("0.549", 22))[-1] == "LOW_VOL"
    assert after(("0.4", 22), ("0.55", 22), ("0.55", 22))[-1] == "NORMAL_VOL"
    assert after(("4", 22), ("2.7", 22), ("2.7", 22))[-1] == "EXTREME_VOL"


def test_thresholds_of_the_operator():
    """Every edge moves with its setting."""
    mine = RegimeThresholds(D("0.2"), D("0.4"), D("0.6"), trending_from_adx=D(40), ranging_below_adx=D(10))
    closes = [("0.1", 12), ("0.3", 9), ("0.5", 12), ("0.7", 50), ("0.3", 39), ("0.3", 40)]
    assert [after(close, thresholds=mine)[0] for close in closes] == [
        "LOW_VOL", "RANGING", "HIGH_VOL", "EXTREME_VOL", "NORMAL_VOL", "TRENDING",
    ]  # fmt: skip


def market(plus_di, minus_di):
    return MarketState(
        atr=D(1), close=D(100), adx=D(30), plus_di=D(plus_di), minus_di=D(minus_di), regime=Regime.TRENDING,
        closed_at_ms=0, expires_at_ms=1,
    )  # fmt: skip


def test_the_direction_of_the_candles():
    assert local_direction(market(30, 15)) is LONG
    assert local_direction(market(15, 30)) is SHORT
    assert local_direction(market(20, 20)) is None


WORDS = {
    "TRENDING": "high_vol_trending low_vol_trending trending trend_up trend_down bull bull_trend bear bear_trend",
    "RANGING": "low_vol_ranging range range_bound ranging sideways range_low_vol",
    "CHOP": "high_vol_ranging range_high_vol chop choppy",
    "HIGH_VOL": "high_vol high_volatility volatile",
    "EXTREME_VOL": "extreme_vol",
    "LOW_VOL": "low_vol low_volatility",
    "NORMAL_VOL": "normal normal_vol",
}
DIRECTIONS = {
    "trend_up": LONG,
    "bull": LONG,
    "bull_trend": LONG,
    "trend_down": SHORT,
    "bear": SHORT,
    "bear_trend": SHORT,
}


@pytest.mark.parametrize(("regime", "words"), WORDS.items())
def test_every_word_of_the_engine(regime, words):
    for word in words.split():
        assert meaning_of(word) == meaning_of(word.upper()) == Meaning(Regime(regime), DIRECTIONS.get(word)), word


@pytest.mark.parametrize(
    "word",
    ["unknown", "UNKNOWN", "uncertain", "illiquid", "breakout", "", "  ", "trend", "TRENDING!", "nan", "9", "x" * 500],
)
def test_any_other_word_says_nothing(word):
    assert meaning_of(word) == (None, None)


def test_where_the_trend_goes():
    """By the word where it says so, else by the candles."""
    assert trend_direction(meaning_of("bull"), market(15, 30)) is LONG
    assert trend_direction(meaning_of("trend_down"), None) is SHORT
    assert trend_direction(meaning_of("trending"), market(15, 30)) is SHORT
    assert trend_direction(meaning_of("trending"), None) is None


def test_the_table_of_the_page():
    """3.1, and CHOP as HIGH_VOL."""
    rows = {
        "LOW_VOL": "1.2 3.5 0.3 1.8 48", "NORMAL_VOL": "1.5 3.0 0.5 2.0 36", "HIGH_VOL": "2.0 4.0 0.8 2.5 24",
        "EXTREME_VOL": "2.5 5.0 1.0 3.0 12", "TRENDING": "1.8 4.5 0.4 2.5 72", "RANGING": "1.0 2.0 0.3 1.5 18",
        "CHOP": "2.0 4.0 0.8 2.5 24",
    }  # fmt: skip
    for name, numbers in rows.items():
        row = DEFAULT_REGIMES[Regime(name)]
        assert [row.k1, row.k2, row.breakeven_r, row.trail_atr, row.max_hours] == [D(text) for text in numbers.split()]
    assert set(DEFAULT_REGIMES) == set(Regime)
    assert {RegimeTable(DEFAULT_REGIMES): 1}[DEFAULT_REGIMES] == 1
    assert RegimeThresholds() == RegimeThresholds(D("0.5"), D("1.5"), D(3), D(25), D(20))
