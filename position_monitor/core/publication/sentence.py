"""The sentences operators read and search for (DESIGN 7). Text only; nothing here decides."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from position_monitor.core.decision.risk import AccountRisk
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Cancel, Close, Mode, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.money import HUNDRED, plain
from position_monitor.core.model.order_words import described
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict

_NAMED_MAX = 3
_QUIET = frozenset({Verdict.PROTECTED, Verdict.UNMANAGED})


def started(check_interval_s: float) -> str:
    """Said once at start."""
    return f"✅ Started - checking positions every {check_interval_s:g}s"


def checking(positions: int) -> str:
    """Said when a cycle finds something to do."""
    return f"🔍 Checking {positions} positions..."


def unprotected(position: Position) -> str:
    """Said before the first order of a position without a stop."""
    return f"⚠️ {position.symbol} has no TP/SL - setting protection"


def size(position: Position) -> str:
    """A position's side, size and entry: `LONG 0.3 @ 41000`."""
    at = f" @ {plain(position.entry_price)}" if position.entry_price > 0 else ""
    return f"{position.side} {plain(position.quantity)}{at}"


def second_writer(sign: LiveOrder) -> str:
    """Said when an order of a second daemon shows up."""
    return (
        f"{sign.symbol}: order {sign.client_id} has our prefix and was not written by this process: a second daemon is "
        "at work on this account; only missing stops are placed for a while"
    )


def intent(action: Place | Cancel | Close) -> str:
    """Said before each write: what, where, why (invariant 13)."""
    match action:
        case Place(order, reason):
            return f"→ place {order.symbol} {order.side} {described(order)} id {order.client_id}: {reason}"
        case Cancel(order, _, reason, replaced_by):
            behind = f", replaced by {' '.join(replaced_by)}" if replaced_by else ""
            return f"→ cancel {order.symbol} {order.purpose} id {order.client_id}: {reason}{behind}"
        case Close(key, _, quantity, client_id, limit, reason):
            form = "MARKET" if limit is None else f"LIMIT IOC @ {plain(limit)}"
            return f"→ close {key.symbol} {key.side} {plain(quantity)} {form} id {client_id}: {reason}"


def ended(outcome: Outcome, position: Position | None) -> str:
    """Said after each write."""
    action = outcome.action
    if outcome.denied:
        return f"{intent(action)} - held by the guard: {outcome.text}"
    if outcome.sent is not Sent.ACCEPTED:
        return f"{_subject(action)} was {_how(outcome)}: {outcome.text}"
    match action:
        case Place(order, _):
            word = "TP" if order.role is Role.TAKE_PROFIT else "SL"
            return f"✅ {word} order placed: {order.symbol} {distance(order, position)}"
        case Cancel(order, _, _, _):
            return f"✅ Order removed: {order.symbol} {order.purpose} id {order.client_id}"
        case Close(key, _, quantity, _, _, _):
            return f"🛑 Close order accepted: {key.symbol} {key.side} {plain(quantity)}"


def _how(outcome: Outcome) -> str:
    if outcome.sent is Sent.AMBIGUOUS:
        return "sent with an unknown outcome; it will be looked up by its client id"
    return str(outcome.sent.value)


def _subject(action: Place | Cancel | Close) -> str:
    match action:
        case Place(order, _):
            word = "TP" if order.role is Role.TAKE_PROFIT else "SL"
            return f"{word} order for {order.symbol} {order.side} @ {plain(order.trigger_price)}"
        case Cancel(order, _, _, _):
            return f"Cancel of {order.symbol} {order.client_id}"
        case Close(key, _, quantity, _, _, _):
            return f"Close of {key.symbol} {key.side} {plain(quantity)}"


def distance(order: DesiredOrder, position: Position | None) -> str:
    """The trigger's signed distance from the entry as the trader sees it: losses negative, whatever the side."""
    if position is None or position.entry_price <= 0:
        return f"@ {plain(order.trigger_price)}"
    move = (order.trigger_price - position.entry_price) / position.entry_price * HUNDRED
    gain = move if position.side is Side.LONG else -move
    return f"{gain.quantize(Decimal('0.01')).normalize():+f}%"


def cycle(risk: AccountRisk, judgements: Sequence[Judgement], mode: Mode, *, failure: str) -> str:
    """The sentence of a cycle: journal line, `STATUS=` and `status_line`."""
    if failure:
        count = f"{risk.positions} position{'' if risk.positions == 1 else 's'}"
        return f"❓ UNKNOWN: {failure}; {count} last known, mode {mode.published}"
    percent = risk.protected * 100 // risk.positions if risk.positions else 100  # of the same thing as the fraction
    icon = "🛡️" if risk.status in (RiskStatus.PROTECTED, RiskStatus.DEGRADED) else "⚠️"
    parts = [f"{icon} {risk.protected}/{risk.positions} protected ({percent}%)"]
    loud = [judged for judged in judgements if judged.verdict not in _QUIET]
    parts += [f"{judged.key} {judged.verdict} ({judged.reason})" for judged in loud[:_NAMED_MAX]]
    if len(loud) > _NAMED_MAX:
        parts.append(f"{len(loud) - _NAMED_MAX} more")
    unmanaged = sum(judged.verdict is Verdict.UNMANAGED for judged in judgements)
    if unmanaged:
        parts.append(f"{unmanaged} unmanaged by configuration")
    if mode is not Mode.LIVE:
        parts.append(f"mode {mode.published}")
    return "; ".join(parts)
