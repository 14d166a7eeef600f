"""Whether Redis takes the state, told once a spell and once for each reason in it (DESIGN 7)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from position_monitor.core.model.events import Event
from position_monitor.core.publication.journal_line import Level, Line
from position_monitor.edge import log
from position_monitor.edge.redis.fault_words import conduct

EVENTS_KEPT = 50
REASONS_MAX = 10
"""Reasons that one spell tells of; a server that answers something else each time is told of no more."""


@dataclass(slots=True)
class Reachability:
    """Says in the journal when Redis was lost and when it is back, and keeps the events for the next state."""

    place: str
    """Where it is, for people: host and port, or the path of a socket."""
    reachable: bool | None = None
    """Whether the last write was answered; None before the first one."""
    _reasons: set[str] = field(default_factory=set)
    """What went wrong in this spell."""
    _since_ms: int = 0
    _events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))

    def failed(self, fault: BaseException, now_ms: int) -> None:
        """A write was not answered, or with an error."""
        reason = f"{self.place} {conduct(fault)}"
        if self.reachable is not False:
            self._since_ms = now_ms
            self._events.append(Event("RedisLost", now_ms, details={"reason": reason}))
        if reason not in self._reasons and len(self._reasons) < REASONS_MAX:
            words = f"Redis does not take the state ({reason}); protection goes on without it"
            log.say(Line(Level.WARNING, words, event="RedisLost"))
            self._reasons.add(reason)
        self.reachable = False

    def answered(self, now_ms: int, *, dropped: int) -> None:
        """A write was answered; `dropped` are the events lost since the start because Redis was away."""
        if self.reachable is None:
            log.say(Line(Level.INFO, "Redis takes the state"))
        elif not self.reachable:
            away_ms = max(0, now_ms - self._since_ms)
            words = f"Redis takes the state again, after {away_ms / 1000:.0f} s"
            log.say(Line(Level.NOTICE, words, event="RedisBack"))
            self._events.append(Event("RedisBack", now_ms, details={"away_ms": away_ms, "events_dropped": dropped}))
        self.reachable = True
        self._reasons.clear()

    def take(self) -> list[Event]:
        """The events since this was last asked."""
        events = list(self._events)
        self._events.clear()
        return events
