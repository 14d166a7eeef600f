"""How far from the entry a policy wants out, in percent, before any price is known."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from position_monitor.core.model.settings import ProtectionSettings, Rung


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """A stop distance and a ladder, each with its source.

    Made once for the same settings and advice, and compared by identity: the levels that follow from one are remembered
    under it (`levels.py`), and comparing a ladder number by number in every cycle would cost more than making it.
    """

    stop_pct: Decimal
    stop_source: str
    rungs: tuple[Rung, ...]
    """Nearest first. The reward:risk bounds and the bounds of a target are applied where they become levels."""
    target_source: str


def bounded_stop_pct(stop_pct: Decimal, settings: ProtectionSettings) -> Decimal:
    """A stop distance inside `stop_loss_min_pct` and `stop_loss_max_pct` (DESIGN 9, bounds on all)."""
    return min(max(stop_pct, settings.stop_loss_min_pct), settings.stop_loss_max_pct)
