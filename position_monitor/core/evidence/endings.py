"""How orders of ours end: what tells that one ended, that one is closing the position, or that nobody knows.

An order that rested and is not listed any more has ended, or the list is wrong; absence is not evidence (invariant 7).
So the venue is asked for it by its id, and until it answers the order may rest: its intent keeps its id, and it counts
as a take-profit that may still close something. Once it is known to have ended its id is spent (invariant 4).

An order whose price came closes the position over some time: TRIGGERING, TRIGGERED, the fills of its child, and the row
of the position, which may be read from a replica that lags. Until a row that changed at the end of it is read, nothing
new is placed, for that long at most which a stop may take (invariant 16).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from position_monitor.core.evidence.evidence import Awaited, Belief, Evidence, Fired, Vanished, with_key
from position_monitor.core.evidence.foreign_removals import after_removal
from position_monitor.core.evidence.written import PROVED_STOP_GRACE_MS, without_write
from position_monitor.core.model import ids
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Role, Tag
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import SIDES, PositionKey
from position_monitor.core.observation.live_book import LiveBook
from position_monitor.core.observation.reads import SymbolObservation

CLOCK_ERROR_MS = 1_000
"""By how much our idea of the venue's clock may be wrong."""
SPENT_KEPT = 512
"""Spent ids remembered of one position; when there are as many, the venue is asked before an id is used."""
VANISHED_KEPT = 64
ASKED_AT_ONCE_MAX = 4
"""Orders of one symbol that are asked for in one look."""
ASK_AGAIN_MS = 250
"""A written take-profit is asked for so long after it was sent, then after twice as long, and so on."""
FIRED_KEPT_MS = 120_000
"""How long it is remembered that an order's price came when no end of it is ever read."""
UNDER_WAY = (OrderStatus.TRIGGERING, OrderStatus.TRIGGERED)


class Word(NamedTuple):
    """What the venue said about one order of ours, in an event or in the answer to a question."""

    symbol: str
    client_id: str
    tag: Tag | None
    """What its id says; None for a foreign order."""
    status: OrderStatus
    at_ms: int
    """The venue's time of that status."""
    nothing_filled: bool
    """It says that a finished order filled nothing."""


def word_of(order: LiveOrder) -> Word:
    """What an answer about one order says. Such an answer need not tell how much was filled."""
    return Word(
        symbol=order.symbol,
        client_id=order.client_id,
        tag=order.tag,
        status=order.status,
        at_ms=order.updated_at_ms,
        nothing_filled=False,
    )


def to_ask_for(evidence: Evidence, observation: SymbolObservation) -> tuple[str, ...]:
    """Client ids to ask the venue for after a look: written and not read back yet, or gone from the list."""
    listed = {order.client_id for order in observation.orders}
    written = [
        client_id
        for client_id in evidence.awaited_in(observation.symbol)
        if client_id not in listed
        and _is_due(evidence.awaited[observation.symbol, client_id], observation.observed_at_ms)
    ]
    gone: list[str] = []
    if not observation.orders_reused:
        for position in observation.positions:
            belief = evidence.of(position.key)
            if belief is not None:
                gone += unexplained(belief, observation.live.by_position.get(position.key), listed, 0)
    asked = dict.fromkeys((*written, *sorted(gone)[:ASKED_AT_ONCE_MAX]))
    return tuple(asked)


def _is_due(wait: Awaited, now_ms: int) -> bool:
    """Whether a written order is asked for now: a stop in every look, a take-profit less often with each miss.

    Where lists and queries lag by seconds, a ladder would cost a query for each rung in each look.
    """
    if wait.order is None or wait.order.role.is_stop:
        return True
    return abs(now_ms - wait.sent_at_ms) >= ASK_AGAIN_MS << wait.misses


def unexplained(belief: Belief, live: LiveBook | None, listed: Collection[str], now_ms: int) -> Mapping[str, Vanished]:
    """The orders of ours that rested, are not listed and are not known to have ended, by client id."""
    if not belief.vanished and live is not None and live.resting is belief.rested:
        return belief.vanished
    gone = {client_id: one for client_id, one in belief.vanished.items() if client_id not in listed}
    for own in belief.rested:
        client_id = own.client_id
        if client_id not in listed and client_id not in gone and client_id not in belief.spent:
            gone[client_id] = Vanished(own, now_ms)
    while len(gone) > VANISHED_KEPT:
        gone.pop(next(iter(gone)))
    return gone


def after_word(evidence: Evidence, word: Word, now_ms: int) -> Evidence:
    """Learn what the venue said of one order of ours; a foreign one teaches nothing."""
    tag = word.tag
    if tag is None or _is_of_an_earlier_order(evidence, word, now_ms):
        return evidence
    wait = evidence.awaited.get((word.symbol, word.client_id))
    written = wait.order.key if wait is not None and wait.order is not None else None
    if word.status.terminal:
        evidence = without_write(evidence, word.symbol, word.client_id)
    for side in SIDES:
        key = PositionKey(word.symbol, side)
        belief = evidence.of(key)
        if belief is not None and tag.role is not Role.CLOSE and _is_about(belief, tag, word.client_id):
            belief = _with_flat_sign(belief, word, tag, written=key == written)
            evidence = with_key(evidence, key, _with_word(belief, word, tag, now_ms))
    return evidence


