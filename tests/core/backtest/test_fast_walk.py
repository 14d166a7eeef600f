"""The walk that skips is the walk that looks at every candle, under every policy and profile, in both orders."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from position_monitor.core.backtest.extremes import BLOCK, Extremes
from position_monitor.core.backtest.terms import Costs, Margin
from position_monitor.core.backtest.walk import Order, walk
from position_monitor.core.model.profiles import DEFAULT_PROFILES, Lock
from position_monitor.core.model.settings import OnBreach, TimeStop
from position_monitor.core.model.sides import SIDES
from tests.core.backtest.market import MINUTE_MS, START_MS, entry, market, outline, terms, wandering

D = Decimal
WORDS = ("static", "hybrid", "dynamic", "brain", *(f"brain:{name}" for name in DEFAULT_PROFILES))
VARIED = (
    {},
    {"time_stop": TimeStop.CLOSE},
    {"time_stop": TimeStop.OFF, "trailing_pct": D("0.4"), "stop_min_move_pct": D("0.02")},
    {"locks": (Lock(at_r=D("0.3")), Lock(at_r=D("0.8"), to_r=D("0.5")), Lock(after_rung=1, to_r=D("0.2")))},
    {"on_breach": OnBreach.CLOSE, "max_loss_pct": D("1.2")},
    {"take_profits": False},
)
SERIES = market(wandering(9_000, 3, gaps=(4_000,)))
WIDE = market(wandering(1_500, 4, step=0.5, interval_ms=15 * MINUTE_MS))
COARSE = market(wandering(400, 5, step=1.5, interval_ms=240 * MINUTE_MS))


@pytest.mark.parametrize("word", WORDS)
def test_what_is_skipped_changes_nothing(word: str) -> None:
    """Same fills at the same time, same end, same path: entries, settings and candles by chance."""
    chance, looks = random.Random(word), [0, 0]
    for turn in range(6):
        world = (SERIES, WIDE, COARSE)[turn % 3]
        margin = Margin(D(chance.choice((5, 40)))) if turn % 4 == 3 else None
        under = terms(word, costs=Costs(), margin=margin, **chance.choice(VARIED))
        minutes = len(world.series) * world.series.interval_ms // MINUTE_MS
        one = entry(chance.choice(SIDES), minute=chance.randrange(minutes * 3 // 4), quantity="0.357")
        for order in Order:
            fast = walk(world, under, one, order)
            slow = walk(world, under, one, order, every_candle=True)
            assert outline(fast) == outline(slow)
            assert (fast.last, fast.ended, fast.ambiguous) == (slow.last, slow.ended, slow.ambiguous)
            assert (fast.low, fast.high, fast.position.orders) == (slow.low, slow.high, slow.position.orders)
            looks[0] += fast.position.looks
            looks[1] += slow.position.looks
    assert looks[0] < looks[1], "nothing was skipped, so nothing was tested"


def test_the_first_candle_outside_is_never_missed() -> None:
    """As a plain search finds it, at every edge of the blocks."""
    chance = random.Random(1)
    series = wandering(BLOCK * BLOCK * 2 + 37, 2)
    extremes = Extremes(series.lows, series.highs)
    count = len(series)
    for _ in range(400):
        start = chance.choice((0, BLOCK, BLOCK * BLOCK, chance.randrange(count)))
        end = chance.choice((count, BLOCK * BLOCK, start, min(count, start + chance.randrange(2_000))))
        end = max(start, end)
        middle = series.closes[min(start, count - 1)]
        low, high = middle * (1 - chance.random() * 0.03), middle * (1 + chance.random() * 0.03)
        plain = next((i for i in range(start, end) if series.lows[i] <= low or series.highs[i] >= high), end)
        assert extremes.first_outside(start, end, low, high) == plain
        if end > start:
            assert extremes.lowest(start, end) == min(series.lows[start:end])
            assert extremes.highest(start, end) == max(series.highs[start:end])


@pytest.mark.parametrize("word", ["hybrid", "dynamic", "brain"])
def test_nothing_is_known_before_it_happened(word: str) -> None:
    """Cut after any candle, the walk up to there is the same; and so is what was decided at entry (exits.md 5.8)."""
    series = wandering(6_000, 8)
    whole, chance = market(series), random.Random(word)
    for turn in range(6):
        one = entry(SIDES[turn % 2], minute=2_000 + 300 * turn, quantity="0.357")
        full = walk(whole, terms(word), one, Order.ADVERSE_FIRST)
        cut = chance.randrange(full.first + 1, full.last + 2)
        shorter = type(series)(
            symbol=series.symbol,
            interval_ms=series.interval_ms,
            times=series.times[:cut],
            opens=series.opens[:cut],
            highs=series.highs[:cut],
            lows=series.lows[:cut],
            closes=series.closes[:cut],
        )
        part = walk(market(shorter), terms(word), one, Order.ADVERSE_FIRST)
        until_ms = START_MS + cut * MINUTE_MS
        assert outline(part) == [fill for fill in outline(full) if fill[2] < until_ms]
        assert part.position.first_stop == full.position.first_stop
