"""Two books of one market: that of the backtest rests orders on a simulated venue, that of the shadow holds levels.

They are written apart, because one is fast and the other is fed marks as they come. On the same candles they must
leave at the same prices with the same parts.
"""

from __future__ import annotations

from typing import Any

import pytest

from position_monitor.core.backtest.candle_series import CandleSeries, price
from position_monitor.core.backtest.walk import Order, walk
from position_monitor.core.model.ids import epoch_of
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.shadow.candle_walk import PriceCandle, walked
from position_monitor.core.shadow.simulated_position import Entry, Look, SimulatedPosition
from position_monitor.core.shadow.simulating import begun, decided
from tests.core.backtest import market as past

POLICIES = ("static", "hybrid", "dynamic", "brain:NORMAL", "brain:TREND", "brain:CHOP", "brain:DEFAULT")

CANDLES = 2_600
STEPS = (0.08, 0.25)
"""Percent a minute: a quiet market and a wild one."""
ENTERED = 1_900
"""Minutes of market before the entry: the indicators need thirty hours."""


def left(word: str, side: Side, seed: int, order: Order) -> tuple[list[Any], list[Any]]:
    """The exits (price, quantity) of one position by the backtest, and by the simulated book of the shadow."""
    series = past.wandering(CANDLES, seed, step=STEPS[seed % 2])
    market, terms = past.market(series), past.terms(word)
    entry = past.entry(side, minute=ENTERED)
    run = walk(market, terms, entry, order, every_candle=True)
    exits = [(fill.price, fill.quantity) for fill in run.position.fills[1:]]
    book = by_shadow(market, terms, entry, order)
    return exits, [(fill.price, fill.quantity) for fill in book.fills]


def by_shadow(market: Any, terms: Any, entry: Any, order: Order) -> SimulatedPosition:
    series: CandleSeries = market.series
    first = series.first_from(entry.at_ms)
    opened_ms, opens = series.times[first], price(series.opens[first])
    book = begun(
        Entry(
            account="backtest",
            key=PositionKey(entry.symbol, entry.side),
            epoch=epoch_of(opened_ms),
            quantity=entry.quantity,
            price=opens,
            instrument=terms.instrument,
            settings=terms.settings,
        ),
        Look(opens, opened_ms, market=market.hours.at(opened_ms), live_since_ms=0),
    )
    for number in range(first, len(series)):
        columns = (series.opens, series.highs, series.lows, series.closes)
        open_, high, low, close = (price(column[number]) for column in columns)
        closed_ms = series.closes_at(number)
        candle = PriceCandle(
            open=open_, high=high, low=low, close=close, opened_at_ms=series.times[number], closed_at_ms=closed_ms
        )
        book = walked(book, candle, adverse_first=order is Order.ADVERSE_FIRST)
        if book.over:
            break
        book = decided(book, Look(close, closed_ms, market=market.hours.at(closed_ms), live_since_ms=0))
    return book


@pytest.mark.parametrize("word", POLICIES)
def test_both_leave_at_the_same_prices_with_the_same_parts(word: str) -> None:
    """Eight positions of each policy, long and short, headline and bound, in a quiet market and a wild one."""
    compared = 0
    for seed in range(4):
        for side, order in (
            (Side.LONG, Order.ADVERSE_FIRST),
            (Side.SHORT, Order.FAVOURABLE_FIRST),
        ):
            there, here = left(word, side, seed, order)
            assert here == there, (word, seed, side, order)
            compared += len(there)
    assert compared >= 5
