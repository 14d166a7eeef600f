"""Row: how fast candles are walked, beside backtesting.py on the same candles with the same fixed stop and target.

Both hold one position at a time, bought as soon as none is held, with a stop at 1.5 % and a target at 2.5 %. Ours asks
the live policy and the live book; theirs is run as shipped, in a venv of its own that is made on the first run from the
hashes beside it. Times are CPU seconds of one process, by turns; reading the file is a figure of its own.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from position_monitor.core.backtest.candle_series import CandleSeries
from position_monitor.core.backtest.hours import NO_HOURS
from position_monitor.core.backtest.terms import NO_COSTS, Entry, Terms
from position_monitor.core.backtest.walk import Ended, Market, Order, walk
from position_monitor.core.model.sides import Side
from position_monitor.edge.candle_files import read_candles
from tests.bench.figures import Figure, Spread
from tests.bench.processes import BenchFailed
from tests.core import build

ROW = "backtest"
HERE = Path(__file__).parent / "backtesting"
LOCK, SCRIPT, VENV = HERE / "requirements.txt", HERE / "one_position.py", HERE / ".venv"
RATE_BAR, RATIO_BAR, EVENT_BAR, READ_BAR = 1_000_000, 10, 5_000, 300_000
CANDLES, QUICK_CANDLES = 1_000_000, 200_000
PER_MINUTE_PCT = 0.05
SYMBOL = "BTCUSDT"
VENUE = build.instrument(tick="0.1", market_max_quantity=1_000)
START_MS = 1_767_225_600_000


def install() -> Path:
    """Its Python, installed on the first call. Raises `BenchFailed` without a package index."""
    python, stamp = VENV / "bin" / "python", VENV / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing backtesting.py into its own venv, once", file=sys.stderr)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        for step in ([sys.executable, "-m", "venv", str(VENV)], [*pip, "-r", str(LOCK)]):
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BenchFailed(f"backtesting.py could not be installed: {done.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(wanted)
    return python


def write_candles(path: Path, count: int) -> None:
    """A walk of one-minute candles without drift."""
    chance, price = random.Random(9), 100_000.0
    with path.open("w") as file:
        file.write("time,open,high,low,close,volume\n")
        for number in range(count):
            first, price = price, round(price * (1 + chance.gauss(0, PER_MINUTE_PCT / 100)), 1)
            high = round(max(first, price) * (1 + abs(chance.gauss(0, PER_MINUTE_PCT / 200))), 1)
            low = round(min(first, price) * (1 - abs(chance.gauss(0, PER_MINUTE_PCT / 200))), 1)
            file.write(f"{START_MS + number * 60_000},{first},{high},{low},{price},1.5\n")


def measure(*, quick: bool) -> list[Figure]:
    """Three figures: walking beside the peer, every candle an event, reading."""
    python, count = install(), QUICK_CANDLES if quick else CANDLES
    with tempfile.TemporaryDirectory(prefix="position-monitor-backtest-") as name:
        path = Path(name) / "candles.csv"
        write_candles(path, count)
        rates: list[tuple[float, float]] = []
        reads: list[float] = []
        for _ in range(3):
            began_s = time.process_time()
            series = read_candles(path, SYMBOL).series
            reads.append(count / (time.process_time() - began_s))
            rates.append((walked_per_s(series), peer_per_s(python, path)))
    events = [events_per_s() for _ in range(3)]
    return [walking(rates, count), events_figure(events), reading(reads, count)]


def walked_per_s(series: CandleSeries) -> float:
    """Candles a CPU second: the index over them, then position after position to the end."""
    began_s = time.process_time()
    series = replace(series)  # its index is made anew, and counts
    market = Market(series, NO_HOURS)
    terms = Terms(VENUE, build.settings(build.STATIC), NO_COSTS)
    number = first = 0
    while number < len(series):
        entry = Entry(line=first, at_ms=series.times[number], symbol=SYMBOL, side=Side.LONG, quantity=Decimal("0.238"))
        walked = walk(market, terms, entry, Order.ADVERSE_FIRST)
        number, first = walked.last + 1, first + 1
        if walked.ended is not Ended.CLOSED:
            break
    return len(series) / (time.process_time() - began_s)


def peer_per_s(python: Path, path: Path) -> float:
    """The same of backtesting.py."""
    done = subprocess.run([str(python), str(SCRIPT), str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"backtesting.py failed: {done.stderr.strip().splitlines()[-1:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return float(found["candles"] / found["cpu_s"])


def events_per_s() -> float:
    """A rising market in which every close moves the trailing stop."""
    prices = [100.0]
    while len(prices) <= 2_000:
        prices.append(round(prices[-1] * 1.0015, 2))
    times = array("q", (START_MS + number * 60_000 for number in range(2_000)))
    opens, closes = array("d", prices[:-1]), array("d", prices[1:])
    series = CandleSeries(
        symbol=SYMBOL, interval_ms=60_000, times=times, opens=opens, highs=closes, lows=opens, closes=closes
    )
    settings = build.settings(build.HYBRID, take_profits=False)
    entry = Entry(line=2, at_ms=START_MS, symbol=SYMBOL, side=Side.LONG, quantity=Decimal("0.238"))
    began_s = time.process_time()
    walked = walk(Market(series, NO_HOURS), Terms(VENUE, settings, NO_COSTS), entry, Order.ADVERSE_FIRST)
    elapsed_s = time.process_time() - began_s
    if walked.position.looks < 1_950:  # the first ten are on the way to breakeven
        raise BenchFailed("every candle was to be an event")
    return 2_000 / elapsed_s


def walking(rates: Sequence[tuple[float, float]], count: int) -> Figure:
    """The median rate, and the median of the ratios of each turn."""
    ours, peer = (Spread.of([pair[place] for pair in rates]).median for place in (0, 1))
    ratio = Spread.of([mine / theirs for mine, theirs in rates]).median
    return Figure(
        ROW,
        f"{count:,} candles, fixed stop and target",
        f"median {ours:,.0f} candles/s of CPU, {ratio:.1f} x backtesting.py ({peer:,.0f}/s)",
        f">= {RATE_BAR:,}/s and >= {RATIO_BAR} x",
        ours >= RATE_BAR and ratio >= RATIO_BAR,
        {"candles_s": round(ours), "ratio": round(ratio, 2), "peer_candles_s": round(peer), "candles": count},
    )


def events_figure(rates: Sequence[float]) -> Figure:
    """When nothing can be skipped."""
    rate = Spread.of(rates).median
    shown = f"median {rate:,.0f} candles/s of CPU"
    bar = f">= {EVENT_BAR:,}/s"
    return Figure(ROW, "every candle moves the stop", shown, bar, rate >= EVENT_BAR, {"candles_s": round(rate)})


def reading(rates: Sequence[float], count: int) -> Figure:
    """CSV to checked rows of numbers."""
    rate = Spread.of(rates).median
    shown = f"median {rate:,.0f} rows/s of CPU"
    bar = f">= {READ_BAR:,}/s"
    return Figure(ROW, f"reading {count:,} candles", shown, bar, rate >= READ_BAR, {"rows_s": round(rate)})
