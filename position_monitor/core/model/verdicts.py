"""How a position and an account are judged (DESIGN 1)."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The protection of one position (DESIGN 1)."""

    PROTECTED = "PROTECTED"
    STOP_ONLY = "STOP_ONLY"
    UNDERCOVERED = "UNDERCOVERED"
    NAKED = "NAKED"
    UNKNOWN = "UNKNOWN"
    CLOSING = "CLOSING"
    UNMANAGED = "UNMANAGED"


class RiskStatus(StrEnum):
    """The protection of the account (DESIGN 1)."""

    PROTECTED = "PROTECTED"
    DEGRADED = "DEGRADED"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"
