"""How far the mark went for and against a life, and how much of that its exits kept (MFE, MAE, efficiency)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.sides import Side
from position_monitor.core.performance.facts import PriceRange

_ZERO = Decimal(0)


class Excursion(NamedTuple):
    """The best and the worst mark of a life, seen from its average entry. Distances are zero or above."""

    best_price: Decimal
    best_at_ms: int
    worst_price: Decimal
    worst_at_ms: int
    favourable: Decimal
    """How far the best mark lay on the winning side of the average entry, in quote units per base unit (MFE)."""
    adverse: Decimal
    """How far the worst mark lay on the losing side of it (MAE)."""
    efficiency: Decimal | None
    """(mean exit - entry) / (best - entry), seen from the side; None where the mark was never better than the entry."""
    given_back: Decimal
    """What the exits left on the table against the best mark, in quote units."""


def excursion_of(
    marks: PriceRange,
    reached: Iterable[tuple[Decimal, int]],
    *,
    side: Side,
    entry: Decimal,
    mean_exit: Decimal,
    quantity: Decimal,
) -> Excursion:
    """`marks` are those that were read; `reached` those that fired a trigger, which counts as read (exits.md 12.8)."""
    for price, at_ms in reached:
        marks = marks.including(price, at_ms)
    direction = Decimal(1) if side is Side.LONG else Decimal(-1)
    high, low = (marks.high, marks.high_at_ms), (marks.low, marks.low_at_ms)
    best, worst = (high, low) if side is Side.LONG else (low, high)
    favourable = max((best[0] - entry) * direction, _ZERO)
    adverse = max((entry - worst[0]) * direction, _ZERO)
    gain = (mean_exit - entry) * direction
    return Excursion(
        best_price=best[0],
        best_at_ms=best[1],
        worst_price=worst[0],
        worst_at_ms=worst[1],
        favourable=favourable,
        adverse=adverse,
        efficiency=gain / favourable if favourable else None,
        given_back=max((best[0] - mean_exit) * direction, _ZERO) * quantity,
    )
