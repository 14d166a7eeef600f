"""What is said of a position without a stop before its first order: how urgent that is depends on its origin."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication import sentence
from position_monitor.core.publication.journal_line import Level, Line
from position_monitor.daemon.outbox import Outbox
from position_monitor.daemon.repeats import MINUTE_S
from position_monitor.edge import log
from position_monitor.edge.clock import Clock


class Origin(StrEnum):
    """Where a position without full cover came from. The value stands in the line."""

    AT_START = "it was there at the start"
    OPENED = "opened just now"
    GREW = "grew just now"
    UNCOVERED = "its stop does not rest any more"


@dataclass(slots=True)
class Introductions:
    """Says it, as ordinary life where somebody just opened the position, else as something that needs eyes."""

    outbox: Outbox
    clock: Clock
    _checking_at_s: float = field(default=float("-inf"), init=False)
    _before: Collection[PositionKey] = field(default=(), init=False)
    """The positions of the cycle before."""
    _first: bool = field(default=True, init=False)

    def look_begins(self, before: Collection[PositionKey], *, first: bool) -> None:
        """Something is without cover. `before`: the positions of the cycle before; `first`: there was no cycle."""
        self._before, self._first = before, first

    def begin_round(self, positions: int) -> None:
        """A cycle is about to place something; said once a minute at most."""
        now_s = self.clock.monotonic_s()
        if now_s - self._checking_at_s >= MINUTE_S:
            self._checking_at_s = now_s
            log.say(Line(Level.INFO, sentence.checking(positions)))

    def by_look(self, position: Position) -> None:
        """The cycle is about to place the stop of a position."""
        fresh = position.key not in self._before
        origin = Origin.AT_START if fresh and self._first else Origin.OPENED if fresh else Origin.UNCOVERED
        self._say(position, origin)

    def by_event(self, position: Position, *, opened: bool) -> None:
        """An event opened or enlarged a position, and its stop is about to be placed."""
        self._say(position, Origin.OPENED if opened else Origin.GREW)
        if opened:
            self.outbox.introduced(position.key)

    def _say(self, position: Position, origin: Origin) -> None:
        live = origin in (Origin.OPENED, Origin.GREW)
        text = f"{sentence.unprotected(position)} ({sentence.size(position)}, {origin})"
        log.say(Line(Level.INFO if live else Level.WARNING, text, position.symbol, str(position.side), verdict="NAKED"))
