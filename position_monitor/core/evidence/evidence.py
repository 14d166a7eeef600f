"""What recent reads and writes allow us to believe (invariants 2, 6, 7). Immutable; bounded; lost on restart by design.

Adding protection needs one read. Removing anything needs more: a replacement seen in several reads, or a position
proven flat by agreeing reads *and* a positive zero row. Losing this memory only makes the daemon more careful.

Times are wall-clock stamps that came with the reads. The clock may be stepped back between two of them, so a distance
in time is taken without its sign: a step may end a waiting time early, and must never prolong it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.evidence.crossing import NOT_CROSSED, Crossed
from position_monitor.core.evidence.foreign_removals import ForeignRemovals
from position_monitor.core.evidence.refusals import NONE_FAILED, FailedTries
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.money import beyond
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.settings import EvidenceSettings
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.exit_profile import Exit, exits_of, exits_wanted

AGREEING_READS = 2
"""Reads that must agree before something irreversible is done on their word."""
STALE_REPLICA_MS = 60_000
"""No replica of the venue is taken to lag longer than this: so much later a zero row counts whatever time it states."""
NO_COUNTS: Mapping[str, int] = MappingProxyType({})
UNDER_WAY_MS = 2_000
"""How long a working stop that was written counts as being on its way; then the lists must show it."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A write whose order was not read back yet."""

    sent_at_ms: int
    misses: int = 0
    proved: bool = False
    """The venue refused a second order of this id: it is live, whatever the lists and queries say."""
    live_at_ms: int = 0
    """The venue's time from which on it was live for certain; 0 where that is not known."""
    order: DesiredOrder | None = None
    """What was written: it may rest already. None where nothing but its id is at hand."""


class Vanished(NamedTuple):
    """An order of ours that rested, and that no list shows any more, while nothing tells what became of it."""

    order: LiveOrder
    """As it was last read."""
    since_ms: int
    misses: int = 0
    """Targeted queries that said "no such order"."""


class Fired(NamedTuple):
    """An order of ours whose price came: it closes the position, or a part of it, now."""

    role: Role
    since_ms: int
    """Since when that is known, by our clock."""
    ended_at_ms: int = 0
    """The venue's time at which all of it was through; 0 while it is under way. A row of the position that changed
    then or later has it in its quantity."""


