"""What one read, or one event that tells of a position, teaches: evidence before to evidence after. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from position_monitor.core import ids
from position_monitor.core.endings import not_counted_yet, still_firing, unexplained
from position_monitor.core.evidence import AGREEING_READS, Evidence, KeyEvidence, Vanished, with_key
from position_monitor.core.ladder import rungs_of
from position_monitor.core.live_book import NOTHING_RESTS, LiveBook, Own, SymbolOrders
from position_monitor.core.model import SIDES, LiveOrder, OrderStatus, Position, PositionKey, Role, WorkingType
from position_monitor.core.money import beyond
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
    *,
    flat_reads: int = 3,
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
            keys[key] = _present(keys.get(key), position, live, seen, rebases, flat_reads=flat_reads)
        else:
            known = keys.get(key) or KeyEvidence(epoch=_epoch_from(live.owned) or ids.epoch_of(0), inherited=True)
            keys[key] = _absent(known, key, live, seen)
    if not evidence.awaited:
        return Evidence(keys)
    listed = {order.client_id for order in seen.orders} - seen.confirmed_orders
    awaited = {ref: wait for ref, wait in evidence.awaited.items() if ref[0] != seen.symbol or ref[1] not in listed}
    return Evidence(keys, awaited)


def after_position_event(
    evidence: Evidence, position: Position, orders: Iterable[LiveOrder], *, ended_before: bool
) -> Evidence:
    """Make room for a position that only an event told of, so that it has an epoch. Nothing counts as read.

    `ended_before`: the stream said since the last read that the position was flat; then this is a new one. `orders` are
    ours of the last read: after a restart they remember the epoch.
    """
    known = evidence.of(position.key)
    new = known is not None and known.zero_seen and position.entry_price != known.entry_price
    if known is not None and not new and not ended_before:
        fired = not_counted_yet(known, position)
        return evidence if fired is known.fired else with_key(evidence, position.key, replace(known, fired=fired))
    own = SymbolOrders(orders).books.get(position.key, NOTHING_RESTS).owned
    remembered = _epoch_from(own) if known is None and not ended_before else ""
    fresh = KeyEvidence(
        epoch=remembered or ids.epoch_of(position.updated_at_ms),
        inherited=bool(remembered),
        entry_price=position.entry_price,
        seen=known.seen if known is not None else {},
    )
    return with_key(evidence, position.key, fresh)


def pruned(evidence: Evidence, settings: EvidenceSettings) -> Evidence:
    """Forget positions that are proven flat and have no order of ours left."""
    keys = {key: known for key, known in evidence.keys.items() if not (known.flat_proven(settings) and not known.seen)}
    return Evidence(keys, evidence.awaited)


def _present(
    known: KeyEvidence | None,
    position: Position,
    live: LiveBook,
    seen: SymbolObservation,
    rebases: Callable[[PositionKey], bool],
    *,
    flat_reads: int,
) -> KeyEvidence:
    if known is None:
        remembered = _epoch_from(live.owned)
        known = KeyEvidence(epoch=remembered or ids.epoch_of(position.updated_at_ms), inherited=bool(remembered))
    elif known.zero_seen and (known.absent_reads >= flat_reads or position.entry_price != known.entry_price):
        known = KeyEvidence(epoch=ids.epoch_of(position.updated_at_ms), seen=known.seen)
    elif known.quantities and position.quantity > known.largest_quantity and rebases(position.key):
        known = replace(known, epoch=ids.epoch_of(position.updated_at_ms), inherited=False, done_rungs=frozenset())
    elif (epoch := _settled_epoch(known.epoch, live)) != known.epoch and not rebases(position.key):
        known = replace(known, epoch=epoch, inherited=True)
    rungs, done = _rungs(known, position, live)
    firing = any(_firing(own.order, position) for own in live.guarding)
    reused = seen.orders_reused
    return KeyEvidence(  # not `replace`: this is done for every position in every cycle
        epoch=known.epoch,
        inherited=known.inherited,
        present_reads=known.present_reads + 1,
        absent_reads=0,
        last_absent_at_ms=known.last_absent_at_ms,
        zero_seen=False,
        entry_price=position.entry_price,
        losses_pct=(*known.losses_pct, position.loss_pct)[-AGREEING_READS:],
        quantities=(*known.quantities, position.quantity)[-QUANTITY_WINDOW:],
        seen=known.seen if reused else _seen(known.seen, live),
        rung_sizes=rungs,
        done_rungs=done,
        crossed_refusals=known.crossed_refusals,
        stop_refused=known.stop_refused,
        stops_refused=known.stops_refused,
        targets_refused=known.targets_refused,
        close_all_blocked=known.close_all_blocked and not _shows_close_all(position, live),
        closes_sent=known.closes_sent,
        closes_at_ms=known.closes_at_ms,
        close_budget_refused=known.close_budget_refused,
        firing_since_ms=(known.firing_since_ms or seen.observed_at_ms) if firing else 0,
        rested=known.rested if reused else live.resting,
        vanished=known.vanished if reused else _vanished(known, live, seen),
        spent=known.spent,
        fired=still_firing(known, position, live, seen.observed_at_ms),
    )


def _vanished(known: KeyEvidence, live: LiveBook, seen: SymbolObservation) -> Mapping[str, Vanished]:
    if not known.vanished and live.resting is known.rested:
        return known.vanished
    return unexplained(known, live, {own.order.client_id for own in live.owned}, seen.observed_at_ms)


def _shows_close_all(position: Position, live: LiveBook) -> bool:
    """Whether a resting close-all stop is listed: then the venue's refusal of a second one needs no remembering."""
    exit_side, leg = position.side.exit_order_side, position.position_side
    return any(order.side is exit_side and order.position_side is leg for order in live.close_alls)


