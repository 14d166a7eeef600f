"""The share of winners at which a ladder breaks even after cost (exits.md 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from position_monitor.core.model.money import HUNDRED

COST_PCT = Decimal("0.10")
"""Round trip, in percent of the price: two taker fees."""


def ladder_in_r(rungs: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """What a full ladder wins, in R: rungs as (target in R, share in percent). A runner is taken out at breakeven."""
    return sum((target * share / HUNDRED for target, share in rungs), Decimal(0))


def break_even_pct(ladder_r: Decimal, *, stop_pct: Decimal | None, cost_pct: Decimal = COST_PCT) -> Decimal:
    """The share of full ladders among full ladders and full stops, in percent, at which the mean is 0.

    `stop_pct` is the stop distance in percent of the price, above zero; without one, before cost.
    """
    cost_r = Decimal(0) if stop_pct is None else cost_pct / stop_pct
    return (1 + cost_r) / (1 + ladder_r) * HUNDRED
