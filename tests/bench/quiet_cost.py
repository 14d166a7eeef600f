"""What protected accounts of growing size cost while nothing happens. All of them run; they are watched by turns.

A turn is two cycles in a row, so one of them reads all order lists. The speed of the machine changes within minutes:
costs are compared within a turn of all accounts, and the bars are about the median of the turns (`quiet_figures.py`).
In each turn of the smallest account the same client sends bare signed requests as well (`bare_request.py`).
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from position_monitor.config.sections import LoopSection
from tests.bench import cold_start
from tests.bench.bare_request import BareClient, bare_client
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

CYCLES_OF_A_TURN = 2
"""Order lists are read in every second cycle."""
BARE_REQUESTS = 30
"""In a row, in each turn: the median of their CPU is what the bar is about."""
CYCLE_WITHIN_S = 30.0
TURN_WITHIN_S = 180.0
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
    """CPU of one cycle, the median of the turns: all CPU around it, less what the process uses between cycles."""
    turns_cpu_ms: tuple[float, ...]
    """The same of each turn, the mean of its cycles."""
    bare_cpu_ms: tuple[float, ...]
    """CPU of a bare signed request in each turn, in a row; empty where none was sent."""
    bare_idle_cpu_ms: float
    """The same of a request that comes after some idle time as a cycle does, the median; 0 where none was sent."""
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
    """A venue and a daemon that come to rest, and what was found in their turns."""

    interval_s = LoopSection().check_interval_s

    def __init__(self, stack: contextlib.ExitStack, positions: int, *, with_bare_requests: bool) -> None:
        self.positions = positions
        self.cap = max(VENUE_CAP, positions)
        self._venue: Venue = stack.enter_context(venue(f"generated-{positions}"))
        if self.cap > VENUE_CAP:
            self._venue.tell("limits", conditional_orders=self.cap)
        self._daemon: Watched = stack.enter_context(daemon(self._venue))
        # 300 orders in 10 s are the venue's limit.
        wait_settled(self._venue, self._daemon, within_s=60 + positions / 10, quiet_s=QUIET_S)
        self._bare: BareClient | None = stack.enter_context(bare_client(self._venue)) if with_bare_requests else None
        self._first: _Reading | None = None
        self._last = self._reading()
        self._turns: list[Turn] = []

    def take_turn(self) -> None:
        """Look at the cycles of one turn and at the time between them. Each must come alone and when it is expected."""
        found: list[Stretch] = []
        between: list[Stretch] = []
        until_s, due_s = time.monotonic() + TURN_WITHIN_S, 0.0
        bare_ms: list[float] = []
        while len(found) < CYCLES_OF_A_TURN:
            if time.monotonic() > until_s:
                raise BenchFailed(f"{CYCLES_OF_A_TURN} cycles in a row never came alone and when they were expected")
            if not due_s:
                found, between = [], []
                due_s, last = self._end_of_a_cycle_s(), self._reading()
                self._first = self._first or last
                bare_ms = bare_ms or self._bare_cpu_ms()
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
        assert self._first is not None
        # As many cycles with a sweep as without: one sweep more would be a twelfth of the weight.
        self._last = ended if (last.cycles - self._first.cycles) % CYCLES_OF_A_TURN else last
        self._turns.append(Turn(found, between, bare_ms))

    def _bare_cpu_ms(self) -> list[float]:
        """Right after a cycle, so long before the next one. The first comes after idle time."""
        return [] if self._bare is None else [asked.cpu_ms for asked in self._bare.ask(1 + BARE_REQUESTS)]

    def _end_of_a_cycle_s(self) -> float:
        """Wait for the next published state."""
        before = self._daemon.cycles()
        eventually("a cycle", lambda: self._daemon.cycles() > before, CYCLE_WITHIN_S)
        return time.monotonic()

    def cost(self) -> Cost:
        """What all turns together found; at least one was taken."""
        assert self._first is not None
        turns = [per_cycle(turn.cycles, turn.between) for turn in self._turns]
        cycles_ms = [seconds * 1000 for cycles_s, _ in turns for seconds in cycles_s]
        turns_ms = [statistics.mean(cycles_s) * 1000 for cycles_s, _ in turns]
        bare_ms = [turn.bare_ms for turn in self._turns if turn.bare_ms]
        usual, memory = self._first.until(self._last), memory_mib(self._daemon.pid)
        passed = self._last.cycles - self._first.cycles
        return Cost(
            positions=self.positions,
            seconds=round(usual.seconds, 1),
            cycles=len(cycles_ms),
            cycle_cpu_ms=round(statistics.median(turns_ms), 2),
            turns_cpu_ms=tuple(round(one, 3) for one in turns_ms),
            bare_cpu_ms=tuple(round(statistics.median(ones[1:]), 3) for ones in bare_ms),
            bare_idle_cpu_ms=round(statistics.median(ones[0] for ones in bare_ms), 3) if bare_ms else 0.0,
            least_cpu_ms=round(min(cycles_ms), 2),
            most_cpu_ms=round(max(cycles_ms), 2),
            all_cpu_ms=round(usual.cpu_s / passed * 1000, 2),
            between_cpu_ms=round(statistics.median(besides for _, besides in turns) * 1000, 2),
            weight_1m=round((self._last.weight - self._first.weight) / passed * 60 / self.interval_s, 1),
            rss_mib=round(memory.rss, 1),
            pss_mib=round(memory.pss, 1),
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
        cycles, weight = self._daemon.cycles(), self._venue.weight() - (self._bare.weight if self._bare else 0)
        return _Reading(time.monotonic(), cpu_s(self._daemon.pid), cycles, weight, written)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time and the CPU used in it."""

    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one account."""

    cycles: Sequence[Stretch]
    between: Sequence[Stretch]
    bare_ms: Sequence[float]
    """CPU of the bare requests, the first one after idle time."""


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


def measure(accounts: Sequence[int], turns: int) -> tuple[list[Cost], dict[int, str]]:
    """The cost of accounts with so many positions each, in rising order; bare requests go to the first one's venue.

    An account that never comes to rest is left out: the second value says why, by its positions.
    """
    running: list[QuietAccount] = []
    restless: dict[int, str] = {}
    with contextlib.ExitStack() as stack:
        for positions in accounts:
            with contextlib.ExitStack() as own:
                try:
                    running.append(QuietAccount(own, positions, with_bare_requests=positions == accounts[0]))
                except BenchFailed as failure:
                    restless[positions] = str(failure)
                else:
                    stack.push(own.pop_all())
        for _ in range(turns):
            for account in running:
                account.take_turn()
        return [account.cost() for account in running], restless
