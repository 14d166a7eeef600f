"""What failed lately and was said: the same failure is told once a minute, a changed reason at once (invariant 10)."""

from __future__ import annotations

from dataclasses import dataclass, field

from position_monitor.core.model.actions import Action, Cancel, Close
from position_monitor.core.model.orders import Role
from position_monitor.core.model.sides import PositionKey
from position_monitor.edge.clock import Clock

MINUTE_S = 60.0
REASONS_MAX = 4
"""Different reasons told of one subject within a minute: a venue that gives another one each time is not quoted on."""
SUBJECTS_MAX = 2_000
"""Subjects remembered; beyond that the memory begins anew, which costs a line said twice."""

Subject = tuple[PositionKey, str]
"""A position, and what is done to it."""


def subject_of(action: Action) -> Subject:
    """What an action is about: repetitions are counted by position and by kind of action."""
    if isinstance(action, Close):
        return action.key, "close"
    if isinstance(action, Cancel):
        return action.key, f"cancel {action.order.client_id}"
    return action.key, "take-profit" if action.order.role is Role.TAKE_PROFIT else "stop"


@dataclass(slots=True)
class Repeats:
    """Remembers when each reason of each subject was last told."""

    clock: Clock
    _said_at_s: dict[Subject, dict[str, float]] = field(default_factory=dict, init=False)
    """Reason -> when it was last told (monotonic)."""
    _unsaid: dict[Subject, int] = field(default_factory=dict, init=False)
    """Failures since the last one that was told."""
    _failed_at_s: dict[Subject, float] = field(default_factory=dict, init=False)

    def failing(self, subject: Subject) -> bool:
        """Whether it failed within the last minute: what is tried again then is no news."""
        failed_at_s = self._failed_at_s.get(subject)
        return failed_at_s is not None and self.clock.monotonic_s() - failed_at_s < MINUTE_S

    def failed(self, subject: Subject, reason: str) -> int | None:
        """Note a failure: None when it is not to be told, else how many were not told before it."""
        now_s = self.clock.monotonic_s()
        if subject not in self._failed_at_s and len(self._failed_at_s) >= SUBJECTS_MAX:
            self._said_at_s.clear()
            self._unsaid.clear()
            self._failed_at_s.clear()
        self._failed_at_s[subject] = now_s
        lately = {why: at_s for why, at_s in self._said_at_s.get(subject, {}).items() if now_s - at_s < MINUTE_S}
        self._said_at_s[subject] = lately
        if reason in lately or len(lately) >= REASONS_MAX:
            self._unsaid[subject] = self._unsaid.get(subject, 0) + 1
            return None
        lately[reason] = now_s
        return self._unsaid.pop(subject, 0)

    def succeeded(self, subject: Subject) -> None:
        """It worked: the next failure is news."""
        if self._failed_at_s.pop(subject, None) is not None:
            self._said_at_s.pop(subject, None)
            self._unsaid.pop(subject, None)
