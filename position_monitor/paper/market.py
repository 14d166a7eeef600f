"""Prices: mark and last per symbol, a gentle seeded walk, candles.

The walk pulls each price back to its anchor (mean reversion), so a scenario that
starts one stop distance away stays there.  A price set by the operator becomes
the new anchor.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from position_monitor.paper.amounts import CENT8, round_to
from position_monitor.paper.candles import MINUTE_MS, Candle, Past
from position_monitor.paper.instruments import Instrument

STEP_FRACTION = Decimal("0.0002")  # widest move of one step, as a fraction of the price
PULL = Decimal("0.10")  # share of the distance to the anchor undone per step
BASIS = Decimal("0.00005")  # widest distance between mark and last in the walk
CANDLES_KEPT = 1_500
MOVING = frozenset({"TRADING", "PRE_SETTLE", "PRE_DELIVERING", "SETTLING", "DELIVERING"})
"""Contract states in which prices walk."""
BOOK_ID_START = 1_000_000
IDS_PER_UPDATE = 2
INTERVALS_MS: dict[str, int] = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS, "1h": 60 * MINUTE_MS, "2h": 120 * MINUTE_MS, "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS, "8h": 480 * MINUTE_MS, "12h": 720 * MINUTE_MS,
    "1d": 1_440 * MINUTE_MS, "3d": 4_320 * MINUTE_MS, "1w": 10_080 * MINUTE_MS,
    "1M": 43_200 * MINUTE_MS,
}  # fmt: skip


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
        quote = self.quotes[symbol]
        newest = until_ms - until_ms % interval_ms
        first = newest - (limit - 1) * interval_ms
        ended = quote.start_ms - MINUTE_MS  # the first recorded minute began before the start
        made = min(max(first, ended - ended % interval_ms), newest + interval_ms)
        past = self._past(symbol).candles(first, made, interval_ms) if first < made else []
        return past + [self._made_candle(symbol, one, interval_ms) for one in range(made, newest + 1, interval_ms)]

    def _past(self, symbol: str) -> Past:
        quote = self.quotes[symbol]
        return Past(self.past_seed, symbol, quote.start, quote.start_ms, self._instruments[symbol].tick)

    def _made_candle(self, symbol: str, open_ms: int, interval_ms: int) -> Candle:
        quote = self.quotes[symbol]
        close_ms = open_ms + interval_ms
        prices: list[Decimal] = []
        if open_ms < quote.start_ms:
            prices = [*self._past(symbol).prices(open_ms, min(close_ms, quote.start_ms))]
        for minute in quote.minutes:
            if open_ms <= minute.open_ms < close_ms:
                prices += [minute.open, minute.high, minute.low, minute.close]
        if not prices:
            before = [m for m in quote.minutes if m.open_ms < open_ms]
            prices = [before[-1].close if before else quote.start]
        return Candle(open_ms, prices[0], max(prices), min(prices), prices[-1])
