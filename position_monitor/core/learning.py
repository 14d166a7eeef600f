"""What one read, or one event that tells of a position, teaches: evidence before to evidence after. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from position_monitor.core import ids
from position_monitor.core.cover import belongs_to
from position_monitor.core.crossing import NOT_CROSSED
from position_monitor.core.endings import not_counted_yet, still_firing, unexplained
from position_monitor.core.evidence import (
    AGREEING_READS,
    STALE_REPLICA_MS,
    Evidence,
    KeyEvidence,
    Vanished,
    with_key,
)
from position_monitor.core.ladder import rungs_of
from position_monitor.core.live_book import NOTHING_RESTS, LiveBook, SymbolOrders
from position_monitor.core.model import SIDES, LiveOrder, OrderStatus, Position, PositionKey, Role, WorkingType
from position_monitor.core.money import beyond
from position_monitor.core.needs import Fact
from position_monitor.core.observation import SymbolObservation
from position_monitor.core.settings import EvidenceSettings

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
            keys[key] = _present(keys.get(key), position, live, seen, rebases)
        else:
            known = keys.get(key) or KeyEvidence(epoch=_newest_epoch(live) or ids.epoch_of(0), inherited=True)
            keys[key] = _absent(known, key, live, seen)
    if not evidence.awaited:
        return Evidence(keys)
    listed = {order.client_id for order in seen.orders} - seen.confirmed_orders
    awaited = {ref: wait for ref, wait in evidence.awaited.items() if ref[0] != seen.symbol or ref[1] not in listed}
    return Evidence(keys, awaited)


def after_blind_read(evidence: Evidence, seen: SymbolObservation) -> Evidence:
    """Learn from a look that could not read everything: who is open, so that its stop has an epoch, and no more."""
    for position in seen.positions:
        known = evidence.of(position.key)
        if known is None or _is_reborn(known, position.updated_at_ms):
            live = seen.live.books.get(position.key, NOTHING_RESTS)
            known = _new_life(known, position, _epoch_of_life(live, position) if known is None else "")
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
    known = evidence.of(position.key)
    if known is None:
        live = SymbolOrders(orders).books.get(position.key, NOTHING_RESTS)
        known = _new_life(None, position, _epoch_of_life(live, position))
    elif _is_reborn(known, position.updated_at_ms):
        known = _new_life(known, position, "")
    known = replace(known, fired=not_counted_yet(known, position))
    return with_key(evidence, position.key, _with_open_sign(known, position.updated_at_ms, told_at_ms))


def after_flat_event(evidence: Evidence, key: PositionKey, at_ms: int) -> Evidence:
    """An event says that a position was flat at the venue's time `at_ms`: evidence, where nothing newer says open."""
    known = evidence.of(key)
    if known is None or at_ms < known.zero_at_ms:
        return evidence
    return with_key(evidence, key, replace(known, zero_at_ms=at_ms, zero_seen=at_ms >= known.opened_at_ms))


def _is_reborn(known: KeyEvidence, at_ms: int) -> bool:
    """Whether a sign of this venue time that the position is open is about a new life: it was flat before that."""
    return known.zero_seen and at_ms > known.zero_at_ms


def _new_life(before: KeyEvidence | None, position: Position, remembered: str) -> KeyEvidence:
    """Evidence of a position that begins anew, or (with a `remembered` epoch) that is met for the first time."""
    return KeyEvidence(
        epoch=remembered or ids.epoch_of(position.updated_at_ms),
        inherited=bool(remembered),
        entry_price=position.entry_price,
        born_at_ms=position.updated_at_ms if before is not None else 0,
        seen=before.seen if before is not None else {},
    )


def _with_open_sign(known: KeyEvidence, at_ms: int, told_at_ms: int) -> KeyEvidence:
    """A sign that the position is open, of the venue's time `at_ms`. An older sign of flat is worth nothing now."""
    opened_at_ms = max(known.opened_at_ms, at_ms)
    return replace(
        known,
        opened_at_ms=opened_at_ms,
        open_told_at_ms=told_at_ms,
        absent_reads=0 if at_ms > known.opened_at_ms else known.absent_reads,
        zero_seen=known.zero_seen and known.zero_at_ms > opened_at_ms,
    )


