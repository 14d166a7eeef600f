"""The least and the largest of any stretch of a long row of prices, and the first that leaves a band, without a look at
every one: blocks of prices are summed up once.

Prices here are floats, and they only decide where to look. Rounding to a float keeps the order of two numbers, so a
price that has reached a level has reached it as a float as well: a search may stop too early, and never too late.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Final

BLOCK: Final = 64
"""Prices in a block, and blocks in a block of blocks."""


class Extremes:
    """Lows and highs of the same candles, summed up by blocks."""

    __slots__ = ("_block_highs", "_block_lows", "_highs", "_lows", "_wide_highs", "_wide_lows")

    def __init__(self, lows: array[float], highs: array[float]) -> None:
        self._lows, self._highs = lows, highs
        self._block_lows, self._block_highs = _summed(lows, min), _summed(highs, max)
        self._wide_lows, self._wide_highs = _summed(self._block_lows, min), _summed(self._block_highs, max)

    def first_outside(self, start: int, end: int, low: float, high: float) -> int:
        """The first candle from `start` on that reaches down to `low` or up to `high`; `end` where none before it does.

        `-inf` and `inf` stand for a side without a level.
        """
        begin = -(-start // BLOCK)
        first = self._in_candles(start, min(end, begin * BLOCK), low, high)
        if first is not None:
            return first
        stop = end // BLOCK
        while begin < stop:
            block = self._first_block(begin, stop, low, high)
            if block is None:
                break
            first = self._in_candles(block * BLOCK, (block + 1) * BLOCK, low, high)
            assert first is not None, "Invariant: a block whose extremes leave the band has a candle that does"
            return first
        first = self._in_candles(max(start, stop * BLOCK), end, low, high)
        return end if first is None else first

    def lowest(self, start: int, end: int) -> float:
        """The least low of these candles; at least one."""
        return _extreme(self._lows, self._block_lows, (start, end), min)

    def highest(self, start: int, end: int) -> float:
        """The largest high of these candles; at least one."""
        return _extreme(self._highs, self._block_highs, (start, end), max)

    def _in_candles(self, start: int, end: int, low: float, high: float) -> int | None:
        lows, highs = self._lows, self._highs
        for number in range(start, end):
            if lows[number] <= low or highs[number] >= high:
                return number
        return None

    def _first_block(self, begin: int, stop: int, low: float, high: float) -> int | None:
        lows, highs = self._block_lows, self._block_highs
        while begin < stop:
            if begin % BLOCK == 0 and begin + BLOCK <= stop:
                wide = begin // BLOCK
                if self._wide_lows[wide] > low and self._wide_highs[wide] < high:
                    begin += BLOCK
                    continue
            if lows[begin] <= low or highs[begin] >= high:
                return begin
            begin += 1
        return None


def _summed(values: Sequence[float], pick: Callable[[Sequence[float]], float]) -> list[float]:
    return [pick(values[start : start + BLOCK]) for start in range(0, len(values), BLOCK)]


def _extreme(
    values: array[float],
    blocks: list[float],
    stretch: tuple[int, int],
    pick: Callable[[Sequence[float]], float],
) -> float:
    start, end = stretch
    begin, stop = -(-start // BLOCK), end // BLOCK
    if begin >= stop:
        return pick(values[start:end])
    parts = [pick(blocks[begin:stop])]
    if start < begin * BLOCK:
        parts.append(pick(values[start : begin * BLOCK]))
    if stop * BLOCK < end:
        parts.append(pick(values[stop * BLOCK : end]))
    return pick(parts)
