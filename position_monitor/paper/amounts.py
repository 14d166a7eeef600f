"""Decimal amounts: strict parsing of request texts and plain formatting."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from position_monitor.paper.errors import refusal

ZERO = Decimal(0)
ONE = Decimal(1)
CENT8 = Decimal("0.00000001")
_NOTHING = tuple(f"{ZERO:.{decimals}f}" for decimals in range(21))
"""Zero with 0 to 20 decimals: half of the amounts in an order's row."""
_AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER = re.compile(r"[0-9]{1,20}")


def parse_amount(name: str, text: str) -> Decimal:
    """A decimal request parameter; anything but plain digits is -1100."""
    if not _AMOUNT.fullmatch(text):
        raise refusal(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
        )
    return Decimal(text)


def parse_integer(name: str, text: str) -> int:
    """An integer request parameter; anything but digits is -1100."""
    if not _INTEGER.fullmatch(text):
        raise refusal(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.",
        )
    return int(text)


def plain(value: Decimal) -> str:
    """The number without exponent and without trailing zeros ("0" for zero)."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: Decimal, decimals: int) -> str:
    """The number with exactly this many decimals, half-even."""
    return _NOTHING[decimals] if value is ZERO else f"{value:.{decimals}f}"


def money(value: Decimal) -> str:
    """USDT amounts: eight decimals, as the venue prints them."""
    return f"{value:.8f}"


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of step not above value."""
    return (value / step).to_integral_value(ROUND_DOWN) * step


def round_to(value: Decimal, step: Decimal) -> Decimal:
    """The nearest multiple of step."""
    return (value / step).to_integral_value(ROUND_HALF_EVEN) * step


@lru_cache(maxsize=1_024)
def decimals_of(step: Decimal) -> int:
    """How many decimals a step such as 0.010 really needs."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
