"""The verdict: the planner's own predicate applied to what was read back (DESIGN 1).

A verdict never says more than the read it came from, and never anything about a moment after that read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core import ids
from position_monitor.core.case import Case
from position_monitor.core.cover import Cover, counts_as_target, owned_role
from position_monitor.core.desired import DesiredBook
from position_monitor.core.diff import BookDiff
from position_monitor.core.ladder import rungs_of
from position_monitor.core.model import LiveOrder, Position, RiskStatus, Role, Verdict
from position_monitor.core.money import HUNDRED, plain
from position_monitor.core.observation import SymbolObservation
from position_monitor.core.settings import EvidenceSettings, ProtectionSettings
from position_monitor.core.state import PositionState, TakeProfitState


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
    exposed = seen.readable and not covered and not firing and not case.unmanaged
    return Judgement(case.position, verdict, reason, case.cover, case.book, case.found, case.settings, exposed)


def _verdict(case: Case, seen: SymbolObservation) -> tuple[Verdict, str]:
    position, cover, book, found = case.position, case.cover, case.book, case.found
    if not seen.readable:
        return Verdict.UNKNOWN, seen.unreadable or "it was not read completely"
    if seen.instrument is None:
        return Verdict.UNKNOWN, "HOLD: the venue lists no trading rules for this symbol"
    if not cover.full:
        refused = case.known.stop_refused if case.known is not None else ""
        why = f"; the last one that was sent does not rest: {refused}" if refused else ""
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
    return tuple(o for o in orders if not ids.is_ours(o.client_id) and counts_as_target(o, position))


def position_state(judgement: Judgement, seen: SymbolObservation, *, since_ms: int, naked_ms: int) -> PositionState:
    """The published form of a judgement."""
    position, cover, book = judgement.position, judgement.cover, judgement.book
    backstop = next((o for o in cover.orders if o.close_all and owned_role(o) is Role.BACKSTOP), None)
    return PositionState(
        key=position.key,
        verdict=judgement.verdict,
        reason=judgement.reason,
        since_ms=since_ms,
        quantity=position.quantity,
        entry_price=position.entry_price,
        mark_price=position.mark_price,
        liquidation_price=position.liquidation_price,
        leverage=position.leverage,
        unrealized_pnl=position.unrealized_pnl,
        stop_price=cover.stop_price,
        stop_quantity=cover.quantity,
        cover_pct=cover.pct,
        stop_client_ids=tuple(order.client_id for order in cover.orders),
        backstop_price=backstop.trigger_price if backstop else None,
        take_profits=_take_profit_states(judgement, seen),
        trailing=_trailing_text(book),
        profile=judgement.settings.profile if judgement.settings else "",
        regime=book.regime if book else "",
        level_source=book.stop.source if book else "",
        worst_case_loss=cover.worst_loss,
        naked_ms=naked_ms,
        observed_at_ms=seen.observed_at_ms,
        conditions=_conditions(judgement, seen),
    )


def _trailing_text(book: DesiredBook | None) -> str:
    if book is None or book.trailing is None:
        return "off"
    return f"{plain(book.trailing.distance_pct)} % {'active' if book.trailing.active else 'waiting'}"


def _take_profit_states(judgement: Judgement, seen: SymbolObservation) -> tuple[TakeProfitState, ...]:
    states: list[TakeProfitState] = []
    if judgement.found is not None:
        for wanted, live in judgement.found.matched:
            if wanted.role is Role.TAKE_PROFIT:
                states.append(
                    _rung_state(wanted.rung, wanted.trigger_price, live.quantity, live.client_id, wanted.source)
                )
        for wanted in judgement.found.missing:
            if wanted.role is Role.TAKE_PROFIT:
                states.append(_rung_state(wanted.rung, wanted.trigger_price, wanted.quantity, "", wanted.source))
    settings = judgement.settings
    for order in foreign_targets(judgement.position, seen.live.foreign, settings) if settings else ():
        price = order.trigger_price or order.price or Decimal(0)
        quantity = judgement.position.quantity if order.close_all else order.quantity
        states.append(TakeProfitState(-1, price, quantity, order.client_id, "foreign", resting=True, foreign=True))
    return tuple(sorted(states, key=lambda state: (state.foreign, state.rung)))


def _rung_state(rung: int, trigger: Decimal, quantity: Decimal | None, client_id: str, source: str) -> TakeProfitState:
    return TakeProfitState(
        rungs_of(rung)[-1], trigger, quantity or Decimal(0), client_id, source, resting=bool(client_id)
    )


def _conditions(judgement: Judgement, seen: SymbolObservation) -> dict[str, str]:
    if not seen.readable:
        return dict.fromkeys(("StopCovered", "BackstopLive", "TakeProfitsPlaced", "BookInSync", "Exposed"), "Unknown")
    cover, found = judgement.cover, judgement.found
    return {
        "StopCovered": str(cover.full),
        "BackstopLive": str(any(order.close_all for order in cover.orders)),
        "TakeProfitsPlaced": str(judgement.verdict is Verdict.PROTECTED),
        "BookInSync": str(found is not None and found.in_sync),
        "Exposed": str(judgement.exposed),
    }


@dataclass(frozen=True, slots=True)
class AccountRisk:
    """The account in figures."""

    status: RiskStatus
    positions: int
    protected: int
    coverage_pct: Decimal
    unprotected_notional: Decimal
    reason: str


def account_risk(states: Iterable[PositionState], *, unreadable: str, degraded: Iterable[str]) -> AccountRisk:
    """The risk status of the account.

    `unreadable` says why the position list itself could not be believed (or is empty); `degraded` lists what keeps a
    fully covered account from being called PROTECTED. Unmanaged positions are the operator's own and not counted.
    """
    managed = [state for state in states if state.verdict is not Verdict.UNMANAGED]
    covered = [state for state in managed if state.verdict in (Verdict.PROTECTED, Verdict.STOP_ONLY)]
    exposed = [state for state in managed if _is_exposed(state)]
    unknown = [state for state in managed if state.verdict is Verdict.UNKNOWN]
    total = sum((_notional(state) for state in managed), Decimal(0))
    safe = sum((_notional(state) * state.cover_pct / HUNDRED for state in managed if state not in unknown), Decimal(0))
    reasons = [f"{state.key}: {state.verdict} ({state.reason})" for state in (*exposed, *unknown)]
    soft = [*degraded, *(f"{s.key}: {s.verdict}" for s in managed if s.verdict in (Verdict.STOP_ONLY, Verdict.CLOSING))]
    if exposed:
        status = RiskStatus.CRITICAL
    elif unreadable or unknown:
        status = RiskStatus.UNKNOWN
    elif soft:
        status = RiskStatus.DEGRADED
    else:
        status = RiskStatus.PROTECTED
    reason = "; ".join(part for part in (unreadable, *reasons, *soft) if part)
    pct = safe / total * HUNDRED if total else HUNDRED
    return AccountRisk(status, len(managed), len(covered), pct, total - safe, reason)


def _is_exposed(state: PositionState) -> bool:
    if state.verdict in (Verdict.NAKED, Verdict.UNDERCOVERED):
        return True
    return state.verdict in (Verdict.CLOSING, Verdict.UNKNOWN) and state.conditions.get("Exposed") == "True"


def _notional(state: PositionState) -> Decimal:
    return state.quantity * state.mark_price
