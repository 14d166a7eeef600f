"""The time stop from outside (S8): what is closed for its age was opened since the daemon that closes it began.

Nobody told that daemon how long its policy is live, and whatever was open before would be closed at the first start.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.sim.truth import PREFIX, Key, side_of

GRACE_MS = 2_000
"""A position that was opened just before the daemon began may be met as new by its first look."""


class Ages:
    """Remembers since when positions are open, and when daemons began."""

    def __init__(self, passed: Callable[[Key, int], bool]) -> None:
        """`passed`: whether a price has passed a stop that was tried for the position lately."""
        self._passed = passed
        self._opened: dict[Key, int] = {}
        self._began: dict[int, int] = {}

    def begins(self, daemon: int, at_ms: int) -> None:
        """A daemon starts."""
        self._began[daemon] = at_ms

    def entry(self, entry: Any, speaker: int | None) -> list[str]:
        """One journal entry."""
        if entry.position_before != entry.position_after:
            self._note_opened(entry)
        detail = entry.detail
        if entry.kind != "order_accepted" or entry.origin != "api" or speaker is None:
            return []
        if detail.get("order_kind") == "algo" or not str(detail.get("client_id", "")).startswith(f"{PREFIX}1c"):
            return []
        key = (entry.symbol, side_of(detail.get("position_side", "BOTH"), detail["side"]))
        opened_ms, began_ms = self._opened.get(key, 0), self._began.get(speaker, 0)
        if opened_ms + GRACE_MS >= began_ms or self._passed(key, entry.at_ms):
            return []
        return [f"INV-16: {key} was closed at market, and it is older than the daemon that closed it: {detail}"]

    def _note_opened(self, entry: Any) -> None:
        for leg, text in entry.position_after.items():
            before, after = Decimal(entry.position_before.get(leg, "0")), Decimal(text)
            if after and before * after <= 0:
                side = leg if leg != "BOTH" else ("LONG" if after > 0 else "SHORT")
                self._opened[entry.symbol, side] = entry.at_ms
