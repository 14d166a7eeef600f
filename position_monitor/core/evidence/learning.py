"""What one read, or one event that tells of a position, teaches: evidence before to evidence after. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from position_monitor.core.evidence.absence import after_absent_read, listed_reads, with_open_sign
from position_monitor.core.evidence.endings import (
    SPENT_KEPT,
    not_counted_yet,
    of_an_earlier_life,
    still_firing,
    unexplained,
)
from position_monitor.core.evidence.evidence import (
    AGREEING_READS,
    Belief,
    Evidence,
    Vanished,
    with_key,
)
from position_monitor.core.evidence.lives import in_its_epoch, living, newest_epoch
from position_monitor.core.evidence.other_programs import foreign_stop_reads, last_stop_of_ours, slot_is_foreign
from position_monitor.core.model import ids
from position_monitor.core.model.money import beyond
from position_monitor.core.model.orders import LiveOrder, OrderStatus
from position_monitor.core.model.positions import Position
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.sides import SIDES, PositionKey
from position_monitor.core.observation.cover import belongs_to
from position_monitor.core.observation.live_book import NOTHING_RESTS, LiveBook, SymbolOrders
from position_monitor.core.observation.needs import Fact
from position_monitor.core.observation.reads import SymbolObservation

_NOTHING = Decimal(0)
QUANTITY_WINDOW = 4
"""How many reads the largest recent quantity is taken over."""


def after_read(
    evidence: Evidence,
    observation: SymbolObservation,
    rebases: Callable[[PositionKey], bool] = lambda key: False,
) -> Evidence:
    """Learn from one readable observation. An unreadable one teaches nothing and must not be passed.

    A position that `rebases` (`rebase_on_add`) begins a new epoch when it grew, so that its levels are made anew.
    """
    assert observation.readable, "Invariant: only a readable observation is evidence"
    keys, live_books = dict(evidence.keys), observation.live.by_position
    held = {position.key: position for position in observation.positions}
    relevant = {key for key, live in live_books.items() if live.owned} | held.keys()
    relevant.update([key for side in SIDES if (key := PositionKey(observation.symbol, side)) in keys])
    for key in sorted(relevant):
        position, live = held.get(key), live_books.get(key, NOTHING_RESTS)
        if position is not None:
            keys[key] = _present(
                belief=keys.get(key), position=position, live=live, observation=observation, rebases=rebases
            )
        else:
            belief = keys.get(key) or Belief(epoch=newest_epoch(live) or ids.epoch_of(0), inherited=True)
            keys[key] = after_absent_read(belief, key, live, observation)
    if not evidence.awaited:
        return Evidence(keys)
    listed = {order.client_id for order in observation.orders} - observation.confirmed_orders
    awaited = {
        ref: wait for ref, wait in evidence.awaited.items() if ref[0] != observation.symbol or ref[1] not in listed
    }
    return Evidence(keys, awaited)


def after_blind_read(evidence: Evidence, observation: SymbolObservation) -> Evidence:
    """Learn from a look that could not read everything: who is open, so that its stop has an epoch, and no more."""
    for position in observation.positions:
        live = observation.live.by_position.get(position.key, NOTHING_RESTS)
        belief = living(evidence.of(position.key), position, live)
        blind = Fact.CONDITIONAL_ORDERS in observation.unread
        opened = with_open_sign(belief, position.updated_at_ms, observation.positions_read_at_ms)
        belief = opened._replace(
            blind_reads=belief.blind_reads + 1 if blind else 0,
            entry_price=position.entry_price,
        )
        evidence = with_key(evidence, position.key, belief)
    return evidence


def after_open_event(evidence: Evidence, position: Position, orders: Iterable[LiveOrder], now_ms: int) -> Evidence:
    """An event says that a position is open. Nothing counts as read, and nothing older proves it flat any more.

    `orders` are ours of the last read: after a restart they remember the epoch. `now_ms` is the time here.
    """
    live = SymbolOrders(orders).by_position.get(position.key, NOTHING_RESTS)
    belief = living(evidence.of(position.key), position, live)
    belief = belief._replace(fired=not_counted_yet(belief, position))
    return with_key(evidence, position.key, with_open_sign(belief, position.updated_at_ms, now_ms))


def after_flat_event(evidence: Evidence, key: PositionKey, at_ms: int) -> Evidence:
    """An event says that a position was flat at the venue's time `at_ms`: evidence, where nothing newer says open."""
    belief = evidence.of(key)
    if belief is None or at_ms < belief.zero_at_ms:
        return evidence
    return with_key(evidence, key, belief._replace(zero_at_ms=at_ms, flat_sign=at_ms >= belief.opened_at_ms))


