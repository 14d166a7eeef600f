"""What the explorer says to people: a line for each run that fails, with the way to repeat it, and the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.explore.contacts import parsed
from tests.explore.exploring import Outcome, explore
from tests.explore.lives import Life
from tests.sim.report import kind


def failure(outcome: Outcome) -> str:
    """One line about a failing run, with the way to see it again."""
    first = outcome.violations[0].splitlines()[-1][:300]
    more = f" (and {len(outcome.violations) - 1} more)" if len(outcome.violations) > 1 else ""
    return f"{outcome.name}: {first}{more}  --  make explore RUN={outcome.name}"


class Summary:
    """Figures over many runs."""

    def __init__(self, lives: Sequence[Life]) -> None:
        self.failed = 0
        self._lives = lives
        self._runs: Counter[str] = Counter()
        self._broken: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._cpu_s = 0.0

    def add(self, life: str, runs: int, broken: Sequence[Outcome], cpu_s: float) -> None:
        """Take over what a bundle of runs showed."""
        self._runs[life] += runs
        self._broken[life] += len(broken)
        self._cpu_s += cpu_s
        self.failed += len(broken)
        for outcome in broken:
            faults = "+".join(f"{strike.fault}:{strike.span}" for strike in parsed(outcome.name)[1]) or "no fault"
            self._faults[f"{kind(outcome.violations[0])} under {faults}"] += 1

    def lines(self, elapsed_s: float) -> list[str]:
        """The summary as it is printed."""
        lines = [f"{'life':<18} {'contacts':>8} {'runs':>7} {'violations':>10}"]
        contacts = 0
        for life in self._lives:
            points = len(explore(life).contacts)
            contacts += points
            lines.append(f"{life.name:<18} {points:>8} {self._runs[life.name]:>7} {self._broken[life.name]:>10}")
        lines += [f"{count:>7} x {what}" for what, count in self._faults.most_common()]
        runs = self._runs.total()
        return [
            *lines,
            f"{len(self._lives)} lives, {contacts} contacts, {runs} runs, {self.failed} with violations; "
            f"{self._cpu_s / max(1, runs):.3f} CPU s per run, {runs / max(1e-9, elapsed_s):.0f} runs per second, "
            f"{elapsed_s:.0f} s elapsed",
        ]
