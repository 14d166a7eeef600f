"""What one read, or one event that tells of a position, teaches: evidence before to evidence after. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from position_monitor.core.evidence.endings import (
    SPENT_KEPT,
    left_under_way,
    not_counted_yet,
    of_an_earlier_life,
    still_firing,
    unexplained,
)
from position_monitor.core.evidence.evidence import (
    AGREEING_READS,
    STALE_REPLICA_MS,
    Evidence,
    KeyEvidence,
    Vanished,
    with_key,
)
from position_monitor.core.evidence.giving_way import foreign_stops_seen, last_stop_of_ours
from position_monitor.core.evidence.lives import in_its_epoch, living, newest_epoch
from position_monitor.core.model import ids
from position_monitor.core.model.money import beyond
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Role
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
FLAT_SPACING_MS = 1_000
"""Reads closer together than this count once as absence: a stale replica repeats itself within milliseconds."""


def after_read(
    evidence: Evidence,
    seen: SymbolObservation,
    rebases: Callable[[PositionKey], bool] = lambda key: False,
) -> Evidence:
    """Learn from one readable observation. An unreadable one teaches nothing and must not be passed.

    A position that `rebases` (`rebase_on_add`) begins a new epoch when it grew, so that its levels are made anew.
    """
    assert seen.readable, "Invariant: only a readable observation is evidence"
    keys, books = dict(evidence.keys), seen.live.books
    held = {position.key: position for position in seen.positions}
    relevant = {key for key, live in books.items() if live.owned} | held.keys()
    relevant.update([key for side in SIDES if (key := PositionKey(seen.symbol, side)) in keys])
    for key in sorted(relevant):
        position, live = held.get(key), books.get(key, NOTHING_RESTS)
        if position is not None:
            keys[key] = _present(known=keys.get(key), position=position, live=live, seen=seen, rebases=rebases)
        else:
            known = keys.get(key) or KeyEvidence(epoch=newest_epoch(live) or ids.epoch_of(0), inherited=True)
            keys[key] = _absent(known, key, live, seen)
    if not evidence.awaited:
        return Evidence(keys)
    listed = {order.client_id for order in seen.orders} - seen.confirmed_orders
    awaited = {ref: wait for ref, wait in evidence.awaited.items() if ref[0] != seen.symbol or ref[1] not in listed}
    return Evidence(keys, awaited)


def after_blind_read(evidence: Evidence, seen: SymbolObservation) -> Evidence:
    """Learn from a look that could not read everything: who is open, so that its stop has an epoch, and no more."""
    for position in seen.positions:
        known = living(evidence.of(position.key), position, seen.live.books.get(position.key, NOTHING_RESTS))
        blind = Fact.CONDITIONAL_ORDERS in seen.unread
        known = replace(
            _with_open_sign(known, position.updated_at_ms, seen.positions_read_at_ms),
            blind_reads=known.blind_reads + 1 if blind else 0,
            entry_price=position.entry_price,
        )
        evidence = with_key(evidence, position.key, known)
    return evidence


def after_open_event(evidence: Evidence, position: Position, orders: Iterable[LiveOrder], told_at_ms: int) -> Evidence:
    """An event says that a position is open. Nothing counts as read, and nothing older proves it flat any more.

    `orders` are ours of the last read: after a restart they remember the epoch. `told_at_ms` is the time here.
    """
    live = SymbolOrders(orders).books.get(position.key, NOTHING_RESTS)
    known = living(evidence.of(position.key), position, live)
    known = replace(known, fired=not_counted_yet(known, position))
    return with_key(evidence, position.key, _with_open_sign(known, position.updated_at_ms, told_at_ms))


def after_flat_event(evidence: Evidence, key: PositionKey, at_ms: int) -> Evidence:
    """An event says that a position was flat at the venue's time `at_ms`: evidence, where nothing newer says open."""
    known = evidence.of(key)
    if known is None or at_ms < known.zero_at_ms:
        return evidence
    return with_key(evidence, key, replace(known, zero_at_ms=at_ms, zero_seen=at_ms >= known.opened_at_ms))


def _with_open_sign(known: KeyEvidence, at_ms: int, told_at_ms: int) -> KeyEvidence:
    """A sign that the position is open, of the venue's time `at_ms`. An older sign of flat is worth nothing now."""
    opened_at_ms = max(known.opened_at_ms, at_ms)
    return replace(
        known,
        opened_at_ms=opened_at_ms,
        open_told_at_ms=told_at_ms,
        appeared_at_ms=known.appeared_at_ms or told_at_ms,
        absent_reads=0 if at_ms > known.opened_at_ms else known.absent_reads,
        zero_seen=known.zero_seen and known.zero_at_ms > opened_at_ms,
    )


