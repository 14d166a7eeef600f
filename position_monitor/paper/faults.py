"""Switchable faults: named rules with probability, count and filters.

A rule matches a request or an order; matching consumes one of its counts.  All
chances come from one seeded generator, separate from the price walk.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

TRANSPORT = (
    "lose_request", "lose_response", "timeout_before", "timeout_after", "late_execution",
    "latency",
)  # fmt: skip
REFUSING = (
    "unknown_503", "unavailable_503", "internal_503", "busy", "unexpected", "backend_timeout",
    "rate_limited", "banned", "error", "bad_key",
)  # fmt: skip
GARBLING = ("html", "empty", "empty_object", "null", "truncated", "code_zero")
READING = (
    "false_flat", "shrunken_positions", "empty_orders", "stale_reads", "delayed_listing",
)  # fmt: skip
ALGO = (
    "late_reject", "late_expire", "stuck_triggering", "child_rejected", "child_partial",
    "vanish", "accept_orphans",
)  # fmt: skip
STREAM = ("ws_silent", "ws_drop", "ws_duplicate", "ws_reorder", "ws_disconnect")
CLOCK = ("clock_skew",)
ONE_SHOT = ("listen_key_expire",)
NAMES = frozenset(TRANSPORT + REFUSING + GARBLING + READING + ALGO + STREAM + CLOCK + ONE_SHOT)
WRITE_METHODS = frozenset({"POST", "PUT", "DELETE"})


@dataclass(slots=True)
class Fault:
    """One rule.  `delay_ms` is the fault's own time; `fraction` of a partial fill;
    `executed` whether an ambiguous answer follows an execution; `count` uses left."""

    fault_id: int
    name: str
    probability: float = 1.0
    count: int | None = None
    symbol: str | None = None
    path: str | None = None
    method: str | None = None
    client_id: str | None = None
    delay_ms: int = 0
    code: int = -1000
    message: str | None = None
    executed: bool = False
    fraction: str = "0.5"
    keep: int = 0
    hits: int = 0

    def body(self) -> dict[str, Any]:
        """The JSON object of the control interface."""
        return {name: getattr(self, name) for name in self.__slots__}

    def admits(self, symbol: str | None, path: str, method: str, client_id: str | None) -> bool:
        """Whether the filters let this request or order in."""
        if self.symbol is not None and self.symbol != symbol:
            return False
        if self.method is not None and self.method.upper() != method:
            return False
        if self.client_id is not None and not (client_id or "").startswith(self.client_id):
            return False
        return self.path is None or _same_path(self.path, path)


def _same_path(wanted: str, path: str) -> bool:
    return path == wanted or path.endswith("/" + wanted.lstrip("/"))


class FaultBox:
    """The active rules."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"faults:{seed}")  # noqa: S311 - simulation
        self._rules: list[Fault] = []
        self._named: dict[tuple[str, ...], list[Fault]] = {}
        self._next_id = 1

    def add(self, name: str, **settings: Any) -> Fault:  # noqa: ANN401 - field values of Fault
        """Switch a fault on.  Unknown names and settings are refused with ValueError."""
        if name not in NAMES:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(NAMES))}")
        allowed = set(Fault.__slots__) - {"fault_id", "name", "hits"}
        if unknown := set(settings) - allowed:
            raise ValueError(f"unknown settings {sorted(unknown)}; known: {sorted(allowed)}")
        rule = Fault(self._next_id, name, **settings)
        self._next_id += 1
        self._rules.append(rule)
        self._named.clear()
        return rule

    def remove(self, name: str | None = None, fault_id: int | None = None) -> int:
        """Switch off by id, by name, or everything; returns how many."""
        keep = [
            rule for rule in self._rules
            if (fault_id is not None and rule.fault_id != fault_id)
            or (fault_id is None and name is not None and rule.name != name)
        ]  # fmt: skip
        removed = len(self._rules) - len(keep)
        self._rules = keep
        self._named.clear()
        return removed

    def of(self, names: tuple[str, ...]) -> list[Fault]:
        """The active rules of these names, oldest first; remembered, for every request asks several times."""
        found = self._named.get(names)
        if found is None:
            found = self._named[names] = [rule for rule in self._rules if rule.name in names]
        return found

    def active(self) -> list[Fault]:
        """Every rule that still has uses left."""
        return list(self._rules)

    def has(self, name: str) -> bool:
        """Whether a rule of this name exists, without using it."""
        return bool(self.of((name,)))

    def first(self, name: str) -> Fault | None:
        """The first rule of a name, without using it."""
        found = self.of((name,))
        return found[0] if found else None

    def take(
        self,
        names: tuple[str, ...],
        *,
        symbol: str | None = None,
        path: str = "",
        method: str = "",
        client_id: str | None = None,
    ) -> Fault | None:
        """The first rule of these names that applies now; uses one of its counts."""
        for rule in self.of(names):
            if not rule.admits(symbol, path, method, client_id):
                continue
            if rule.probability < 1 and self._rng.random() >= rule.probability:
                continue
            rule.hits += 1
            if rule.count is not None:
                rule.count -= 1
                if rule.count <= 0:
                    self._rules.remove(rule)
                    self._named.clear()
            return rule
        return None

    def shuffle(self, items: list[Any]) -> None:
        """Seeded reordering for the stream fault."""
        self._rng.shuffle(items)
