"""What comes out of Redis is text of somebody's: it is made harmless before anybody prints or counts with it.

Whoever may write a key could otherwise clear a screen, set a window's title, hide a line, or make a reader work for
hours on one number. Control characters and those that turn the direction of writing are taken out; a document that is
too large, too deep or not JSON is one clear failure (`ValueError`).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

DOCUMENT_LENGTH_MAX: Final = 256 * 1024
"""Characters of one document; the largest that is published is a twentieth of it."""
_EXPONENT_MAX: Final = 40
_HARMFUL: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, invisible and directional marks, private use, halves of pairs, line separators."""


def harmless(text: str) -> str:
    """The text without what a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char for char in text if unicodedata.category(char) not in _HARMFUL)


def parsed(text: str) -> Any:  # noqa: ANN401  JSON has no narrower type
    """A JSON document with every text in it made harmless. Raises ValueError."""
    if len(text) > DOCUMENT_LENGTH_MAX:
        raise ValueError(f"it has {len(text)} characters; expected at most {DOCUMENT_LENGTH_MAX}")
    try:
        return _cleaned(json.loads(text))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _cleaned(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, Mapping):
        return {harmless(name): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value


def figure(text: object) -> Decimal:
    """A number of a sane size, or NaN for an empty text. Raises ValueError or `decimal.InvalidOperation`."""
    if text in (None, ""):
        return Decimal("NaN")
    number = Decimal(str(text))
    if number.is_snan():
        raise ValueError("a number that must not be compared")
    if number.is_finite() and number and abs(number.adjusted()) > _EXPONENT_MAX:
        raise ValueError("a number of an absurd size")
    return number
