"""What a refusal of the venue means.

The venue classifies each refusal once (`edge/venues/<venue>/`), and everything above asks the meaning. Venues name
their refusals by numbers, by words or by sentences; that name is `said`: it is shown to the operator and never asked.

A refusal is no proof (invariant 6). A venue may refuse by a copy of the account that is out of date, so each meaning
below tells what to do next and never what is true.
"""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Why the venue refused a request, as far as anybody acts on it. Which names of a venue it stands for, the venue's
    own table says."""

    CROSSED = "CROSSED"
    """The price has already passed the trigger. For a stop it is counted; the next one goes further back, and a row of
    such refusals may begin the close ladder (DESIGN 9)."""
    DUPLICATE = "DUPLICATE"
    """The client id is in use by an open order: an earlier attempt rests. It is looked for, never sent anew."""
    SLOT_TAKEN = "SLOT_TAKEN"
    """The position has its one stop that the venue sizes itself, ours or the user's. A stop with a quantity is placed
    beside it when no list shows it."""
    NOTHING_TO_REDUCE = "NOTHING_TO_REDUCE"
    """A reducing order exceeds what is left to reduce: the position changed, or resting orders use up its quantity.
    For a closing order our take-profits give way; any order is tried again at once, a few times."""
    NO_POSITION = "NO_POSITION"
    """The venue does not see the position, or not all of it, and it may in a moment: tried again at once, a few
    times."""
    CAPACITY = "CAPACITY"
    """There is no room for one more order. All lists are read again, ladders give way to stops, and it is tried again
    at once, a few times."""
    OFF_GRID = "OFF_GRID"
    """A number is off the symbol's grid of prices or quantities. The trading rules are read again; while they are not
    known, coarser numbers are tried."""
    RULES_CHANGED = "RULES_CHANGED"
    """The symbol, its state or one of its limits is not what we believe. The trading rules are read again."""
    MODE_CHANGED = "MODE_CHANGED"
    """One-way and hedge mode do not match. The position mode is read again."""
    NO_SUCH_ORDER = "NO_SUCH_ORDER"
    """A query names an order that the venue does not know, or does not show yet."""
    NO_STREAM_KEY = "NO_STREAM_KEY"
    """The key of the private stream is gone: a new one is opened and everything is read again."""
    OTHER = "OTHER"
    """Any other reason. Nothing can be done about it but to try again in the next check, or when a fact changed."""


def in_brackets(said: str) -> str:
    """The venue's own name of a refusal, to follow a word: with a space and brackets, empty where it named none."""
    return f" ({said})" if said else ""
