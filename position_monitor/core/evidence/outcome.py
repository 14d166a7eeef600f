"""What the outcome of a write teaches (invariants 4 and 6): an acknowledgement only says where to look next."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from enum import StrEnum

from position_monitor.core.evidence.crossing import NOT_CROSSED, after_refusal
from position_monitor.core.evidence.endings import after_word, word_of
from position_monitor.core.evidence.evidence import Belief, Evidence, with_key
from position_monitor.core.evidence.foreign_removals import without_own
from position_monitor.core.evidence.refusals import (
    CLOSE_SLOT,
    NONE_FAILED,
    FailedTries,
    RefusedOrder,
    after_failure,
    slot_of,
)
from position_monitor.core.evidence.written import after_write, without_write
from position_monitor.core.model.actions import Action, Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder, OrderStatus
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey

_CLOSES_KEPT = 10
_NUMBER = re.compile(r"\d[\d.,:]*")


class Sent(StrEnum):
    """How a write ended, as far as the edge can tell."""

    ACCEPTED = "accepted"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    """It certainly had no effect: denied by the guard, rate-limited, unreachable."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One write and how it ended."""

    action: Action
    sent: Sent
    at_ms: int
    _: KW_ONLY
    refusal: Refusal | None = None
    """What the venue's no means; None where it did not say no."""

    said: str = ""
    """The venue's own name of the failure, for people; empty where it named none."""

    text: str = ""
    denied: bool = False
    """The guard held it back: it never came near the exchange."""

    turned_away: bool = False
    """It certainly did not arrive, or the venue was too busy for it: sending it again in a moment is right."""

    instrument: Instrument | None = None
    """The trading rules it was made by."""

    asked_at_ms: int = 0
    """The venue's time just before it was sent; 0 where nobody looked."""

    @property
    def live_at_ms(self) -> int:
        """The venue's time from which on an order of this id was live for certain; 0 where that is not known."""
        certain = self.sent is Sent.ACCEPTED or self.refusal is Refusal.DUPLICATE
        return self.asked_at_ms if certain else 0

    @property
    def may_rest(self) -> bool:
        """Whether an order of this id may rest now: it is looked for, and not sent anew."""
        return self.sent in (Sent.ACCEPTED, Sent.AMBIGUOUS) or self.refusal is Refusal.DUPLICATE


def without_numbers(text: str) -> str:
    """A sentence that says the same whatever the price is just now: what tells one reason from another."""
    return _NUMBER.sub("#", text)


def reason(outcome: Outcome) -> str:
    """Why a write failed, told apart from other reasons."""
    return f"{outcome.sent} {outcome.said or without_numbers(outcome.text)}"


def after_outcome(evidence: Evidence, outcome: Outcome, *, pause_ms: int = 9_000) -> Evidence:
    """Learn from one write. What was claimed in the evidence when it was sent is taken back unless it may rest.

    `pause_ms` is the time between two tries of what is refused: refusals further apart are not in a row.
    """
    if outcome.denied:
        return evidence
    match outcome.action:
        case Place():
            return _after_place(evidence, outcome, outcome.action, pause_ms)
        case Close():
            return _after_close(evidence, outcome, outcome.action)
        case Cancel(order=order):
            if outcome.sent is not Sent.ACCEPTED:
                return evidence
            ended = word_of(order)._replace(status=OrderStatus.CANCELED, at_ms=0, nothing_filled=True)
            return _after_own_removal(after_word(evidence, ended, outcome.at_ms), order)


def _after_own_removal(evidence: Evidence, order: LiveOrder) -> Evidence:
    """What is told of its end is this process's own doing, no other hand's."""
    belief = evidence.of(order.key)
    if belief is None or order.client_id not in belief.targets_removed:
        return evidence
    return _changed(evidence, order.key, belief, targets_removed=without_own(belief.targets_removed, order.client_id))


def claimed(
    evidence: Evidence, order: DesiredOrder, at_ms: int, *, proved: bool = False, live_at_ms: int = 0
) -> Evidence:
    """Remember an order that is being sent, or that may rest: nobody writes it again before it was looked for."""
    return after_write(
        evidence, order.symbol, order.client_id, at_ms, proved=proved, live_at_ms=live_at_ms, order=order
    )


