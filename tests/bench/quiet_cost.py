"""Rows: what a protected account costs while nothing happens, for a growing number of positions."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from position_monitor.config.sections import LoopSection
from tests.bench import cold_start
from tests.bench.figures import Figure
from tests.bench.gauges import cpu_s, memory_mib
from tests.bench.processes import (
    VENUE_CAP,
    BenchFailed,
    Venue,
    Watched,
    daemon,
    eventually,
    venue,
    wait_settled,
)

WEIGHT_ROW, CPU_ROW, MEMORY_ROW = "weight, quiet", "CPU per cycle, quiet", "memory"
WEIGHT_1M = 2_400
WEIGHT_BAR_PCT = 15
CPU_BARS_MS = {7: 5, 200: 60}
MEMORY_BAR_MIB = 130
CYCLE_WITHIN_S = 30.0
BEFORE_CYCLE_S, AFTER_CYCLE_S = 2.0, 1.0
"""How much before and after its expected end a cycle is looked for. The largest account works for a second."""
QUIET_S = 12.0
"""Without a write for more than one check interval: nothing is to be done any more."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one quiet account was measured to cost."""

    positions: int
    seconds: float
    cycles: int
    cycle_cpu_ms: float
    """CPU of one cycle, the mean: all CPU around it, less what the process uses between cycles in as much time."""
    least_cpu_ms: float
    most_cpu_ms: float
    all_cpu_ms: float
    """All CPU of the process divided by the cycles, whatever it was used for."""
    between_cpu_ms: float
    """CPU per second while no cycle runs: streams, lease, timers."""
    weight_1m: float
    rss_mib: float
    pss_mib: float
    wrote: int
    """Journal entries of the venue meanwhile: 0 proves that nothing was to be done."""
    stops_accepted_s: float
    """From the first read of the positions to the last of their stops, when all were naked."""
    cap: int


