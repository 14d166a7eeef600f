"""Directional rounding (DESIGN 9): risk-side for stops, toward being reached for targets, never up for quantities.

All results are exact multiples of the instrument's tick or step, as the venue's PRICE_FILTER and LOT_SIZE demand.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from position_monitor.core.model.sides import Side

HUNDRED = Decimal(100)
_LONG = Side.LONG
"""Looked up here a million times an hour: reading a member from its enum class is slow in Python 3.11."""


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """The largest multiple of `unit` that is not above `value`."""
    return (value / unit).to_integral_value(ROUND_FLOOR) * unit


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """The smallest multiple of `unit` that is not below `value`."""
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def is_multiple(value: Decimal, unit: Decimal) -> bool:
    """Whether `value` lies on the grid of `unit`."""
    return floor_to(value, unit) == value


def stop_trigger(price: Decimal, side: Side, tick: Decimal) -> Decimal:
    """A stop price on the tick grid, rounded toward less loss: a long's up, a short's down."""
    return ceil_to(price, tick) if side is _LONG else floor_to(price, tick)


def target_trigger(price: Decimal, side: Side, tick: Decimal) -> Decimal:
    """A target price on the tick grid, rounded toward being reached: a long's down, a short's up."""
    return floor_to(price, tick) if side is _LONG else ceil_to(price, tick)


def against(price: Decimal, side: Side, pct: Decimal) -> Decimal:
    """`price` moved `pct` percent against a position of this side (down for a long)."""
    shift = price * pct / HUNDRED
    return price - shift if side is _LONG else price + shift


def in_favour(price: Decimal, side: Side, pct: Decimal) -> Decimal:
    """`price` moved `pct` percent in favour of a position of this side (up for a long)."""
    return against(price, side, -pct)


def tighter(a: Decimal, b: Decimal, side: Side) -> bool:
    """Whether stop price `a` loses less than `b`: higher for a long, lower for a short."""
    return a > b if side is _LONG else a < b


def tightest(a: Decimal, b: Decimal, side: Side) -> Decimal:
    """The stop price that loses less."""
    return a if tighter(a, b, side) else b


def beyond(mark: Decimal, stop: Decimal, side: Side) -> bool:
    """Whether the mark has reached or passed a stop price: at or below it for a long, at or above it for a short."""
    return mark <= stop if side is _LONG else mark >= stop


def reached(mark: Decimal, target: Decimal, side: Side) -> bool:
    """Whether the mark has reached or passed a target price: at or above it for a long, at or below it for a short."""
    return mark >= target if side is _LONG else mark <= target


def distance_pct(a: Decimal, b: Decimal) -> Decimal:
    """Absolute distance between two prices in percent of `b`; 0 when `b` is 0."""
    return abs(a - b) / b * HUNDRED if b else Decimal(0)


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros, as the venue and Redis consumers read it."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
