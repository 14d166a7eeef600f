"""Directions: of a position, of an order, of the venue's legs; and the key of a position."""

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

    @property
    def exit_order_side(self) -> OrderSide:
        """The order side that reduces a position of this direction."""
        return _EXIT_SIDES[self]


class OrderSide(StrEnum):
    """The direction of an order, in the venue's spelling."""

    BUY = "BUY"
    SELL = "SELL"


SIDES = (Side.LONG, Side.SHORT)
"""Both, for loops that are run for every position in every cycle: an enumeration walks through itself in Python."""
_EXIT_SIDES = {Side.LONG: OrderSide.SELL, Side.SHORT: OrderSide.BUY}


class PositionSide(StrEnum):
    """The venue's `positionSide`: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


LEGS = {Side.LONG: PositionSide.LONG, Side.SHORT: PositionSide.SHORT}
SIDE_OF_LEG = {leg: side for side, leg in LEGS.items()}
SIDE_REDUCED_BY = {direction: side for side, direction in _EXIT_SIDES.items()}


class PositionKey(NamedTuple):
    """One position of the account: the exchange's own symbol id and the side. A tuple: it is hashed very often."""

    symbol: str
    side: Side

    def __str__(self) -> str:
        return f"{self.symbol}:{self.side}"
