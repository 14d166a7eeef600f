"""What the mark did after a position was closed: what waiting had brought within four hours (exits.md 1.27, 8)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from position_monitor.core.model.sides import Side
from position_monitor.core.performance.facts import PriceRange

AFTER_MS: Final = 4 * 3_600_000
"""How long after its last fill the mark is looked at."""
PREMATURE_R: Final = Decimal(1)
"""An exit was premature when the mark went on by at least so many R within that time."""


class Aftermath(NamedTuple):
    """The best mark within `AFTER_MS` of the last fill, for whoever had still held the position."""

    best_price: Decimal
    best_at_ms: int
    regret: Decimal
    """How far it lay beyond the mean exit, in quote units per base unit; 0 where it never was better."""


def aftermath_of(marks: PriceRange, *, side: Side, mean_exit: Decimal) -> Aftermath:
    """`marks` are those after the last fill."""
    if side is Side.LONG:
        return Aftermath(marks.high, marks.high_at_ms, max(marks.high - mean_exit, Decimal(0)))
    return Aftermath(marks.low, marks.low_at_ms, max(mean_exit - marks.low, Decimal(0)))
