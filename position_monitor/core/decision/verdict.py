"""The verdict: the planner's own predicate applied to what was read back (DESIGN 1).

A verdict never says more than the read it came from, and never anything about a moment after that read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.book.diff import BookDiff
from position_monitor.core.decision.case import Case
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.money import HUNDRED, plain
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import EvidenceSettings, ProtectionSettings
from position_monitor.core.model.state import PositionState
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.observation.cover import Cover, counts_as_target
from position_monitor.core.observation.needs import Fact
from position_monitor.core.observation.reads import SymbolObservation

_EXPOSED = (Verdict.NAKED, Verdict.UNDERCOVERED)


class Judgement(NamedTuple):
    """The verdict of one position with everything it rests on."""

    position: Position
    verdict: Verdict
    reason: str
    cover: Cover
    book: DesiredBook | None
    found: BookDiff | None
    settings: ProtectionSettings | None
    """None when even the settings could not be found; then the position is held."""
    exposed: bool = False
    """It was read, it is not fully covered, and no stop is just then closing it."""
    closing: bool = False
    """There is a reason to close it at market."""


def judge(case: Case, seen: SymbolObservation, evidence_settings: EvidenceSettings, now_ms: int) -> Judgement:
    """The verdict of one position from one observation."""
    covered, known = case.cover.full, case.known
    verdict, reason = _verdict(case, seen)
    if case.unmanaged:
        verdict, reason = Verdict.UNMANAGED, "listed in symbols.unmanaged by the operator"
    elif verdict is not Verdict.UNKNOWN and case.closing:
        verdict, reason = Verdict.CLOSING, case.closing
    firing = not covered and known is not None and known.firing(now_ms, evidence_settings.triggering_grace_ms)
    if firing and verdict in (Verdict.NAKED, Verdict.UNDERCOVERED):
        verdict, reason = Verdict.CLOSING, "its stop is being triggered"
    read = seen.unread.isdisjoint((Fact.POSITION, Fact.CONDITIONAL_ORDERS))
    exposed = read and not covered and not firing and not case.unmanaged
    return Judgement(
        case.position, verdict, reason, case.cover, case.book, case.found, case.settings, exposed, bool(case.to_close)
    )


def _verdict(case: Case, seen: SymbolObservation) -> tuple[Verdict, str]:
    position, cover, book, found = case.position, case.cover, case.book, case.found
    if not seen.readable:
        return Verdict.UNKNOWN, seen.unreadable or "it was not read completely"
    if seen.instrument is None:
        return Verdict.UNKNOWN, "HOLD: the venue lists no trading rules for this symbol"
    if not cover.full:
        refused = case.known.stop_refused if case.known is not None else ""
        why = f"; the last one that was sent does not rest: {refused}" if refused else ""
        why += f"; {book.obstacle}" if book is not None and book.obstacle else ""
        if book is not None and case.known is not None and case.known.crossed.count:
            why += "".join(f"; {note}" for note in book.notes)
        if cover.quantity > 0:
            return Verdict.UNDERCOVERED, f"stops cover {plain(cover.quantity)} of {plain(position.quantity)}{why}"
        return Verdict.NAKED, f"no stop counts as cover{why}"
    if position.entry_price <= 0:
        return Verdict.UNKNOWN, "HOLD: entry price was 0; a stop anchored to the mark rests, take-profits are held"
    if book is None or found is None:
        return Verdict.STOP_ONLY, "no desired book"
    if found.missing:
        missing = [order for order in found.missing if order.role is Role.TAKE_PROFIT]
        if missing:
            return Verdict.STOP_ONLY, f"{len(missing)} take-profit(s) of the ladder do not rest"
    # The ladder comes last in a book.
    without = not book.orders or book.orders[-1].role is not Role.TAKE_PROFIT
    if without and not foreign_targets(position, case.live.foreign, case.settings):
        return Verdict.STOP_ONLY, "; ".join(book.notes) or "no take-profit is wanted"
    return Verdict.PROTECTED, "; ".join(book.notes)


def foreign_targets(
    position: Position, orders: Iterable[LiveOrder], settings: ProtectionSettings
) -> tuple[LiveOrder, ...]:
    """The user's own take-profits that count toward the ladder."""
    if not settings.respect_foreign_orders:
        return ()
    return tuple(o for o in orders if o.tag is None and counts_as_target(o, position.key, hedged=position.hedged))


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
    states: Iterable[PositionState],
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
    states, unread = tuple(states), tuple(sorted(unread))
    managed = [state for state in states if state.verdict is not Verdict.UNMANAGED]
    covered = [state for state in managed if state.verdict in (Verdict.PROTECTED, Verdict.STOP_ONLY)]
    exposed = [state for state in managed if _is_exposed(state)]
    unknown = [state for state in managed if state.verdict is Verdict.UNKNOWN]
    reasons = [f"{state.key}: {state.verdict} ({state.reason})" for state in (*exposed, *unknown)]
    soft = [*degraded, *(f"{s.key}: {s.verdict}" for s in managed if s.verdict in (Verdict.STOP_ONLY, Verdict.CLOSING))]
    soft += [f"{s.key}: {s.reason}" for s in managed if s.conditions.get("StopCurrent") == "False"]
    if exposed or banned:
        status = RiskStatus.CRITICAL
    elif unreadable or unknown:
        status = RiskStatus.UNKNOWN
    elif soft:
        status = RiskStatus.DEGRADED
    else:
        status = RiskStatus.PROTECTED
    reason = "; ".join(part for part in (unreadable, *reasons, *soft) if part)
    nameless = len(set(unread) - {state.key.symbol for state in states})
    return AccountRisk(
        status=status,
        positions=len(managed) + nameless,
        protected=len(covered),
        coverage_pct=_coverage_pct(managed, nameless),
        exposed_notional=sum((_uncovered(state) for state in managed if state.verdict in _EXPOSED), Decimal(0)),
        unknown_notional=sum((_notional(state) for state in unknown), Decimal(0)),
        unread=unread,
        reason=reason,
    )


def _coverage_pct(managed: Sequence[PositionState], nameless: int) -> Decimal:
    """The covered share of the notional. Nobody knows how large the `nameless` are: they count by number."""
    total = sum((_notional(state) for state in managed), Decimal(0))
    readable = (state for state in managed if state.verdict is not Verdict.UNKNOWN)
    safe = sum((_notional(state) * state.cover_pct / HUNDRED for state in readable), Decimal(0))
    pct = safe / total * HUNDRED if total else HUNDRED
    return pct * len(managed) / (len(managed) + nameless) if nameless else pct


def _is_exposed(state: PositionState) -> bool:
    if state.verdict in _EXPOSED:
        return True
    return state.verdict in (Verdict.CLOSING, Verdict.UNKNOWN) and state.conditions.get("Exposed") == "True"


def _uncovered(state: PositionState) -> Decimal:
    return _notional(state) * (HUNDRED - state.cover_pct) / HUNDRED


def _notional(state: PositionState) -> Decimal:
    return state.quantity * state.mark_price
