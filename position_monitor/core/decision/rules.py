"""The configuration and the venue as the core sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from position_monitor.core.model.settings import EvidenceSettings, Limits, ProtectionSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.traits import VenueTraits


@dataclass(frozen=True, slots=True)
class Rules:
    """The configuration as the core sees it, and what the venue grants."""

    account: str
    protection_for: Callable[[PositionKey], ProtectionSettings]
    is_unmanaged: Callable[[PositionKey], bool]
    evidence: EvidenceSettings
    limits: Limits
    traits: VenueTraits
    armed_by_last: Callable[[PositionKey], bool] | None = None
    """Which positions have orders that the last trade arms; None where no setting says so."""
    shadow_for: Callable[[PositionKey], ProtectionSettings | None] | None = None
    """The settings of the policy that only computes beside the live one of a position; None where none does at all."""
    beside_for: Callable[[PositionKey], ProtectionSettings] | None = None
    """The settings of the policy that is not live for a position and is scored beside it; None where none is."""
    live_since_ms: Callable[[PositionKey], int | None] | None = None
    """Since when the live policy of a position is live here, ms UTC; None where nobody knows (exits.md 12.5)."""

    @property
    def conditional_orders_max(self) -> int:
        """Open conditional orders the account may have: the venue's number, which the configured one may only lower."""
        return min(self.traits.conditional_orders_max, self.limits.conditional_orders_max)
