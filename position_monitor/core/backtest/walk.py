"""A position through its candles (exits.md 4.10, 4.11, 5).

A candle opens, goes to its two extremes in an order that nobody knows, and closes. The headline takes the extreme
against the position first, the bound the one in its favour; what the daemon decides it decides by the close. Where a
stop and a take-profit lie within one candle the order matters: such candles are counted as ambiguous.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple

from position_monitor.core.backtest.band import Band
from position_monitor.core.backtest.candle_series import CandleSeries, price
from position_monitor.core.backtest.hours import MarketHours
from position_monitor.core.backtest.simulated_position import SimulatedPosition
from position_monitor.core.backtest.terms import Entry, Terms
from position_monitor.core.model.sides import Side


class Order(Enum):
    """Which extreme of a candle comes first."""

    ADVERSE_FIRST = "headline"
    FAVOURABLE_FIRST = "bound"


class Ended(StrEnum):
    """How the walk of a position ended."""

    CLOSED = "closed"
    GAP = "candles are missing"
    END_OF_CANDLES = "the candles end"


class Market(NamedTuple):
    """What a position lives in."""

    series: CandleSeries
    hours: MarketHours


@dataclass(frozen=True, slots=True)
class Walked:
    """What became of a position."""

    position: SimulatedPosition
    first: int
    """The candle it was opened with."""
    last: int
    """The candle it was closed in, or the last one before a gap or the end."""
    ended: Ended
    ambiguous: int
    """Candles in which both a stop and a take-profit lay, so that their order mattered."""
    low: float
    """The lowest price of its path; in the candle it was closed in only what came before."""
    high: float

    @property
    def candles(self) -> int:
        """How many candles it lived through."""
        return self.last - self.first + 1


def walk(market: Market, terms: Terms, entry: Entry, order: Order, *, every_candle: bool = False) -> Walked:
    """Walk one position from its first candle on, which must exist.

    `every_candle`: decide at each close, also where nothing can change: slow, and to the same result.
    """
    return _Walk(market, terms, entry, order).run(every_candle=every_candle)


class _Walk:
    def __init__(self, market: Market, terms: Terms, entry: Entry, order: Order) -> None:
        series = market.series
        self.series, self.hours = series, market.hours
        self.first = series.first_from(entry.at_ms)
        self.end = series.end_of_stretch(self.first)
        self.long = entry.side is Side.LONG
        self.adverse_first = order is Order.ADVERSE_FIRST
        self.ambiguous = 0
        opened_ms, opens = series.times[self.first], price(series.opens[self.first])
        self.position = SimulatedPosition(terms, entry, opened_ms=opened_ms, opened_at=opens)
        self.position.begin(opens, opened_ms, self.hours.at(opened_ms))
        self.low = self.high = series.opens[self.first]
        self.stop = self.target = 0.0
        self._levels()

    def run(self, *, every_candle: bool) -> Walked:
        number, held = self.first, None
        limit = self.end
        while number < self.end:
            filled = self._through(number)
            if self.position.flat:
                return self._walked(number, Ended.CLOSED)
            if every_candle or filled or held is None or number >= limit or self._leaves(held, number):
                held = self._look(number, banded=not every_candle)
                limit = self.end if held is None else self._limit(held, number)
            number = number + 1 if held is None else self._next(held, number + 1, limit)
        at_end = self.end == len(self.series)
        return self._walked(self.end - 1, Ended.END_OF_CANDLES if at_end else Ended.GAP)

    # -- one candle

    def _through(self, number: int) -> bool:
        """What a candle does to what rests; whether anything was filled."""
        position, series = self.position, self.series
        if position.closing is not None:
            position.close_at(price(series.opens[number]), series.times[number])
            return True
        low, high = series.lows[number], series.highs[number]
        adverse, favourable = (low, high) if self.long else (high, low)
        stops = adverse <= self.stop if self.long else adverse >= self.stop
        takes = favourable >= self.target if self.long else favourable <= self.target
        if not (stops or takes):
            return False
        before = len(position.fills)
        position.meets(price(series.opens[number]), series.times[number], opens=True)
        extremes = (adverse, favourable) if self.adverse_first else (favourable, adverse)
        self._went_to(series.opens[number])
        if not position.flat:
            if stops and takes:
                self.ambiguous += 1
            inside_ms = series.closes_at(number) - 1
            position.meets(price(extremes[0]), inside_ms, opens=False)
            if not position.flat:
                self._went_to(extremes[0])
                position.meets(price(extremes[1]), inside_ms, opens=False)
        self._levels()
        return len(position.fills) > before

    def _look(self, number: int, *, banded: bool) -> Band | None:
        """Decide at the close; the band in which nothing changes from here on, where there is one and it is asked."""
        position, series = self.position, self.series
        mark, now_ms = price(series.closes[number]), series.closes_at(number)
        market = self.hours.at(now_ms)
        if position.look(mark, now_ms, market) or position.closing is not None:
            self._levels()
            return None
        return position.band(mark, now_ms, market) if banded else None

    def _leaves(self, held: Band, number: int) -> bool:
        """Whether a candle closes outside of the band."""
        close = self.series.closes[number]
        return not held.worse < close < held.better if self.long else not held.better < close < held.worse

    # -- between candles

    def _limit(self, held: Band, number: int) -> int:
        """The first candle after whose close time or market may change something."""
        series, now_ms, ends = self.series, self.series.closes_at(number), self.end
        times = [] if held.until_ms is None else [held.until_ms + 1]
        if held.heed.figures:
            times.append(self.hours.next_close_ms(now_ms) or 0)
        elif held.heed.turns:
            times.append(self.hours.next_turn_ms(now_ms) or 0)
        for at_ms in times:
            if at_ms > 0:
                ahead = -(-(at_ms - now_ms) // series.interval_ms)
                ends = min(ends, number + max(ahead, 1))
        return ends

    def _next(self, held: Band, start: int, limit: int) -> int:
        """The next candle at which anything can happen."""
        limit = min(max(limit, start), self.end)
        if self.long:
            low, high = max(self.stop, held.worse), min(self.target, held.better)
        else:
            low, high = max(self.target, held.better), min(self.stop, held.worse)
        return self.series.extremes.first_outside(start, limit, low, high)

    def _levels(self) -> None:
        """The nearest levels on both sides, as floats: only to tell which candles are worth a look."""
        stop, target = self.position.stop, self.position.target
        unbounded = float("inf") if self.long else float("-inf")
        self.stop = -unbounded if stop is None else float(stop)
        self.target = unbounded if target is None else float(target)

    def _went_to(self, extreme: float) -> None:
        self.low, self.high = min(self.low, extreme), max(self.high, extreme)

    def _walked(self, last: int, ended: Ended) -> Walked:
        whole = last if ended is Ended.CLOSED else last + 1
        if whole > self.first:
            extremes = self.series.extremes
            self.low = min(self.low, extremes.lowest(self.first, whole))
            self.high = max(self.high, extremes.highest(self.first, whole))
        return Walked(
            position=self.position,
            first=self.first,
            last=last,
            ended=ended,
            ambiguous=self.ambiguous,
            low=self.low,
            high=self.high,
        )
