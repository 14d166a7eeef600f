"""What the venue refused lately, and when the same is worth another try (invariant 10).

A refusal is final only as long as the facts stay. So the same order goes out again at once when one of them changed:
its trigger, its size, the trading rules, the position mode. Otherwise one order of the position is tried in each check,
the one that waited longest, because what changed may be something that nobody can read: an account that was unlocked,
a symbol that trades again. What is tried without a pause is limited whatever changes: a price that moves all the time
changes a trigger all the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import distance_pct
from position_monitor.core.model.orders import Role
from position_monitor.core.model.refusal import Refusal, in_brackets

TRIES_AT_ONCE_MAX = 3
"""Failed tries in a minute after which a moved trigger, or a refusal that may pass by itself, is no reason to hurry."""
TRIES_ON_NEWS_MAX = 6
"""Failed tries in a minute after which not even another size or another trading rule is."""
TRIES_KEPT = 12
MINUTE_MS = 60_000
PASSING = frozenset({Refusal.NOTHING_TO_REDUCE, Refusal.NO_POSITION, Refusal.CAPACITY})
"""Refusals that the next read may explain: the position was not there yet, or there was no room."""
_MOVED_PCT = Decimal("0.1")
"""A trigger that moved by less is the same trigger."""


class Slot(NamedTuple):
    """The place of an order in the book of its position: what is refused is the order for a place."""

    role: str
    rung: int


CLOSE_SLOT = Slot("close", 0)
"""Closing orders have no place in the book."""


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """The last refusal of the order for one place, with the facts it was refused under."""

    at_ms: int
    refusal: Refusal
    said: str
    """The venue's own name of it."""
    trigger: Decimal
    quantity: Decimal | None
    hedged: bool
    size: Decimal
    """Of the position, as last read."""
    instrument: Instrument | None


@dataclass(frozen=True, slots=True)
class FailedTries:
    """The failed tries for the stops, or for the take-profits, of one position. They end with one that succeeds."""

    orders: Mapping[Slot, RefusedOrder] = field(default_factory=dict)
    tries_at_ms: tuple[int, ...] = ()
    """When the last few tries were made that left nothing resting, oldest first; unknown outcomes are among them."""

    def tries_in_the_last_minute(self, now_ms: int) -> int:
        """How often it failed lately."""
        return sum(1 for at_ms in self.tries_at_ms if abs(now_ms - at_ms) < MINUTE_MS)

    def hopeless(self, now_ms: int) -> bool:
        """Whether looking every second is pointless: it failed often, and the next check tries again anyway."""
        return len(self.tries_at_ms) >= TRIES_AT_ONCE_MAX and (
            self.tries_in_the_last_minute(now_ms) >= TRIES_AT_ONCE_MAX
        )

    def rested(self, now_ms: int, pause_ms: int) -> bool:
        """Whether the last try is long enough ago."""
        return not self.tries_at_ms or abs(now_ms - self.tries_at_ms[-1]) >= pause_ms


NONE_FAILED = FailedTries()


def slot_of(order: DesiredOrder) -> Slot:
    """The place an order is for."""
    return Slot(str(order.role), order.rung)


def after_failure(before: FailedTries, at_ms: int, slot: Slot, refused: RefusedOrder | None) -> FailedTries:
    """One more try that left nothing resting; with `refused`, because the venue said no."""
    orders = before.orders if refused is None else {**before.orders, slot: refused}
    return FailedTries(orders, (*before.tries_at_ms, at_ms)[-TRIES_KEPT:])


class Facts(NamedTuple):
    """What the refusals of one position are compared with."""

    size: Decimal
    instrument: Instrument | None
    now_ms: int
    again_ms: int
    """How long an identical refusal rests."""


def worth_a_try(
    orders: Sequence[DesiredOrder], stops: FailedTries, targets: FailedTries, facts: Facts
) -> tuple[list[DesiredOrder], list[tuple[DesiredOrder, str]]]:
    """Those missing orders of one position that are sent now, and the others with the reason they wait."""
    if not stops.tries_at_ms and not targets.tries_at_ms:
        return list(orders), []
    now: list[DesiredOrder] = []
    waiting: list[tuple[DesiredOrder, str]] = []
    for are_targets, before in ((False, stops), (True, targets)):
        alike = [order for order in orders if (order.role is Role.TAKE_PROFIT) is are_targets]
        tried = _due(alike, before, facts)
        now += tried
        waiting += [(order, _why_held(order, before)) for order in alike if order not in tried]
    return now, waiting


def _due(orders: Sequence[DesiredOrder], before: FailedTries, facts: Facts) -> list[DesiredOrder]:
    """Those of the orders (all stops, or all take-profits, of one position) that are worth a try now."""
    if not before.tries_at_ms:
        return list(orders)
    tries = before.tries_in_the_last_minute(facts.now_ms)
    if not tries:
        return list(orders)
    now = [order for order in orders if _at_once(order, _lately(before, order, facts), tries, facts)]
    if now or not orders or not before.rested(facts.now_ms, facts.again_ms):
        return now
    return [min(orders, key=lambda order: _waits_since(before, order))]


def _lately(before: FailedTries, order: DesiredOrder, facts: Facts) -> RefusedOrder | None:
    refused = before.orders.get(slot_of(order))
    return refused if refused is not None and abs(facts.now_ms - refused.at_ms) < MINUTE_MS else None


def _waits_since(before: FailedTries, order: DesiredOrder) -> int:
    refused = before.orders.get(slot_of(order))
    return refused.at_ms if refused is not None else 0


def _at_once(order: DesiredOrder, refused: RefusedOrder | None, tries: int, facts: Facts) -> bool:
    if refused is None:
        return tries < TRIES_AT_ONCE_MAX
    if _is_another_case(order, refused, facts):
        return tries < TRIES_ON_NEWS_MAX
    soon = refused.refusal in PASSING or distance_pct(order.trigger_price, refused.trigger) >= _MOVED_PCT
    return soon and tries < TRIES_AT_ONCE_MAX


def _is_another_case(order: DesiredOrder, refused: RefusedOrder, facts: Facts) -> bool:
    """Whether size, mode or trading rules are not those it was refused under."""
    return (
        order.quantity != refused.quantity
        or facts.size != refused.size
        or order.hedged is not refused.hedged
        or facts.instrument != refused.instrument
    )


def _why_held(order: DesiredOrder, before: FailedTries) -> str:
    """Why an order waits, in words."""
    refused = before.orders.get(slot_of(order))
    said = in_brackets(refused.said) if refused is not None else ""
    return f"it was refused{said} and nothing changed since; it is tried again in the next check"
