"""Prices: mark and last per symbol, a gentle seeded walk, candles.

The walk pulls each price back to its anchor (mean reversion), so a scenario that
starts one stop distance away stays there.  A price set by the operator becomes
the new anchor.
"""

from __future__ import annotations

import random
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import NamedTuple

from position_monitor.paper.amounts import CENT8, round_to
from position_monitor.paper.instruments import Instrument

STEP_FRACTION = Decimal("0.0002")  # widest move of one step, as a fraction of the price
PULL = Decimal("0.10")  # share of the distance to the anchor undone per step
BASIS = Decimal("0.00005")  # widest distance between mark and last in the walk
MINUTE_MS = 60_000
CANDLES_KEPT = 1_500
MOVING = frozenset({"TRADING", "PRE_SETTLE", "PRE_DELIVERING", "SETTLING", "DELIVERING"})
"""Contract states in which prices walk."""
BOOK_ID_START = 1_000_000
IDS_PER_UPDATE = 2
PAST_KEPT = 50_000  # candles, and points of noise, remembered for all symbols
INVENTED_KEPT = 50_000  # candles before the start, remembered for all symbols: they never change
INTERVALS_MS: dict[str, int] = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS, "1h": 60 * MINUTE_MS, "2h": 120 * MINUTE_MS, "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS, "8h": 480 * MINUTE_MS, "12h": 720 * MINUTE_MS,
    "1d": 1_440 * MINUTE_MS, "3d": 4_320 * MINUTE_MS, "1w": 10_080 * MINUTE_MS,
    "1M": 43_200 * MINUTE_MS,
}  # fmt: skip


@dataclass(slots=True)
class Candle:
    """Open, high, low, close of one minute that began at `open_ms`."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def include(self, price: Decimal) -> None:
        """Stretch the candle over a new price."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """What one message of the depth stream covers: update ids `first` to `last` after `previous`, and the best bid
    before and after.  A snapshot between two messages carries an id inside the next one, as clients expect."""

    first: int
    last: int
    previous: int
    bid_before: Decimal
    bid_after: Decimal


@dataclass(slots=True)
class Quote:
    """Current prices of one symbol, in USDT per base unit."""

    mark: Decimal
    last: Decimal
    anchor: Decimal
    start: Decimal
    start_ms: int
    updated_ms: int
    deviation: Decimal = Decimal(0)
    book_id: int = BOOK_ID_START
    shown_bid: Decimal = Decimal(0)
    minutes: deque[Candle] = field(default_factory=lambda: deque(maxlen=CANDLES_KEPT))


class Market:
    """All quotes.  Moves only when told to."""

    def __init__(self, instruments: dict[str, Instrument], seed: int, now_ms: int) -> None:
        self._instruments = instruments
        self.past_seed = seed
        """Prices before the start follow from this alone; worlds with the same one share what they have worked out."""
        self._rng = random.Random(f"market:{seed}")  # noqa: S311 - simulation
        self.frozen = False
        self.revision = 0
        """Counts the changes of any price."""
        self.quotes: dict[str, Quote] = {}
        for symbol, instrument in instruments.items():
            self._begin(symbol, instrument.reference_price, now_ms)

    def _begin(self, symbol: str, price: Decimal, now_ms: int) -> None:
        self.revision += 1
        self.quotes[symbol] = Quote(price, price, price, price, now_ms, now_ms, shown_bid=price)
        self._record(symbol, now_ms)

    def restart(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """Begin a symbol's history at this price (scenario start)."""
        self._begin(symbol, price, now_ms)

    def mark(self, symbol: str) -> Decimal:
        """Mark price."""
        return self.quotes[symbol].mark

    def last(self, symbol: str) -> Decimal:
        """Last traded price, a multiple of the tick."""
        return self.quotes[symbol].last

    def bid(self, symbol: str) -> Decimal:
        """Best bid: the last price."""
        return self.quotes[symbol].last

    def ask(self, symbol: str) -> Decimal:
        """Best ask: one tick above the last price."""
        return self.quotes[symbol].last + self._instruments[symbol].tick

    def publish_book(self, symbol: str) -> BookUpdate:
        """Take note that the depth stream of a symbol speaks now; returns what it says."""
        quote = self.quotes[symbol]
        previous, before = quote.book_id, quote.shown_bid
        quote.book_id, quote.shown_bid = previous + IDS_PER_UPDATE, quote.last
        return BookUpdate(previous + 1, quote.book_id, previous, before, quote.last)

    def working_price(self, symbol: str, working_type: str) -> Decimal:
        """The price a trigger of this working type listens to."""
        quote = self.quotes[symbol]
        return quote.mark if working_type == "MARK_PRICE" else quote.last

    def set_price(self, symbol: str, now_ms: int, mark: Decimal | None, last: Decimal | None) -> None:
        """Put mark and/or last to a value; the walk continues around it."""
        self.revision += 1
        quote = self.quotes[symbol]
        if mark is not None:
            quote.mark = mark.quantize(CENT8, ROUND_HALF_EVEN)
            quote.anchor, quote.deviation = quote.mark, Decimal(0)
        if last is not None:
            tick = self._instruments[symbol].tick
            quote.last = max(tick, round_to(last, tick))
        quote.updated_ms = now_ms
        self._record(symbol, now_ms)

    def step(self, now_ms: int, symbols: Iterable[str] | None = None) -> list[str]:
        """One step of the walk for the given symbols (all by default)."""
        if self.frozen:
            return []
        self.revision += 1
        moved = [
            symbol
            for symbol in (self.quotes if symbols is None else symbols)
            if self._instruments[symbol].status in MOVING
        ]
        for symbol in moved:
            quote, tick = self.quotes[symbol], self._instruments[symbol].tick
            push = Decimal(self._rng.randint(-1000, 1000)) / 1000 * STEP_FRACTION
            quote.deviation = (quote.deviation * (1 - PULL) + push).quantize(CENT8)
            basis = Decimal(self._rng.randint(-1000, 1000)) / 1000 * BASIS
            quote.mark = (quote.anchor * (1 + quote.deviation)).quantize(CENT8, ROUND_HALF_EVEN)
            quote.last = max(tick, round_to(quote.mark * (1 + basis), tick))
            quote.updated_ms = now_ms
            self._record(symbol, now_ms)
        return moved

    def _record(self, symbol: str, now_ms: int) -> None:
        quote = self.quotes[symbol]
        open_ms = now_ms - now_ms % MINUTE_MS
        if quote.minutes and quote.minutes[-1].open_ms == open_ms:
            quote.minutes[-1].include(quote.last)
            return
        opening = quote.minutes[-1].close if quote.minutes else quote.last
        candle = Candle(open_ms, opening, opening, opening, opening)
        candle.include(quote.last)
        quote.minutes.append(candle)

    def candles(self, symbol: str, interval_ms: int, until_ms: int, limit: int) -> list[Candle]:
        """The newest `limit` candles of an interval up to a time, oldest first.

        Minutes since the start are the recorded ones; everything earlier is a
        fixed function of (seed, symbol, time) that ends at the starting price.
        """
        newest = until_ms - until_ms % interval_ms
        first = newest - (limit - 1) * interval_ms
        return [self._candle(symbol, open_ms, interval_ms) for open_ms in range(first, newest + 1, interval_ms)]

    def _candle(self, symbol: str, open_ms: int, interval_ms: int) -> Candle:
        quote = self.quotes[symbol]
        if open_ms + interval_ms > quote.start_ms - MINUTE_MS:  # the first recorded minute began before the start
            return self._made_candle(symbol, open_ms, interval_ms)
        past = Past(self.past_seed, symbol, quote.start, quote.start_ms, self._instruments[symbol].tick)
        return _invented(past, open_ms, interval_ms)

    def _made_candle(self, symbol: str, open_ms: int, interval_ms: int) -> Candle:
        quote = self.quotes[symbol]
        tick = self._instruments[symbol].tick
        close_ms = open_ms + interval_ms
        prices: list[Decimal] = []
        if open_ms < quote.start_ms:
            past = Past(self.past_seed, symbol, quote.start, quote.start_ms, tick)
            prices = past.prices(open_ms, min(close_ms, quote.start_ms))
        for minute in quote.minutes:
            if open_ms <= minute.open_ms < close_ms:
                prices += [minute.open, minute.high, minute.low, minute.close]
        if not prices:
            before = [m for m in quote.minutes if m.open_ms < open_ms]
            prices = [before[-1].close if before else quote.start]
        return Candle(open_ms, prices[0], max(prices), min(prices), prices[-1])


