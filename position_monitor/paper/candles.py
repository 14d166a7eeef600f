"""Candles, and the prices from before a market began: noise that is a fixed function of (seed, symbol, time) and ends
at the starting price, so that every world with the same past shares what was worked out of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from position_monitor.paper.amounts import round_to

MINUTE_MS = 60_000
LOWEST = Decimal("0.2")  # of the starting price
POINTS = 8  # steps of the noise in a candle
BLOCK = 16  # candles that are invented at once
BLOCKS_KEPT = 3_200  # for all symbols and intervals: what is past never changes
BEGINNINGS_KEPT = 5_000  # candles and moments in which a market began
_LAYERS = tuple((layer, MINUTE_MS << layer) for layer in range(0, 16, 2))


@dataclass(slots=True)
class Candle:
    """Open, high, low, close of one interval that began at `open_ms`."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    row: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    """How it was written last: candles of the past are asked for again and again."""
    row_form: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    """What that row depends on beside the candle; empty when it is out of date."""

    def include(self, price: Decimal) -> None:
        """Stretch the candle over a new price."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.row_form = ()


class Past(NamedTuple):
    """Prices of a symbol before its start."""

    seed: int
    symbol: str
    start: Decimal
    start_ms: int
    tick: Decimal

    def prices(self, since_ms: int, until_ms: int) -> tuple[Decimal, ...]:
        """The first, highest, lowest and last price of a time."""
        return _prices(self, since_ms, until_ms)

    def candles(self, first_ms: int, until_ms: int, interval_ms: int) -> list[Candle]:
        """The candles that open from `first_ms`, an interval's beginning, until before `until_ms`."""
        span_ms = BLOCK * interval_ms
        blocks = range(first_ms // span_ms, -(-until_ms // span_ms))
        candles = [candle for number in blocks for candle in _block(self, number * span_ms, interval_ms)]
        skipped = first_ms % span_ms // interval_ms
        return candles[skipped : skipped + (until_ms - first_ms) // interval_ms]

    def price(self, noise: float) -> Decimal:
        """A higher noise is never a lower price."""
        drift = round(round(noise, 10) - _start_noise(self.seed, self.symbol, self.start_ms), 10)
        return round_to(self.start * max(LOWEST, 1 + Decimal(repr(drift))), self.tick)


@lru_cache(BEGINNINGS_KEPT)
def _prices(past: Past, since_ms: int, until_ms: int) -> tuple[Decimal, ...]:
    noise = _noise(past.seed, past.symbol, [since_ms + (until_ms - since_ms) * k // POINTS for k in range(POINTS + 1)])
    return tuple(past.price(one) for one in (noise[0], max(noise), min(noise), noise[-1]))


@lru_cache(BLOCKS_KEPT)
def _block(past: Past, first_ms: int, interval_ms: int) -> tuple[Candle, ...]:
    """Candles that lie before the start as a whole; together, for a layer of noise has few values in all their time."""
    steps = [interval_ms * k // POINTS for k in range(POINTS)]
    opens = range(first_ms, first_ms + BLOCK * interval_ms, interval_ms)
    noise = _noise(past.seed, past.symbol, [*(at + step for at in opens for step in steps), opens.stop])
    candles: list[Candle] = []
    opened = past.price(noise[0])
    for number, open_ms in enumerate(opens):
        within = noise[number * POINTS : (number + 1) * POINTS + 1]
        closed = past.price(within[-1])
        prices = (opened, past.price(max(within)), past.price(min(within)), closed)
        candles.append(Candle(open_ms, opened, max(prices), min(prices), closed))
        opened = closed
    return tuple(candles)


@lru_cache(BEGINNINGS_KEPT)
def _start_noise(seed: int, symbol: str, start_ms: int) -> float:
    return round(_noise(seed, symbol, [start_ms])[0], 10)


def _noise(seed: int, symbol: str, times: Iterable[int]) -> list[float]:
    """Layered value noise at each of these times, the oldest first: slower layers are larger, like a random walk."""
    times = list(times)
    totals, amplitude = [0.0] * len(times), 0.0006
    for layer, period in _LAYERS:
        begin, end, here, after = 0, 0, 0.0, 0.0
        before = zlib.crc32(f"{seed}:{symbol}:{layer}:".encode())
        for number, at_ms in enumerate(times):
            if at_ms >= end or at_ms < begin:
                index = at_ms // period
                here = after if number and index * period == end else _value(before, index)
                begin, end, after = index * period, (index + 1) * period, _value(before, index + 1)
            totals[number] += amplitude * (here + (after - here) * ((at_ms - begin) / period))
        amplitude *= 1.6
    return totals


def _value(before: int, index: int) -> float:
    """The noise of a layer at one of its points, from -1 to 1."""
    return zlib.crc32(b"%d" % index, before) / 2**31 - 1.0
