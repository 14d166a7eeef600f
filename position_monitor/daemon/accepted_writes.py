"""Writes that the venue took and that are told together: a ladder in one line, the removals of a position in one."""

from __future__ import annotations

from dataclasses import dataclass, field

from position_monitor.core.evidence.outcome import Outcome
from position_monitor.core.model.actions import Action, Cancel, Place
from position_monitor.core.model.orders import Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication import write_lines
from position_monitor.edge import log

Taken = tuple[Outcome, Position | None]


@dataclass(slots=True)
class AcceptedWrites:
    """Holds take-profits that were placed, and removals, until their group is through; all else is told at once.

    Bounded by the writes of one round (`limits.actions_per_symbol_max`): each round ends with `tell`.
    """

    _waiting: dict[tuple[PositionKey, bool], list[Taken]] = field(default_factory=dict, init=False)
    """By position, and whether they were placed."""

    def add(self, outcome: Outcome, position: Position | None) -> None:
        """The venue took a write."""
        if _waits(outcome.action):
            placed = isinstance(outcome.action, Place)
            self._waiting.setdefault((outcome.action.key, placed), []).append((outcome, position))
        else:
            log.say(write_lines.accepted(outcome, position))

    def tell(self) -> None:
        """A group is through: one line for each position of it."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for together in waiting.values():
                log.say(write_lines.together(together))


def _waits(action: Action) -> bool:
    """Whether others of its kind may follow in a moment."""
    if isinstance(action, Place):
        return action.order.role is Role.TAKE_PROFIT
    return isinstance(action, Cancel) and not action.replaced_by
