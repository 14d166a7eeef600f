"""Where stops are placed, judged from outside: never further from the entry than configured (DESIGN 9, invariant 8).

The daemon decides from a read that may be some seconds old, so every entry and mark price of the last seconds counts as
an honest reason. Only a stop that none of them explains is a violation.
"""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal
from typing import Any

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.world import World
from tests.sim.exit_rules import DEFAULT_POLICY, STOP_LOSS_MAX_PCT, ExitRules
from tests.sim.truth import PREFIX, Key, side_of

STEP_PCT = Decimal("0.5")
"""A stop that was refused is tried this much further away, and never beyond the bound (`stop_loss_max_pct`)."""
WINDOW_MS = 100_000
"""How old the read may be that a placed stop was decided from: the process may have been suspended in between."""
CROSSED = -2021
LAST_PRICE_PATH = Endpoint.LAST_PRICE.value.path
HAIR = Decimal("1e-9")
"""Averaged entry prices are reported with 12 decimals."""
NEAR = Decimal("0.001")
"""The mark counts as having passed the stop's level when it came this close to it."""
LEAST = Decimal("0.0045")
"""A stop nearer than this (a little under `stop_loss_min_pct`) to entry and mark alike is an exit, not a stop."""

BREAKEVEN_OFFSET = Decimal("0.001")
"""How far beyond the entry breakeven lies: the default of `breakeven_offset_pct` (S6)."""


