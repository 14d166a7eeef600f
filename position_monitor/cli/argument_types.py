"""What an argument of the command line may be, and the words for one that may not."""

from __future__ import annotations

import argparse
import math
from decimal import Decimal


def number(text: str, expected: str, *, least: float, most: float) -> float:
    """`text` as a number within the bounds. Raises `argparse.ArgumentTypeError` that says what was `expected`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected {expected}")
    return value


def positive(text: str) -> float:
    """Seconds above zero."""
    return number(text, "a positive number of seconds", least=1e-3, most=1e7)


def account_name(text: str) -> str:
    """The name of an installed instance, as behind the `@` of its unit."""
    from position_monitor.config.installation import ACCOUNT_NAME

    if not ACCOUNT_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"was {text!r}, expected 1 to 32 letters, digits, _ or -")
    return text


def not_negative(text: str) -> float:
    """A number from zero on."""
    return number(text, "a number that is not negative", least=0, most=1e7)


def not_negative_ms(text: str) -> int:
    """Milliseconds from zero on."""
    return int(number(text, "milliseconds that are not negative", least=0, most=3_600_000))


def count(text: str) -> int:
    """How many; 0 is none."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a whole number that is not negative")
    return int(text)


def decimal(text: str) -> Decimal:
    """An exact number from zero on."""
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= 10**12:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a number that is not negative")
    return value


def decimal_above_zero(text: str) -> Decimal:
    """An exact number above zero."""
    value = decimal(text)
    if not value:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a number above zero")
    return value


def port(text: str) -> int:
    """A port; 0 stands for any free one."""
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 65_535):
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a port from 0 to 65535")
    return int(text)
