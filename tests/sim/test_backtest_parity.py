"""A market recorded on the paper exchange, replayed by the backtest, gives the fills and reasons that the daemon had.

The real service trades in simulated time while the mark goes up and down by chance; its prices are written down as
candles of a minute. The backtest is given these, the entry and the settings, and nothing else.
"""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.backtest.records import record_of_walk
from position_monitor.core.backtest.terms import NO_COSTS, Entry, Terms
from position_monitor.core.backtest.walk import Order, walk
from position_monitor.core.model.sides import Side
from position_monitor.core.performance.record import Record
from tests.core.backtest.market import candles, market
from tests.sim.lives import BTC, ENTRY, QUANTITY, TICK, StageOfALife
from tests.sim.stage import staged

D = Decimal
MINUTES_MAX = 400
SLOW = {"loop": {"check_interval_s": 20, "full_sweep_s": 60}}
WITHOUT_CANDLES = {"mode": "EXIT_BRAIN_V3", "candles": False}
EXITS = {
    "static": {"legacy_policy": "static"},
    "hybrid": {"legacy_policy": "hybrid"},
    "dynamic": {"legacy_policy": "dynamic", "candles": False},
    "NORMAL": WITHOUT_CANDLES | {"profile": "NORMAL"},
    "TREND": WITHOUT_CANDLES | {"profile": "TREND"},
    "CHOP": WITHOUT_CANDLES | {"profile": "CHOP"},
}


LIVES = (
    # policy, side, a letter for the seed, what its prices lead to
    ("static", "LONG", "", "SL"),
    ("hybrid", "SHORT", "b", "TP1 TRAIL"),
    ("dynamic", "LONG", "", "BREAKEVEN"),
    ("NORMAL", "SHORT", "c", "TP1 TP2 TRAIL"),
    ("TREND", "SHORT", "", "TP1 TP2 LOCK"),
    ("CHOP", "SHORT", "d", "TP1 TP2 LOCK"),
)


class RecordedMarket:
    """Moves the mark once a minute, and writes down where it was."""

    def __init__(self, stage: StageOfALife, seed: str) -> None:
        self.stage, self.chance = stage, random.Random(seed)
        self.price = ENTRY
        self.rows: list[tuple[float, ...]] = []
        self.began_ms = 0

    def put(self, price: Decimal) -> None:
        """Market orders of this side of the account are filled at the mark."""
        long = self.stage.side == "LONG"
        self.stage.engine.set_price(BTC, price, price if long else price - TICK)
        self.price = price
        self.rows.append((float(price),) * 4)

    def next_price(self) -> Decimal:
        """At most 0.5 % away; never beyond a take-profit without having been at it."""
        wanted = self.price + D(self.chance.randrange(-1_900, 2_050)) / 10
        wanted = wanted if self.stage.side == "LONG" else 2 * self.price - wanted
        for level, _ in self.stage.rungs:
            if min(self.price, wanted) < level < max(self.price, wanted):
                return level
        return wanted

    async def until_flat(self) -> None:
        """A minute after the other, until nothing is held."""
        self.began_ms = self.stage.daemon.clock.now_ms()
        self.rows.append((float(self.price),) * 4)
        for _ in range(MINUTES_MAX):
            await asyncio.sleep(60)
            if not self.stage.held:
                return
            self.put(self.next_price())
        raise AssertionError("it was to be closed by then")


async def lived(exit: dict[str, Any], side: str, seed: str) -> tuple[Record, RecordedMarket, Terms]:
    """The record that the daemon wrote, the market, and what it traded under."""
    async with StageOfALife(SLOW | {"exit": exit}, side=side, hedge=False, market=None) as stage:
        await stage.opened()
        recorded = RecordedMarket(stage, seed)
        await recorded.until_flat()
        await stage.until("its record", lambda: stage.records.entries and stage.records.only.final, within_s=120)
        service = stage.daemon.service
        rules = service.daemon.desk.exchange.instrument(BTC)
        return stage.records.only, recorded, Terms(rules, service.config.protection_settings(BTC), NO_COSTS)


@pytest.mark.parametrize(("exit", "side", "letter", "reasons"), LIVES)
@staged
async def test_the_backtest_has_the_fills_and_reasons_of_the_daemon(
    exit: str, side: str, letter: str, reasons: str
) -> None:
    real, recorded, under = await lived(EXITS[exit], side, f"{exit}{side}{letter}")
    assert [fill.reason for fill in real.exits] == reasons.split()
    series = candles(recorded.rows, start_ms=recorded.began_ms)
    one = Entry(
        line=2, at_ms=recorded.began_ms, symbol=BTC, side=Side(side), quantity=D(QUANTITY), price=real.entry_average
    )
    for order in Order:
        walked = walk(market(series, hours=False), under, one, order)
        made = record_of_walk(walked, series, settings_hash="", version="")
        assert exits_of(made) == exits_of(real)
        assert (made.risk.first_stop, made.money.gross) == (real.risk.first_stop, real.money.gross)
        assert made.gross_r == real.gross_r
        assert walked.ambiguous == 0


def exits_of(record: Record) -> list[tuple[Decimal, Decimal, str]]:
    """Price, quantity and reason of each exit."""
    return [(fill.price, fill.quantity, fill.reason) for fill in record.exits]
