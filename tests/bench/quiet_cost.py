"""Rows: what a protected account costs while nothing happens, for a growing number of positions."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

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
AFTER_CYCLE_S = 0.5
"""The published state is the last thing of a cycle but for what the store still sends."""
QUIET_S = 12.0
"""Without a write for more than one check interval: nothing is to be done any more."""
RARE_INTERVAL_S = 60
"""The longest check interval: with it hardly anything but what runs all the time is left to measure."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one quiet account was measured to cost."""

    positions: int
    seconds: float
    cycles: int
    cycle_cpu_ms: float
    """CPU of one cycle: all CPU of the process, less what it uses between cycles."""
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
    """A venue and a daemon that have come to rest. Several can be measured over the same minutes."""

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

    def watch(self, cycles: int, between_s: float) -> Cost:
        """Settle, then measure over whole cycles and after that over `between_s` with hardly any cycle."""
        self.settle()
        self._first = self._after_cycle(self._daemon.cycles() + 1)
        self._last = self._after_cycle(self._first.cycles + cycles)
        self._memory = memory_mib(self._daemon.pid)
        self._daemon.set_check_interval(RARE_INTERVAL_S)
        self._rest = self._after_cycle(self._last.cycles + 1)
        time.sleep(between_s)
        return self.cost()

    def _after_cycle(self, number: int) -> _Reading:
        """A reading when this many cycles have ended, so that no stretch holds a part of one."""
        within_s = CYCLE_WITHIN_S * max(1, number - self._daemon.cycles())
        eventually(f"{number} cycles", lambda: self._daemon.cycles() >= number, within_s)
        time.sleep(AFTER_CYCLE_S)
        return self._reading()

    def cost(self) -> Cost:
        """Everything measured, with the last reading taken now."""
        usual, rare = self._first.until(self._last), self._rest.until(self._reading())
        seconds, cycles = usual.seconds, usual.cycles
        cycle_s, between = shared_out(usual, rare)
        return Cost(
            positions=self.positions,
            seconds=round(seconds, 1),
            cycles=cycles,
            cycle_cpu_ms=round(cycle_s * 1000, 2),
            all_cpu_ms=round(usual.cpu_s / cycles * 1000, 2),
            between_cpu_ms=round(between * 1000, 2),
            weight_1m=round((self._last.weight - self._first.weight) * 60 / seconds, 1),
            rss_mib=round(self._memory.rss, 1),
            pss_mib=round(self._memory.pss, 1),
            wrote=self._last.written - self._first.written,
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
class Spent:
    """CPU of a stretch of time, and the cycles in it."""

    seconds: float
    cpu_s: float
    cycles: int


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    cpu_s: float
    cycles: int
    weight: int
    written: int

    def until(self, later: _Reading) -> Spent:
        """What was spent from this reading to a later one."""
        return Spent(later.at_s - self.at_s, later.cpu_s - self.cpu_s, later.cycles - self.cycles)


def shared_out(usual: Spent, rare: Spent) -> tuple[float, float]:
    """CPU seconds of one cycle, and those used each second besides, from two stretches with unlike rates of cycles.

    Two equations, `cpu = cycles x cycle + seconds x besides`. Raises `BenchFailed` when they do not tell the two apart.
    """
    determinant = usual.cycles * rare.seconds - rare.cycles * usual.seconds
    if determinant <= 0:
        raise BenchFailed(f"{rare.cycles} cycles in {rare.seconds:.0f} s where few were expected")
    cycle_s = (usual.cpu_s * rare.seconds - rare.cpu_s * usual.seconds) / determinant
    return cycle_s, (usual.cycles * rare.cpu_s - rare.cycles * usual.cpu_s) / determinant


def measure(counts: list[int], cycles: int, between_s: float) -> list[Cost]:
    """The cost of each number of positions, side by side over the same minutes."""
    with contextlib.ExitStack() as stack:
        accounts = [QuietAccount(stack, count) for count in counts]
        with ThreadPoolExecutor(len(accounts)) as pool:
            return list(pool.map(lambda account: account.watch(cycles, between_s), accounts))


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
    return Figure(
        CPU_ROW,
        _case(cost),
        f"{cost.cycle_cpu_ms:.1f} ms ({cost.cycles} cycles), between cycles {cost.between_cpu_ms:.1f} ms a second; "
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
