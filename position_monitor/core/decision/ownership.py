"""Who may do what (invariant 9): the states of ownership and the rights of each, as `docs/ownership.md` shows them.

The lease decides who removes and who rests take-profits, never whether a naked position gets its stop. So the rights
grow with what is certain: a missing stop needs the least, a removal the most, and a state that is doubtful has none of
the rights that could hurt if a second daemon had them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from position_monitor.core.model.actions import Mode


class LeaseStanding(StrEnum):
    """What Redis lets us say about the lease."""

    OURS = "ours"
    ANOTHERS = "another's"
    """Its owner renews it within our own expiry."""
    STALE = "stale"
    """A value stands in the lease that nobody was seen to renew within our own expiry."""
    SILENT = "silent"
    """Redis cannot say, or what it said has run out."""


class Rights(NamedTuple):
    """What a daemon may do. The stop of a position is *missing* while stops do not cover it whole."""

    missing_stops: bool
    """Place the missing stop of a position as soon as it was read."""
    long_missing_stops: bool
    """Place the missing stop of a position that this daemon itself read without cover for two check intervals."""
    moves: bool
    """Place a better stop beside one that covers."""
    take_profits: bool
    removals: bool
    closes: bool
    """Close at market where no stop can be placed any more, or for a loss beyond the limit."""


RIGHTS: Final[Mapping[Mode, Rights]] = {
    Mode.LIVE: Rights(
        missing_stops=True, long_missing_stops=True, moves=True, take_profits=True, removals=True, closes=True
    ),
    Mode.STANDBY: Rights(
        missing_stops=False, long_missing_stops=True, moves=False, take_profits=False, removals=False, closes=False
    ),
    Mode.PLACE_ONLY: Rights(
        missing_stops=True, long_missing_stops=True, moves=True, take_profits=False, removals=False, closes=True
    ),
    Mode.STALE_OWNER: Rights(
        missing_stops=True, long_missing_stops=True, moves=True, take_profits=False, removals=False, closes=True
    ),
    Mode.SECOND_WRITER: Rights(
        missing_stops=True, long_missing_stops=True, moves=False, take_profits=False, removals=False, closes=False
    ),
    Mode.PAUSED: Rights(
        missing_stops=True, long_missing_stops=True, moves=False, take_profits=False, removals=False, closes=True
    ),
    Mode.OBSERVE: Rights(
        missing_stops=False, long_missing_stops=False, moves=False, take_profits=False, removals=False, closes=False
    ),
}

MEANINGS: Final[Mapping[Mode, str]] = {
    Mode.LIVE: "",
    Mode.STANDBY: "another daemon holds the lease",
    Mode.PLACE_ONLY: "no lease",
    Mode.STALE_OWNER: "the lease holds a value that nobody renews",
    Mode.SECOND_WRITER: "orders with our prefix appear that this process did not write",
    Mode.PAUSED: "paused by the operator",
    Mode.OBSERVE: "observe mode",
}
"""Why a state holds something back, in words."""


def mode_of(*, observes: bool, lease: LeaseStanding, second_writer: bool) -> Mode:
    """The state of ownership: the operator's wish, then the lease, then the signs of a second writer.

    Beside a live owner the signs mean nothing: that owner is the other writer, and writing less is all we could do.
    """
    if observes:
        return Mode.OBSERVE
    if lease is LeaseStanding.ANOTHERS:
        return Mode.STANDBY
    if second_writer:
        return Mode.SECOND_WRITER
    if lease is LeaseStanding.OURS:
        return Mode.LIVE
    return Mode.STALE_OWNER if lease is LeaseStanding.STALE else Mode.PLACE_ONLY


_PAUSABLE: Final = frozenset({Mode.LIVE, Mode.PLACE_ONLY, Mode.STALE_OWNER})
"""The states that have a right which a pause takes away; what the others may do is less than that."""


def under_pause(mode: Mode, *, paused: bool) -> Mode:
    """The state of ownership of a position, or of the account, where a pause of the operator is in force."""
    return Mode.PAUSED if paused and mode in _PAUSABLE else mode


def why_not_closed(mode: Mode, *, by_loss: bool) -> str:
    """Why a position is not closed at market in this state, or empty. During a pause the close ladder goes on, because
    it is protection; a position that is closed for its age only (S8) waits."""
    if not RIGHTS[mode].closes or (mode is Mode.PAUSED and not by_loss):
        return f"nothing is closed: {MEANINGS[mode]}"
    return ""


def may_place_stop(mode: Mode, *, missing: bool, long_missing: bool) -> bool:
    """Whether a stop may be sent: the missing one of a position (missing for long, perhaps), or a better one."""
    rights = RIGHTS[mode]
    if not missing:
        return rights.moves
    return rights.missing_stops or (rights.long_missing_stops and long_missing)
