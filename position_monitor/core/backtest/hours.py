"""What the closed candles of an hour said at each moment, as the daemon adds them up (S20, `core/market/fold.py`).

Candles of a file that are shorter than an hour make an hour's where none of them is missing. From candles that do not
fit into an hour there is no ATR, and the policies do what they do without one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from position_monitor.core.backtest.candle_series import CandleSeries
from position_monitor.core.market.candles import INTERVAL_MS, Candle
from position_monitor.core.market.fold import MarketFold
from position_monitor.core.market.regime import local_direction
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.core.model.sides import Side


class MarketHours(NamedTuple):
    """The market at the close of each hour, and the hours at which more than the figures of it changed."""

    closed_at_ms: list[int]
    states: list[MarketState | None]
    turns_at_ms: list[int]
    """When regime or direction became another one, or there was no market any more."""

    def at(self, now_ms: int) -> MarketState | None:
        """The state by the last hour that was closed by then; None without one."""
        place = bisect_right(self.closed_at_ms, now_ms) - 1
        return None if place < 0 else self.states[place]

    def next_close_ms(self, now_ms: int) -> int | None:
        """When the next hour closes of which there are candles; None after the last."""
        return _after(self.closed_at_ms, now_ms)

    def next_turn_ms(self, now_ms: int) -> int | None:
        """When regime or direction next become another one; None where they do not."""
        return _after(self.turns_at_ms, now_ms)


NO_HOURS = MarketHours([], [], [])


def _after(times: list[int], now_ms: int) -> int | None:
    place = bisect_right(times, now_ms)
    return times[place] if place < len(times) else None


def market_hours(series: CandleSeries, thresholds: RegimeThresholds) -> MarketHours:
    """The market at every closed hour of the candles. A gap is told to the fold, which counts anew after it."""
    fold, hours = MarketFold(), MarketHours([], [], [])
    for candle in _hours(series):
        closed_at_ms = candle.open_ms + INTERVAL_MS
        if hours.states and hours.states[-1] is not None and hours.states[-1].expires_at_ms < closed_at_ms:
            _add(hours, hours.states[-1].expires_at_ms, None)
        fold.add((candle,), thresholds)
        _add(hours, closed_at_ms, fold.state(closed_at_ms))
    if hours.states and hours.states[-1] is not None:
        _add(hours, hours.states[-1].expires_at_ms, None)
    return hours


def _add(hours: MarketHours, at_ms: int, state: MarketState | None) -> None:
    before = _turn(hours.states[-1]) if hours.states else None
    hours.closed_at_ms.append(at_ms)
    hours.states.append(state)
    if _turn(state) != before:
        hours.turns_at_ms.append(at_ms)


def _turn(state: MarketState | None) -> tuple[Regime, Side | None] | None:
    return None if state is None else (state.regime, local_direction(state))


def _hours(series: CandleSeries) -> Iterator[Candle]:
    """The hours of which every candle is there."""
    if INTERVAL_MS % series.interval_ms:
        return
    each = INTERVAL_MS // series.interval_ms
    times, closes, extremes = series.times, series.closes, series.extremes
    for first, end in series.stretches:
        until_full_ms = -times[first] % INTERVAL_MS
        if until_full_ms % series.interval_ms:
            continue
        number = first + until_full_ms // series.interval_ms
        while number + each <= end:
            last = number + each
            yield Candle(times[number], extremes.highest(number, last), extremes.lowest(number, last), closes[last - 1])
            number = last
