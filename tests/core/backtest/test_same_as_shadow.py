"""The walk of the backtest and the simulated book of the shadow, two pieces of code, give the same fills.

The backtest asks the whole book of the daemon; the shadow keeps a lighter one that asks the same policies.
"""

from __future__ import annotations

import random

import pytest

from position_monitor.core.backtest.candle_series import price
from position_monitor.core.backtest.terms import Entry, Terms
from position_monitor.core.backtest.walk import Market, Order, Walked, walk
from position_monitor.core.model import ids
from position_monitor.core.model.sides import SIDES, PositionKey
from position_monitor.core.shadow import simulated_position as shadow
from position_monitor.core.shadow.candle_walk import PriceCandle, walked
from position_monitor.core.shadow.simulating import begun, decided
from tests.core.backtest.market import entry, market, outline, terms, wandering
from tests.core.backtest.test_fast_walk import WORDS

WORLD = market(wandering(5_000, 21, step=0.12))


def shadowed(world: Market, under: Terms, one: Entry, order: Order, real: Walked):
    """The same position as the shadow follows it, to the candle in which the walk ended."""
    series = world.series
    opens, opened_ms = price(series.opens[real.first]), series.times[real.first]

    def look(mark, at_ms):
        return shadow.Look(mark, at_ms, market=world.hours.at(at_ms), live_since_ms=0)

    book = begun(
        shadow.Entry(
            account=under.account,
            key=PositionKey(one.symbol, one.side),
            epoch=ids.epoch_of(opened_ms),
            quantity=one.quantity,
            price=real.position.entry_price,
            instrument=under.instrument,
            settings=under.settings,
        ),
        look(opens, opened_ms),
    )
    for number in range(real.first, real.last + 1):
        candle = PriceCandle(
            open=price(series.opens[number]),
            high=price(series.highs[number]),
            low=price(series.lows[number]),
            close=price(series.closes[number]),
            opened_at_ms=series.times[number],
            closed_at_ms=series.closes_at(number),
        )
        book = walked(book, candle, adverse_first=order is Order.ADVERSE_FIRST)
        book = decided(book, look(candle.close, candle.closed_at_ms))
    return book


@pytest.mark.parametrize("word", WORDS)
def test_the_two_simulations_fill_the_same(word: str) -> None:
    """Price and quantity of every exit, in both orders, under every policy and profile."""
    chance, fills = random.Random(word), 0
    for _ in range(3):
        one, under = entry(chance.choice(SIDES), minute=chance.randrange(2_000, 3_800), quantity="0.357"), terms(word)
        for order in Order:
            real = walk(WORLD, under, one, order)
            book = shadowed(WORLD, under, one, order, real)
            assert [(f"{fill.price:f}", f"{fill.quantity:f}") for fill in book.fills] == [
                one[:2] for one in outline(real)
            ]
            assert book.quantity == real.position.quantity
            fills += len(book.fills)
    assert fills
