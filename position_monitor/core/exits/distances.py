"""How far from the entry a policy wants out, before any price is known: in percent, or in R."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.model.profiles import RungInR
from position_monitor.core.model.settings import ProtectionSettings, Rung


class InR(NamedTuple):
    """A stop distance in units of price and a ladder in R."""

    stop_distance: Decimal
    """From the entry; exact, so that a level that was read back is made again to the last digit."""
    rungs: tuple[RungInR, ...]
    """Nearest first."""
    r: Decimal | None
    """R as read back from the backstop (S1); None: the distance of the stop as it will rest, after rounding."""
    inputs: Mapping[str, Decimal] = MappingProxyType({})
    """The figures that the stop was made from, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """A stop distance and a ladder, each with its source.

    Made once for the same settings and advice, and compared by identity: the levels that follow from one are remembered
    under it (`levels.py`), and comparing a ladder number by number in every cycle would cost more than making it.
    """

    stop_pct: Decimal
    """Also where a stop is anchored to the mark."""
    stop_source: str
    rungs: tuple[Rung, ...]
    """Nearest first. The reward:risk bounds and the bounds of a target are applied where they become levels."""
    target_source: str
    in_r: InR | None = None
    """The same in R, which counts instead where the entry price is known."""


def bounded_stop_pct(stop_pct: Decimal, settings: ProtectionSettings) -> Decimal:
    """A stop distance inside `stop_loss_min_pct` and `stop_loss_max_pct` (DESIGN 9, bounds on all)."""
    return min(max(stop_pct, settings.stop_loss_min_pct), settings.stop_loss_max_pct)
