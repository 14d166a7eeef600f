"""The judge of requests of operators: what was asked, what the daemons say is in force, and what they do meanwhile.

What it finds is counted under invariant 8, which lets an operator loosen a stop by a command with an end.

It knows every entry that was written to `P:control`, and judges by what each daemon published itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.sim.checkers import Checker
from tests.sim.truth import Key, is_own, side_of

UNDER_WAY_MS = 8_000
"""What was decided before a pause was heard of may arrive this much later."""
VALID = frozenset({"pause", "hold", "resume"})


@dataclass
class Asked:
    """One entry that somebody wrote."""

    at_ms: int
    request_id: str
    category: str
    """pause, hold or resume where it is valid; else what is wrong with it."""
    symbol: str = "*"
    reason: str = ""


@dataclass
class Operators:
    """Told what is asked, published and written; says what was wrong."""

    checker: Checker
    clocks_hold: bool
    """Whether the daemon's clock is that of the world: pauses and holds end by it, so one that jumps ends them early or
    late, and nothing of that is judged."""
    foggy: bool
    """Whether reads may be wrong, so that a stop that rests may have been read as missing."""
    remembers: bool
    """Whether Redis keeps the stream, so that an id that was used stays known."""
    asked: list[Asked] = field(default_factory=list)
    _shown: dict[tuple[int, str], int] = field(default_factory=dict)
    """(daemon, request id) -> since when it has published the request as in force, without a gap."""
    _in_force: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def told(self, daemon: int, published: Mapping[str, Any], at_ms: int) -> Iterator[str]:
        """Something is published."""
        if not self.asked:
            return
        status = published["status"]
        in_force = json.loads(status.get("control", "[]"))
        ids = {one["id"] for one in in_force}
        self._shown = {where: since for where, since in self._shown.items() if where[0] != daemon or where[1] in ids}
        for one in in_force:
            self._shown.setdefault((daemon, one["id"]), at_ms)
            if one["until_ms"] <= int(status["published_at_ms"]):
                yield f"INV-8: of operators: {one} has ended and is published as in force"
            yield from self._not_acceptable(one["id"], one["reason"])
        self._in_force[daemon] = in_force
        for data in published["events"]:
            event = json.loads(data)
            if event["type"] == "ControlAccepted":
                yield from self._not_acceptable(event["request_id"], event.get("reason", ""))

    def _not_acceptable(self, request_id: str, reason: str) -> Iterator[str]:
        if reason == "replay" and self.remembers:
            yield f"INV-8: of operators: a replay of {request_id} was accepted"
            return
        categories = {one.category for one in self.asked if one.request_id == request_id}
        if self.clocks_hold and categories and not categories & {*VALID, "replay"}:
            yield f"INV-8: of operators: {request_id} was accepted, it is {categories}"

    def entry(self, entry: Any, daemon: int | None, now_ms: int) -> Iterator[str]:
        """One journal entry, before the checker has it; `now_ms` by the clock of the daemon that wrote."""
        if (
            daemon is None
            or not self.clocks_hold
            or entry.origin != "api"
            or entry.kind not in ("order_accepted", "order_canceled")
        ):
            return
        detail = entry.detail
        key = (entry.symbol, side_of(detail["position_side"], detail["side"]))
        if not is_own(detail) or not self._paused(daemon, key, entry.at_ms, now_ms):
            return
        if entry.kind == "order_canceled":
            yield f"INV-8: of operators: {key} is paused, and {detail} was removed"
        elif detail["type"] == "TAKE_PROFIT_MARKET":
            yield f"INV-8: of operators: {key} is paused, and a take-profit was placed: {detail}"
        elif detail["type"] == "STOP_MARKET" and not self.foggy and self._covered_long(key, entry.at_ms):
            yield f"INV-8: of operators: {key} is paused, and a stop was moved: {detail}"

    def _paused(self, daemon: int, key: Key, at_ms: int, now_ms: int) -> bool:
        for one in self._in_force.get(daemon, ()):
            since_ms = self._shown.get((daemon, one["id"]), at_ms)
            covers = one["symbol"] in ("*", key[0]) and one["side"] in (None, key[1])
            if one["type"] != "pause" or not covers or one["until_ms"] <= now_ms + 1:
                continue
            written_ms = min((a.at_ms for a in self.asked if a.request_id == one["id"]), default=at_ms)
            later = [a for a in self.asked if a.at_ms > written_ms and a.category in ("pause", "resume")]
            if at_ms - since_ms > UNDER_WAY_MS and not later:
                return True
        return False

    def _covered_long(self, key: Key, at_ms: int) -> bool:
        """Whether stops of ours cover the position since before anybody could have read it otherwise."""
        truth = self.checker.truth
        if key not in truth.positions or key in self.checker.exposed(at_ms):
            return False
        ours = [order for order in truth.stops_of(key) if is_own(order) and order["close_position"]]
        changed = [change[2] for change in self.checker._changed[key[0]]]
        return bool(ours) and at_ms - max(changed, default=0) > UNDER_WAY_MS

    def left_over(self, entries: Mapping[Key, Decimal], most_pct: Decimal) -> Iterator[str]:
        """At the end no hold is in force: a stop of somebody's that is too far covers nothing any more."""
        if not self.asked or not self.clocks_hold:
            return
        for key, entry_price in entries.items():
            most = entry_price * (most_pct + 1) / 100

            def counts(order: Any, price: Decimal = entry_price, most: Decimal = most, side: str = key[1]) -> bool:
                loss = price - Decimal(order["trigger"])
                return is_own(order) or (loss if side == "LONG" else -loss) <= most

            if key in self.checker.truth.positions and not self.checker.truth.covered(key, counts):
                yield f"INV-8: of operators: {key} is left to a stop that only a hold accepts, and none is in force"