class Belief(NamedTuple):
    """What is believed about one position. A tuple: parts of it are replaced with every read and every write."""

    epoch: str
    inherited: bool = False
    """The epoch was read from orders that rest: which ids of it are spent is not known."""
    present_reads: int = 0
    """Consecutive reads that listed the position."""
    blind_reads: int = 0
    """Looks in a row that listed the position and could not read its conditional orders."""
    opened_at_ms: int = 0
    """The newest sign that it is open, by the venue's own time: a row that lists it, or an event (0: none)."""
    open_heard_at_ms: int = 0
    """When the last of these signs arrived here."""
    zero_at_ms: int = 0
    """The newest sign that it is flat, by the venue's own time."""
    born_at_ms: int = 0
    """Since when this life of the position lasts, by the venue's own time; 0 when that is not known."""
    flat_before_ms: int = 0
    """When the position was last flat before this life, by the venue's own time; 0 when that is not known."""
    absent_reads: int = 0
    """Consecutive reads (spaced apart) that did not list it."""
    last_absent_at_ms: int = 0
    flat_sign: bool = False
    """A row or an event said it is flat, and that is newer than the newest sign that it is open (invariant 7)."""
    losses_pct: tuple[Decimal, ...] = ()
    """The adverse move from the entry in the last reads, newest last."""
    entry_price: Decimal = Decimal(0)
    """Average entry in the last read that listed the position."""
    quantities: tuple[Decimal, ...] = ()
    """The last few sizes seen, newest last."""
    listed_reads: Mapping[str, int] = NO_COUNTS
    """Owned client id -> number of reads in a row that listed it as NEW."""
    rung_sizes: Mapping[int, Decimal] = MappingProxyType({})
    """Rung -> quantity resting in the last read."""
    done_rungs: frozenset[int] = frozenset()
    """Rungs that took their profit in this epoch."""
    ladder_from: int = 0
    """The nearest rung of the last ladder that took the whole position: the nearer ones were filled, or passed before
    it was placed. Forgotten when the position grows."""
    prices: tuple[Decimal, ...] = ()
    """The price that arms its orders in the last reads, newest last."""
    crossed: Crossed = NOT_CROSSED
    """Refusals of its stops as already passed, in a row and while nothing covered it."""
    stop_refused: str = ""
    """Why the last stop that was sent does not rest, in the words of its failure; empty once one was taken."""
    grid_refusals: int = 0
    """How often a number of provisional rules was off the symbol's grid."""
    stops_refused: FailedTries = NONE_FAILED
    """The tries for its stops that failed lately."""
    targets_refused: FailedTries = NONE_FAILED
    """The same for its take-profits."""
    targets_removed: ForeignRemovals = MappingProxyType({})
    """Its take-profits that another hand removed lately."""
    slot_is_foreign: bool = False
    """Another program had its own close-all stop in this epoch: the venue's only slot for one is left to it."""
    close_all_blocked: bool = False
    """The venue said a close-all stop exists that no list shows."""
    closes_sent: int = 0
    """Close orders sent in this epoch; drives the close ladder and makes close ids differ."""
    closes_at_ms: tuple[int, ...] = ()
    """When the last few of them were sent."""
    close_budget_refused: bool = False
    """A close was refused because resting reduce-only orders use up the position."""
    closing_since_ms: int = 0
    """Since when each look found a reason to close it at market; 0 while none does."""
    firing_since_ms: int = 0
    """Since when a stop of ours is being triggered (or its trigger was passed and it still rests); 0 when none is."""
    rested: tuple[LiveOrder, ...] = ()
    """Ours that rested in the last read of the lists."""
    vanished: Mapping[str, Vanished] = MappingProxyType({})
    """Client id -> an order of ours that may rest or may have ended."""
    spent: tuple[str, ...] = ()
    """Client ids of ours whose order is known to have ended, the newest last: none of them is used again."""
    fired: Mapping[str, Fired] = MappingProxyType({})
    """Client id -> an order of ours whose price came, until the position is read without what it closed."""
    exposed_reads: int = 0
    """Cycles in a row whose read showed it without full cover."""
    exposed_since_ms: int = 0
    """When the first of them was."""
    firing_trigger: Decimal = Decimal(0)
    """The trigger of that stop."""
    closes_refused: FailedTries = NONE_FAILED
    """Closing orders that were refused, or did not arrive, lately."""
    appeared_at_ms: int = 0
    """When the first sign of this life arrived here, a read or an event; 0 before it."""
    foreign_reads: Mapping[str, int] = NO_COUNTS
    """Order id of another's stop -> number of reads in a row that listed it as NEW."""
    last_stop: Decimal | None = None
    """The tightest level at which a stop of ours rested in this epoch; none once the price has passed it."""

    @property
    def largest_quantity(self) -> Decimal:
        """The largest size in the window: what cover must still reach after a removal."""
        return max(self.quantities, default=Decimal(0))

    def firing(self, now_ms: int, grace_ms: int) -> bool:
        """Whether a stop of ours is being triggered and has not been at it for suspiciously long."""
        if self.firing_since_ms > 0 and abs(now_ms - self.firing_since_ms) <= grace_ms:
            return True
        return bool(self.fired) and any(role.is_stop for role in self._closing(now_ms, grace_ms))

    def taking_profit(self, now_ms: int, grace_ms: int) -> bool:
        """Whether a take-profit of ours is closing its part just now, so that the size that was read may be too big."""
        return bool(self.fired) and Role.TAKE_PROFIT in self._closing(now_ms, grace_ms)

    def stuck_in_triggering(self, now_ms: int, grace_ms: int) -> frozenset[str]:
        """Client ids of orders whose price came longer ago than the grace time, and that nothing is heard of since."""
        return frozenset(i for i, one in self.fired.items() if abs(now_ms - one.since_ms) > grace_ms)

    def _closing(self, now_ms: int, grace_ms: int) -> list[Role]:
        """What the orders of ours are for whose price came within the grace time."""
        return [one.role for one in self.fired.values() if abs(now_ms - one.since_ms) <= grace_ms]

    def stuck(self, now_ms: int, grace_ms: int) -> bool:
        """Whether a stop of ours was reached, and longer than the grace time later the position is still open."""
        return self.firing_since_ms > 0 and abs(now_ms - self.firing_since_ms) > grace_ms

    @property
    def unconfirmed(self) -> bool:
        """Whether something says it is open that no read has confirmed yet."""
        return self.opened_at_ms > 0 and self.present_reads == 0 and not self.flat_sign

    def long_exposed(self, settings: EvidenceSettings, now_ms: int) -> bool:
        """Whether our own reads showed it without full cover for as long as a live owner may take to place its stop."""
        if self.exposed_reads < AGREEING_READS:
            return False
        return abs(now_ms - self.exposed_since_ms) >= settings.standby_patience_ms

    def passed(self, level: Decimal, side: Side) -> bool:
        """Whether the last reads agree that the price which arms its orders has reached a level."""
        agreeing = self.prices[-AGREEING_READS:]
        return len(agreeing) == AGREEING_READS and all(beyond(price, level, side) for price in agreeing)

    def without_window(self) -> Belief:
        """The same after a long gap: nothing that a removal needs counts any more."""
        exposed_reads = min(self.exposed_reads, 1)
        return self._replace(
            present_reads=0,
            absent_reads=0,
            flat_sign=False,
            zero_at_ms=0,
            listed_reads={},
            exposed_reads=exposed_reads,
            foreign_reads=NO_COUNTS,
        )

    def flat_proven(self, settings: EvidenceSettings) -> bool:
        """Whether the position is proven closed (invariant 7)."""
        return self.absent_reads >= settings.flat_reads and self.flat_sign


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything remembered between cycles, per position, plus writes not read back yet."""

    keys: Mapping[PositionKey, Belief] = field(default_factory=dict)
    awaited: Mapping[tuple[str, str], Awaited] = field(default_factory=dict)
    """(symbol, client id) -> a write waiting to be read back."""

    def of(self, key: PositionKey) -> Belief | None:
        """What is known about a position."""
        return self.keys.get(key)

    def awaited_in(self, symbol: str) -> tuple[str, ...]:
        """Client ids written for `symbol` and not read back yet."""
        if not self.awaited:
            return ()
        return tuple(sorted([client_id for where, client_id in self.awaited if where == symbol]))

    def _written(self) -> Iterator[DesiredOrder]:
        """The orders that were written and not read back yet."""
        return (wait.order for wait in self.awaited.values() if wait.order is not None)

    def awaits_backstop(self, key: PositionKey) -> bool:
        """Whether a backstop of this position was written and not read back yet: the venue would refuse another."""
        return any(order.key == key and order.role is Role.BACKSTOP for order in self._written())

    def working_stops_under_way(self, key: PositionKey, now_ms: int) -> tuple[DesiredOrder, ...]:
        """Working stops of a position that were written a moment ago and not read back yet."""
        if not self.awaited:
            return ()
        recent = (wait.order for wait in self.awaited.values() if abs(now_ms - wait.sent_at_ms) < UNDER_WAY_MS)
        working = (order for order in recent if order is not None and order.role is Role.WORKING_STOP)
        return tuple([order for order in working if order.key == key])

    def unlisted_take_profits(self, key: PositionKey, listed: Collection[str]) -> list[Exit]:
        """Take-profits of ours that no list shows and that may rest: written lately, or vanished unexplained."""
        exits: list[Exit] = []
        for order in self._written():
            if order.role is Role.TAKE_PROFIT and order.key == key and order.client_id not in listed:
                exits += exits_wanted([order])
        belief = self.keys.get(key)
        for client_id, gone in belief.vanished.items() if belief is not None else ():
            if client_id not in listed and (key.symbol, client_id) not in self.awaited:
                exits += exits_of([gone.order])
        return exits

    def proved_in(self, symbol: str) -> frozenset[str]:
        """Of these, the ones the venue said are live when it refused a second order of the same id."""
        return frozenset(i for (where, i), wait in self.awaited.items() if where == symbol and wait.proved)

    def symbols(self) -> frozenset[str]:
        """Symbols something is known about."""
        return frozenset(key.symbol for key in self.keys) | frozenset(symbol for symbol, _ in self.awaited)

    def hopeless(self, now_ms: int) -> set[PositionKey]:
        """Positions whose stop is refused again and again: each check tries it, and no look is made for it."""
        return {key for key, belief in self.keys.items() if belief.stops_refused.hopeless(now_ms)}

    def without_window(self) -> Evidence:
        """Forget counts after a long gap (a suspended host): everything must be read again before a removal.

        That a position was without cover is no reason for a removal: one more read of it is enough for a standby, so
        that a stepped clock does not make it wait anew.
        """
        keys = {key: belief.without_window() for key, belief in self.keys.items()}
        return Evidence(keys, self.awaited)


def with_key(evidence: Evidence, key: PositionKey, changed: Belief) -> Evidence:
    """The same evidence with one position's part replaced."""
    return Evidence({**evidence.keys, key: changed}, evidence.awaited)