def _present(
    belief: Belief | None,
    position: Position,
    live: LiveBook,
    observation: SymbolObservation,
    rebases: Callable[[PositionKey], bool],
) -> Belief:
    before, belief = belief, in_its_epoch(belief, position, live, rebases)
    rungs, done = _rungs(belief, position, live)
    reused = observation.orders_reused
    guarding = (own for own in live.guarding if _firing(own, position) and not of_an_earlier_life(own, belief))
    firing = next(guarding, None)
    return Belief.__new__(  # as `ExitView` in core/book/exit_view.py
        Belief,
        epoch=belief.epoch,
        inherited=belief.inherited,
        present_reads=belief.present_reads + 1,
        opened_at_ms=max(belief.opened_at_ms, position.updated_at_ms),
        open_heard_at_ms=observation.positions_read_at_ms,
        zero_at_ms=belief.zero_at_ms,
        born_at_ms=belief.born_at_ms,
        flat_before_ms=belief.flat_before_ms,
        absent_reads=0,
        last_absent_at_ms=belief.last_absent_at_ms,
        flat_sign=belief.flat_sign and belief.zero_at_ms > position.updated_at_ms,
        entry_price=position.entry_price,
        losses_pct=(*belief.losses_pct, _agreed_loss_pct(position))[-AGREEING_READS:],
        prices=(*belief.prices, position.arming_price)[-AGREEING_READS:],
        quantities=(*belief.quantities, position.quantity)[-QUANTITY_WINDOW:],
        listed_reads=belief.listed_reads if reused else listed_reads(belief.listed_reads, live),
        rung_sizes=rungs,
        done_rungs=done,
        grid_refusals=belief.grid_refusals if observation.instrument is None else 0,
        ladder_from=_ladder_from(belief, position, live),
        crossed=belief.crossed,
        stop_refused=belief.stop_refused,
        stops_refused=belief.stops_refused,
        targets_refused=belief.targets_refused,
        targets_removed=belief.targets_removed,
        slot_is_foreign=belief.slot_is_foreign or slot_is_foreign(belief, position, live),
        close_all_blocked=belief.close_all_blocked and not _shows_close_all(position, live),
        closes_sent=belief.closes_sent,
        closes_at_ms=belief.closes_at_ms,
        close_budget_refused=belief.close_budget_refused,
        closing_since_ms=belief.closing_since_ms,
        closes_refused=belief.closes_refused,
        firing_since_ms=(belief.firing_since_ms or observation.observed_at_ms) if firing else 0,
        firing_trigger=(firing.trigger_price if firing else None) or Decimal(0),
        rested=belief.rested if reused else live.resting,
        vanished=belief.vanished if reused else _vanished(belief, live, observation),
        spent=_spent(belief, live),
        fired=still_firing(belief, position, live, observation.observed_at_ms),
        exposed_reads=belief.exposed_reads,
        exposed_since_ms=belief.exposed_since_ms,
        appeared_at_ms=belief.appeared_at_ms or observation.positions_read_at_ms,
        foreign_reads=belief.foreign_reads if reused else foreign_stop_reads(belief.foreign_reads, live),
        last_stop=last_stop_of_ours(before, belief.epoch, position, live),
    )


def _spent(belief: Belief, live: LiveBook) -> tuple[str, ...]:
    """The ids that no new order may have: of orders that ended, and of stops that rest and can do more than reduce.

    The account's position mode changed under such a stop: it covers nothing, and holds its id.
    """
    useless = [own.client_id for own in live.resting if not own.reduces and own.is_stop]
    more = [client_id for client_id in useless if client_id not in belief.spent]
    return (*belief.spent, *more)[-SPENT_KEPT:] if more else belief.spent


def _vanished(belief: Belief, live: LiveBook, observation: SymbolObservation) -> Mapping[str, Vanished]:
    if not belief.vanished and live.resting is belief.rested:
        return belief.vanished
    return unexplained(belief, live, {own.client_id for own in live.owned}, observation.observed_at_ms)


def _agreed_loss_pct(position: Position) -> Decimal:
    """The loss that entry, mark and the venue's own figure agree on: one of them alone may be a mistake."""
    value = position.quantity * position.entry_price
    if value <= 0:
        return _NOTHING
    return min(position.loss_pct, -position.unrealized_pnl / value * 100)


def _shows_close_all(position: Position, live: LiveBook) -> bool:
    """Whether a resting close-all stop is listed: then the venue's refusal of a second one needs no remembering."""
    return any(_is_for(order, position) for order in live.close_alls)


def _is_for(order: LiveOrder, position: Position) -> bool:
    return belongs_to(order, position.key, hedged=position.hedged)


def _rungs(belief: Belief, position: Position, live: LiveBook) -> tuple[dict[int, Decimal], frozenset[int]]:
    """Rung sizes now, and which rungs took profit: gone from the list while the position shrank by their size."""
    now: dict[int, Decimal] = {}
    for own in live.ladder:
        rung = own.rung
        now[rung] = now.get(rung, _NOTHING) + (own.quantity or _NOTHING)
    gone = belief.rung_sizes.keys() - now.keys()
    if not gone:
        return now, belief.done_rungs
    shrank = (belief.quantities[-1] - position.quantity) if belief.quantities else Decimal(0)
    done = set(belief.done_rungs)
    rest = {rung for number in now for rung in rungs_of(number)}
    for number in sorted(gone):
        if 0 < belief.rung_sizes[number] <= shrank:
            done.update(rung for rung in rungs_of(number) if rung not in rest)
            shrank -= belief.rung_sizes[number]
    return now, frozenset(done)


def _ladder_from(belief: Belief, position: Position, live: LiveBook) -> int:
    """The nearest rung of a ladder that is the whole position, remembered while a smaller one takes its place."""
    ladder = live.ladder
    if ladder and sum([own.quantity or _NOTHING for own in ladder], _NOTHING) == position.quantity:
        return rungs_of(ladder[0].rung)[0]
    grew = bool(belief.quantities) and position.quantity > belief.quantities[-1]
    return 0 if grew else belief.ladder_from


def _firing(order: LiveOrder, position: Position) -> bool:
    if order.trigger_price is None:
        return False
    if order.status in (OrderStatus.TRIGGERING, OrderStatus.TRIGGERED):
        return True
    if order.status is not OrderStatus.NEW:
        return False
    if not position.has_price_arming(order.working_type):
        return False  # nobody knows whether the price that arms it has passed it
    return beyond(position.price_arming(order.working_type), order.trigger_price, position.side)
