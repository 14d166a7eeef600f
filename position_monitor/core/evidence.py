"""What recent reads and writes allow us to believe (invariants 2, 6, 7). Immutable; bounded; lost on restart by design.

Adding protection needs one read. Removing anything needs more: a replacement seen in several reads, or a position
proven flat by agreeing reads *and* a positive zero row. Losing this memory only makes the daemon more careful.

Times are wall-clock stamps that came with the reads. The clock may be stepped back between two of them, so a distance
in time is taken without its sign: a step may end a waiting time early, and must never prolong it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from position_monitor.core import ids
from position_monitor.core.ladder import rungs_of
from position_monitor.core.live_book import NOTHING_RESTS, LiveBook, Own, SymbolOrders
from position_monitor.core.model import (
    SIDES,
    LiveOrder,
    OrderStatus,
    Position,
    PositionKey,
    Role,
    WorkingType,
)
from position_monitor.core.money import beyond
from position_monitor.core.observation import SymbolObservation
from position_monitor.core.settings import EvidenceSettings

AGREEING_READS = 2
"""Reads that must agree before something irreversible is done on their word."""
QUANTITY_WINDOW = 4
"""How many reads the largest recent quantity is taken over."""
AWAITED_PER_POSITION_MAX = 64
FLAT_SPACING_MS = 1_000
"""Reads closer together than this count once as absence: a stale replica repeats itself within milliseconds."""
PROVED_GRACE_MS = 60_000
"""How long a take-profit that is proven live may stay invisible before it is sent (and proven) again."""
PROVED_STOP_GRACE_MS = 15_000
"""The same for a stop, which may have gone without a word since, and whose position is naked then."""
MISSES_UNTIL_GONE = 2
"""Targeted queries that must all say "no such order" before a written order counts as not placed."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A write whose order was not read back yet."""

    sent_at_ms: int
    misses: int = 0
    proved: bool = False
    """The venue refused a second order of this id: it is live, whatever the lists and queries say."""
    backstop_of: PositionKey | None = None
    """The position, when the order takes the only slot for a close-all stop that the venue gives it."""