def after_exposure(evidence: Evidence, exposed: Mapping[PositionKey, bool], now_ms: int) -> Evidence:
    """Count, once a cycle, whose cover was not whole in its read; one read with full cover ends the count.

    A position that is not among them, because it could not be read, keeps its count: nothing is known of it.
    """
    keys: dict[PositionKey, KeyEvidence] = {}
    for key, is_exposed in exposed.items():
        known = evidence.keys.get(key)
        if known is None or not (is_exposed or known.exposed_reads):
            continue
        count = known.exposed_reads + 1 if is_exposed else 0
        since_ms = known.exposed_since_ms if known.exposed_reads else now_ms
        keys[key] = replace(known, exposed_reads=count, exposed_since_ms=since_ms)
    return Evidence({**evidence.keys, **keys}, evidence.awaited) if keys else evidence


def pruned(evidence: Evidence, settings: EvidenceSettings) -> Evidence:
    """Forget positions that are proven flat and have no order of ours left."""
    keys = {key: known for key, known in evidence.keys.items() if not (known.flat_proven(settings) and not known.seen)}
    return Evidence(keys, evidence.awaited)


def after_decision(
    evidence: Evidence, covered: Mapping[PositionKey, bool], closing: Container[PositionKey], now_ms: int
) -> Evidence:
    """What a look at the whole account ends: refusals of a stop at full cover, the reasons to close that are gone.

    `covered` says of each position that was read whether its cover is full; `closing` are those to be closed.
    """
    changed: dict[PositionKey, KeyEvidence] = {}
    for key, full in covered.items():
        known = evidence.keys.get(key)
        if known is None:
            continue
        if full and (known.crossed.count or known.stop_refused):
            known = changed[key] = replace(known, crossed=NOT_CROSSED, stop_refused="")
        if key in closing:
            if not known.closing_since_ms:
                changed[key] = replace(known, closing_since_ms=now_ms)
        elif known.closing_since_ms or known.close_budget_refused:
            changed[key] = replace(known, closing_since_ms=0, close_budget_refused=False)
    return Evidence({**evidence.keys, **changed}, evidence.awaited) if changed else evidence


def _present(
    known: KeyEvidence | None,
    position: Position,
    live: LiveBook,
    seen: SymbolObservation,
    rebases: Callable[[PositionKey], bool],
) -> KeyEvidence:
    known = _in_its_epoch(known, position, live, rebases)
    rungs, done = _rungs(known, position, live)
    reused = seen.orders_reused
    firing = next((own.order for own in live.guarding if _firing(own.order, position)), None)
    return KeyEvidence(  # not `replace`: this is done for every position in every cycle
        epoch=known.epoch,
        inherited=known.inherited,
        present_reads=known.present_reads + 1,
        opened_at_ms=max(known.opened_at_ms, position.updated_at_ms),
        open_told_at_ms=seen.positions_read_at_ms,
        zero_at_ms=known.zero_at_ms,
        born_at_ms=known.born_at_ms,
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
        spent=known.spent,
        fired=still_firing(known, position, live, seen.observed_at_ms),
        exposed_reads=known.exposed_reads,
        exposed_since_ms=known.exposed_since_ms,
    )


def _in_its_epoch(
    known: KeyEvidence | None, position: Position, live: LiveBook, rebases: Callable[[PositionKey], bool]
) -> KeyEvidence:
    """The evidence of a position that was just listed, in the epoch that it is in now."""
    if known is None:
        return _new_life(None, position, _epoch_of_life(live, position))
    if _is_reborn(known, position.updated_at_ms):
        return _new_life(known, position, "")
    if known.quantities and position.quantity > known.largest_quantity and rebases(position.key):
        return replace(known, epoch=ids.epoch_of(position.updated_at_ms), inherited=False, done_rungs=frozenset())
    if (epoch := _settled_epoch(known, live, position)) != known.epoch and not rebases(position.key):
        return replace(known, epoch=epoch, inherited=True)
    return known


