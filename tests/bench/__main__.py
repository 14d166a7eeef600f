"""`python -m tests.bench`: the rows of DESIGN 8, freqtrade beside them, how cost grows. Exit code 1 on a missed bar.

Slow by nature and never part of the tests. Each row starts its own paper exchange, Valkey and daemon.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import (
    backtest_rates,
    cold_start,
    fill_to_stop,
    freqtrade_peer,
    full_memory,
    page,
    planner,
    plot,
    quiet_cost,
    quiet_figures,
    readiness,
    report,
)
from tests.bench.figures import Figure

ROOT = Path(__file__).parents[2]
PAGE, PICTURE = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"
LATENCIES_MS = (0, 20, 80)
SLOW = ("freqtrade",)
"""Rows a quick run leaves out."""
ACCOUNTS, QUICK_ACCOUNTS = (7, 50, 200, 1_000), (7, 200)
"""Quiet accounts, by their positions."""
TURNS, QUICK_TURNS = 5, 3
"""Odd, so that the median turn is one that was measured."""
TRADE_EVERY_S = 0.45
"""On average. What a trade costs in reads and removals then fits into the weight of a minute."""


class Bench:
    """Runs rows and keeps what they found."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.figures: list[Figure] = []
        self.costs: list[quiet_cost.Cost] = []
        self.rows: dict[str, Callable[[], None]] = {
            "planner": self.planner,
            "ready": self.ready,
            "fills": self.fills,
            "cold": self.cold,
            "quiet": self.quiet,
            "memory": self.memory,
            "page": self.page,
            "backtest": self.backtest,
            "freqtrade": self.freqtrade,
        }

    def attempt(self, row: str, measure: Callable[[], list[Figure]], *, promised: bool = True) -> None:
        """Take the figures of one case; where something was promised, one that cannot be measured is a missed bar."""
        began_s = time.monotonic()
        try:
            found = measure()
        except Exception as problem:  # whatever it was, the other rows are worth having
            found = [Figure(row, "", f"could not be measured: {problem!r}", "", met=False if promised else None)]
        self.figures += found
        for figure in found:
            said = " - ".join(filter(None, (figure.row, figure.case, figure.shown, report.MARKS[figure.met])))
            print(f"[{time.monotonic() - began_s:5.1f} s] {said}", file=sys.stderr, flush=True)

    def planner(self) -> None:
        """How fast the core decides."""
        self.attempt(planner.ROW, lambda: planner.measure(5 if self.quick else 20))

    def ready(self) -> None:
        """From process start to READY."""
        for latency_ms in (0,) if self.quick else LATENCIES_MS:
            self.attempt(readiness.ROW, lambda ms=latency_ms: [readiness.measure(7, ms, times=3 if self.quick else 5)])

    def fills(self) -> None:
        """From a fill to its stop."""
        cases = [(7, 20, 15)] if self.quick else [*((7, ms, 35) for ms in LATENCIES_MS), (50, 20, 25), (200, 20, 25)]
        for positions, latency_ms, symbols in cases:
            self.attempt(
                fill_to_stop.ROW,
                lambda n=positions, ms=latency_ms, traded=symbols: [fill_to_stop.measure(n, ms, traded, TRADE_EVERY_S)],
            )

    def cold(self) -> None:
        """A hundred naked positions."""
        for latency_ms in (20,) if self.quick else LATENCIES_MS:
            self.attempt(
                cold_start.ROW, lambda ms=latency_ms: [cold_start.measure(100, ms, times=1 if self.quick else 3)]
            )

    def quiet(self) -> None:
        """Weight, CPU and memory while nothing happens, and how they grow."""
        accounts, turns = (QUICK_ACCOUNTS, QUICK_TURNS) if self.quick else (ACCOUNTS, TURNS)

        def measure() -> list[Figure]:
            self.costs, restless = quiet_cost.measure(accounts, turns)
            return quiet_figures.figures(self.costs) + quiet_figures.unmeasured(restless)

        self.attempt("quiet account", measure)

    def memory(self) -> None:
        """Resident memory with everything on."""
        self.attempt(full_memory.ROW, lambda: [full_memory.measure()])

    def page(self) -> None:
        """The page for who looks: how soon, how dear, and that the daemon does not notice."""
        accounts, seconds, turns = ((7,), 15.0, 2) if self.quick else ((7, 200), 30.0, 4)
        self.attempt("page", lambda: page.measure(accounts, seconds=seconds, turns=turns))

    def backtest(self) -> None:
        """Candles walked and read, beside backtesting.py."""
        self.attempt(backtest_rates.ROW, lambda: backtest_rates.measure(quick=self.quick))

    def freqtrade(self) -> None:
        """The peer. Asked for by name it runs with `--quick` as well, with few positions."""
        positions, seconds = (7, 20.0) if self.quick else (50, 45.0)
        ours_ms = self.fill_median_ms()
        self.attempt(
            "freqtrade", lambda: freqtrade_peer.measure(positions, seconds, ours_ms), promised=ours_ms is not None
        )

    def fill_median_ms(self) -> float | None:
        """Our own median from fill to stop, of the first case of this run that was measured."""
        found = [figure.values.get("median_ms") for figure in self.figures if figure.row == fill_to_stop.ROW]
        return next((float(value) for value in found if value is not None), None)

    def draw(self, path: Path) -> None:
        """How cost grows."""
        if not self.costs:
            return
        cpu = [(cost.positions, cost.cycle_cpu_ms) for cost in self.costs]
        weight = [(cost.positions, cost.weight_1m) for cost in self.costs]
        memory = [(cost.positions, cost.rss_mib) for cost in self.costs]
        share = quiet_figures.WEIGHT_1M * quiet_figures.WEIGHT_BAR_PCT / 100
        ratios = quiet_figures.cpu_ratios(self.costs)
        bars = [(positions, ratio.bar * ratio.reference_ms) for positions, ratio in ratios.items()]
        plot.write(
            path,
            [
                plot.Panel("CPU of a quiet cycle, ms", cpu, bars, logarithmic=True),
                plot.Panel("request weight a minute", weight, [(quiet_figures.WEIGHT_PROMISED_AT, share)]),
                plot.Panel("resident memory, MiB", memory, list(quiet_figures.MEMORY_BARS_MIB.items())),
            ],
        )


def options(arguments: Sequence[str] | None, rows: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rows", default="", help=f"only these, with commas between: {', '.join(rows)}")
    parser.add_argument("--quick", action="store_true", help="fewer samples and cases, about four minutes")
    parser.add_argument("--docs", action="store_true", help="write the table and the plot into docs/")
    parser.add_argument("--json", type=Path, default=ROOT / "bench.json", help="where the figures go")
    parser.add_argument("--command", default="make bench", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    chosen.rows = [row for row in chosen.rows.replace(" ", ",").split(",") if row] or [
        row for row in rows if not (chosen.quick and row in SLOW)
    ]
    if unknown := sorted(set(chosen.rows) - set(rows)):
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(rows)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows, tell, and say by the exit code whether every bar was met."""
    names = list(Bench(quick=False).rows)
    chosen = options(arguments, names)
    bench, where = Bench(quick=chosen.quick), report.machine(chosen.command, ROOT)
    for row in names:
        if row in chosen.rows:
            bench.rows[row]()
    report.show(bench.figures, where)
    report.write_json(chosen.json, bench.figures, where)
    if chosen.docs:
        report.write_page(PAGE, bench.figures, where)
        bench.draw(PICTURE)
    return 1 if any(figure.met is False for figure in bench.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
