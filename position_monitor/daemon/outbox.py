"""What happened since the last report and waits to be told with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from position_monitor.core.model.events import Event

EVENTS_KEPT = 5_000
"""Events that wait for the end of a cycle; a cycle that never ends must not collect them without bound."""


@dataclass(slots=True)
class Outbox:
    """Events in the order in which they happened, and whether anything was written."""

    _events: list[Event] = field(default_factory=list, init=False)
    _wrote: bool = field(default=False, init=False)

    def add(self, events: Sequence[Event]) -> None:
        """Keep events for the next report."""
        self._events.extend(events[: EVENTS_KEPT - len(self._events)])

    def note_write(self) -> None:
        """Something was sent to the venue: the next report is about a change."""
        self._wrote = True

    def take(self) -> tuple[tuple[Event, ...], bool]:
        """The events since the last report, and whether anything was written since then."""
        events, wrote = tuple(self._events), self._wrote
        self._events, self._wrote = [], False
        return events, wrote