def _vanished(known: KeyEvidence, live: LiveBook, seen: SymbolObservation) -> Mapping[str, Vanished]:
    if not known.vanished and live.resting is known.rested:
        return known.vanished
    return unexplained(known, live, {own.order.client_id for own in live.owned}, seen.observed_at_ms)


def _slot_is_foreign(known: KeyEvidence, position: Position, live: LiveBook) -> bool:
    """Whether somebody else's close-all stop is the cover: two looks found it, and none of ours beside it. After a
    restart, whether a working stop of ours says that it was: without that, a backstop would rest beside it."""
    if any(not ids.is_ours(order.client_id) and belongs_to(order, position) for order in live.close_alls):
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
    exit_side, leg = position.side.exit_order_side, position.position_side
    return any(order.side is exit_side and order.position_side is leg for order in live.close_alls)


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


def _epoch_of_life(live: LiveBook, position: Position) -> str:
    """The epoch that resting orders carry, if they are of this life of the position; else empty.

    A backstop is: the venue removes a close-all order with its position. Working stops and rungs stay behind when a
    position ends, so they speak only if they were made since the position is surely open: after a close-all order that
    rests (anybody's), or after the last change of the position.
    """
    backstops = [own for own in live.owned if own.role is Role.BACKSTOP]
    if backstops:
        return max(backstops, key=lambda own: (own.order.created_at_ms, own.epoch)).epoch
    since_ms = [order.created_at_ms for order in live.close_alls if order.created_at_ms > 0]
    since_ms += [position.updated_at_ms] if position.updated_at_ms > 0 else []
    if not since_ms:
        return ""
    ours = [own for own in live.owned if own.order.created_at_ms >= min(since_ms)]
    return min(ours, key=lambda own: (own.order.created_at_ms, own.epoch)).epoch if ours else ""


def _newest_epoch(live: LiveBook) -> str:
    """The newest epoch of any order of ours: for orders whose position is not open, any name is as good."""
    return max((own.epoch for own in live.owned), default="")


def _settled_epoch(known: KeyEvidence, live: LiveBook, position: Position) -> str:
    """The epoch in memory, unless something of ours rests that is of this life and of another one.

    After a restart the lists may lag: an epoch made up then yields to the backstop that appears a read later.
    """
    backstops = [
        own for own in live.resting if own.role is Role.BACKSTOP and own.order.created_at_ms >= known.born_at_ms
    ]
    if any(own.epoch == known.epoch for own in backstops):
        return known.epoch
    if backstops:
        return max(backstops, key=lambda own: (own.order.created_at_ms, own.epoch)).epoch
    # First met after a restart, perhaps in lists that lagged: its oldest order of this life knows better than we do.
    return known.epoch if known.born_at_ms else _epoch_of_life(live, position) or known.epoch


def _seen(before: Mapping[str, int], live: LiveBook) -> dict[str, int]:
    resting = [own.order.client_id for own in live.resting]
    return {client_id: before.get(client_id, 0) + 1 for client_id in resting}


def _rungs(known: KeyEvidence, position: Position, live: LiveBook) -> tuple[dict[int, Decimal], frozenset[int]]:
    """Rung sizes now, and which rungs took profit: gone from the list while the position shrank by their size."""
    now: dict[int, Decimal] = {}
    for own in live.ladder:
        now[own.rung] = now[own.rung] + own.order.quantity if own.rung in now else own.order.quantity
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
    total = sum([own.order.quantity for own in live.ladder], Decimal(0))
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
    if order.working_type is WorkingType.CONTRACT_PRICE and position.last_price is None:
        return False  # nobody knows whether the price that arms it has passed it
    return beyond(position.price_arming(order.working_type), order.trigger_price, position.side)
