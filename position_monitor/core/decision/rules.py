"""The configuration and the venue as the core sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from position_monitor.core.decision.ownership import under_pause
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import NO_CONTROL, Control
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

    control: Control = NO_CONTROL
    """The pauses and holds in force."""

    def under(self, control: Control) -> Rules:
        """These rules with what the operator asked for (`core/model/control.py`)."""
        if not control.in_force:
            return self
        usual = self.protection_for

        def protection_for(key: PositionKey) -> ProtectionSettings:
            settings = usual(key)
            return settings if control.hold_of(key) is None else _held(settings)

        return replace(self, protection_for=protection_for, control=control)

    def mode_for(self, key: PositionKey, mode: Mode) -> Mode:
        """What may be done for a position where the account is in this state."""
        if not self.control.in_force:
            return mode
        return under_pause(mode, paused=self.control.pause_of(key) is not None)

    @property
    def conditional_orders_max(self) -> int:
        """Open conditional orders the account may have: the venue's number, which the configured one may only lower."""
        venues = self.traits.conditional_orders_max
        return min(venues, self.limits.conditional_orders_max or venues)


@lru_cache(maxsize=1_024)
def _held(settings: ProtectionSettings) -> ProtectionSettings:
    """The same object for the same settings: what was made from them is made again only where they changed."""
    return replace(settings, held=True)
