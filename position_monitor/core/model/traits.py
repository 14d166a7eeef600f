"""What a venue grants and what it charges, where none of its answers says so: constants, given by the venue itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ReadCosts(NamedTuple):
    """What the reads of a look cost at a venue, in its request weight."""

    positions: int
    """Every position of the account."""
    symbol_orders: int
    """Both order lists of one symbol."""
    all_orders: int
    """Both order lists of the whole account: a sweep."""
    weight_1m: int
    """What the venue grants in a minute."""


@dataclass(frozen=True, slots=True)
class VenueTraits:
    """Handed in with the rules where they are made, so that no number of a venue stands above its room."""

    conditional_orders_max: int
    """Open conditional orders the venue takes for one account, those of others included. Settings may only lower it."""
    read_costs: ReadCosts