def _present(
    known: KeyEvidence | None,
    position: Position,
    live: LiveBook,
    seen: SymbolObservation,
    rebases: Callable[[PositionKey], bool],
) -> KeyEvidence:
    before, known = known, in_its_epoch(known, position, live, rebases)
    rungs, done = _rungs(known, position, live)
    reused = seen.orders_reused
    guarding = (own for own in live.guarding if _firing(own, position) and not of_an_earlier_life(own, known))
    firing = next(guarding, None)
    return KeyEvidence(  # not `replace`: this is done for every position in every cycle
        epoch=known.epoch,
        inherited=known.inherited,
        present_reads=known.present_reads + 1,
        opened_at_ms=max(known.opened_at_ms, position.updated_at_ms),
        open_told_at_ms=seen.positions_read_at_ms,
        zero_at_ms=known.zero_at_ms,
        born_at_ms=known.born_at_ms,
        flat_before_ms=known.flat_before_ms,
        absent_reads=0,
        last_absent_at_ms=known.last_absent_at_ms,
        zero_seen=known.zero_seen and known.zero_at_ms > position.updated_at_ms,
        entry_price=position.entry_price,
        losses_pct=(*known.losses_pct, _agreed_loss_pct(position))[-AGREEING_READS:],
        prices=(*known.prices, position.arming_price)[-AGREEING_READS:],
        quantities=(*known.quantities, position.quantity)[-QUANTITY_WINDOW:],
        seen=known.seen if reused else _seen(known.seen, live),
        rung_sizes=rungs,
        done_rungs=done,
        grid_refusals=known.grid_refusals if seen.instrument is None else 0,
        ladder_from=_ladder_from(known, position, live),
        crossed=known.crossed,
        stop_refused=known.stop_refused,
        stops_refused=known.stops_refused,
        targets_refused=known.targets_refused,
        slot_is_foreign=known.slot_is_foreign or _slot_is_foreign(known, position, live),
        close_all_blocked=known.close_all_blocked and not _shows_close_all(position, live),
        closes_sent=known.closes_sent,
        closes_at_ms=known.closes_at_ms,
        close_budget_refused=known.close_budget_refused,
        closing_since_ms=known.closing_since_ms,
        closes_refused=known.closes_refused,
        firing_since_ms=(known.firing_since_ms or seen.observed_at_ms) if firing else 0,
        firing_trigger=(firing.trigger_price if firing else None) or Decimal(0),
        rested=known.rested if reused else live.resting,
        vanished=known.vanished if reused else _vanished(known, live, seen),
        spent=_spent(known, live),
        fired=still_firing(known, position, live, seen.observed_at_ms),
        exposed_reads=known.exposed_reads,
        exposed_since_ms=known.exposed_since_ms,
        appeared_at_ms=known.appeared_at_ms or seen.positions_read_at_ms,
        foreign_seen=known.foreign_seen if reused else foreign_stops_seen(known.foreign_seen, live),
        last_stop=last_stop_of_ours(before, known.epoch, live),
    )


def _spent(known: KeyEvidence, live: LiveBook) -> tuple[str, ...]:
    """The ids that no new order may have: of orders that ended, and of stops that rest and can do more than reduce.

    The account's position mode changed under such a stop: it covers nothing, and holds its id.
    """
    useless = [own.client_id for own in live.resting if own.is_stop and not own.reduces]
    more = [client_id for client_id in useless if client_id not in known.spent]
    return (*known.spent, *more)[-SPENT_KEPT:] if more else known.spent


def _vanished(known: KeyEvidence, live: LiveBook, seen: SymbolObservation) -> Mapping[str, Vanished]:
    if not known.vanished and live.resting is known.rested:
        return known.vanished
    return unexplained(known, live, {own.client_id for own in live.owned}, seen.observed_at_ms)


def _slot_is_foreign(known: KeyEvidence, position: Position, live: LiveBook) -> bool:
    """Whether somebody else's close-all stop is the cover: two looks found it, and none of ours beside it. After a
    restart, whether a working stop of ours says that it was: without that, a backstop would rest beside it."""
    if any(order.tag is None and _is_for(order, position) for order in live.close_alls):
        return known.present_reads > 0 and not live.guarding
    if known.present_reads or not known.inherited or any(own.role is Role.BACKSTOP for own in live.owned):
        return False
    return any(own.role is Role.WORKING_STOP and own.epoch == known.epoch for own in live.resting)


