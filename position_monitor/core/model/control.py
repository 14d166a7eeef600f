"""What an operator asked for by `P:control`, as values (DESIGN 5): a pause, a hold, or the end of both.

A *pause* stops everything that is not protection: no removal, no move, no take-profit. Missing stops are placed all the
same. A *hold* accepts a stop of the user's own although it is looser than allowed. Both end by themselves.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.sides import PositionKey, Side

EVERY_SYMBOL = "*"


class ControlType(StrEnum):
    """What is asked for."""

    PAUSE = "pause"
    RESUME = "resume"
    """Ends pauses and holds."""
    HOLD = "hold"


class ControlRequest(NamedTuple):
    """One request, as it was written."""

    id: str
    """Chosen by who asks; never used twice."""
    type: ControlType
    symbol: str
    """The exchange's symbol id, or `EVERY_SYMBOL`."""
    side: Side | None
    """None for both sides."""
    until_ms: int
    """When it ends, ms UTC; 0 for a request to resume that has no end."""
    reason: str
    by: str
    """Who asks."""
    at_ms: int
    """When it was asked for, by the clock of who asks."""

    def covers(self, key: PositionKey) -> bool:
        """Whether it is about this position."""
        return self.symbol in (EVERY_SYMBOL, key.symbol) and self.side in (None, key.side)

    def lies_within(self, other: ControlRequest) -> bool:
        """Whether every position that it is about is one that `other` is about."""
        return other.symbol in (EVERY_SYMBOL, self.symbol) and other.side in (None, self.side)

    def touches(self, other: ControlRequest) -> bool:
        """Whether there may be a position that both are about."""
        symbols = EVERY_SYMBOL in (self.symbol, other.symbol) or self.symbol == other.symbol
        return symbols and (None in (self.side, other.side) or self.side is other.side)

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        where = "every position" if self.symbol == EVERY_SYMBOL else self.symbol
        return where if self.side is None else f"{where}:{self.side}"


class Control(NamedTuple):
    """The pauses and holds in force, in the order in which they were asked for."""

    in_force: tuple[ControlRequest, ...] = ()

    def at(self, now_ms: int) -> Control:
        """What is left of it at this time; the same object where nothing has ended."""
        if all(request.until_ms > now_ms for request in self.in_force):
            return self
        return Control(tuple(request for request in self.in_force if request.until_ms > now_ms))

    def pause_of(self, key: PositionKey) -> ControlRequest | None:
        """The pause of a position that ends last; None without one."""
        return self._longest(ControlType.PAUSE, key)

    def hold_of(self, key: PositionKey) -> ControlRequest | None:
        """The hold of a position that ends last; None without one."""
        return self._longest(ControlType.HOLD, key)

    @property
    def pause_of_all(self) -> ControlRequest | None:
        """The pause of the whole account that ends last; None without one."""
        whole = [one for one in self.in_force if one.type is ControlType.PAUSE and _is_whole(one)]
        return max(whole, key=_end, default=None)

    def _longest(self, kind: ControlType, key: PositionKey) -> ControlRequest | None:
        own = [one for one in self.in_force if one.type is kind and one.covers(key)]
        return max(own, key=_end, default=None)


NO_CONTROL = Control()


def _is_whole(request: ControlRequest) -> bool:
    return request.symbol == EVERY_SYMBOL and request.side is None


def _end(request: ControlRequest) -> int:
    return request.until_ms


def after_request(control: Control, request: ControlRequest) -> Control:
    """What is in force once a request was accepted. Of two about the same positions, the later one counts."""
    ends = {request.type} if request.type is not ControlType.RESUME else {ControlType.PAUSE, ControlType.HOLD}
    left = tuple(one for one in control.in_force if not (one.type in ends and one.lies_within(request)))
    return Control(left if request.type is ControlType.RESUME else (*left, request))
