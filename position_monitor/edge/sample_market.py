"""Sample candles and entries by a seed, so that a backtest shows something on a fresh machine.

They are no market: a walk without drift whose volatility changes every few hours. No policy can win on it before cost,
and a report that says otherwise is wrong.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

from position_monitor.errors import BadInput

SYMBOL = "BTCUSDT"
START_MS = 1_767_225_600_000
"""1 January 2026, 00:00 UTC."""
MINUTE_MS = 60_000
DAYS = 60
PER_MINUTE_PCT = (0.03, 0.05, 0.09)
"""How far the price goes in a minute, in calm, usual and rough hours."""
HOURS_BETWEEN_ENTRIES = 6


class SampleFiles(NamedTuple):
    """What was written."""

    candles: Path
    entries: Path


def write_sample(folder: Path, seed: int = 1, days: int = DAYS) -> SampleFiles:
    """Write `candles.csv` (1 minute) and `entries.csv`; the same seed writes the same bytes. Raises `BadInput`."""
    files = SampleFiles(folder / "candles.csv", folder / "entries.csv")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.candles.write_text(_candles(seed, days * 1_440), encoding="ascii")
        files.entries.write_text(_entries(seed, days), encoding="ascii")
    except OSError as error:
        raise BadInput(f"{folder}: the sample could not be written: {error.strerror}") from None
    return files


def _candles(seed: int, minutes: int) -> str:
    chance, price, rough = random.Random(seed), 100_000.0, PER_MINUTE_PCT[1]  # noqa: S311  no secret
    rows = ["time,open,high,low,close"]
    for minute in range(minutes):
        if minute % 240 == 0:
            rough = chance.choice(PER_MINUTE_PCT)
        first = price
        prices = [first]
        for _ in range(4):  # a candle is more than its open and its close
            price = round(price * (1 + chance.gauss(0, rough / 200)), 1)
            prices.append(price)
        rows.append(f"{START_MS + minute * MINUTE_MS},{first},{max(prices)},{min(prices)},{price}")
    return "\n".join(rows) + "\n"


def _entries(seed: int, days: int) -> str:
    """One position every six hours, long or short by chance, beginning after two days: then there is an ATR."""
    chance, rows = random.Random(seed + 1), ["time,symbol,side,quantity"]  # noqa: S311  no secret
    for number in range(2 * 24 // HOURS_BETWEEN_ENTRIES, days * 24 // HOURS_BETWEEN_ENTRIES):
        at_ms = START_MS + number * HOURS_BETWEEN_ENTRIES * 60 * MINUTE_MS + chance.randrange(60) * MINUTE_MS
        rows.append(f"{at_ms},{SYMBOL},{chance.choice(('LONG', 'SHORT'))},0.238")
    return "\n".join(rows) + "\n"