def _agreed_loss_pct(position: Position) -> Decimal:
    """The loss that entry, mark and the venue's own figure agree on: one of them alone may be a mistake."""
    value = position.quantity * position.entry_price
    if value <= 0:
        return Decimal(0)
    return min(position.loss_pct, -position.unrealized_pnl / value * 100)


def _shows_close_all(position: Position, live: LiveBook) -> bool:
    """Whether a resting close-all stop is listed: then the venue's refusal of a second one needs no remembering."""
    return any(_is_for(order, position) for order in live.close_alls)


def _is_for(order: LiveOrder, position: Position) -> bool:
    return belongs_to(order, position.key, hedged=position.hedged)


def _absent(known: KeyEvidence, key: PositionKey, live: LiveBook, seen: SymbolObservation) -> KeyEvidence:
    spaced = known.absent_reads == 0 or abs(seen.positions_read_at_ms - known.last_absent_at_ms) >= FLAT_SPACING_MS
    zero_at_ms = max(known.zero_at_ms, _zero_at_ms(key, seen))
    return replace(
        known,
        present_reads=0,
        blind_reads=0,
        absent_reads=known.absent_reads + (1 if spaced else 0),
        last_absent_at_ms=seen.positions_read_at_ms if spaced else known.last_absent_at_ms,
        zero_at_ms=zero_at_ms,
        zero_seen=known.zero_seen or _says_flat(known, key, seen, zero_at_ms),
        seen=known.seen if seen.orders_reused else _seen(known.seen, live),
        fired=known.fired if seen.orders_reused else left_under_way(known, live, seen.observed_at_ms),
        firing_since_ms=0,
    )


def _zero_at_ms(key: PositionKey, seen: SymbolObservation) -> int:
    """The newest venue time at which this look says that the position was flat; 0 when it does not say."""
    opposite = seen.position(PositionKey(key.symbol, key.side.opposite))
    turned_at_ms = opposite.updated_at_ms if opposite is not None and not opposite.hedged else 0
    return max(turned_at_ms, seen.zero_at_ms.get(key, 0))


def _says_flat(known: KeyEvidence, key: PositionKey, seen: SymbolObservation, zero_at_ms: int) -> bool:
    """Whether a sign of flat is believed: no sign of open is newer, by the venue's own time (invariant 7).

    Where the venue states no time, or the row of a moment at which it was open, the sign counts once no replica can lag
    behind the last sign of open any more.
    """
    opposite = seen.position(PositionKey(key.symbol, key.side.opposite))
    if key not in seen.zero_keys and (opposite is None or opposite.hedged):
        return False
    if zero_at_ms >= known.opened_at_ms:  # of one millisecond the last of several fills may be: then it is flat
        return True
    return abs(seen.positions_read_at_ms - known.open_told_at_ms) >= STALE_REPLICA_MS


def _seen(before: Mapping[str, int], live: LiveBook) -> dict[str, int]:
    resting = [own.client_id for own in live.resting]
    return {client_id: before.get(client_id, 0) + 1 for client_id in resting}


def _rungs(known: KeyEvidence, position: Position, live: LiveBook) -> tuple[dict[int, Decimal], frozenset[int]]:
    """Rung sizes now, and which rungs took profit: gone from the list while the position shrank by their size."""
    now: dict[int, Decimal] = {}
    for own in live.ladder:
        now[own.rung] = now.get(own.rung, _NOTHING) + (own.quantity or _NOTHING)
    gone = known.rung_sizes.keys() - now.keys()
    if not gone:
        return now, known.done_rungs
    shrank = (known.quantities[-1] - position.quantity) if known.quantities else Decimal(0)
    done = set(known.done_rungs)
    rest = {rung for number in now for rung in rungs_of(number)}
    for number in sorted(gone):
        if 0 < known.rung_sizes[number] <= shrank:
            done.update(rung for rung in rungs_of(number) if rung not in rest)
            shrank -= known.rung_sizes[number]
    return now, frozenset(done)


def _ladder_from(known: KeyEvidence, position: Position, live: LiveBook) -> int:
    """The nearest rung of a ladder that is the whole position, remembered while a smaller one takes its place."""
    total = sum([own.quantity or _NOTHING for own in live.ladder], _NOTHING)
    if live.ladder and total == position.quantity:
        return rungs_of(live.ladder[0].rung)[0]
    grew = bool(known.quantities) and position.quantity > known.quantities[-1]
    return 0 if grew else known.ladder_from


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
