"""Vectors 4.12: sample sizes, the anytime interval, clusters by day, Sharpe ratios, the best of many tries."""

from __future__ import annotations

import math

import pytest

from position_monitor.core.performance.inference import (
    RHO_SQUARED,
    ClusteredMean,
    anytime_half_width,
    expected_best,
    normal_quantile,
    positions_needed,
    probabilistic_sharpe,
    track_record_needed,
)
from position_monitor.core.performance.statistics import wilson

DAYS = ((0.4, 0.6, 0.5), (-0.2, -0.1), (0.1,), (0.3, 0.2, -0.4))


@pytest.mark.parametrize(
    ("deviation", "difference", "n"),
    [
        *(
            (1, d, n)
            for d, n in ((0.05, 2474), (0.10, 619), (0.15, 275), (0.20, 155), (0.25, 99), (0.30, 69), (0.5, 25))
        ),
        (0.6, 0.1, 223),
        (0.6, 0.2, 56),
    ],
)
def test_paired_positions_needed(deviation, difference, n):
    assert positions_needed(deviation, difference) == n


@pytest.mark.parametrize(
    ("n", "width"),
    [
        *((10, 1.1900), (20, 0.7414), (30, 0.5787), (50, 0.4342), (100, 0.3035)),
        *((200, 0.2170), (300, 0.1794), (500, 0.1416), (1000, 0.1029)),
    ],
)
def test_anytime_half_width(n, width):
    assert round(RHO_SQUARED, 6) == 0.087818
    assert round(anytime_half_width(n), 4) == width


def test_the_standard_error_is_that_of_the_days():
    by_day = ClusteredMean()
    for day in DAYS:
        by_day.add_day(day)
    assert round(by_day.mean, 6) == 0.155556
    assert round(by_day.standard_error, 6) == 0.161208
    alone = ClusteredMean()
    for value in (value for day in DAYS for value in day):
        alone.add_day((value,))
    assert round(alone.standard_error, 6) == 0.111941


def test_one_day_says_nothing():
    mean = ClusteredMean()
    mean.add_day([0.5, 0.6, 0.7])
    assert mean.half_width() == math.inf


@pytest.mark.parametrize(
    ("ratio", "against", "skew", "kurtosis", "n"),
    [(0.1, 0, 0, 3, 273), (0.1, 0, -1, 6, 302), (0.2, 0, 0, 3, 70), (0.2, 0.1, 0, 3, 277)],
)
def test_track_record_needed(ratio, against, skew, kurtosis, n):
    assert track_record_needed(ratio, against, skew, kurtosis) == n


def test_probabilistic_sharpe():
    assert round(probabilistic_sharpe(0.1, 0, 273, 0, 3), 4) == 0.9500
    assert round(probabilistic_sharpe(0.1, 0, 100, -1, 6), 4) == 0.8272


@pytest.mark.parametrize(
    ("tries", "best"), [(2, 0.5198), (5, 1.1926), (10, 1.5746), (50, 2.2763), (100, 2.5306), (1, 0.0)]
)
def test_expected_best_of_worthless_tries(tries, best):
    assert round(expected_best(tries), 4) == best


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(7, 10, "0.397", "0.892"), (18, 30, "0.423", "0.754"), (60, 100, "0.502", "0.691")]
)
def test_wilson(hits, n, low, high):
    interval = wilson(hits, n)
    assert [f"{end:.3f}" for end in interval] == [low, high]


def test_normal_quantile():
    assert math.isclose(normal_quantile(0.95), 1.6448536269514722, rel_tol=1e-12)
