"""From values to places on a picture, and the round values that mark an axis. Only finite numbers are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

Number = float | int | Decimal


class Scale(NamedTuple):
    """A straight axis: `low` lies at `start`, `high` at `end` (which may be the smaller one)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: Number) -> float:
        """Where a value lies; values beyond the axis lie at its end."""
        share = (float(value) - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 2)

    def ticks(self, most: int = 5) -> list[float]:
        """At most so many round values and one more, inside the axis."""
        rough = (self.high - self.low) / max(most, 1)
        size = math.pow(10.0, math.floor(math.log10(rough)))
        step = next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor >= rough * 0.999999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def finite(values: Iterable[Number | None]) -> list[float]:
    """Those of the values that can be drawn, as floats."""
    return [float(value) for value in values if value is not None and is_drawable(value)]


def is_drawable(value: Number) -> bool:
    """Whether it is a finite number of a sane size."""
    return math.isfinite(value) and abs(float(value)) < 1e30


def scale_over(values: Iterable[Number], start: float, end: float, *, margin: float = 0.04) -> Scale:
    """An axis over all the values with a little room at both ends; of one value or none it is one unit wide."""
    drawn = finite(values) or [0.0]
    low, high = min(drawn), max(drawn)
    if high - low <= abs(high) * 1e-12:
        half = abs(high) * 0.01 or 0.5
        low, high = low - half, high + half
    room = (high - low) * margin
    return Scale(low - room, high + room, start, end)


def short(value: Number) -> str:
    """A number for an axis."""
    return "0" if value == 0 else f"{float(value):.6g}"
