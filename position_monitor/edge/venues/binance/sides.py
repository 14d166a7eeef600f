"""The venue's directions, and what they mean for a position: which one an order is for, and whether it only reduces.

In hedge mode `positionSide` names the leg, and the direction alone decides: the venue refuses `reduceOnly` there
(-1106). In one-way mode an order belongs to the position that its direction reduces, and only `reduceOnly` or
`closePosition` keep it from opening one on the other side.
"""

from __future__ import annotations

from enum import StrEnum

from position_monitor.core.model.sides import PositionKey, Side


class OrderSide(StrEnum):
    """The venue's `side` of an order."""

    BUY = "BUY"
    SELL = "SELL"


class PositionSide(StrEnum):
    """The venue's `positionSide`: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


_EXITS = {Side.LONG: OrderSide.SELL, Side.SHORT: OrderSide.BUY}
_REDUCED = {direction: side for side, direction in _EXITS.items()}
_SIDES = {PositionSide.LONG: Side.LONG, PositionSide.SHORT: Side.SHORT}


def exit_side(side: Side) -> OrderSide:
    """The direction of an order that reduces a position of this side."""
    return _EXITS[side]


def leg_of(position_side: PositionSide) -> Side | None:
    """The leg that a row names; None in one-way mode."""
    return _SIDES.get(position_side)


def key_of(symbol: str, direction: OrderSide, position_side: PositionSide) -> PositionKey:
    """The position an exit order belongs to: that of its leg, else the one that its direction reduces."""
    return PositionKey(symbol, _SIDES.get(position_side) or _REDUCED[direction])


def only_reduces(
    direction: OrderSide, position_side: PositionSide, *, reduce_only: bool, close_position: bool = False
) -> bool:
    """Whether an order can do nothing but make its position smaller (invariant 1)."""
    leg = leg_of(position_side)
    return reduce_only or close_position if leg is None else direction is _EXITS[leg]
