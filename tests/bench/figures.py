"""What a row of the bench found, and the arithmetic of samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured case of one row. `met` is None where nothing was promised."""

    row: str
    case: str
    shown: str
    """The measurement in words, for the table."""
    bar: str = ""
    met: bool | None = None
    values: Mapping[str, float | int | str | None] = field(default_factory=dict)
    """The measurement for programs; units are in the names."""

    def body(self) -> dict[str, object]:
        """As it stands in `bench.json`."""
        return {"row": self.row, "case": self.case, "bar": self.bar, "met": self.met, **self.values}


@dataclass(frozen=True, slots=True)
class Spread:
    """Samples by rank. Nearest rank: every figure is one that was measured."""

    count: int
    median: float
    p99: float
    largest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Of at least one sample; raises ValueError without any."""
        ordered = sorted(samples)
        return cls(len(ordered), ranked(ordered, 50), ranked(ordered, 99), ordered[-1])

    def values(self, unit: str) -> dict[str, float | int]:
        """For `Figure.values`."""
        named = {f"median_{unit}": self.median, f"p99_{unit}": self.p99, f"max_{unit}": self.largest}
        return {name: round(value, 3) for name, value in named.items()} | {"samples": self.count}


def ranked(ordered: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of the samples do not exceed. `ordered` rises."""
    if not ordered:
        raise ValueError("no sample was taken")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
