"""What the cycle tells whoever listens to events, and asks before it removes anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from position_monitor.core.observation.reads import SymbolObservation


class EventMemory(Protocol):
    """What events said between two reads (the fast path); the cycle tells it of reads, and asks before it removes."""

    def look_begins(self) -> int:
        """To be asked before reads are sent, and handed to `note_read` with what they found."""
        ...

    def note_read(
        self, read: Mapping[str, SymbolObservation], everything: Mapping[str, SymbolObservation], began: int
    ) -> None:
        """`read` was read just now; `everything` is the whole account as known."""
        ...

    def note_failure(self) -> None:
        """The positions could not be read: events are all there is until they can."""
        ...

    def news_of(self, symbol: str) -> int:
        """A number that changes whenever an event tells of a position of the symbol."""
        ...


class NoEvents:
    """No stream tells of anything."""

    def look_begins(self) -> int:
        """No event was heard."""
        return 0

    def note_read(
        self, read: Mapping[str, SymbolObservation], everything: Mapping[str, SymbolObservation], began: int
    ) -> None:
        """Nobody wants to know."""

    def note_failure(self) -> None:
        """There are no events either."""

    def news_of(self, symbol: str) -> int:
        """Nothing ever changes."""
        return 0
