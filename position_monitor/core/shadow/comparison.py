"""Shadow against live: paired differences in R, by day, and the word that they allow (exits.md 7).

A comparison grows by whole days and may be asked at any time: its interval holds however often somebody looks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.performance.inference import ALPHA, ClusteredMean, positions_needed

POSITIONS_MIN = 30
DAYS_MIN = 10
LOSERS_MIN = 5
TAIL_SHARE = 0.05
TAIL_WORSE_R = 0.25
"""How much lower the mean of the shadow's worst 5 % must be to count as a worse tail."""
WORTH_R = 0.1
"""The difference for which the number of positions still missing is said."""
CALIBRATED_R = 0.02
"""How far the live policy, followed beside itself, may be off (A/A)."""


class Word(StrEnum):
    """What a comparison allows to say."""

    NOT_ENOUGH = "NOT ENOUGH"
    NO_DIFFERENCE = "NO DIFFERENCE SEEN"
    BETTER = "BETTER"
    WORSE = "WORSE"
    WORSE_TAIL = "WORSE TAIL"
    """The mean is better, and the worst positions are much worse."""
    BIASED = "BIASED RULER"
    """The live policy, followed beside itself, is not what happened: nothing is said of another one."""


class Difference(NamedTuple):
    """One position under two policies, in R of the live one, net of cost."""

    live_r: float
    shadow_r: float

    @property
    def r(self) -> float:
        """What the shadow has more."""
        return self.shadow_r - self.live_r


class Verdict(NamedTuple):
    """A comparison as it stands."""

    word: Word
    n: int
    days: int
    mean: float
    low: float
    """The anytime interval of the mean; infinite while there are fewer than two days."""
    high: float
    deviation: float
    live_losers: int
    shadow_losers: int
    live_tail: float
    """Mean of the worst 5 % of the live results, at least one of them."""
    shadow_tail: float
    missing: int
    """Positions that are missing to see 0.1 R at the deviation of now; 0 where enough are there."""


@dataclass(slots=True)
class Comparison:
    """Paired results, day by day."""

    _mean: ClusteredMean = field(default_factory=ClusteredMean)
    _live: list[float] = field(default_factory=list)
    _shadow: list[float] = field(default_factory=list)
    _live_losers: int = 0
    _shadow_losers: int = 0

    def add_day(self, results: Sequence[Difference]) -> None:
        """The positions that were closed on one more day, UTC."""
        self._mean.add_day(one.r for one in results)
        for one in results:
            self._live.append(one.live_r)
            self._shadow.append(one.shadow_r)
            self._live_losers += one.live_r < 0
            self._shadow_losers += one.shadow_r < 0

    def word(self, alpha: float = ALPHA) -> Word:
        """The word that the comparison allows now."""
        mean = self._mean
        if mean.n < POSITIONS_MIN or mean.days < DAYS_MIN or min(self._live_losers, self._shadow_losers) < LOSERS_MIN:
            return Word.NOT_ENOUGH
        half = mean.half_width(alpha)
        if mean.mean + half < 0:
            return Word.WORSE
        if mean.mean - half <= 0:
            return Word.NO_DIFFERENCE
        return Word.WORSE_TAIL if tail(self._live) - tail(self._shadow) > TAIL_WORSE_R else Word.BETTER

    def verdict(self, alpha: float = ALPHA) -> Verdict:
        """The word with the figures behind it."""
        mean = self._mean
        half, deviation = mean.half_width(alpha), mean.deviation
        needed = positions_needed(deviation, WORTH_R) if math.isfinite(deviation) else POSITIONS_MIN
        return Verdict(
            word=self.word(alpha),
            n=mean.n,
            days=mean.days,
            mean=mean.mean,
            low=mean.mean - half,
            high=mean.mean + half,
            deviation=deviation,
            live_losers=self._live_losers,
            shadow_losers=self._shadow_losers,
            live_tail=tail(self._live),
            shadow_tail=tail(self._shadow),
            missing=max(max(needed, POSITIONS_MIN) - mean.n, 0),
        )


def compared(results: Iterable[tuple[int, Difference]]) -> Comparison:
    """The comparison of results with the day (of UTC) on which each was closed."""
    by_day: dict[int, list[Difference]] = defaultdict(list)
    for day, one in results:
        by_day[day].append(one)
    comparison = Comparison()
    for day in sorted(by_day):
        comparison.add_day(by_day[day])
    return comparison


def tail(results: Sequence[float]) -> float:
    """The mean of the worst 5 %, at least one; 0 of none."""
    worst = sorted(results)[: max(1, math.ceil(len(results) * TAIL_SHARE))]
    return math.fsum(worst) / len(worst) if worst else 0.0


def is_calibrated(verdict: Verdict) -> bool:
    """Whether the live policy, followed beside itself, gives what really happened: the ruler is not biased (A/A)."""
    return abs(verdict.mean) <= CALIBRATED_R and verdict.low <= 0 <= verdict.high
