"""The numbers of the rungs of a ladder, as they stand in client ids."""

from __future__ import annotations

PIECE_STRIDE = 12
"""Piece p of a rung has the rung's number + 12 p, so that every order of a ladder has its own rung code (base36)."""
PIECES_MAX = 3
RUNGS_MAX = 4

STANDS_FOR = (
    *(range(rung, rung + 1) for rung in range(RUNGS_MAX)),
    *(range(first, last + 1) for last in range(1, RUNGS_MAX) for first in range(last)),
)
"""By number: the configured rungs that an order stands for. It rests at the level of the last of them.

The first numbers are the rungs themselves; the others are rungs into which nearer ones were merged for want of room.
So a ladder that was collapsed is told from one whose nearer rungs took their profit by its ids alone, after a restart
as well.
"""


def rungs_of(number: int) -> range:
    """The configured rungs that an order with this number in its id stands for, nearest first."""
    local = number % PIECE_STRIDE
    return STANDS_FOR[local] if local < len(STANDS_FOR) else range(local, local + 1)


def rungs_counted(number: int) -> tuple[int, ...]:
    """The configured rungs that an order stands for, as people count them: the nearest is 1."""
    rungs = rungs_of(number)
    return tuple(range(rungs.start + 1, rungs.stop + 1))


def rung_words(number: int) -> str:
    """Those rungs in words: `2`, or `1+2` for an order that stands for two."""
    return "+".join(map(str, rungs_counted(number)))


def is_merged(number: int) -> bool:
    """Whether nearer rungs were merged into this one for want of room."""
    return len(rungs_of(number)) > 1
