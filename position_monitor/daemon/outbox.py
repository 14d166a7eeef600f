"""What happened since the last report and waits to be told with the next one; what has a line of the journal is said at
once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.publication import story
from position_monitor.edge import log

EVENTS_KEPT = 5_000
"""Events that wait for the end of a cycle; a cycle that never ends must not collect them without bound."""
INTRODUCED_MAX = 2_000


@dataclass(slots=True)
class Outbox:
    """Events in the order in which they happened, and whether anything was written."""

    _events: list[Event] = field(default_factory=list, init=False)
    _wrote: bool = field(default=False, init=False)
    _introduced: set[PositionKey] = field(default_factory=set, init=False)
    """Positions of which the journal has said already that they are there."""

    def add(self, events: Sequence[Event]) -> None:
        """Say events and keep them for the next report."""
        if events:
            self.say(events)
            self._events.extend(events[: EVENTS_KEPT - len(self._events)])

    def say(self, events: Sequence[Event]) -> None:
        """The lines of events that are reported another way."""
        for line in story.lines_of([event for event in events if not self._is_said(event)]):
            log.say(line)

    def introduced(self, key: PositionKey) -> None:
        """The journal has said that a position is there, before any look judged it."""
        if len(self._introduced) >= INTRODUCED_MAX:
            self._introduced.clear()
        self._introduced.add(key)

    def _is_said(self, event: Event) -> bool:
        if event.type != "PositionAppeared" or not self._introduced:
            return False
        key = PositionKey(event.symbol, Side(event.side))
        if key not in self._introduced:
            return False
        self._introduced.discard(key)
        return True

    def note_write(self) -> None:
        """Something was sent to the venue: the next report is about a change."""
        self._wrote = True

    def take(self) -> tuple[tuple[Event, ...], bool]:
        """The events since the last report, and whether anything was written since then."""
        events, wrote = tuple(self._events), self._wrote
        self._events, self._wrote = [], False
        return events, wrote
