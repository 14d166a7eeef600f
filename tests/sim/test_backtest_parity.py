"""A market recorded on the paper exchange, replayed by the backtest, gives the fills and reasons that the daemon had.

The real service trades in simulated time while the mark goes up and down by chance; its prices are written down as
candles of a minute. The backtest is given these, the entry and the settings, and nothing else; the hours before, of
which the daemon read candles, where the policy asks for an ATR.
"""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from position_monitor.cli.main import main
from position_monitor.core.backtest.hours import NO_HOURS, MarketHours, market_hours
from position_monitor.core.backtest.records import record_of_walk
from position_monitor.core.backtest.terms import NO_COSTS, Entry, Terms
from position_monitor.core.backtest.walk import Market, Order, walk
from position_monitor.core.market.candles import INTERVAL_MS
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.core.model.sides import Side
from position_monitor.core.performance.record import Record
from tests.core.backtest.market import candles
from tests.sim.lives import BTC, ENTRY, QUANTITY, TICK, StageOfALife
from tests.sim.market_made import NORMAL_VOL, TREND_UP
from tests.sim.stage import staged
from tests.sim.virtual_time import EPOCH_MS

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
    "dynamic with ATR": {"legacy_policy": "dynamic"},
    "brain with ATR": {"mode": "EXIT_BRAIN_V3"},
}
HOURS = {"dynamic with ATR": NORMAL_VOL, "brain with ATR": TREND_UP}
"""What the candles of the hours before are like."""


LIVES = (
    # policy, side, a letter for the seed, what its prices lead to
    ("static", "LONG", "", "SL"),
    ("hybrid", "SHORT", "b", "TP1 TRAIL"),
    ("dynamic", "LONG", "", "BREAKEVEN"),
    ("NORMAL", "SHORT", "c", "TP1 TP2 TRAIL"),
    ("TREND", "SHORT", "", "TP1 TP2 LOCK"),
    ("CHOP", "SHORT", "d", "TP1 TP2 LOCK"),
    ("hybrid", "LONG", "", "TP1 TP2 LOCK"),
    ("NORMAL", "LONG", "c", "TP1 TP2 LOCK"),
    ("TREND", "LONG", "d", "TP1 BREAKEVEN"),
    ("brain with ATR", "LONG", "", "TP1 TP2 LOCK"),
    ("brain with ATR", "SHORT", "b", "TP1 TP2 LOCK"),
    ("dynamic with ATR", "SHORT", "", "TP1"),
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


async def lived(exit: str, side: str, letter: str) -> tuple[Record, RecordedMarket, Terms]:
    """The record that the daemon wrote, the market, and what it traded under."""
    seed, before = f"{exit}{side}{letter}", HOURS.get(exit)
    async with StageOfALife(SLOW | {"exit": EXITS[exit]}, side=side, hedge=False, market=before) as stage:
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
    exit: str, side: str, letter: str, reasons: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real, recorded, under = await lived(exit, side, letter)
    assert [fill.reason for fill in real.exits] == reasons.split()
    series = candles(recorded.rows, start_ms=recorded.began_ms)
    one = Entry(
        line=2, at_ms=recorded.began_ms, symbol=BTC, side=Side(side), quantity=D(QUANTITY), price=real.entry_average
    )
    for order in Order:
        walked = walk(Market(series, hours_before(exit)), under, one, order)
        made = record_of_walk(walked, series, settings_hash="", version="")
        assert exits_of(made) == exits_of(real)
        assert (made.risk.first_stop, made.money.gross) == (real.risk.first_stop, real.money.gross)
        assert made.gross_r == real.gross_r
        assert walked.ambiguous == 0
    if exit not in HOURS:
        shown = by_the_command(tmp_path, exit, recorded, one, capsys)
        assert [row["reason"] for row in shown["headline"]["reasons"]] == sorted(reasons.split())
        assert D(shown["positions"][0]["net"]) == real.money.gross


def by_the_command(
    folder: Path, exit: str, recorded: RecordedMarket, one: Entry, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """What `backtest` answers to the recorded market and the entry as files, without cost."""
    rows = (",".join(map(str, (recorded.began_ms + 60_000 * n, *row))) for n, row in enumerate(recorded.rows))
    files = {
        "candles.csv": "\n".join(("time,open,high,low,close", *rows)),
        "entries.csv": f"time,symbol,side,quantity,price\n{one.at_ms},{BTC},{one.side},{one.quantity},{one.price}\n",
        "config.toml": "[exchange]\nenvironment = 'paper'\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    policy = EXITS[exit].get("legacy_policy") or f"brain:{EXITS[exit]['profile']}"
    free = ("--fee-pct", "0", "--maker-fee-pct", "0", "--funding-bps", "0", "--slippage-bps", "0", "--tick", str(TICK))
    named = [f"--{name}={folder / f'{name}.{kind}'}" for name, kind in (("candles", "csv"), ("entries", "csv"))]
    options = ("--config", str(folder / "config.toml"), "--policy", policy, "--json", *free)
    capsys.readouterr()
    assert main(["backtest", *named, *options]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def hours_before(exit: str) -> MarketHours:
    """What the candles of the hours said that the venue answered the daemon with; nothing where it reads none."""
    made = HOURS.get(exit)
    if made is None:
        return NO_HOURS
    rows = [made.row((EPOCH_MS // INTERVAL_MS + number) * INTERVAL_MS) for number in range(-300, 10)]
    listed = [[float(row[place]) for place in (1, 2, 3, 4)] for row in rows]
    return market_hours(candles(listed, interval_ms=INTERVAL_MS, start_ms=rows[0][0]), RegimeThresholds())


def exits_of(record: Record) -> list[tuple[Decimal, Decimal, str]]:
    """Price, quantity and reason of each exit."""
    return [(fill.price, fill.quantity, fill.reason) for fill in record.exits]
