"""The risk of the account: its positions as they were judged, added up (DESIGN 1, invariant 17).

It is made from judgements and from nothing else. A position that was not read in a look is judged by what
`history.py` keeps of it: its last figures, and the verdict UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.verdicts import RiskStatus, Verdict

_COVERED = (Verdict.PROTECTED, Verdict.STOP_ONLY)
_UNCOVERED = (Verdict.NAKED, Verdict.UNDERCOVERED)
_NOT_AS_IT_SHOULD_BE = (Verdict.STOP_ONLY, Verdict.CLOSING)


@dataclass(frozen=True, slots=True)
class AccountRisk:
    """The account in figures."""

    status: RiskStatus
    positions: int
    protected: int
    coverage_pct: Decimal
    """Share of the notional that stops cover. What is not known is not covered."""
    exposed_notional: Decimal
    """What of the naked and undercovered positions no stop covers, in quote units."""
    unknown_notional: Decimal
    """The positions of which it cannot be said, as last known, in quote units."""
    unread: tuple[str, ...]
    """Symbols whose rows could not be read. One of which nothing was ever known counts as a position."""
    reason: str


def account_risk(
    judgements: Iterable[Judgement],
    *,
    unreadable: str,
    degraded: Iterable[str],
    banned: bool = False,
    unread: Iterable[str] = (),
) -> AccountRisk:
    """The risk status of the account.

    `unreadable` says why the position list itself could not be believed (or is empty); `degraded` lists what keeps a
    fully covered account from being called PROTECTED. While the venue has `banned` us no stop can be placed, and what
    is opened meanwhile is not seen: that is CRITICAL whatever was last read. Unmanaged positions are the operator's own
    and not counted. `unread` are the symbols whose rows could not be read: what nobody knows is never left out of a
    total (invariant 17).
    """
    judgements, unread = tuple(judgements), tuple(sorted(unread))
    managed = [judged for judged in judgements if judged.verdict is not Verdict.UNMANAGED]
    exposed = [judged for judged in managed if judged.exposed]
    unknown = [judged for judged in managed if judged.verdict is Verdict.UNKNOWN]
    reasons = [f"{judged.key}: {judged.verdict} ({judged.reason})" for judged in (*exposed, *unknown)]
    soft = [*degraded, *(f"{one.key}: {one.verdict}" for one in managed if one.verdict in _NOT_AS_IT_SHOULD_BE)]
    soft += [f"{judged.key}: {judged.reason}" for judged in managed if judged.stop_is_behind]
    soft += [f"{judged.key}: {judged.failed_policy}" for judged in managed if judged.failed_policy]
    if exposed or banned:
        status = RiskStatus.CRITICAL
    elif unreadable or unknown:
        status = RiskStatus.UNKNOWN
    elif soft:
        status = RiskStatus.DEGRADED
    else:
        status = RiskStatus.PROTECTED
    nameless = len(set(unread) - {judged.key.symbol for judged in judgements})
    return AccountRisk(
        status=status,
        positions=len(managed) + nameless,
        protected=sum(judged.verdict in _COVERED for judged in managed),
        coverage_pct=_coverage_pct(managed, nameless),
        exposed_notional=sum((_uncovered(one) for one in managed if one.verdict in _UNCOVERED), Decimal(0)),
        unknown_notional=sum((judged.position.notional for judged in unknown), Decimal(0)),
        unread=unread,
        reason="; ".join(part for part in (unreadable, *reasons, *soft) if part),
    )


def _coverage_pct(managed: Sequence[Judgement], nameless: int) -> Decimal:
    """The covered share of the notional. Nobody knows how large the `nameless` are: they count by number."""
    total = sum((judged.position.notional for judged in managed), Decimal(0))
    readable = (judged for judged in managed if judged.verdict is not Verdict.UNKNOWN)
    safe = sum((judged.position.notional * judged.cover.pct / HUNDRED for judged in readable), Decimal(0))
    pct = safe / total * HUNDRED if total else HUNDRED
    return pct * len(managed) / (len(managed) + nameless) if nameless else pct


def _uncovered(judged: Judgement) -> Decimal:
    return judged.position.notional * (HUNDRED - judged.cover.pct) / HUNDRED
