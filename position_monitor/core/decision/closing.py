"""The close ladder (DESIGN 9): when a position that cannot be stopped is closed at market, and with which order next.

Market first, then a limit inside the venue's price band, then market again, each at most the venue's maximum. Nothing
is believed from an answer: the ladder ends when the position reads zero; its stops are removed after that, not before.

Nothing is closed on one witness (invariant 16). Each reason claims that a price has reached a level; two reads of the
position must agree on it, and a price that is read apart, just before the order is sent, must say the same. Where that
price cannot be read, reads that agree for longer than any part of the venue may lag stand for it.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.evidence.evidence import AGREEING_READS, Belief, Evidence
from position_monitor.core.evidence.refusals import TRIES_AT_ONCE_MAX
from position_monitor.core.model import ids
from position_monitor.core.model.actions import Close
from position_monitor.core.model.desired import CloseReason
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import floor_to, plain, stop_trigger
from position_monitor.core.model.orders import Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import in_brackets
from position_monitor.core.model.settings import EvidenceSettings, Limits, OnBreach, ProtectionSettings
from position_monitor.core.model.sides import Side

CLOSE_READS = AGREEING_READS
"""Reads that must agree on the position, and on its loss, before a closing order is sent."""
MINUTE_MS = 60_000
WITHOUT_WITNESS_MS = 15_000
"""How long reads must agree where no price can be read apart."""


def reason_to_close(
    position: Position,
    belief: Belief,
    settings: ProtectionSettings,
    limits: Limits,
    evidence_settings: EvidenceSettings,
    now_ms: int,
    *,
    covered: bool,
    policy: CloseReason | None,
) -> CloseReason | None:
    """Why the position should be closed at market, or None (DESIGN 9, crossed already).

    A position that is covered is closed only where its policy wants that (`policy`), for its loss or for its age, and
    where the last reads agree on the price: what cannot get a stop is what the ladder is for.
    """
    grace_ms = evidence_settings.triggering_grace_ms
    if settings.on_breach is OnBreach.ALERT or belief.firing(now_ms, grace_ms):
        return None
    trigger = belief.firing_trigger
    if not covered and belief.stuck(now_ms, grace_ms) and belief.passed(trigger, position.side):
        text = "its stop was reached and did not close it: the exit is completed at market"
        return CloseReason(text, trigger, settings.working_type)
    crossed = belief.crossed
    if (
        not covered
        and crossed.count >= limits.refusals_before_close
        and crossed.fresh(now_ms, limits.again_ms)
        and belief.passed(crossed.first_trigger, position.side)
    ):
        text = (
            f"its stop was refused {crossed.count} times in a row as already passed{in_brackets(crossed.said)}, "
            f"and the price has passed {plain(crossed.first_trigger)}"
        )
        return CloseReason(text, crossed.first_trigger, settings.working_type)
    if policy is None:
        return None
    if not policy.by_loss:
        return policy if belief.passed(policy.level, position.side) else None
    return policy if belief.losses_pct and min(belief.losses_pct) >= settings.max_loss_pct else None


def closes_in_the_last_minute(evidence: Evidence, now_ms: int) -> int:
    """Closing orders sent for the whole account in the last minute: the limit on them is one for all positions."""
    sent = (at for belief in evidence.keys.values() for at in belief.closes_at_ms)
    return sum(1 for at in sent if abs(now_ms - at) < MINUTE_MS)


def why_not_close_now(belief: Belief, recent: int, limits: Limits, now_ms: int) -> str:
    """Why a close that is wanted waits, or empty. `recent` closes were sent for the account in the last minute."""
    if belief.present_reads < CLOSE_READS:
        return f"needs {CLOSE_READS} agreeing reads"
    if recent >= limits.closes_per_minute_max:
        return f"{recent} closes were sent in the last minute"
    refused = belief.closes_refused.tries_in_the_last_minute(now_ms)
    tried = refused + sum(1 for at_ms in belief.closes_at_ms if abs(now_ms - at_ms) < MINUTE_MS)
    if tried >= limits.closes_per_minute_max:
        return f"{tried} closes of it were tried in the last minute"
    if refused >= TRIES_AT_ONCE_MAX and not belief.closes_refused.rested(now_ms, limits.again_ms):
        return "it was refused again and again; it is tried again in the next check"
    return ""


def next_close(account: str, position: Position, instrument: Instrument, belief: Belief, reason: CloseReason) -> Close:
    """The next closing order: market and limit by turns, never more than the position or the venue's maximum."""
    limit = _limit_inside_band(position, instrument) if belief.closes_sent % 2 else None
    most = instrument.market_max_quantity if limit is None else instrument.max_quantity
    quantity = min(position.quantity, floor_to(most, instrument.step))
    client_id = close_id(account=account, position=position, belief=belief, limit=limit, quantity=quantity)
    return Close(
        key=position.key,
        hedged=position.hedged,
        quantity=quantity,
        client_id=client_id,
        limit_price=limit,
        reason=reason.text,
        level=reason.level,
        working_type=reason.working_type,
        by_loss=reason.by_loss,
    )


def close_id(account: str, position: Position, belief: Belief, limit: Decimal | None, quantity: Decimal) -> str:
    """The client id of a closing order; its revision is the number of closes sent before it."""
    return ids.client_id(
        account=account,
        symbol=position.symbol,
        side=position.side,
        role=Role.CLOSE,
        rung=0,
        trigger=limit or Decimal(0),
        quantity=quantity,
        epoch=belief.epoch,
        revision=belief.closes_sent,
    )


def _limit_inside_band(position: Position, instrument: Instrument) -> Decimal:
    """The worst limit price PERCENT_PRICE allows: the floor of the band for a sale, its ceiling for a purchase."""
    factor = instrument.percent_down if position.side is Side.LONG else instrument.percent_up
    return stop_trigger(position.mark_price * factor, position.side, instrument.tick)
