"""Candles by hand and by seed, and what a simulated position lives under in these tests."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.core.backtest.candle_series import CandleSeries
from position_monitor.core.backtest.hours import NO_HOURS, market_hours
from position_monitor.core.backtest.terms import NO_COSTS, Costs, Entry, Margin, Terms
from position_monitor.core.backtest.walk import Market, Order, Walked, walk
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.core.model.settings import Policy, ProtectionSettings
from position_monitor.core.model.sides import Side
from tests.core import build

D = Decimal
START_MS = 1_750_032_000_000
"""Midnight UTC."""
MINUTE_MS = 60_000
SYMBOL = "BTCUSDT"


def candles(
    rows: Iterable[Sequence[float]], *, interval_ms: int = MINUTE_MS, start_ms: int = START_MS, gaps: Sequence[int] = ()
) -> CandleSeries:
    """Rows of open, high, low, close, one interval after the other; after a number in `gaps` five are missing."""
    columns = [array("d") for _ in range(4)]
    times: array[int] = array("q")
    at_ms = start_ms
    for number, row in enumerate(rows):
        times.append(at_ms)
        at_ms += interval_ms * (6 if number in gaps else 1)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    opens, highs, lows, closes = columns
    return CandleSeries(
        symbol=SYMBOL, interval_ms=interval_ms, times=times, opens=opens, highs=highs, lows=lows, closes=closes
    )


def written(text: str) -> CandleSeries:
    """`100 101.6 98.4 100.2 | ...` as candles."""
    return candles([float(price) for price in row.split()] for row in text.split("|"))


def wandering(
    count: int, seed: int, *, step: float = 0.08, interval_ms: int = MINUTE_MS, gaps: Sequence[int] = ()
) -> CandleSeries:
    """A walk from 100 without drift, `step` percent a candle, with ticks of a cent and now and then a jump."""
    chance, rows, price = random.Random(seed), [], 100.0
    for _ in range(count):
        opens = price
        if chance.random() < 0.002:
            opens = round(price * (1 + chance.gauss(0, 0.01)), 2)
        closes = round(opens * (1 + chance.gauss(0, step / 100)), 2)
        high = round(max(opens, closes) * (1 + abs(chance.gauss(0, step / 200))), 2)
        low = round(min(opens, closes) * (1 - abs(chance.gauss(0, step / 200))), 2)
        rows.append((opens, max(high, opens, closes), min(low, opens, closes), closes))
        price = closes
    return candles(rows, interval_ms=interval_ms, gaps=gaps)


def settings(word: str = "hybrid", **changes: Any) -> ProtectionSettings:
    """The settings of a policy as the command line writes it, with the defaults of the program."""
    policy, _, profile = word.partition(":")
    chosen = build.settings(policy=Policy(policy), profile=profile or "DEFAULT")
    exits = {name: changes.pop(name) for name in ("breakeven_offset_pct", "time_stop", "locks") if name in changes}
    return replace(chosen, exits=replace(chosen.exits, **exits), **changes)


def terms(
    word: str = "hybrid",
    *,
    costs: Costs = NO_COSTS,
    margin: Margin | None = None,
    venue: Instrument | None = None,
    hedged: bool = False,
    **changes: Any,
) -> Terms:
    """What a position lives under; no cost unless some is given."""
    rules = venue or build.instrument(market_max_quantity=1_000)
    return Terms(rules, settings(word, **changes), costs, margin, hedged)


def entry(
    side: Side = Side.LONG,
    quantity: str = "10",
    *,
    minute: int = 0,
    price: str | None = None,
    line: int = 2,
    start_ms: int = START_MS,
) -> Entry:
    """One entry, so many minutes after the first candle."""
    at_ms = start_ms + minute * MINUTE_MS
    paid = None if price is None else D(price)
    return Entry(line=line, at_ms=at_ms, symbol=SYMBOL, side=side, quantity=D(quantity), price=paid)


def market(series: CandleSeries, *, hours: bool = True) -> Market:
    """The candles with what the hours among them say."""
    return Market(series, market_hours(series, RegimeThresholds()) if hours else NO_HOURS)


def outline(walked: Walked) -> list[tuple[str, str, int]]:
    """Its exits: price, quantity, time."""
    return [(f"{fill.price:f}", f"{fill.quantity:f}", fill.at_ms) for fill in walked.position.fills[1:]]


def exits(
    text: str, under: Terms, side: Side = Side.LONG, order: Order = Order.ADVERSE_FIRST
) -> list[tuple[Decimal, Decimal]]:
    """Price and quantity of the exits of ten at the first open of these candles."""
    opens = text.split()[0]
    walked = walk(market(written(text)), under, entry(side, price=opens), order)
    return [(fill.price, fill.quantity) for fill in walked.position.fills[1:]]