def _is_of_an_earlier_order(evidence: Evidence, word: Word, now_ms: int) -> bool:
    """Whether the end it tells of lies before a moment at which an order of this id was live.

    A stop that ended without a word is sent again under its id, and a question may then be answered with the first of
    the two. Only where the end lies before by more than our idea of the venue's clock may err, and for a while: a stop
    waits for nothing but its side, its size and a price (invariant 3). Where that is wrong two stops rest, not none.
    """
    wait = evidence.awaited.get((word.symbol, word.client_id))
    if wait is None or not word.status.terminal or not 0 < word.at_ms < wait.live_at_ms - CLOCK_ERROR_MS:
        return False
    return abs(now_ms - wait.sent_at_ms) < PROVED_STOP_GRACE_MS


def _is_about(belief: Belief, tag: Tag, client_id: str) -> bool:
    """Whether an order is, or was read as, one of this position; it may be left over from an earlier epoch."""
    if belief.epoch == tag.epoch or client_id in belief.vanished:
        return True
    return any(own.client_id == client_id for own in belief.rested)


def _with_word(belief: Belief, word: Word, tag: Tag, now_ms: int) -> Belief:
    if word.client_id in belief.spent:
        return belief
    fired = dict(belief.fired)
    before = fired.pop(word.client_id, None)
    since_ms = before.since_ms if before is not None else now_ms
    if word.status in UNDER_WAY:
        fired[word.client_id] = before or Fired(tag.role, since_ms)
    elif word.status is OrderStatus.FINISHED and not word.nothing_filled:
        fired[word.client_id] = Fired(tag.role, since_ms, word.at_ms)
    if not word.status.terminal:
        return belief._replace(fired=fired)
    vanished = {client_id: one for client_id, one in belief.vanished.items() if client_id != word.client_id}
    spent = (*belief.spent, word.client_id)[-SPENT_KEPT:]
    sizes = belief.rung_sizes
    if word.status is not OrderStatus.FINISHED and tag.role is Role.TAKE_PROFIT:
        # Gone without a fill: if the position shrank as well, somebody else made it smaller.
        sizes = {rung: size for rung, size in sizes.items() if rung != tag.rung}
    removed = belief.targets_removed
    if word.status is OrderStatus.CANCELED and tag.role is Role.TAKE_PROFIT:
        removed = after_removal(removed, word.client_id, tag.rung, now_ms)
    return belief._replace(fired=fired, vanished=vanished, spent=spent, rung_sizes=sizes, targets_removed=removed)


def _with_flat_sign(belief: Belief, word: Word, tag: Tag, *, written: bool) -> Belief:
    """The end of a backstop tells that its position was flat: the venue removes a close-all stop together with its
    position and calls it EXPIRED. So a position that was closed and opened again between two reads begins a new life.

    Only of an order that was `written` for this position or read as one of it: two legs may carry the same epoch.
    """
    if word.status is not OrderStatus.EXPIRED or tag.role is not Role.BACKSTOP or word.at_ms <= belief.zero_at_ms:
        return belief
    read = word.client_id in belief.vanished or any(own.client_id == word.client_id for own in belief.rested)
    return belief._replace(zero_at_ms=word.at_ms) if written or read else belief


def not_counted_yet(belief: Belief, position: Position) -> Mapping[str, Fired]:
    """The orders whose price came, without those that were through when the position last changed."""
    through = [i for i, one in belief.fired.items() if 0 < one.ended_at_ms <= position.updated_at_ms]
    return {i: one for i, one in belief.fired.items() if i not in through} if through else belief.fired


def still_firing(belief: Belief, position: Position, live: LiveBook, now_ms: int) -> Mapping[str, Fired]:
    """Which orders of ours are closing this position, once it was read: those whose end its row does not have yet."""
    under_way = [own for own in live.in_flight if own.status in UNDER_WAY and not of_an_earlier_life(own, belief)]
    if not belief.fired and not under_way:
        return belief.fired
    resting, listed = ({own.client_id for own in some} for some in (live.resting, under_way))
    fired = {
        client_id: one
        for client_id, one in not_counted_yet(belief, position).items()
        if client_id not in resting and (abs(now_ms - one.since_ms) <= FIRED_KEPT_MS or client_id in listed)
    }
    for own in under_way:
        if own.tag is not None:
            fired.setdefault(own.client_id, Fired(own.tag.role, belief.firing_since_ms or now_ms))
    return fired


def of_an_earlier_life(order: LiveOrder, belief: Belief) -> bool:
    """Whether the price of an order came before the position was last flat: it closes nothing of this life.

    Such an order may hang in TRIGGERING for ever, and the venue takes no cancel of it.
    """
    return order.status in UNDER_WAY and 0 < order.updated_at_ms <= belief.flat_before_ms


def left_under_way(belief: Belief, live: LiveBook, now_ms: int) -> Mapping[str, Fired]:
    """What is remembered of orders whose price came, while the position is absent: those that are still listed, and the
    others for as long as a lagging list may leave them out."""
    listed = {own.client_id: own.tag for own in live.in_flight if own.status in UNDER_WAY and own.tag is not None}
    if not belief.fired and not listed:
        return belief.fired
    left = {
        client_id: one
        for client_id, one in belief.fired.items()
        if one.ended_at_ms or client_id in listed or abs(now_ms - one.since_ms) <= FIRED_KEPT_MS
    }
    return {client_id: Fired(tag.role, now_ms) for client_id, tag in listed.items()} | left


def may_have_named(belief: Belief, client_id: str, began_at_ms: int) -> bool:
    """Whether an id may have named an order before: its order vanished, or the position is older than our memory."""
    if belief.inherited or client_id in belief.vanished or len(belief.spent) >= SPENT_KEPT:
        return True
    return ids.epoch_began_ms(belief.epoch) < began_at_ms
