"""Switchable faults: named rules with probability, count and filters.

A rule matches a request or an order; matching consumes one of its counts.  All
chances come from one seeded generator, separate from the price walk.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    "false_flat", "shrunken_positions", "empty_orders", "stale_reads", "replica_lag", "delayed_listing",
    "odd_rows", "zero_mark",
)  # fmt: skip
LAGGING = ("replica_lag", "stale_reads")
"""Faults whose reads need the past."""
ALGO = (
    "late_reject", "late_expire", "stuck_triggering", "slow_trigger", "child_rejected", "child_partial",
    "vanish", "accept_orphans",
)  # fmt: skip
PLAIN = ("partial_fills",)
STREAM = ("ws_silent", "ws_drop", "ws_duplicate", "ws_reorder", "ws_disconnect", "ws_refused", "market_silent")
CLOCK = ("clock_skew",)
ONE_SHOT = ("listen_key_expire",)
NAMES = frozenset(TRANSPORT + REFUSING + GARBLING + READING + ALGO + PLAIN + STREAM + CLOCK + ONE_SHOT)
WRITE_METHODS = frozenset({"POST", "PUT", "DELETE"})


@dataclass(slots=True)
class Fault:
    """One rule.  `delay_ms` is the fault's own time, up to `delay_max_ms` where it drifts; `fraction` of a partial
    fill; `executed` whether an ambiguous answer follows an execution; `count` uses left; `where` parameters the request
    must have; `lasts_ms` after which the rule ends by itself; `status` and `retry_after` of the HTTP answer as they are
    sent; `field` and `value` of an odd row."""

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
    delay_max_ms: int | None = None
    lasts_ms: int | None = None
    where: dict[str, str] | None = None
    status: int | None = None
    retry_after: str | None = None
    field: str = "markPrice"
    value: Any = "0.00000000"

    def body(self) -> dict[str, Any]:
        """The JSON object of the control interface."""
        return {name: getattr(self, name) for name in self.__slots__}

    def admits(
        self,
        symbol: str | None,
        path: str,
        method: str,
        client_id: str | None,
        params: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether the filters let this request or order in."""
        if self.symbol is not None and self.symbol != symbol:
            return False
        if self.method is not None and self.method.upper() != method:
            return False
        if self.client_id is not None and not (client_id or "").startswith(self.client_id):
            return False
        if self.where is not None and not self._asks_for(params or {}):
            return False
        return self.path is None or _same_path(self.path, path)

    def _asks_for(self, params: Mapping[str, str]) -> bool:
        wanted = self.where or {}
        return all(params.get(name, "").lower() == str(value).lower() for name, value in wanted.items())

    def lag_ms(self, now_ms: int) -> int:
        """How far behind a lagging replica is now: `delay_ms`, or a slow drift between that and `delay_max_ms`, slower
        than time itself so that what it shows never goes back."""
        if self.delay_max_ms is None:
            return self.delay_ms
        width = self.delay_max_ms - self.delay_ms
        period_ms = max(60_000, 4 * abs(width))
        phase = now_ms % period_ms
        return self.delay_ms + width * min(phase, period_ms - phase) * 2 // period_ms


def _same_path(wanted: str, path: str) -> bool:
    return path == wanted or path.endswith("/" + wanted.lstrip("/"))


class RequestRules(NamedTuple):
    """The active rules about requests, by when they strike."""

    latency: list[Fault]
    lost: list[Fault]
    late: list[Fault]
    refusing: list[Fault]
    refusing_exempt: list[Fault]
    """Those of `refusing` for a request that the venue is never too busy for."""
    unanswered: list[Fault]
    garbling: list[Fault]
    odd: list[Fault]


_STRIKING: dict[str, tuple[str, ...]] = {
    "latency": ("latency",),
    "lost": ("lose_request", "timeout_before"),
    "late": ("late_execution",),
    "refusing": REFUSING,
    "refusing_exempt": tuple(name for name in REFUSING if name != "busy"),
    "unanswered": ("lose_response", "timeout_after"),
    "garbling": GARBLING,
    "odd": ("odd_rows", "zero_mark"),
}
"""Field of `RequestRules` -> the names of its rules."""


