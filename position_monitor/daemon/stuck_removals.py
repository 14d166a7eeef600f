"""Removals that the venue refuses again and again although the orders still rest (invariant 10).

One refusal is ordinary: the order fired or was cancelled a moment before. When the same order is refused a second time,
removals in its symbol go one at a time, the one that was refused longest ago first, and at a growing distance, until
one succeeds. Nothing else waits for them: a stop that cannot be removed is too much cover, never too little.

An order whose removal the venue confirmed is left alone for as long as its lists may lag: to ask again would be refused
as unknown, and would hold back the removals that are due.

Where the answer to a removal does not come, nothing waits for it but further removals in its symbol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from position_monitor.core.model.actions import Cancel
from position_monitor.edge.clock import Clock

FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 30.0
LISTED_AFTER_S = 15.0
"""How long a list may show an order that was removed (`STALE_REPLICA_MS` is how long a zero row may be behind)."""
REMEMBERED_MAX = 2_000
"""Orders remembered; beyond that all is forgotten, which only makes a removal be tried sooner."""


class StuckRemovals:
    """Remembers refused removals and says which ones are due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused_at_s: dict[str, float] = {}
        """Order id -> when its removal was last refused."""
        self._removed_at_s: dict[str, float] = {}
        """Order id -> when the venue confirmed its removal."""
        self._pauses: dict[str, tuple[float, float]] = {}
        """Symbol -> the pause after its last refusal, and when it ends."""
        self._at_work: set[str] = set()
        """Symbols in which a removal, or the read that it is checked against, is under way."""

    @contextmanager
    def at_work_in(self, symbol: str) -> Iterator[None]:
        """While removals of a symbol are under way no others of it are due."""
        self._at_work.add(symbol)
        try:
            yield
        finally:
            self._at_work.discard(symbol)

    def due(self, cancels: Sequence[Cancel]) -> Sequence[Cancel]:
        """Of the removals of one symbol, the ones that are tried now."""
        cancels = [cancel for cancel in cancels if not self._was_removed(cancel.order.order_id)]
        if cancels and cancels[0].key.symbol in self._at_work:
            return ()
        pause = self._pauses.get(cancels[0].key.symbol) if cancels else None
        if pause is None:
            return cancels
        if self._clock.monotonic_s() < pause[1]:
            return ()
        return [min(cancels, key=lambda cancel: self._refused_at_s.get(cancel.order.order_id, 0.0))]

    def refused(self, cancel: Cancel) -> None:
        """The venue said no."""
        now_s, symbol, order_id = self._clock.monotonic_s(), cancel.key.symbol, cancel.order.order_id
        if len(self._refused_at_s) >= REMEMBERED_MAX:
            self._refused_at_s.clear()
        if order_id in self._refused_at_s or symbol in self._pauses:
            before_s = self._pauses.get(symbol, (FIRST_PAUSE_S / 2, 0.0))[0]
            pause_s = min(2 * before_s, LONGEST_PAUSE_S)
            self._pauses[symbol] = (pause_s, now_s + pause_s)
        self._refused_at_s[order_id] = now_s

    def removed(self, cancel: Cancel) -> None:
        """The order went: the others of its symbol may go at once."""
        if len(self._removed_at_s) >= REMEMBERED_MAX:
            self._removed_at_s.clear()
        self._removed_at_s[cancel.order.order_id] = self._clock.monotonic_s()
        self._refused_at_s.pop(cancel.order.order_id, None)
        self._pauses.pop(cancel.key.symbol, None)

    def _was_removed(self, order_id: str) -> bool:
        removed_at_s = self._removed_at_s.get(order_id)
        return removed_at_s is not None and self._clock.monotonic_s() - removed_at_s < LISTED_AFTER_S
