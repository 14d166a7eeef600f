"""The invariants, checked from outside: only the venue's journal and what Redis was told. No planner code in here.

The journal is replayed entry by entry into a small truth of its own (positions, resting conditional orders). Every
violation is a sentence with the invariant's number (DESIGN 2).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

PREFIX = "qpm"
OWN_ORDERS_MAX = 18
"""The configured limit of 10, the backstop and 4 working stops beyond it, one ladder that a stale list may hide."""
ZERO = Decimal(0)


@dataclass
class Truth:
    """The world as the journal tells it."""

    symbol: str = ""
    positions: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(symbol, LONG or SHORT) -> size."""
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Resting conditional orders by id."""
    plain: dict[int, dict[str, Any]] = field(default_factory=dict)


def side_of(position_side: str, order_side: str) -> str:
    """The position an exit order belongs to."""
    if position_side in ("LONG", "SHORT"):
        return position_side
    return "LONG" if order_side == "SELL" else "SHORT"


def is_stop(order: dict[str, Any]) -> bool:
    return order["type"] == "STOP_MARKET" and order["status"] == "NEW"


class Checker:
    """Replays the journal and judges."""

    def __init__(self, *, stale_ms: int) -> None:
        """`stale_ms` is how old the answers may be that the run's faults hand out."""
        self.truth = Truth()
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self._stale_ms = stale_ms
        self._covered: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        """Per position: moments at which full cover began or ended."""
        self._changed_ms: dict[str, int] = {}
        """When a position or an order of a symbol last changed by somebody else's hand."""
        self._open_since: dict[tuple[str, str], int] = {}
        self._exposed_since: dict[tuple[str, str], int] = {}
        self.exposed_ms: list[int] = []
        """Length of every stretch a position was without full cover."""
        self._cancel_reads: dict[str, int] = {}

    # -- the journal

    def entry(self, entry: Any) -> None:
        """Judge one journal entry."""
        detail, symbol = entry.detail, entry.symbol
        own = entry.origin == "api" and str(detail.get("client_id", "")).startswith(PREFIX)
        before = self._cover_all(symbol)
        self._never_expose(entry, own)
        self._apply(entry)
        after = self._cover_all(symbol)
        if entry.kind == "order_canceled" and entry.origin == "api":
            self._own_cancel(entry, before, after)
        if entry.kind == "order_accepted" and own:
            self._once_per_intent(entry)
        if entry.origin != "api":
            self._changed_ms[symbol] = entry.at_ms
        self._note_cover(symbol, after, entry.at_ms)
        self.counts[f"{'own ' if own else ''}{entry.kind}"] += 1

    def _apply(self, entry: Any) -> None:
        detail, symbol = entry.detail, entry.symbol
        if "order_id" in detail:
            book = self.truth.orders if detail.get("order_kind") == "algo" else self.truth.plain
            if detail.get("status") in ("NEW", "PARTIALLY_FILLED") and entry.kind != "order_vanished":
                book[detail["order_id"]] = {**detail, "symbol": symbol, "origin": entry.origin}
            else:
                book.pop(detail["order_id"], None)
        if symbol:
            for side in ("LONG", "SHORT"):
                self.truth.positions.pop((symbol, side), None)
            for leg, text in entry.position_after.items():
                amount = Decimal(text)
                side = leg if leg != "BOTH" else ("LONG" if amount > 0 else "SHORT")
                if amount:
                    self.truth.positions[(symbol, side)] = abs(amount)
        if entry.kind == "mode_changed":
            for order in [*self.truth.orders.values(), *self.truth.plain.values()]:
                side = side_of("BOTH", order["side"])
                order["position_side"] = side if entry.detail["hedge"] else "BOTH"

    def _cover_all(self, symbol: str) -> dict[tuple[str, str], bool]:
        return {key: self._cover(key) for key in self.truth.positions if key[0] == symbol}

    def _cover(self, key: tuple[str, str]) -> bool:
        """Whether resting stops cover the whole position right now."""
        total = ZERO
        for order in self.truth.orders.values():
            if order["symbol"] != key[0] or not is_stop(order):
                continue
            if side_of(order["position_side"], order["side"]) != key[1]:
                continue
            if order["side"] != ("SELL" if key[1] == "LONG" else "BUY"):
                continue
            if order["close_position"]:
                return True
            total += Decimal(order["quantity"])
        return total >= self.truth.positions[key]

    def _note_cover(self, symbol: str, cover: dict[tuple[str, str], bool], at_ms: int) -> None:
        for key in [key for key in self._open_since if key[0] == symbol and key not in cover]:
            del self._open_since[key]
            self._covered.pop(key, None)
            if key in self._exposed_since:
                self.exposed_ms.append(at_ms - self._exposed_since.pop(key))
        for key, full in cover.items():
            self._open_since.setdefault(key, at_ms)
            line = self._covered[key]
            if not line or line[-1][1] != full:
                line.append((at_ms, full))
            if not full:
                self._exposed_since.setdefault(key, at_ms)
            elif key in self._exposed_since:
                self.exposed_ms.append(at_ms - self._exposed_since.pop(key))

    # -- invariants 1, 2, 4, 5, 10

    def _never_expose(self, entry: Any, own: bool) -> None:
        detail = entry.detail
        if entry.origin == "api" and entry.kind == "order_accepted":
            exits = detail["position_side"] in ("LONG", "SHORT") and (detail["position_side"] == "LONG") == (
                detail["side"] == "SELL"
            )
            if not (detail["reduce_only"] or detail["close_position"] or exits):
                self.violations.append(f"INV-1: an order that can open was sent: {detail}")
            if not own:
                self.violations.append(f"INV-4: an order without our prefix was sent: {detail}")
        if own and entry.position_before != entry.position_after:
            for leg, text in entry.position_after.items():
                grown = abs(Decimal(text)) - abs(Decimal(entry.position_before.get(leg, "0")))
                turned = Decimal(text) * Decimal(entry.position_before.get(leg, "0")) < 0
                if grown > 0 or turned:
                    self.violations.append(f"INV-1: a fill of ours exposed: {entry}")

    def _own_cancel(self, entry: Any, before: dict[Any, bool], after: dict[Any, bool]) -> None:
        detail = entry.detail
        if not str(detail["client_id"]).startswith(PREFIX):
            self.violations.append(f"INV-5: a foreign order was cancelled: {detail}")
        for key, covered in before.items():
            if covered and not after.get(key, True):
                since_ms = entry.at_ms - self._changed_ms.get(entry.symbol, 0)
                if since_ms > self._stale_ms + 2_000:
                    self.violations.append(f"INV-2: a cancel of ours uncovered {key}: {detail}")
                self.counts["cancel that raced with a change"] += 1

    def _once_per_intent(self, entry: Any) -> None:
        if entry.detail.get("order_kind") != "algo":
            return
        mine = [
            (o["symbol"], o["client_id"][4:14], o["side"], o["position_side"], o["trigger"], o["quantity"])
            for o in self.truth.orders.values()
            if str(o["client_id"]).startswith(PREFIX)
        ]
        new = entry.detail
        content = (
            entry.symbol,
            new["client_id"][4:14],
            new["side"],
            new["position_side"],
            new["trigger"],
            new["quantity"],
        )
        if new.get("order_kind") == "algo" and mine.count(content) > 1:
            self.violations.append(f"INV-4: the same intent rests twice: {content}")
        key = (entry.symbol, side_of(new["position_side"], new["side"]))
        own = sum(1 for o in mine if (o[0], side_of(o[3], o[2])) == key)
        if own > OWN_ORDERS_MAX:
            self.violations.append(f"INV-10: {own} orders of ours rest for {key}")

    # -- invariant 6

    def publication(self, at_ms: int, published: dict[str, Any]) -> None:
        """A published PROTECTED must have been true at some moment between the read it claims and now."""
        for member, fields in published["positions"].items():
            if fields["verdict"] not in ("PROTECTED", "STOP_ONLY"):
                continue
            symbol, side = member.rsplit(":", 1)
            from_ms = int(fields["observed_at_ms"]) - self._stale_ms - 50
            if not self._was_covered((symbol, side), from_ms, at_ms):
                self.violations.append(f"INV-6: {member} was called {fields['verdict']} at {at_ms} and never was")

    def _was_covered(self, key: tuple[str, str], from_ms: int, to_ms: int) -> bool:
        line = self._covered.get(key)
        if not line:
            return True  # the position ended meanwhile; nothing was exposed
        index = bisect_right(line, (from_ms, True)) - 1
        state = line[index][1] if index >= 0 else True
        return state or any(full for at_ms, full in line[max(0, index) :] if at_ms <= to_ms)

    # -- the end

    def finish(self, at_ms: int) -> None:
        """Close the books: what is exposed now was exposed until now."""
        for key in sorted(self._exposed_since):
            self.exposed_ms.append(at_ms - self._exposed_since[key])

    def duplicates(self) -> list[Any]:
        """Contents of ours that rest more than once now, whatever epoch they were made in."""
        contents = Counter(
            (o["symbol"], o["client_id"][4:6], o["side"], o["position_side"], o["trigger"], o["quantity"])
            for o in self.truth.orders.values()
            if str(o["client_id"]).startswith(PREFIX)
        )
        return [content for content, count in sorted(contents.items()) if count > 1]

    def uncovered(self) -> list[tuple[str, str]]:
        """Positions that are not fully covered now."""
        return [key for key in sorted(self.truth.positions) if not self._cover(key)]