class FaultBox:
    """The active rules."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"faults:{seed}")  # noqa: S311 - simulation
        self._rules: list[Fault] = []
        self._named: dict[tuple[str, ...], list[Fault]] = {}
        self._about_requests: RequestRules | None = None
        self._next_id = 1
        self.ask_client_ids = False
        """Whether any rule is about the orders of a client id."""

    def add(self, name: str, **settings: Any) -> Fault:  # noqa: ANN401 - field values of Fault
        """Switch a fault on.  Unknown names and settings are refused with ValueError."""
        if name not in NAMES:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(NAMES))}")
        allowed = set(Fault.__slots__) - {"fault_id", "name", "hits"}
        refuse_settings(settings)
        if unknown := set(settings) - allowed:
            raise ValueError(f"unknown settings {sorted(unknown)}; known: {sorted(allowed)}")
        rule = Fault(self._next_id, name, **settings)
        self._next_id += 1
        self._rules.append(rule)
        self._changed()
        return rule

    def _changed(self) -> None:
        self._named.clear()
        self._about_requests = None
        self.ask_client_ids = any(rule.client_id is not None for rule in self._rules)

    def remove(self, name: str | None = None, fault_id: int | None = None) -> int:
        """Switch off by id, by name, or everything; returns how many."""
        keep = [
            rule for rule in self._rules
            if (fault_id is not None and rule.fault_id != fault_id)
            or (fault_id is None and name is not None and rule.name != name)
        ]  # fmt: skip
        removed = len(self._rules) - len(keep)
        self._rules = keep
        self._changed()
        return removed

    def of(self, names: tuple[str, ...]) -> list[Fault]:
        """The active rules of these names, oldest first; remembered, for every request asks several times."""
        found = self._named.get(names)
        if found is None:
            found = self._named[names] = [rule for rule in self._rules if rule.name in names]
        return found

    def about_requests(self) -> RequestRules:
        """What may befall a request; remembered until a rule comes or goes."""
        if self._about_requests is None:
            self._about_requests = RequestRules(**{stage: self.of(names) for stage, names in _STRIKING.items()})
        return self._about_requests

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
        params: Mapping[str, str] | None = None,
    ) -> Fault | None:
        """The first rule of these names that applies now; uses one of its counts."""
        rules = self.of(names)
        return self.strike(rules, symbol, path, method, client_id, params) if rules else None

    def strike(
        self,
        rules: list[Fault],
        symbol: str | None,
        path: str,
        method: str,
        client_id: str | None,
        params: Mapping[str, str] | None,
    ) -> Fault | None:
        """The same of rules that `of` gave."""
        for rule in rules:
            if not rule.admits(symbol, path, method, client_id, params):
                continue
            if rule.probability < 1 and self._rng.random() >= rule.probability:
                continue
            rule.hits += 1
            if rule.count is not None:
                rule.count -= 1
                if rule.count <= 0:
                    self._rules.remove(rule)
                    self._changed()
            return rule
        return None

    def standing(self, name: str, symbol: str | None, path: str) -> Fault | None:
        """The first rule of a name that holds for reads of this path, without using it."""
        for rule in self.of((name,)):
            if rule.admits(symbol, path, "GET", None):
                return rule
        return None

    def longest_lag_ms(self) -> int:
        """How much of the past the reading faults need, 0 when none is on."""
        return max((max(rule.delay_ms, rule.delay_max_ms or 0) for rule in self.of(LAGGING)), default=0)

    def shuffle(self, items: list[Any]) -> None:
        """Seeded reordering for the stream fault."""
        self._rng.shuffle(items)


def refuse_settings(settings: Mapping[str, Any]) -> None:
    """ValueError for settings no rule can have, so that a mistyped one does not silently do nothing."""
    for name in ("probability", "delay_ms", "delay_max_ms", "lasts_ms", "count", "keep"):
        value = settings.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{name} was {value!r}; a number is expected")
    if not 0 <= settings.get("probability", 1) <= 1:
        raise ValueError(f"probability was {settings['probability']!r}; 0 to 1 is allowed")
    if (lasts := settings.get("lasts_ms")) is not None and lasts <= 0:
        raise ValueError(f"lasts_ms was {lasts!r}; more than 0 is expected")
    if not isinstance(settings.get("where", {}) or {}, dict):
        raise ValueError(f"where was {settings['where']!r}; an object of request parameters is expected")