def _after_place(evidence: Evidence, outcome: Outcome, action: Place, pause_ms: int) -> Evidence:
    order, key = action.order, action.key
    belief = evidence.of(key)
    if belief is None:
        return evidence
    is_stop = order.role.is_stop
    belief = _with_try(belief, outcome, order)
    evidence = with_key(evidence, key, belief)
    if outcome.may_rest:
        proved = outcome.refusal is Refusal.DUPLICATE
        evidence = claimed(evidence, order, outcome.at_ms, proved=proved, live_at_ms=outcome.live_at_ms)
        return _changed(evidence, key, belief, crossed=NOT_CROSSED, stop_refused="") if is_stop else evidence
    evidence = without_write(evidence, order.symbol, order.client_id)
    if is_stop:
        if without_numbers(belief.stop_refused) != without_numbers(outcome.text):
            belief = belief._replace(stop_refused=outcome.text)  # else the same words stay, for those who compare them
        evidence = with_key(evidence, key, belief)
    if is_stop and outcome.refusal is Refusal.CROSSED:
        crossed = after_refusal(
            belief.crossed,
            order.trigger_price,
            outcome.at_ms,
            reads=belief.present_reads,
            pause_ms=pause_ms,
            said=outcome.said,
        )
        return _changed(evidence, key, belief, crossed=crossed)
    if is_stop and outcome.refusal is Refusal.OFF_GRID:
        return _changed(evidence, key, belief, grid_refusals=belief.grid_refusals + 1)
    if order.close_all and outcome.refusal is Refusal.SLOT_TAKEN:
        return _changed(evidence, key, belief, close_all_blocked=True)
    return evidence


def after_unread_failure(evidence: Evidence, order: DesiredOrder, at_ms: int) -> Evidence:
    """A stop that was made without a read failed: it teaches nothing, but how often it was tried (invariant 10)."""
    evidence = without_write(evidence, order.symbol, order.client_id)
    belief = evidence.of(order.key)
    if belief is None:
        return evidence
    tried = after_failure(belief.stops_refused, at_ms, slot_of(order), None)
    return _changed(evidence, order.key, belief, stops_refused=tried)


def _with_try(belief: Belief, outcome: Outcome, order: DesiredOrder) -> Belief:
    """Note whether something of this kind could be placed for the position (invariant 10)."""
    before = belief.stops_refused if order.role.is_stop else belief.targets_refused
    after = _tried(before, belief, outcome, order)
    if after is before:
        return belief
    return belief._replace(stops_refused=after) if order.role.is_stop else belief._replace(targets_refused=after)


def _tried(before: FailedTries, belief: Belief, outcome: Outcome, order: DesiredOrder) -> FailedTries:
    if outcome.sent is Sent.ACCEPTED or outcome.refusal is Refusal.DUPLICATE:
        return NONE_FAILED
    if outcome.sent is not Sent.REFUSED:
        return after_failure(before, outcome.at_ms, slot_of(order), None)
    refused = RefusedOrder(
        at_ms=outcome.at_ms,
        refusal=outcome.refusal or Refusal.OTHER,
        said=outcome.said,
        trigger=order.trigger_price,
        quantity=order.quantity,
        hedged=order.hedged,
        size=belief.quantities[-1] if belief.quantities else Decimal(0),
        instrument=outcome.instrument,
    )
    return after_failure(before, outcome.at_ms, slot_of(order), refused)


def _after_close(evidence: Evidence, outcome: Outcome, action: Close) -> Evidence:
    """A refusal had no effect: it is paced by itself and uses up nothing of the account's limit on closing orders."""
    belief = evidence.of(action.key)
    if belief is None:
        return evidence
    refused = after_failure(belief.closes_refused, outcome.at_ms, CLOSE_SLOT, None)
    if outcome.sent is Sent.NOT_SENT:
        return _changed(evidence, action.key, belief, closes_refused=refused)
    if outcome.sent is Sent.REFUSED:
        belief = belief._replace(closes_refused=refused)
        if outcome.refusal is Refusal.NOTHING_TO_REDUCE:
            return _changed(evidence, action.key, belief, close_budget_refused=True)
        return _changed(evidence, action.key, belief, closes_sent=belief.closes_sent + 1)
    return _changed(
        evidence,
        action.key,
        belief,
        closes_sent=belief.closes_sent + 1,
        closes_at_ms=(*belief.closes_at_ms, outcome.at_ms)[-_CLOSES_KEPT:],
    )


def _changed(evidence: Evidence, key: PositionKey, belief: Belief, **changes: object) -> Evidence:
    return with_key(evidence, key, belief._replace(**changes))  # type: ignore[arg-type]
