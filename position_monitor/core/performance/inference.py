"""What may be concluded from a sample: an interval that holds however often it is looked at, and how large to sample.

All formulas are those of exits.md 7 and 4.12. They are worked out in floats: nothing that decides reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ALPHA = 0.05
"""The chance that is accepted of an interval which ever excludes the truth."""
TUNED_FOR = 100
"""Sample size at which the anytime interval is narrowest."""
Z_ONE_SIDED = 1.6448536269514722
"""Standard normal quantile of 95 %."""
Z_POWER = 0.8416212335729143
"""The same of 80 %."""
_EULER = 0.5772156649015329


def _rho_squared() -> float:
    twice = -2 * math.log(ALPHA)
    return (twice + math.log(twice) + 1) / TUNED_FOR


RHO_SQUARED = _rho_squared()
"""The tuning of the anytime interval (Waudby-Smith et al. 2021)."""


def anytime_half_width(n: int, alpha: float = ALPHA) -> float:
    """Half the width of the anytime interval of a mean, in standard deviations of one value.

    It holds at every n at once: whoever looks after each position and stops when it excludes 0 is wrong in at most
    `alpha` of the cases (asymptotic confidence sequence, Waudby-Smith et al. 2021). Infinite for n = 0.
    """
    if n <= 0:
        return math.inf
    scaled = n * RHO_SQUARED + 1
    return math.sqrt(2 * scaled / (n * n * RHO_SQUARED) * math.log(math.sqrt(scaled) / alpha))


@dataclass(slots=True)
class ClusteredMean:
    """Mean of values that come in clusters, one per day: positions of one hour are one bet. Grows by whole days."""

    n: int = 0
    days: int = 0
    _total: float = 0.0
    _squares: float = 0.0
    """Sum over days of the square of the day's sum."""
    _products: float = 0.0
    """Sum over days of the day's sum times its number of values."""
    _sizes: float = 0.0
    """Sum over days of the square of the number of values."""

    def add_day(self, values: Iterable[float]) -> None:
        """One more day; nothing for a day without values."""
        day = tuple(values)
        if not day:
            return
        total, size = math.fsum(day), len(day)
        self.n, self.days = self.n + size, self.days + 1
        self._total += total
        self._squares += total * total
        self._products += total * size
        self._sizes += size * size

    @property
    def mean(self) -> float:
        """The mean of all values; 0 of none."""
        return self._total / self.n if self.n else 0.0

    @property
    def standard_error(self) -> float:
        """Of the mean, with the days as clusters and their number corrected for; infinite below two days."""
        if self.days < 2:
            return math.inf
        mean = self.mean
        squares = self._squares - 2 * mean * self._products + mean * mean * self._sizes
        return math.sqrt(max(squares, 0.0) * self.days / (self.days - 1)) / self.n

    @property
    def deviation(self) -> float:
        """The standard deviation of one value that the standard error speaks of."""
        return self.standard_error * math.sqrt(self.n)

    def half_width(self, alpha: float = ALPHA) -> float:
        """Half the width of the anytime interval of the mean; infinite below two days."""
        error = self.standard_error
        return math.inf if math.isinf(error) else error * math.sqrt(self.n) * anytime_half_width(self.n, alpha)


def positions_needed(deviation: float, difference: float) -> int:
    """Paired positions until a mean difference of this size shows, one-sided 5 %, power 80 %."""
    return math.ceil(((Z_ONE_SIDED + Z_POWER) * deviation / difference) ** 2)


def probabilistic_sharpe(ratio: float, against: float, n: int, skew: float, kurtosis: float) -> float:
    """The chance that the true Sharpe ratio per position is above `against` (Bailey and Lopez de Prado 2012)."""
    spread = math.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio * ratio)
    return normal_share((ratio - against) * math.sqrt(n - 1) / spread)


def track_record_needed(ratio: float, against: float, skew: float, kurtosis: float) -> int:
    """Positions until that chance is 95 % (the same source)."""
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio * ratio
    return math.ceil(1 + spread * (Z_ONE_SIDED / (ratio - against)) ** 2)


def expected_best(tries: int) -> float:
    """The best of so many worthless trials, in standard deviations (Bailey and Lopez de Prado 2014); 0 below two."""
    if tries < 2:
        return 0.0
    first, second = normal_quantile(1 - 1 / tries), normal_quantile(1 - 1 / (tries * math.e))
    return (1 - _EULER) * first + _EULER * second


def normal_share(value: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * math.erfc(-value / math.sqrt(2))


def normal_quantile(share: float) -> float:
    """The value below which this share of a standard normal distribution lies; `share` between 0 and 1, both out."""
    low, high = -40.0, 40.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if normal_share(middle) < share else (low, middle)
    return (low + high) / 2