def _absent(known: KeyEvidence, key: PositionKey, live: LiveBook, seen: SymbolObservation) -> KeyEvidence:
    spaced = known.absent_reads == 0 or abs(seen.positions_read_at_ms - known.last_absent_at_ms) >= FLAT_SPACING_MS
    opposite = seen.position(PositionKey(key.symbol, key.side.opposite))
    flipped = opposite is not None and not opposite.hedged
    return replace(
        known,
        present_reads=0,
        absent_reads=known.absent_reads + (1 if spaced else 0),
        last_absent_at_ms=seen.positions_read_at_ms if spaced else known.last_absent_at_ms,
        zero_seen=known.zero_seen or key in seen.zero_keys or flipped,
        seen=known.seen if seen.orders_reused else _seen(known.seen, live),
        firing_since_ms=0,
    )


def _epoch_from(owned: Sequence[Own]) -> str:
    """The epoch that resting orders carry. The backstop speaks first: the venue removes it when the position ends."""
    backstops = [own.epoch for own in owned if own.role is Role.BACKSTOP]
    return max(backstops) if backstops else max((own.epoch for own in owned), default="")


def _settled_epoch(epoch: str, live: LiveBook) -> str:
    """The epoch in memory, unless nothing that rests is of it and a backstop of another one is listed.

    After a restart the lists may lag: an epoch made up then yields to the backstop that appears a read later.
    """
    if any(own.epoch == epoch for own in live.resting):
        return epoch
    return max((own.epoch for own in live.resting if own.role is Role.BACKSTOP), default=epoch)


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


def _firing(order: LiveOrder, position: Position) -> bool:
    if order.trigger_price is None:
        return False
    if order.status in (OrderStatus.TRIGGERING, OrderStatus.TRIGGERED):
        return True
    resting_on_mark = order.status is OrderStatus.NEW and order.working_type is WorkingType.MARK_PRICE
    return resting_on_mark and beyond(position.mark_price, order.trigger_price, position.side)
