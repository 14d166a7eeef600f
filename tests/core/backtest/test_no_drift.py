"""On a price without drift no exits win anything before cost (exits.md 4.11): a walker that does invents money.

One path is walked tick by tick and made into candles of 1, 5 and 15 minutes, and the same positions are walked through
each. Tick by tick nothing is invented, which is a test of its own: no fill is better than the price of its tick, and a
path without drift pays nothing for stopping. So what a walk through candles gives more is money out of nothing: at most
0.02 R, which a real fill of a stop overshoots its level by. DRIFT_POSITIONS=8000 measures with more positions.
"""

from __future__ import annotations

import math
import os
import random
from array import array
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import pytest

from position_monitor.core.backtest.candle_series import CandleSeries, price
from position_monitor.core.backtest.terms import Entry, Terms
from position_monitor.core.backtest.walk import Market, Order, Walked, _Walk, walk
from position_monitor.core.model.money import beyond
from position_monitor.core.model.sides import Side
from tests.core import build
from tests.core.backtest.market import START_MS, SYMBOL, D, candles, market, terms

POSITIONS = int(os.environ.get("DRIFT_POSITIONS", "160"))
TICK_MS, TICKS_A_MINUTE, MOVE = 125, 480, 12
"""A move of 12 on 100,000 eight times a second is 0.26 % a minute."""
MINUTES_APART = 15
MINUTES_LEFT = 300
MOST_R = 0.02
CHANCE = 1.645
"""One-sided 5 %."""
VENUE = build.instrument(tick="0.01", market_max_quantity=1_000)
POLICIES = {
    "stop 0.5 / target 0.5 %": {"word": "static", "stop_loss_pct": D("0.5"), "take_profit_pct": D("0.5")},
    "trail 0.5 %": {
        **{"word": "hybrid", "stop_loss_pct": D("0.5"), "trailing_pct": D("0.5"), "take_profits": False},
        "stop_min_move_pct": D("0.02"),
    },
    "hybrid": {"word": "hybrid"},
    "brain:CHOP": {"word": "brain:CHOP"},
}
MINUTES = (1, 5, 15)
Walker = Callable[[Market, Terms, Entry], Walked]


@cache
def path() -> array[float]:
    """The price after each move."""
    count = (POSITIONS * MINUTES_APART + MINUTES_LEFT) * TICKS_A_MINUTE
    moves = random.Random(411).choices((-float(MOVE), float(MOVE)), k=count)
    return array("d", accumulate(moves, initial=100_000.0))


@cache
def ticks() -> Market:
    """Each tick a candle of one price: nothing is hidden in it."""
    prices = path()
    times = array("q", range(START_MS, START_MS + TICK_MS * len(prices), TICK_MS))
    series = CandleSeries(
        symbol=SYMBOL, interval_ms=TICK_MS, times=times, opens=prices, highs=prices, lows=prices, closes=prices
    )
    return market(series, hours=False)


@cache
def minutes(count: int) -> Market:
    """The same path as candles. Each begins where the one before ended."""
    prices, size = path(), count * TICKS_A_MINUTE
    rows = []
    for start in range(0, len(prices) - size, size):
        part = prices[start : start + size + 1]
        rows.append((part[0], max(part), min(part), part[-1]))
    return market(candles(rows, interval_ms=count * 60_000), hours=False)


def entries() -> list[Entry]:
    """Positions at opens of 15 minutes, so that every candle begins with them; a long and a short by turns."""
    starts = [START_MS + 60_000 * MINUTES_APART * number for number in range(POSITIONS)]
    return [
        Entry(line=number, at_ms=at_ms, symbol=SYMBOL, side=(Side.LONG, Side.SHORT)[number % 2], quantity=D("1"))
        for number, at_ms in enumerate(starts)
    ]


def under(name: str) -> Terms:
    """What the positions of one policy live under, without cost."""
    return terms(**{"venue": VENUE, **POLICIES[name]})


def in_r(walked: Walked) -> float | None:
    """What it won in R, before cost; None where it was still open at the end."""
    position = walked.position
    if not position.flat or position.first_stop is None:
        return None
    won = sum((fill.realised for fill in position.fills), D(0))
    return float(won / abs(position.entry_price - position.first_stop))


@cache
def tick_results(name: str) -> tuple[float | None, ...]:
    """Tick by tick."""
    return tuple(in_r(walk(ticks(), under(name), one, Order.ADVERSE_FIRST)) for one in entries())


def invented(name: str, count: int, walker: Walker) -> tuple[float, float]:
    """Mean of what candles of so many minutes give more than the ticks, in R, and its standard error."""
    more = []
    for one, truth in zip(entries(), tick_results(name), strict=True):
        result = in_r(walker(minutes(count), under(name), one))
        if result is not None and truth is not None:
            more.append(result - truth)
    mean = sum(more) / len(more)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in more) / (len(more) - 1) / len(more))


def invents(name: str, count: int, walker: Walker) -> bool:
    """Whether it is more than chance and the overshoot of a tick explain."""
    mean, error = invented(name, count, walker)
    return mean - CHANCE * error > MOST_R


def headline(world: Market, under: Terms, one: Entry) -> Walked:
    """The walk whose result is shown first."""
    return walk(world, under, one, Order.ADVERSE_FIRST)


def target_first(world: Market, under: Terms, one: Entry) -> Walked:
    """Planted: the target before the stop of the same candle."""
    return walk(world, under, one, Order.FAVOURABLE_FIRST)


class _RatchetsInside(_Walk):
    """Planted: the stop follows the favourable extreme, as if somebody had looked just then."""

    def _through(self, number: int) -> bool:
        series, position = self.series, self.position
        best = series.highs[number] if self.long else series.lows[number]
        position.meets(price(series.opens[number]), series.times[number], opens=True)
        for extreme in (best, series.lows[number] if self.long else series.highs[number]):
            if not position.flat:
                position.meets(price(extreme), series.closes_at(number) - 1, opens=False)
            if not position.flat:
                position.look(price(extreme), series.closes_at(number) - 1, None)
        self._levels()
        return True


def ratchet_on_every_point(world: Market, under: Terms, one: Entry) -> Walked:
    """Planted: the favourable extreme first, and the ratchet on every point."""
    return _RatchetsInside(world, under, one, Order.FAVOURABLE_FIRST).run(every_candle=True)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("count", MINUTES)
def test_the_headline_invents_nothing(name: str, count: int) -> None:
    """At 1, 5 and 15 minutes, under each policy."""
    assert not invents(name, count, headline), invented(name, count, headline)


@pytest.mark.parametrize("name", POLICIES)
def test_tick_by_tick_no_fill_is_better_than_its_price(name: str) -> None:
    """So by optional stopping the mean of the walk that all others are measured by cannot be above zero."""
    series, filled = ticks().series, 0
    for one in entries()[:40]:
        position = walk(ticks(), under(name), one, Order.ADVERSE_FIRST).position
        for fill in position.fills[1:]:
            traded = price(series.closes[(fill.at_ms - START_MS) // TICK_MS])
            assert beyond(fill.price, traded, one.side), (fill, traded)
            filled += 1
    assert filled


@pytest.mark.parametrize(
    ("name", "walker"),
    [("stop 0.5 / target 0.5 %", target_first), ("trail 0.5 %", ratchet_on_every_point)],
)
def test_planted_walkers_are_caught(name: str, walker: Walker) -> None:
    """Those that flatter by a known rule: not at every length of a candle, but at one of them."""
    assert any(invents(name, count, walker) for count in MINUTES), [invented(name, count, walker) for count in MINUTES]
