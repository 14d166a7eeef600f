"""Rows of the page of inputs found from outside that are not mended yet, and the runs that show them.

A violation is excused by the row it shows and by nothing else; who mends a row takes its line away here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class OpenRow:
    """One row that runs still show."""

    row: str
    runs: str
    """A pattern of the names of the runs that show it."""
    violation: str
    """A pattern of the beginning of what they show."""


OPEN: tuple[OpenRow, ...] = ()


def shown_by(run: str, violations: list[str]) -> str:
    """The open row a run shows, "" when there is none or when a violation is not explained by it."""
    for one in OPEN:
        if re.fullmatch(one.runs, run) and all(re.match(one.violation, text) for text in violations):
            return one.row
    return ""
