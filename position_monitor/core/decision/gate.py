"""What an action is checked against at the gate (`core/decision/guard.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.settings import EvidenceSettings, Limits, ProtectionSettings
from position_monitor.core.observation.exit_profile import Exit
from position_monitor.core.observation.reads import SymbolObservation


@dataclass(frozen=True, slots=True)
class GateInputs:
    """What an action is checked against."""

    account: str
    observation: SymbolObservation
    belief: Belief | None
    settings: ProtectionSettings
    evidence_settings: EvidenceSettings
    limits: Limits
    mode: Mode
    now_ms: int = 0
    unlisted: tuple[Exit, ...] = ()
    """Take-profits of ours for the position that no list shows and that may rest."""
    witness: Decimal | None = None
    """For a close: the price it is about, read apart from the position just now; None when it could not be."""