class Levels:
    """Remembers recent entries and marks, and the triggers used before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rules: ExitRules = DEFAULT_POLICY
        """Where the policies of the run may place a stop."""
        self.crossed_window_ms = WINDOW_MS
        """How old the price may be that a stop which the venue would trigger at once was decided from."""
        self._entries: dict[Key, deque[tuple[int, Decimal]]] = defaultdict(lambda: deque(maxlen=300))
        self._marks: dict[str, deque[tuple[int, Decimal]]] = defaultdict(lambda: deque(maxlen=300))
        self._used: dict[Key, set[Decimal]] = defaultdict(set)
        self.squeezed: set[str] = set()
        """Symbols whose liquidation price or price limits may leave a stop no room but next to the mark."""
        self._lasts: dict[str, deque[tuple[int, Decimal]]] = defaultdict(lambda: deque(maxlen=300))
        self._refused: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=50))
        """When stops of a symbol were refused."""
        self.by_last = False
        """Whether the last trade arms the orders of the daemons."""
        self._last_hidden_ms = -WINDOW_MS
        """When the last prices could not be read: then the mark has to do."""

    def note_marks(self, at_ms: int, symbols: list[str]) -> None:
        """Remember the marks; a mark that did not move is remembered once."""
        for symbol in symbols:
            line, mark = self._marks[symbol], self._world.market.mark(symbol)
            if not line or line[-1][1] != mark:
                line.append((at_ms, mark))
            if self.by_last:
                lasts, last = self._lasts[symbol], self._world.market.last(symbol)
                if not lasts or lasts[-1][1] != last:
                    lasts.append((at_ms, last))

    def prices(self, symbol: str, at_ms: int) -> list[Decimal]:
        """The prices that a stop may have been made from lately."""
        return _recent(self._marks[symbol], at_ms) + _recent(self._lasts[symbol], at_ms)

    def marks(self, symbol: str, since_ms: int) -> list[Decimal]:
        """The marks a symbol had since then, that of then included."""
        line = self._marks[symbol]
        before = [mark for at_ms, mark in line if at_ms < since_ms]
        return before[-1:] + [mark for at_ms, mark in line if at_ms >= since_ms]

    def entry(self, entry: Any) -> str:
        """Take over one journal entry; a sentence when it is a stop of ours that nothing explains."""
        if entry.position_before != entry.position_after:  # the mark of a fill counts, though it lasted for a moment
            self.note_marks(entry.at_ms, [entry.symbol])
        for leg, position in self._world.account.positions.get(entry.symbol, {}).items():
            if position.amount:
                side = leg if leg != "BOTH" else ("LONG" if position.amount > 0 else "SHORT")
                line = self._entries[(entry.symbol, side)]
                if not line or line[-1][1] != position.entry:
                    line.append((entry.at_ms, position.entry))
        detail = entry.detail
        if detail.get("path") == LAST_PRICE_PATH:
            self._last_hidden_ms = entry.at_ms
        if detail.get("code") == CROSSED or detail.get("name") == "error":
            self._refused[entry.symbol].append(entry.at_ms)
        if entry.origin != "api" or detail.get("type") != "STOP_MARKET":
            return ""
        if not str(detail["client_id"]).startswith(PREFIX):
            return ""
        if entry.kind == "order_refused" and detail["code"] == CROSSED:
            return self._wrong_side(entry)
        return self._judged(entry) if entry.kind == "order_accepted" else ""

    def _wrong_side(self, entry: Any) -> str:
        """A stop that the venue would trigger at once: honest when the price only just passed it."""
        key = (entry.symbol, side_of("BOTH", entry.detail["side"]))
        way, trigger = 1 if key[1] == "LONG" else -1, Decimal(entry.detail["trigger"])
        self.note_marks(entry.at_ms, [entry.symbol])
        arming = [self._lasts if self.by_last else self._marks]
        if self.by_last and entry.at_ms - self._last_hidden_ms <= self.crossed_window_ms:
            arming.append(self._marks)
        prices = [
            price for line in arming for price in _recent(line[entry.symbol], entry.at_ms, self.crossed_window_ms)
        ]
        if any(way * (price - trigger) > 0 for price in prices):
            return ""
        return f"DESIGN-9: a stop of {key} at {trigger} was wanted on the wrong side of every price: {entry.detail}"

    def _judged(self, entry: Any) -> str:
        key = (entry.symbol, side_of(entry.detail["position_side"], entry.detail["side"]))
        trigger = Decimal(entry.detail["trigger"])
        self.note_marks(entry.at_ms, [entry.symbol])
        known = trigger in self._used[key]
        explained = known or self._explained(key, trigger, entry.at_ms)
        self._used[key].add(trigger)
        if not explained and entry.symbol not in self.squeezed:
            return f"DESIGN-9: a stop of {key} at {trigger} loses more than {self.rules.furthest_pct} %: {entry.detail}"
        if not known and entry.symbol not in self.squeezed and self._too_near(key, trigger, entry.at_ms):
            return f"DESIGN-9: a stop of {key} at {trigger} is next to entry and mark: {entry.detail}"
        return ""

    def _explained(self, key: Key, trigger: Decimal, at_ms: int) -> bool:
        """Whether some recent entry, or a recent mark after the entry's level was passed, leads to this stop."""
        way = 1 if key[1] == "LONG" else -1
        share = 1 - way * self._furthest_pct(key[0], at_ms) / 100
        entries = _recent(self._entries[key], at_ms)
        if not entries or any(way * (trigger - price * share) >= -HAIR * price for price in entries):
            return True
        marks = self.prices(key[0], at_ms)
        level = 1 - way * self.rules.nearest_pct / 100
        passed = any(way * (mark - price * level) <= NEAR * price for mark in marks for price in entries)
        tick = self._world.instruments[key[0]].tick
        return passed and any(way * (trigger - mark * share) >= -2 * tick for mark in marks)

    def _furthest_pct(self, symbol: str, at_ms: int) -> Decimal:
        """How far a stop may lie: a step further for every refusal lately, which may say that the price is there."""
        refused = sum(1 for then_ms in self._refused[symbol] if then_ms >= at_ms - WINDOW_MS)
        return min(self.rules.furthest_pct + STEP_PCT * refused, STOP_LOSS_MAX_PCT)

    def _too_near(self, key: Key, trigger: Decimal, at_ms: int) -> bool:
        """Whether every recent price is next to the stop. Breakeven is honest: it lies the cost of a trade beyond an
        entry. Under another policy than the default one, so is any stop there or further on: a lock, or a trail."""
        entries, marks = _recent(self._entries[key], at_ms), self.prices(key[0], at_ms)
        tick = self._world.instruments[key[0]].tick
        beyond = 1 + (BREAKEVEN_OFFSET if key[1] == "LONG" else -BREAKEVEN_OFFSET)
        if any(abs(trigger - price * beyond) <= tick for price in entries):
            return False
        way = 1 if key[1] == "LONG" else -1
        if not self.rules.own_levels and any(way * (trigger - price * beyond) >= -tick for price in entries):
            return False
        return all(abs(price - trigger) < LEAST * price for price in (*entries, *marks))


def _recent(line: deque[tuple[int, Decimal]], at_ms: int, window_ms: int = WINDOW_MS) -> list[Decimal]:
    """The values that held at some time in the window: those set in it, and the one that held when it began."""
    recent = [value for set_ms, value in line if set_ms >= at_ms - window_ms]
    before = [value for set_ms, value in line if set_ms < at_ms - window_ms]
    return recent + before[-1:]
