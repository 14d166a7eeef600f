"""The close ladder (DESIGN 9): when a position that cannot be stopped is closed at market, and with which order next.

Market first, then a limit inside the venue's price band, then market again, each at most the venue's maximum. Nothing
is believed from an answer: the ladder ends when the position reads zero; its stops are removed after that, not before.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core import ids
from position_monitor.core.actions import Close
from position_monitor.core.evidence import AGREEING_READS, Evidence, KeyEvidence
from position_monitor.core.model import Instrument, Position, Role, Side
from position_monitor.core.money import floor_to, plain, stop_trigger
from position_monitor.core.settings import EvidenceSettings, Limits, OnBreach, ProtectionSettings

CLOSE_READS = AGREEING_READS
"""Reads that must agree on the position, and on its loss, before a closing order is sent."""
MINUTE_MS = 60_000


def why_close(
    position: Position,
    known: KeyEvidence,
    settings: ProtectionSettings,
    limits: Limits,
    evidence_settings: EvidenceSettings,
    now_ms: int,
    *,
    covered: bool,
) -> str:
    """Why the position should be closed at market, or empty (DESIGN 9, crossed already).

    A position that is covered is closed only for its loss: what cannot get a stop is what the ladder is for.
    """
    if settings.on_breach is OnBreach.ALERT or known.firing(now_ms, evidence_settings.triggering_grace_ms):
        return ""
    if not covered and known.stuck(now_ms, evidence_settings.triggering_grace_ms):
        return "its stop was reached and did not close it: the exit is completed at market"
    if not covered and known.crossed_refusals >= limits.refusals_before_close:
        return f"its stop was refused {known.crossed_refusals} times in a row as already passed (-2021)"
    if settings.on_breach is not OnBreach.CLOSE:
        return ""
    least_loss_pct = min(known.losses_pct) if known.losses_pct else position.loss_pct
    if least_loss_pct >= settings.max_loss_pct:
        return f"its loss of {position.loss_pct:.2f} % is beyond {plain(settings.max_loss_pct)} %"
    return ""


def closes_in_the_last_minute(evidence: Evidence, now_ms: int) -> int:
    """Closing orders sent for the whole account in the last minute: the limit on them is one for all positions."""
    sent = (at for known in evidence.keys.values() for at in known.closes_at_ms)
    return sum(1 for at in sent if abs(now_ms - at) < MINUTE_MS)


def next_close(account: str, position: Position, instrument: Instrument, known: KeyEvidence, reason: str) -> Close:
    """The next closing order: market and limit by turns, never more than the position or the venue's maximum."""
    limit = _limit_inside_band(position, instrument) if known.closes_sent % 2 else None
    most = instrument.market_max_quantity if limit is None else instrument.max_quantity
    quantity = min(position.quantity, floor_to(most, instrument.step))
    client_id = close_id(account, position, known, limit, quantity)
    return Close(position.key, position.position_side, quantity, client_id, limit, reason)


def close_id(account: str, position: Position, known: KeyEvidence, limit: Decimal | None, quantity: Decimal) -> str:
    """The client id of a closing order; its revision is the number of closes sent before it."""
    return ids.client_id(
        account=account,
        symbol=position.symbol,
        side=position.side,
        role=Role.CLOSE,
        rung=0,
        trigger=limit or Decimal(0),
        quantity=quantity,
        epoch=known.epoch,
        revision=known.closes_sent,
    )


def _limit_inside_band(position: Position, instrument: Instrument) -> Decimal:
    """The worst limit price PERCENT_PRICE allows: the floor of the band for a sale, its ceiling for a purchase."""
    factor = instrument.percent_down if position.side is Side.LONG else instrument.percent_up
    return stop_trigger(position.mark_price * factor, position.side, instrument.tick)
