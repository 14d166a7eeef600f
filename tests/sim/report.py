"""What runs of the simulator look like to people: one line per journal entry, a summary over many seeds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from position_monitor.paper.journal import Entry

if TYPE_CHECKING:
    from tests.sim.simulation import Result

_FACTS = ("client_id", "side", "position_side", "type", "quantity", "trigger", "status", "reason", "code", "message")
_FACTS += ("name", "method", "path", "hedge", "fields", "order_id")


def describe(entry: Entry) -> str:
    """One journal entry as a line."""
    facts = [f"{name}={entry.detail[name]}" for name in _FACTS if entry.detail.get(name) not in (None, "")]
    if entry.detail.get("close_position"):
        facts.append("close-all")
    moved = ""
    if entry.position_before != entry.position_after:
        moved = f" position {entry.position_before or 'flat'} -> {entry.position_after or 'flat'}"
    return f"{entry.kind} by {entry.origin} {entry.symbol} {' '.join(facts)}{moved}"


class Summary:
    """Figures over many seeds."""

    def __init__(self) -> None:
        self.seeds = 0
        self.failed: list[int] = []
        self._simulated_s = 0.0
        self._cpu_s = 0.0
        self._counts: Counter[str] = Counter()
        self._violations: Counter[str] = Counter()
        self._exposed_ms: dict[bool, list[int]] = {False: [], True: []}
        self._converged_ms: list[int] = []

    def add(self, result: Result, cpu_s: float) -> None:
        """Take over the result of one seed."""
        self.seeds += 1
        self._simulated_s += result.simulated_s
        self._cpu_s += cpu_s
        self._counts.update(result.counts)
        self._exposed_ms[result.faulty] += result.exposed_ms
        self._converged_ms.append(result.converged_ms)
        if result.violations:
            self.failed.append(result.seed)
            self._violations.update(kind(violation) for violation in result.violations)

    def lines(self, elapsed_s: float) -> list[str]:
        """The summary as it is printed."""
        own = {name.removeprefix("own "): n for name, n in self._counts.items() if name.startswith("own ")}
        faults = {name.removeprefix("fault "): n for name, n in self._counts.items() if name.startswith("fault ")}
        raced = self._counts["cancel that raced with a change"]
        waits = self._counts["waits for the request budget"]
        return [
            f"{self.seeds} seeds, {self._simulated_s / 3600:.1f} simulated hours, {len(self.failed)} with violations",
            f"faults    {sum(faults.values())}: {_listed(faults)}",
            f"orders    {own.get('order_accepted', 0)} placed, {own.get('order_refused', 0)} refused; "
            f"{own.get('order_canceled', 0)} cancels, {raced} of them raced with somebody else's change",
            f"broken    {_listed(self._violations) or 'nothing'}",
            f"naked     without faults {spread(self._exposed_ms[False])}",
            f"naked     with faults    {spread(self._exposed_ms[True])}",
            f"converged after the faults stopped: {spread(self._converged_ms)}; "
            f"{waits} runs had used up the request budget",
            f"cost      {self._cpu_s / max(1, self.seeds):.3f} CPU s per seed, {elapsed_s:.0f} s elapsed",
        ]


def kind(violation: str) -> str:
    """The invariant a violation is about."""
    return violation.partition(":")[0] if violation.startswith(("INV-", "DESIGN-", "defect")) else "other"


def failure(result: Result) -> str:
    """One line about a failing seed, with the way to see it again."""
    first = result.violations[0]
    more = f" (and {len(result.violations) - 1} more)" if len(result.violations) > 1 else ""
    how = f"make sim SEED={result.seed}  or  python -m tests.sim --seed {result.seed} --trace"
    return f"seed {result.seed}: {first.splitlines()[-1][:300]}{more}  --  {how}"


def spread(values_ms: list[int]) -> str:
    """Median, 99th percentile and maximum in seconds."""
    if not values_ms:
        return "never"
    ordered = sorted(values_ms)
    median, p99 = (ordered[min(len(ordered) - 1, len(ordered) * share // 100)] / 1000 for share in (50, 99))
    return f"median {median:.3f} s, p99 {p99:.3f} s, max {ordered[-1] / 1000:.3f} s, {len(ordered)} times"


def _listed(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
