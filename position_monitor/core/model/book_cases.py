"""The cases of a desired book, by name: why a position's stops and take-profits are wanted as they are.

They are decided in `core/book/stop_book.py` and `core/book/target_book.py`, in the order in which they stand here, and
the first that holds counts. The book carries its case, and `explain` prints its words, the number behind them.
"""

from __future__ import annotations

from enum import StrEnum


class _Case(StrEnum):
    """A case; its value is what it means, in words."""

    @property
    def number(self) -> int:
        """Its place in the list, from 1."""
        return list(type(self)).index(self) + 1

    @property
    def described(self) -> str:
        """Words and number, as `explain` prints them."""
        return f"{self.value} (case {self.number})"


class StopCase(_Case):
    """Why the stops of a position are wanted as they are."""

    FIRING = "a stop of ours is being triggered: ours stay as they rest"
    NO_PROTECTING_PRICE = "no price can protect now: ours stay as they rest"
    GAVE_WAY = "the user's own stop is enough and no looser: ours is withdrawn"
    OUTDATED_BACKSTOP = "our backstop belongs to an earlier entry and is replaced: working stops until it is gone"
    BACKSTOP_ALONE = "our backstop rests where the stop should be"
    BACKSTOP_LOOSER = "our backstop rests, and the stop should be tighter: working stops beside it"
    BACKSTOP_NO_COVER = "our backstop rests, and does not count as cover: working stops beside it"
    FOREIGN_ENOUGH = "the user's own stop is enough: ours stay as they rest"
    FOREIGN_ENOUGH_OURS_TOO_MANY = "the user's own stop is enough, ours are too many or too large: one level of them"
    AWAITS_FOREIGN = "the position is fresh and another program's own stop is waited for: none yet"
    SLOT_FOREIGN = "another's close-all stop rests, the exchange takes only one, and it is not enough: working stops"
    SLOT_HIDDEN = (
        "a close-all stop that does not protect is in the way of another, the exchange takes only one: working stops"
    )
    SLOT_LEFT = "the one close-all stop that the exchange takes is left to another program that had it: working stops"
    NEW_BACKSTOP = "no close-all stop rests: a backstop"
    NEW_BACKSTOP_LOOSER = "no close-all stop rests, and the stop should be tighter: a backstop and working stops"


class TargetCase(_Case):
    """Why the take-profits of a position are wanted as they are."""

    SWITCHED_OFF = "take-profits are switched off: none"
    NO_LEVEL = "the policy wants none now: what rests stays"
    FIRING = "a stop of ours is being triggered: what rests stays"
    FILLING = "a take-profit of ours is closing its part: what rests stays"
    RUNNER = "what is left is the runner, which never gets a target: none"
    FOREIGN = "the user's own take-profits take the whole position: none"
    STANDS = "the ladder that rests is the one that is wanted"
    CHANGES_KIND = "the ladder that rests is the one that is wanted, but for the kind of a rung: that one anew"
    STANDS_MERGED = "the ladder that rests was merged for want of room, and the least amounts keep it so"
    GROWS = "the ladder that rests was merged for want of room, and there is room: more rungs"
    NO_ROOM = "the exchange takes no more conditional orders: none"
    TOO_SMALL = "the position is too small for a take-profit: none"
    NOT_PERMITTED = "the venue permits no price beyond the mark: none"
    NO_OPEN_RUNG = "every rung was filled or passed: one order for the rest"
    SHRINKS = "the exchange takes fewer conditional orders than the ladder that rests: fewer rungs"
    NEW_LADDER = "no ladder for this position rests: one for the rungs that are still to be reached"
