"""On a price without drift no exits win anything before cost (exits.md 4.11): a walker that does invents money.

One path of ticks is made into candles of 1, 5 and 15 minutes. A walk through candles is held against a walk that takes
the same decisions at the same closes, and whose orders are filled tick by tick. That one invents nothing: it is a rule
that knows the past only, on a path without drift, and no fill of it is better than the price of its tick, which is a
test of its own. So its mean is not above zero, and what the candles give more is money out of nothing: at most 0.02 R,
which a real fill of a stop overshoots its level by. Two walks with the same decisions differ in little else, so that
few positions are enough. DRIFT_POSITIONS=4000 measures with more of them.
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

from position_monitor.core.backtest.candle_series import price
from position_monitor.core.backtest.extremes import Extremes
from position_monitor.core.backtest.terms import Entry, Terms
from position_monitor.core.backtest.walk import Market, Order, Walked, _Walk, walk
from position_monitor.core.model.money import beyond
from position_monitor.core.model.sides import SIDES, Side
from tests.core import build
from tests.core.backtest.market import START_MS, SYMBOL, D, candles, market, terms

POSITIONS = int(os.environ.get("DRIFT_POSITIONS", "60"))
PLANTED_POSITIONS = max(POSITIONS, 160)
"""A walker that takes other decisions than the ruler differs from it by chance as well."""
TICK_MS, TICKS_A_MINUTE, MOVE = 125, 480, 0.00012
"""A move of 1.2 basis points eight times a second is 0.26 % a minute."""
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
    """The price after each move, which is as large up as down, and the same part of the price however far it went."""
    count = (PLANTED_POSITIONS * MINUTES_APART + MINUTES_LEFT) * TICKS_A_MINUTE
    ways = random.Random(411).choices((-MOVE, MOVE), k=count)
    return array("d", accumulate(ways, lambda last, way: round(last + round(last * way, 2), 2), initial=100_000.0))


@cache
def reached() -> Extremes:
    """Which tick first reaches a price."""
    return Extremes(path(), path())


@cache
def minutes(count: int) -> Market:
    """The same path as candles. Each begins where the one before ended."""
    prices, size = path(), count * TICKS_A_MINUTE
    rows = []
    for start in range(0, len(prices) - size, size):
        part = prices[start : start + size + 1]
        rows.append((part[0], max(part), min(part), part[-1]))
    return market(candles(rows, interval_ms=count * 60_000), hours=False)


def entries(positions: int = POSITIONS) -> list[Entry]:
    """Positions at opens of 15 minutes, so that every candle begins with them; a long and a short at each."""
    starts = [START_MS + 60_000 * MINUTES_APART * number for number in range(positions)]
    return [
        Entry(line=number, at_ms=at_ms, symbol=SYMBOL, side=side, quantity=D("1"))
        for number, at_ms in enumerate(starts)
        for side in SIDES
    ]


def under(name: str) -> Terms:
    """What the positions of one policy live under, without cost."""
    return terms(**{"venue": VENUE, **POLICIES[name]})


def in_r(walked: Walked) -> float:
    """What it won in R, before cost; what is still open at the end of the path is worth the last price."""
    position = walked.position
    assert position.first_stop is not None
    won = sum((fill.realised for fill in position.fills), D(0))
    way = price(path()[-1]) - position.entry_price
    won += position.quantity * (way if position.key.side is Side.LONG else -way)
    return float(won / abs(position.entry_price - position.first_stop))


def headline(world: Market, under: Terms, one: Entry) -> Walked:
    """The walk whose result is shown first."""
    return walk(world, under, one, Order.ADVERSE_FIRST)


class _TickByTick(_Walk):
    """Decides at the closes as the headline does. Inside a candle each tick fills what it reaches, at its own price."""

    def _through(self, number: int) -> bool:
        position = self.position
        if position.closing is not None:
            return super()._through(number)
        size, before = self.series.interval_ms // TICK_MS, len(position.fills)
        tick, end = number * size + 1, (number + 1) * size + 1
        while not position.flat:
            low, high = sorted((self.stop, self.target))
            tick = reached().first_outside(tick, end, low, high)
            if tick == end:
                break
            position.meets(price(path()[tick]), START_MS + tick * TICK_MS, opens=True)
            self._levels()
            tick += 1
        return len(position.fills) > before


def tick_by_tick(world: Market, under: Terms, one: Entry) -> Walked:
    """The ruler: the decisions of the headline, the fills of the path itself."""
    return _TickByTick(world, under, one, Order.ADVERSE_FIRST).run(every_candle=False)


@cache
def rulers(name: str, count: int, positions: int) -> tuple[Walked, ...]:
    """Decided at the closes of candles of so many minutes, filled tick by tick."""
    return tuple(tick_by_tick(minutes(count), under(name), one) for one in entries(positions))


def invented(name: str, count: int, walker: Walker, positions: int = POSITIONS) -> tuple[float, float]:
    """Mean of what candles of so many minutes give more than their ticks, in R, and its standard error.

    A long and a short of one moment are one observation: they see the same path.
    """
    pairs = zip(entries(positions), rulers(name, count, positions), strict=True)
    more = [in_r(walker(minutes(count), under(name), one)) - in_r(ruler) for one, ruler in pairs]
    both = [(first + second) / 2 for first, second in zip(more[::2], more[1::2], strict=True)]
    mean = sum(both) / len(both)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in both) / (len(both) - 1) / len(both))


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
    """At 1, 5 and 15 minutes, under each policy, chance included."""
    mean, error = invented(name, count, headline)
    assert mean + CHANCE * error <= MOST_R, (mean, error)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("count", MINUTES)
def test_no_fill_of_the_ruler_is_better_than_its_tick(name: str, count: int) -> None:
    """So by optional stopping the mean of the walk that all others are measured by cannot be above zero."""
    filled = 0
    for ruler in rulers(name, count, POSITIONS):
        for fill in ruler.position.fills[1:]:
            traded = price(path()[(fill.at_ms - START_MS) // TICK_MS])
            assert beyond(fill.price, traded, ruler.position.key.side), (fill, traded)
            filled += 1
    assert filled


@pytest.mark.parametrize(
    ("name", "walker"),
    [("stop 0.5 / target 0.5 %", target_first), ("trail 0.5 %", ratchet_on_every_point)],
)
def test_planted_walkers_are_caught(name: str, walker: Walker) -> None:
    """Those that flatter by a known rule invent more than chance explains: not at every length of a candle, but at 15
    minutes."""
    mean, error = invented(name, 15, walker, PLANTED_POSITIONS)
    assert mean - CHANCE * error > MOST_R, (mean, error)
