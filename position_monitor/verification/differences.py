"""The kinds of differences between what Redis claims and what the venue says, and what to do about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a claim and the venue disagree about. The value is the word of `--json`."""

    STATUS_MISSING = "status_missing"
    STATUS_UNREADABLE = "status_unreadable"
    STOPPED = "stopped"
    STALE = "stale"
    ENVIRONMENT = "environment"
    LEASE = "lease"
    RISK_STATUS = "risk_status"
    POSITIONS_TOTAL = "positions_total"
    PROTECTED_TOTAL = "protected_total"
    COVERAGE = "coverage_pct"
    EXPOSED = "exposed_notional"
    POSITION_MISSING = "position_missing"
    POSITION_EXPIRED = "position_expired"
    POSITION_FLAT = "position_flat"
    POSITION_UNREADABLE = "position_unreadable"
    POSITION_STALE = "position_stale"
    DOCUMENT = "doc"
    SIDE = "side"
    QUANTITY = "quantity"
    ENTRY_PRICE = "entry_price"
    UNMANAGED = "unmanaged"
    VERDICT_TOO_HIGH = "verdict_too_high"
    VERDICT_TOO_LOW = "verdict_too_low"
    VERDICT_UNKNOWN = "verdict_unknown"
    COVER = "cover_pct"
    STOP_QUANTITY = "stop_quantity"
    STOP_PRICE = "stop_price"
    BACKSTOP_PRICE = "backstop_price"
    STOP_NOT_RESTING = "stop_not_resting"
    STOP_NOT_CLAIMED = "stop_not_claimed"
    TAKE_PROFIT_NOT_RESTING = "take_profit_not_resting"
    TAKE_PROFIT_DIFFERS = "take_profit_differs"
    TAKE_PROFIT_NOT_CLAIMED = "take_profit_not_claimed"


OF_THE_CLAIM_ALONE: Final = frozenset({
    Kind.STATUS_MISSING, Kind.STATUS_UNREADABLE, Kind.STOPPED, Kind.STALE, Kind.POSITION_STALE, Kind.POSITION_EXPIRED,
    Kind.POSITION_UNREADABLE, Kind.DOCUMENT,
})  # fmt: skip
"""What Redis shows by itself, whatever the venue says: no newer claim has to be waited for."""

_WAIT: Final = "run `position-monitor status --direct`; if it agrees with the venue, restart the daemon"
_PROTECT: Final = "look at the venue's own screen, place a stop by hand if there is none, read the daemon's journal"
_KEY: Final = "find out who else writes this key; the daemon replaces it with its next cycle"
_UNREAD: Final = "read the daemon's journal for this symbol: it cannot read it; look at the venue's own screen"
_START: Final = "check the daemon: systemctl status quantum-position-monitor; nobody else places stops"
_ADVICE: Final[Mapping[Kind, str]] = {
    Kind.STATUS_MISSING: _START,
    Kind.STOPPED: _START,
    Kind.STALE: _START,
    Kind.STATUS_UNREADABLE: _KEY,
    Kind.POSITION_UNREADABLE: _KEY,
    Kind.DOCUMENT: _KEY,
    Kind.ENVIRONMENT: "compare exchange.environment here and in the daemon's configuration",
    Kind.LEASE: "look for a second daemon on this account: position-monitor status names the owner",
    Kind.POSITION_MISSING: _PROTECT,
    Kind.SIDE: _PROTECT,
    Kind.VERDICT_TOO_HIGH: _PROTECT,
    Kind.RISK_STATUS: _PROTECT,
    Kind.UNMANAGED: "compare symbols.unmanaged here and in the daemon's configuration; it leaves that position alone",
    Kind.POSITION_STALE: _UNREAD,
    Kind.POSITION_EXPIRED: _UNREAD,
    Kind.VERDICT_UNKNOWN: "read the daemon's journal for this symbol: it says why it does not know",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement."""

    kind: Kind
    subject: str
    """`account`, or a position such as `BTCUSDT:LONG`."""
    claimed: str
    """What Redis claims, in words."""
    actual: str
    """What the venue says, or what is the case, in words."""
    detail: str = ""
    """Which order it is about; empty where it is about none."""
    settled: bool = True
    """False for a figure that moves with the mark: then another figure in the second look is the same difference."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two differences the same one in two looks."""
        return (self.kind, self.subject, self.detail, self.actual if self.settled else "")

    @property
    def advice(self) -> str:
        """What to do."""
        return _ADVICE.get(self.kind, _WAIT)

    @property
    def sentence(self) -> str:
        """One line: what Redis claims, what the venue says, what to do."""
        return (
            f"{self.subject} {self.kind}: Redis claims {self.claimed}; the venue says {self.actual}; do: {self.advice}"
        )

    def document(self) -> dict[str, str]:
        """For `--json`."""
        return {
            "kind": self.kind.value, "subject": self.subject, "order": self.detail,
            "claimed": self.claimed, "venue": self.actual, "advice": self.advice,
        }  # fmt: skip
