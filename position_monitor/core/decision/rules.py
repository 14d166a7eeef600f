"""The configuration as the core sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from position_monitor.core.model.settings import EvidenceSettings, Limits, ProtectionSettings
from position_monitor.core.model.sides import PositionKey


@dataclass(frozen=True, slots=True)
class Rules:
    """The configuration as the core sees it."""

    account: str
    protection_for: Callable[[PositionKey], ProtectionSettings]
    is_unmanaged: Callable[[PositionKey], bool]
    evidence: EvidenceSettings
    limits: Limits
    armed_by_last: Callable[[PositionKey], bool] | None = None
    """Which positions have orders that the last trade arms; None where no setting says so."""
    live_since_ms: int | None = None
    """Since when the exit policy is live here, ms UTC; None where nobody knows (exits.md 12.5)."""
