"""The few statistics that a report needs: median, quantile, Wilson interval, break-even win rate."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

_Z_95 = Decimal("1.959963984540054")
"""Standard normal quantile of a two-sided 95 % interval."""
SMALL_SAMPLE = 30
"""Below this a figure is shown with its n: it says little (exits.md 8)."""


class Interval(NamedTuple):
    """A confidence interval, as fractions of 1."""

    low: Decimal
    high: Decimal


def quantile(values: Sequence[Decimal], fraction: Decimal) -> Decimal | None:
    """The value below which this fraction lies, between neighbours in proportion; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[Decimal]) -> Decimal | None:
    """The middle value; None of nothing."""
    return quantile(values, Decimal("0.5"))


def mean(values: Sequence[Decimal]) -> Decimal | None:
    """The arithmetic mean; None of nothing."""
    return sum(values, Decimal(0)) / len(values) if values else None


def wilson(hits: int, n: int) -> Interval | None:
    """The 95 % interval of a rate (Wilson 1927): it stays inside 0 and 1 however few there are. None of nothing."""
    if n <= 0:
        return None
    rate, z2 = Decimal(hits) / n, _Z_95 * _Z_95
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 / (1 + z2 / n) * (rate * (1 - rate) / n + z2 / (4 * n * n)).sqrt()
    return Interval(max(centre - half, Decimal(0)), min(centre + half, Decimal(1)))


def breakeven_win_rate(results: Sequence[Decimal]) -> Decimal | None:
    """The share of winners at which the mean would be 0, with the mean win and the mean loss as they were.

    None while there is no winner or no loser to measure.
    """
    win, loss = mean([one for one in results if one > 0]), mean([-one for one in results if one < 0])
    return None if win is None or loss is None else loss / (win + loss)
