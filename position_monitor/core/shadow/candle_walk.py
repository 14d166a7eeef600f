"""Walking a simulated book along one candle (exits.md 4.11, 5): which extreme came first is not in the file.

Headline: the adverse extreme first. Bound: the favourable one first. In both the policy is asked at the close only,
which is the one price of a candle that a daemon surely saw.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.money import beyond, reached
from position_monitor.core.model.sides import Side
from position_monitor.core.shadow.simulated_position import PricePoint, SimulatedPosition
from position_monitor.core.shadow.simulating import priced


class PriceCandle(NamedTuple):
    """The prices of a stretch of time. `closed_at_ms` is its end: nothing of it was known before."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    opened_at_ms: int
    closed_at_ms: int


def walked(book: SimulatedPosition, candle: PriceCandle, *, adverse_first: bool = True) -> SimulatedPosition:
    """The book after the prices of a candle. Between two candles the price may have jumped: a gap fills at the open."""
    low_first = (book.entry.key.side is Side.LONG) is adverse_first
    extremes = (candle.low, candle.high) if low_first else (candle.high, candle.low)
    book = priced(book, PricePoint(candle.open, candle.opened_at_ms, continuous=False))
    for price in (*extremes, candle.close):
        book = priced(book, PricePoint(price, candle.closed_at_ms))
    return book


def is_ambiguous(book: SimulatedPosition, candle: PriceCandle) -> bool:
    """Whether a candle touches both the stop and the nearest target, so that its order decides."""
    if book.over or not book.rungs:
        return False
    side = book.entry.key.side
    adverse, favourable = (candle.low, candle.high) if side is Side.LONG else (candle.high, candle.low)
    return beyond(adverse, book.stop, side) and reached(favourable, book.rungs[0].price, side)
