"""Which fact may hold back which deed (invariant 3). The planner and the gate ask this table and nothing else.

Adding a stop needs little: a side, a size and some price of the position. Everything else that cannot be read, is slow
or refuses may hold back removals, take-profits and the verdict, never the stop. A read that is added later gets a
`Fact` of its own here. The row of `PLACE_STOP` does not name it, so it cannot hold back a stop.

What stands in for a fact that is missing while a stop is placed:

    the mark price         the streamed mark, else the last one that was read, else the entry
    the entry price        the mark
    the order lists        the attempt itself: the venue refuses a second order of an id and a second close-all
                           stop. After `BLIND_READS` looks without the list the attempt is made
    the trading rules      a grid of four significant digits (`core/model/provisional_rules.py`)
    the position mode      the row itself says LONG, SHORT or BOTH
    the clock              the venue refuses a wrong time stamp and is asked for the time then
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Fact(StrEnum):
    """What a look at one symbol may fail to learn."""

    POSITION = "side, size and some price of the position"
    ROW = "the rest of the position's row"
    CONDITIONAL_ORDERS = "the list of conditional orders"
    PLAIN_ORDERS = "the list of plain orders"


class Deed(StrEnum):
    """What may be done, or said, about a position."""

    PLACE_STOP = "place a stop"
    PLACE_TAKE_PROFIT = "place a take-profit"
    REMOVE = "remove an order"
    CLOSE = "close at market"
    JUDGE = "publish a verdict other than UNKNOWN"


EVERYTHING = frozenset(Fact)
NEEDS: Mapping[Deed, frozenset[Fact]] = MappingProxyType({
    Deed.PLACE_STOP: frozenset({Fact.POSITION}),
    Deed.PLACE_TAKE_PROFIT: EVERYTHING,
    Deed.REMOVE: EVERYTHING,
    Deed.CLOSE: EVERYTHING,
    Deed.JUDGE: EVERYTHING,
})  # fmt: skip
"""The facts that must have been read for each deed. The first row never grows (invariant 3)."""

BLIND_READS = 2
"""Looks in a row that read a position and not its conditional orders, before its stop is sent all the same."""


def allows(deed: Deed, unread: frozenset[Fact]) -> bool:
    """Whether a deed may be done although these facts could not be read."""
    return not unread or NEEDS[deed].isdisjoint(unread)
