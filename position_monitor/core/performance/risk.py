"""The initial risk of a life in money (S16), and its first stop: what one R is.

Risk = sum over the entry fills of quantity x |price - stop in force when that fill was first covered|. A percentage of
the margin is never used. Where the venue does not remember the stops any more the risk is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.performance.cover_time import stop_in_force
from position_monitor.core.performance.facts import PastOrder
from position_monitor.core.performance.lives import Life


class Risk(NamedTuple):
    """What could be lost by the first stops."""

    first_stop: Decimal | None
    """The stop in force when the position was first covered; None where it never was."""
    money: Decimal | None
    """Initial risk in quote units; None where some entry was never covered."""


def initial_risk(life: Life, stops: Sequence[PastOrder]) -> Risk:
    """The initial risk of a life, by the stops that rested in it."""
    first = stop_in_force(life, stops, life.opened_at_ms)
    money = Decimal(0)
    for lot in life.entries:
        level = stop_in_force(life, stops, lot.fill.at_ms)
        if level is None:
            return Risk(first, None)
        money += lot.quantity * abs(lot.fill.price - level)
    return Risk(first, money)


def stops_are_remembered(life: Life, stops: Sequence[PastOrder], *, watched: bool, kept_ms: int, now_ms: int) -> bool:
    """Whether the stops that are at hand are all that mattered.

    A venue forgets an order that ended without a fill some time after it was made (`kept_ms`). Before that it lists
    every one. After that they are at hand only where this process watched the whole life, or where the backstop is
    still listed, which covered everything from its creation on.
    """
    if now_ms - life.opened_at_ms < kept_ms or watched:
        return True
    return any(stop.is_backstop for stop in stops)
