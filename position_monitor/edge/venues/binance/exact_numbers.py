"""Numbers of the venue, exactly: as strings of digits, or as JSON numbers that `parse_json` kept exact (D1)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_PLAIN: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII).fullmatch
"""Nearly every number: its spelling alone says that it is finite and of a sane size."""
_NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
_EXPONENT_MAX: Final = 30


def exact_decimal(value: object) -> Decimal:
    """A number of the venue, exactly; raises ValueError for floats, NaN, infinity and anything else."""
    if isinstance(value, str):
        if _PLAIN(value):
            return Decimal(value)
        if _NUMBER.fullmatch(value) is None:
            raise ValueError("not an exact number")
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("not an exact number")
    number = Decimal(value)
    if not number.is_finite() or (number and abs(number.adjusted()) > _EXPONENT_MAX):
        raise ValueError("not a finite number of a sane size")
    return number


def nearest_float(value: object) -> float:
    """The float nearest to a number of the venue, for what only estimates are made from.

    Raises ValueError as `exact_decimal` does.
    """
    return float(value if isinstance(value, str) and _PLAIN(value) else exact_decimal(value))


def whole_number(value: object) -> int:
    """A count, an id or a time; raises ValueError for anything but a whole number of a sane size."""
    if type(value) is int and 0 <= value < 10**20:  # no bool, which is an int as well
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    raise ValueError("not a whole number")