class Past(NamedTuple):
    """Prices of a symbol before its start: a fixed function of time that ends at the starting price."""

    seed: int
    symbol: str
    start: Decimal
    start_ms: int
    tick: Decimal

    def prices(self, since_ms: int, until_ms: int) -> list[Decimal]:
        """The first, highest, lowest and last price of a time."""
        noise = _noise_within(self.seed, self.symbol, since_ms, until_ms)
        return [round_to(self._price(one), self.tick) for one in noise]

    def _price(self, noise: float) -> Decimal:
        drift = round(noise - _start_noise(self.seed, self.symbol, self.start_ms), 10)
        return max(self.start * Decimal("0.2"), self.start * (1 + Decimal(repr(drift))))


@lru_cache(INVENTED_KEPT)
def _invented(past: Past, open_ms: int, interval_ms: int) -> Candle:
    """A candle that lies before the start as a whole."""
    prices = past.prices(open_ms, open_ms + interval_ms)
    return Candle(open_ms, prices[0], max(prices), min(prices), prices[-1])


@lru_cache(PAST_KEPT)
def _start_noise(seed: int, symbol: str, start_ms: int) -> float:
    return _noise(seed, symbol, start_ms)


def _noise_within(seed: int, symbol: str, since_ms: int, until_ms: int) -> tuple[float, float, float, float]:
    """The first, highest, lowest and last noise of nine points.

    A higher noise is never a lower price, so these four are all that a candle needs.
    """
    noise = [_noise(seed, symbol, since_ms + (until_ms - since_ms) * k // 8) for k in range(9)]
    return noise[0], max(noise), min(noise), noise[-1]


def _noise(seed: int, symbol: str, at_ms: int) -> float:
    """Layered value noise: slower layers are larger, like a random walk."""
    total, amplitude = 0.0, 0.0006
    for layer in range(0, 16, 2):
        period = MINUTE_MS << layer
        index, rest = divmod(at_ms, period)
        here, after = _lattice(seed, symbol, layer, index)
        total += amplitude * (here + (after - here) * (rest / period))
        amplitude *= 1.6
    return round(total, 10)


@lru_cache(PAST_KEPT)
def _lattice(seed: int, symbol: str, layer: int, index: int) -> tuple[float, float]:
    """The noise of a layer at a point and at the next one, from -1 to 1."""
    before = zlib.crc32(f"{seed}:{symbol}:{layer}:".encode())
    here, after = (zlib.crc32(b"%d" % point, before) for point in (index, index + 1))
    return here / 2**31 - 1.0, after / 2**31 - 1.0
