"""A line of the journal as a value: how urgent it is, its words, and what it can be searched for by."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How urgent a line is. The value is the name that the journal's writer (`edge/log.py`) gives it."""

    DEBUG = "DEBUG"
    """An intent before a write, and what repeats."""
    INFO = "INFO"
    """Ordinary life."""
    NOTICE = "SUCCESS"
    """Something that was wrong is right again."""
    WARNING = "WARNING"
    """Needs eyes by day."""
    ERROR = "ERROR"
    """Wakes somebody."""


class Line(NamedTuple):
    """One line. Fields that do not apply are empty."""

    level: Level
    text: str
    symbol: str = ""
    side: str = ""
    verdict: str = ""
    event: str = ""
    """The type of the event that says the same in Redis."""
