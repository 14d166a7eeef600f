"""Candles that may be believed: in order, closed, finite, possible. An answer that is not is refused whole."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

INTERVAL_MS: Final = 3_600_000
"""One hour (S22)."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle. Prices are floats: they feed indicators and never become a level by themselves (S21)."""

    open_ms: int
    """When it began, ms UTC; it is closed one interval later."""
    high: float
    low: float
    close: float


class CandlesRefused(ValueError):
    """An answer with candles that cannot be believed. The text says which candle breaks which rule."""


def closed_candles(candles: Iterable[Candle], *, after_ms: int, now_ms: int) -> list[Candle]:
    """The closed ones of an answer that begin after the candle that began at `after_ms`.

    `now_ms` is the venue's time. The last candle may still be open: it is left out. Gaps are no fault, they are judged
    where the candles are added up. Raises `CandlesRefused` for candles that are out of order or twice, off the grid of
    the interval, from the future, with a price that is not finite and above zero, or with a close outside of its range.
    """
    usable: list[Candle] = []
    before_ms = -1
    for candle in candles:
        if problem := _problem(candle, now_ms):
            raise CandlesRefused(f"the candle of {candle.open_ms} {problem}")
        if candle.open_ms <= before_ms:
            raise CandlesRefused(f"the candle of {candle.open_ms} comes after the one of {before_ms}")
        before_ms = candle.open_ms
        if candle.open_ms + INTERVAL_MS <= now_ms and candle.open_ms > after_ms:
            usable.append(candle)
    return usable


def _problem(candle: Candle, now_ms: int) -> str:
    """What is wrong with one candle by itself, or empty."""
    if candle.open_ms < 0 or candle.open_ms % INTERVAL_MS:
        return "does not begin with its interval"
    if candle.open_ms > now_ms:
        return "is from the future"
    high, low, close = candle.high, candle.low, candle.close
    if not (0 < high < math.inf and 0 < low < math.inf and 0 < close < math.inf):
        return "has a price that is no finite number above zero"
    if not low <= close <= high:
        return "closed outside of its own range"
    return ""