@dataclass(frozen=True, slots=True)
class KeyEvidence:
    """What is believed about one position."""

    epoch: str
    present_reads: int = 0
    """Consecutive reads that listed the position."""
    absent_reads: int = 0
    """Consecutive reads (spaced apart) that did not list it."""
    last_absent_at_ms: int = 0
    zero_seen: bool = False
    """A row with quantity 0 was read since the position was last seen."""
    losses_pct: tuple[Decimal, ...] = ()
    """The adverse move from the entry in the last reads, newest last."""
    entry_price: Decimal = Decimal(0)
    """Average entry in the last read that listed the position."""
    quantities: tuple[Decimal, ...] = ()
    """The last few sizes seen, newest last."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Owned client id -> number of reads in a row that listed it as NEW."""
    rung_sizes: Mapping[int, Decimal] = field(default_factory=dict)
    """Rung -> quantity resting in the last read."""
    done_rungs: frozenset[int] = frozenset()
    """Rungs that took their profit in this epoch."""
    crossed_refusals: int = 0
    """-2021 refusals of a stop in a row."""
    stop_refused: str = ""
    """Why the last stop that was sent does not rest, in the words of its failure; empty once one was taken."""
    close_all_blocked: bool = False
    """The venue said a close-all stop exists (-4130) that no list shows."""
    closes_sent: int = 0
    """Close orders sent in this epoch; drives the close ladder and makes close ids differ."""
    closes_at_ms: tuple[int, ...] = ()
    """When the last few of them were sent."""
    close_budget_refused: bool = False
    """A close was refused because resting reduce-only orders use up the position (-2022, -4118)."""
    firing_since_ms: int = 0
    """Since when a stop of ours is being triggered (or its trigger was passed and it still rests); 0 when none is."""

    @property
    def largest_quantity(self) -> Decimal:
        """The largest size in the window: what cover must still reach after a removal."""
        return max(self.quantities, default=Decimal(0))

    def firing(self, now_ms: int, grace_ms: int) -> bool:
        """Whether a stop of ours is being triggered and has not been at it for suspiciously long."""
        return self.firing_since_ms > 0 and abs(now_ms - self.firing_since_ms) <= grace_ms

    def stuck(self, now_ms: int, grace_ms: int) -> bool:
        """Whether a stop of ours was reached, and longer than the grace time later the position is still open."""
        return self.firing_since_ms > 0 and not self.firing(now_ms, grace_ms)

    def flat_proven(self, settings: EvidenceSettings) -> bool:
        """Whether the position is proven closed (invariant 7)."""
        return self.absent_reads >= settings.flat_reads and self.zero_seen


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything remembered between cycles, per position, plus writes not read back yet."""

    keys: Mapping[PositionKey, KeyEvidence] = field(default_factory=dict)
    awaited: Mapping[tuple[str, str], Awaited] = field(default_factory=dict)
    """(symbol, client id) -> a write waiting to be read back."""

    def of(self, key: PositionKey) -> KeyEvidence | None:
        """What is known about a position."""
        return self.keys.get(key)

    def awaited_in(self, symbol: str) -> tuple[str, ...]:
        """Client ids written for `symbol` and not read back yet."""
        if not self.awaited:
            return ()
        return tuple(client_id for (where, client_id) in sorted(self.awaited) if where == symbol)

    def awaits_backstop(self, key: PositionKey) -> bool:
        """Whether a backstop of this position was written and not read back yet: the venue would refuse another."""
        return any(wait.backstop_of == key for wait in self.awaited.values())

    def proved_in(self, symbol: str) -> frozenset[str]:
        """Of these, the ones the venue said are live when it refused a second order of the same id."""
        return frozenset(i for (where, i), wait in self.awaited.items() if where == symbol and wait.proved)

    def symbols(self) -> frozenset[str]:
        """Symbols something is known about."""
        return frozenset(key.symbol for key in self.keys) | frozenset(symbol for symbol, _ in self.awaited)

    def without_window(self) -> Evidence:
        """Forget counts after a long gap (a suspended host): everything must be seen again before a removal."""
        keys = {
            key: replace(known, present_reads=0, absent_reads=0, zero_seen=False, seen={})
            for key, known in self.keys.items()
        }
        return Evidence(keys, self.awaited)


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
            known = keys.get(key) or KeyEvidence(epoch=_epoch_from(live.owned) or ids.epoch_of(0))
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
        return evidence
    own = SymbolOrders(orders).books.get(position.key, NOTHING_RESTS).owned
    remembered = _epoch_from(own) if known is None and not ended_before else ""
    fresh = KeyEvidence(
        epoch=remembered or ids.epoch_of(position.updated_at_ms),
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
        known = KeyEvidence(epoch=_epoch_from(live.owned) or ids.epoch_of(position.updated_at_ms))
    elif known.zero_seen and (known.absent_reads >= flat_reads or position.entry_price != known.entry_price):
        known = KeyEvidence(epoch=ids.epoch_of(position.updated_at_ms), seen=known.seen)
    elif known.quantities and position.quantity > known.largest_quantity and rebases(position.key):
        known = replace(known, epoch=ids.epoch_of(position.updated_at_ms), done_rungs=frozenset())
    elif (epoch := _settled_epoch(known.epoch, live)) != known.epoch and not rebases(position.key):
        known = replace(known, epoch=epoch)
    rungs, done = _rungs(known, position, live)
    firing = any(_firing(own.order, position) for own in live.guarding)
    return KeyEvidence(  # not `replace`: this is done for every position in every cycle
        epoch=known.epoch,
        present_reads=known.present_reads + 1,
        absent_reads=0,
        last_absent_at_ms=known.last_absent_at_ms,
        zero_seen=False,
        entry_price=position.entry_price,
        losses_pct=(*known.losses_pct, position.loss_pct)[-AGREEING_READS:],
        quantities=(*known.quantities, position.quantity)[-QUANTITY_WINDOW:],
        seen=known.seen if seen.orders_reused else _seen(known.seen, live),
        rung_sizes=rungs,
        done_rungs=done,
        crossed_refusals=known.crossed_refusals,
        stop_refused=known.stop_refused,
        close_all_blocked=known.close_all_blocked and not _shows_close_all(position, live),
        closes_sent=known.closes_sent,
        closes_at_ms=known.closes_at_ms,
        close_budget_refused=known.close_budget_refused,
        firing_since_ms=(known.firing_since_ms or seen.observed_at_ms) if firing else 0,
    )


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


def after_write(
    evidence: Evidence,
    symbol: str,
    client_id: str,
    now_ms: int,
    *,
    proved: bool = False,
    backstop_of: PositionKey | None = None,
) -> Evidence:
    """Remember a write (under way, accepted or ambiguous) until its order is read back."""
    wait = Awaited(now_ms, proved=proved, backstop_of=backstop_of)
    awaited = {**evidence.awaited, (symbol, client_id): wait}
    while len(awaited) > AWAITED_PER_POSITION_MAX * max(1, len(evidence.keys)):
        awaited.pop(min(awaited, key=lambda ref: awaited[ref].sent_at_ms))
    return Evidence(evidence.keys, awaited)


def without_write(evidence: Evidence, symbol: str, client_id: str) -> Evidence:
    """The write certainly left nothing behind: nobody has to wait for it."""
    awaited = {ref: wait for ref, wait in evidence.awaited.items() if ref != (symbol, client_id)}
    return Evidence(evidence.keys, awaited)


def after_miss(
    evidence: Evidence, symbol: str, client_id: str, now_ms: int, grace_ms: int, *, ended: bool = False
) -> Evidence:
    """A targeted query did not find an awaited order: after enough misses and the grace time it was not placed.

    `ended`: the query found an order of this id that has ended. Ids return, so it may be an earlier one; but then even
    an order that was proven live is not waited for any longer than others, because the worst of it is one more proof.
    """
    wait = evidence.awaited.get((symbol, client_id))
    if wait is None:
        return evidence
    awaited = dict(evidence.awaited)
    wait = replace(wait, misses=wait.misses + 1)
    if wait.proved and not ended:
        owned = ids.parse(client_id)
        is_target = owned is not None and owned.role is Role.TAKE_PROFIT
        grace_ms = max(grace_ms, PROVED_GRACE_MS if is_target else PROVED_STOP_GRACE_MS)
    if wait.misses >= MISSES_UNTIL_GONE and abs(now_ms - wait.sent_at_ms) >= grace_ms:
        del awaited[(symbol, client_id)]
    else:
        awaited[(symbol, client_id)] = wait
    return Evidence(evidence.keys, awaited)


def with_key(evidence: Evidence, key: PositionKey, changed: KeyEvidence) -> Evidence:
    """The same evidence with one position's part replaced."""
    return Evidence({**evidence.keys, key: changed}, evidence.awaited)
