"""What happened, in order: the record independent safety checkers read."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

ENTRIES_KEPT = 100_000


@dataclass(slots=True)
class Entry:
    """One fact.  Positions are signed amounts by side, as texts, e.g. {"BOTH": "0.25"}.

    Nobody changes one; it is not frozen because a frozen one takes three times as long to make."""

    sequence: int
    at_ms: int
    kind: str
    origin: str
    symbol: str
    detail: dict[str, Any] = field(default_factory=dict)
    position_before: dict[str, str] = field(default_factory=dict)
    position_after: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON object."""
        return asdict(self)


class Journal:
    """A bounded, numbered list of entries."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_KEPT)
        self._sequence = 0

    @property
    def last_sequence(self) -> int:
        """Number of the newest entry, 0 before the first."""
        return self._sequence

    def append(
        self,
        at_ms: int,
        kind: str,
        origin: str,
        symbol: str,
        detail: dict[str, Any],
        before: dict[str, str],
        after: dict[str, str],
    ) -> None:
        """Write one entry."""
        self._sequence += 1
        self._entries.append(Entry(self._sequence, at_ms, kind, origin, symbol, detail, before, after))

    def after(self, sequence: int) -> list[Entry]:
        """Entries newer than a number, oldest first."""
        newer = self._sequence - sequence
        if newer <= 0:
            return []
        start = max(0, len(self._entries) - newer)
        return [self._entries[i] for i in range(start, len(self._entries))]
