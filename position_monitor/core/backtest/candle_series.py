"""Past candles of one symbol in rows of numbers, with what is missing between them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from position_monitor.core.backtest.extremes import Extremes

DIGITS_MAX = 15
"""Significant digits of a price that a float keeps: the same decimal comes back out of it."""


class PriceKind(StrEnum):
    """Which prices the candles are made of (exits.md 5.1)."""

    MARK = "mark"
    TRADE = "trade"


@dataclass(frozen=True, slots=True, eq=False)
class CandleSeries:
    """Candles in the order of time; `edge/candle_files.py` reads and checks them.

    Rows of floats hold ten million of them. A price that money is decided by is taken out as the decimal that was
    written (`price`).
    """

    symbol: str
    interval_ms: int
    times: array[int]
    """When each candle opened, ms UTC, rising."""
    opens: array[float]
    highs: array[float]
    lows: array[float]
    closes: array[float]
    stretches: tuple[tuple[int, int], ...] = field(init=False)
    """The runs of candles without a gap: first and one beyond the last of each."""
    extremes: Extremes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stretches", tuple(_stretches(self.times, self.interval_ms)))
        object.__setattr__(self, "extremes", Extremes(self.lows, self.highs))

    def __len__(self) -> int:
        return len(self.times)

    def first_from(self, at_ms: int) -> int:
        """The first candle that opens at this time or later; `len` where none does."""
        return bisect_left(self.times, at_ms)

    def end_of_stretch(self, number: int) -> int:
        """One beyond the last candle that follows this one without a gap."""
        place = bisect_left(self.stretches, (number + 1,)) - 1
        return self.stretches[place][1]

    def closes_at(self, number: int) -> int:
        """When a candle closes, ms UTC."""
        return self.times[number] + self.interval_ms


def price(value: float) -> Decimal:
    """A price as the decimal that was written in the file; exact up to 15 significant digits."""
    return Decimal(repr(value))


def _stretches(times: array[int], interval_ms: int) -> Iterator[tuple[int, int]]:
    """By the time that passes: where as many intervals as candles lie between two of them, nothing is missing."""
    count = len(times)
    if not count:
        return
    if times[-1] - times[0] == (count - 1) * interval_ms:
        yield 0, count
        return
    first = 0
    for number, (before, after) in enumerate(pairwise(times), start=1):
        if after - before != interval_ms:
            yield first, number
            first = number
    yield first, count
