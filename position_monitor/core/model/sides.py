"""The direction of a position, and its key."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """The direction of a position."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def opposite(self) -> Side:
        """The other direction."""
        return Side.SHORT if self is Side.LONG else Side.LONG


SIDES = (Side.LONG, Side.SHORT)
"""Both, for loops that are run for every position in every cycle: an enumeration walks through itself in Python."""


def leg_name(side: Side, *, hedged: bool) -> str:
    """The leg of an account that an order is for, as the journal and JSON name it: BOTH in one-way mode."""
    return side.value if hedged else "BOTH"


class PositionKey(NamedTuple):
    """One position of the account: the exchange's own symbol id and the side. A tuple: it is hashed very often."""

    symbol: str
    side: Side

    def __str__(self) -> str:
        return f"{self.symbol}:{self.side}"