class QuietAccount:
    """A venue and a daemon that have come to rest."""

    interval_s = LoopSection().check_interval_s

    def __init__(self, stack: contextlib.ExitStack, positions: int) -> None:
        self.positions = positions
        self.cap = max(VENUE_CAP, positions)
        self._venue: Venue = stack.enter_context(venue(f"generated-{positions}"))
        limits = ""
        if self.cap > VENUE_CAP:
            self._venue.tell("limits", conditional_orders=self.cap)
            limits = f"[limits]\nconditional_orders_max = {self.cap}\n"
        self._daemon: Watched = stack.enter_context(daemon(self._venue, limits=limits))

    def settle(self) -> None:
        """Until all are protected and nothing is written any more; 300 orders in 10 s are the venue's limit."""
        wait_settled(self._venue, self._daemon, within_s=60 + self.positions / 10, quiet_s=QUIET_S)

    def watch(self, cycles: int) -> Cost:
        """Settle, then look at `cycles` cycles and at the time between them."""
        self.settle()
        first = last = self._reading()
        found: list[Stretch] = []
        between: list[Stretch] = []
        due_s = 0.0
        while len(found) < cycles:
            if last.at_s - first.at_s > CYCLE_WITHIN_S * cycles:
                raise BenchFailed(f"{len(found)} of {cycles} cycles came alone and when they were expected")
            if not due_s:
                due_s, last = self._end_of_a_cycle_s(), self._reading()
                first = first if found else last
            due_s, ended = due_s + self.interval_s, last
            _sleep_until(due_s - BEFORE_CYCLE_S)
            begins = self._reading()
            _sleep_until(due_s + AFTER_CYCLE_S)
            last = self._reading()
            if last.cycles - begins.cycles == 1 and begins.cycles == ended.cycles:
                between.append(ended.until(begins))
                found.append(begins.until(last))
            else:
                due_s = 0.0
        return self._cost(found, between, first, last)

    def _end_of_a_cycle_s(self) -> float:
        """Wait for the next published state."""
        known = self._daemon.cycles()
        eventually("a cycle", lambda: self._daemon.cycles() > known, CYCLE_WITHIN_S)
        return time.monotonic()

    def _cost(self, found: list[Stretch], between: list[Stretch], first: _Reading, last: _Reading) -> Cost:
        cycles_s, besides = per_cycle(found, between)
        usual = first.until(last)
        memory = memory_mib(self._daemon.pid)
        return Cost(
            positions=self.positions,
            seconds=round(usual.seconds, 1),
            cycles=len(found),
            cycle_cpu_ms=round(statistics.mean(cycles_s) * 1000, 2),
            least_cpu_ms=round(min(cycles_s) * 1000, 2),
            most_cpu_ms=round(max(cycles_s) * 1000, 2),
            all_cpu_ms=round(usual.cpu_s / (last.cycles - first.cycles) * 1000, 2),
            between_cpu_ms=round(besides * 1000, 2),
            weight_1m=round((last.weight - first.weight) * 60 / usual.seconds, 1),
            rss_mib=round(memory.rss, 1),
            pss_mib=round(memory.pss, 1),
            wrote=last.written - first.written,
            stops_accepted_s=self._stops_accepted_s(),
            cap=self.cap,
        )

    def _stops_accepted_s(self) -> float:
        start = cold_start.start_of(self._venue)
        return (start.last_stop_ms - start.first_read_ms) / 1000

    def _reading(self) -> _Reading:
        self._daemon.require_alive()
        written = self._venue.ask("state", history="false")["journal_sequence"]
        cycles, weight = self._daemon.cycles(), self._venue.weight()
        return _Reading(time.monotonic(), cpu_s(self._daemon.pid), cycles, weight, written)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time and the CPU used in it."""

    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    cpu_s: float
    cycles: int
    weight: int
    written: int

    def until(self, later: _Reading) -> Stretch:
        """What was spent from this reading to a later one."""
        return Stretch(later.at_s - self.at_s, later.cpu_s - self.cpu_s)


def per_cycle(found: Sequence[Stretch], between: Sequence[Stretch]) -> tuple[list[float], float]:
    """CPU seconds of each cycle, and those used each second besides.

    `found` are stretches with one cycle each, `between` such without any.
    """
    besides = sum(stretch.cpu_s for stretch in between) / sum(stretch.seconds for stretch in between)
    return [stretch.cpu_s - stretch.seconds * besides for stretch in found], besides


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))


def measure(positions: int, cycles: int) -> Cost:
    """The cost of an account with so many positions, with nothing else running."""
    with contextlib.ExitStack() as stack:
        return QuietAccount(stack, positions).watch(cycles)


def figures(costs: list[Cost]) -> list[Figure]:
    """The rows of DESIGN 8 that a quiet account is about."""
    weights = [_weight(cost) for cost in costs]
    return weights + [_cpu(cost) for cost in costs] + [_memory(cost) for cost in costs]


def _case(cost: Cost) -> str:
    raised = f", cap raised to {cost.cap}" if cost.cap > VENUE_CAP else ""
    return f"{cost.positions} positions{raised}"


def _weight(cost: Cost) -> Figure:
    share_pct = cost.weight_1m / WEIGHT_1M * 100
    promised = cost.positions == 50
    return Figure(
        WEIGHT_ROW,
        _case(cost),
        f"{cost.weight_1m:.0f} a minute, {share_pct:.1f} % of {WEIGHT_1M:,} (over {cost.seconds:.0f} s)",
        f"<= {WEIGHT_BAR_PCT} %" if promised else "",
        share_pct <= WEIGHT_BAR_PCT if promised else None,
        {"positions": cost.positions, "weight_1m": cost.weight_1m, "share_pct": round(share_pct, 2)},
    )


def _cpu(cost: Cost) -> Figure:
    bar_ms = CPU_BARS_MS.get(cost.positions)
    noisy = f"; {cost.wrote} orders moved meanwhile" if cost.wrote else ""
    cycles = f"{cost.cycles} cycles, {cost.least_cpu_ms:.1f} to {cost.most_cpu_ms:.1f}"
    return Figure(
        CPU_ROW,
        _case(cost),
        f"{cost.cycle_cpu_ms:.1f} ms ({cycles}), between cycles {cost.between_cpu_ms:.1f} ms a second; "
        f"all together {cost.all_cpu_ms:.1f} ms a cycle{noisy}",
        f"<= {bar_ms} ms" if bar_ms else "",
        cost.cycle_cpu_ms <= bar_ms if bar_ms else None,
        asdict(cost),
    )


def _memory(cost: Cost) -> Figure:
    return Figure(
        MEMORY_ROW,
        _case(cost),
        f"RSS {cost.rss_mib:.0f} MiB, PSS {cost.pss_mib:.0f} MiB",
        f"RSS <= {MEMORY_BAR_MIB} MiB",
        cost.rss_mib <= MEMORY_BAR_MIB,
        {"positions": cost.positions, "rss_mib": cost.rss_mib, "pss_mib": cost.pss_mib},
    )
