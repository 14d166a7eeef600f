"""From a policy's exits to a desired book (DESIGN 9): what should rest on the exchange for one position now.

Only invariants live in this room: the ratchet, the two layers of a stop, parts, capacity, the cover that others give.
Where a position should get out is the policy's (`core/exits`), which is asked once per position and look.

A desired book is snapped to what already rests wherever that is good enough: an order is replaced only for a reason a
trader would accept, never for a rounding difference.

The exits are derived anew from every read, because the mark is in them. The orders follow from the exits and from
what rests, and in a quiet account that stays the same from read to read although the mark does not. So they are made
from `OrderFacts` alone, and whoever decides again hands in what was wanted the last time: while every fact is as it
was, the same objects are wanted (docs/same-object.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.book.diff import BookDiff, diff
from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.book.other_program import gives_way, others_are_enough, waits_for_foreign
from position_monitor.core.book.stop_book import stop_orders
from position_monitor.core.book.stop_level import effective_stop, why_behind, why_far
from position_monitor.core.book.target_book import take_profits
from position_monitor.core.book.wanted import NO_RUNGS, BookInputs, OrderFacts, RungsAllowed
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.exits.view import AskedExits, Exits
from position_monitor.core.model.book_cases import StopCase, TargetCase
from position_monitor.core.model.desired import DesiredBook, DesiredOrder, Level
from position_monitor.core.model.money import is_multiple
from position_monitor.core.model.orders import OrderStatus
from position_monitor.core.model.rungs import RUNGS_MAX
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.stop_price import fitted_stop

__all__ = [
    "NO_RUNGS",
    "BookInputs",
    "RungsAllowed",
    "WantedOrders",
    "compared_book",
    "desired_book",
    "rungs_allowed",
    "rungs_for",
]

SPARE_TO_GROW = 10
"""One in so many slots for conditional orders must be free before a collapsed ladder grows back."""


_NONE: frozenset[str] = frozenset()


class WantedOrders(NamedTuple):
    """The wanted orders, the facts they were made from, and how they compare with what rests."""

    facts: OrderFacts
    orders: tuple[DesiredOrder, ...]
    notes: tuple[str, ...]
    diff: BookDiff
    stop_case: StopCase
    target_case: TargetCase


def desired_book(inputs: BookInputs) -> DesiredBook:
    """What should rest for one position now."""
    return compared_book(inputs)[0]


def compared_book(
    inputs: BookInputs, before: WantedOrders | None = None
) -> tuple[DesiredBook, WantedOrders, AskedExits]:
    """What should rest for one position now, how what rests differs from it, and what its policy was asked for that.

    `before` is what this gave the last time, or None: the answer is equal in either case.
    """
    view = exit_view(inputs)
    exits = exits_for(view)
    stop = effective_stop(inputs, view.resting, exits)
    facts = _order_facts(inputs, exits, stop)
    wanted = before if before is not None and before.facts == facts else _wanted(facts)
    behind = why_behind(inputs, stop)
    book = DesiredBook.__new__(  # as `ExitView` in exit_view.py
        DesiredBook,
        key=inputs.position.key,
        epoch=facts.epoch,
        stop=stop,
        orders=wanted.orders,
        stop_case=wanted.stop_case,
        target_case=wanted.target_case,
        profile=exits.profile,
        trailing=exits.trail,
        regime=exits.regime,
        notes=_notes(exits.obstacle, *exits.notes, behind, why_far(inputs, stop), *wanted.notes),
        obstacle=exits.obstacle,
        stop_behind=behind,
        close=exits.close,
        r=exits.r,
        failed=exits.failed,
    )
    return book, wanted, AskedExits(view, exits)


def _notes(*notes: str) -> tuple[str, ...]:
    return tuple([note for note in notes if note]) if any(notes) else ()


def _wanted(facts: OrderFacts) -> WantedOrders:
    targets = take_profits(facts)
    stop_case, stops = stop_orders(facts)
    orders = (*stops, *targets.orders)
    return WantedOrders(
        facts=facts,
        orders=orders,
        notes=targets.notes,
        diff=diff(orders, facts.live),
        stop_case=stop_case,
        target_case=targets.case,
    )


def _order_facts(inputs: BookInputs, exits: Exits, stop: Level) -> OrderFacts:
    """The facts of one position. A cycle makes them for each that it looks at (`exit_view.py` says why so)."""
    position, belief, initial = inputs.position, inputs.belief, exits.initial_stop
    enough = others_are_enough(inputs, exits)
    return OrderFacts.__new__(
        OrderFacts,
        account=inputs.account,
        key=position.key,
        hedged=position.hedged,
        quantity=position.quantity,
        instrument=inputs.instrument,
        settings=inputs.settings,
        live=inputs.live,
        cover=inputs.cover.orders,
        in_transit=inputs.in_transit,
        unproven=_unproven(inputs),
        epoch=belief.epoch,
        spent=belief.spent,
        done_rungs=belief.done_rungs,
        ladder_from=belief.ladder_from,
        slot_is_foreign=belief.slot_is_foreign,
        close_all_blocked=belief.close_all_blocked,
        firing=belief.firing(inputs.now_ms, inputs.triggering_grace_ms),
        taking_profit=belief.taking_profit(inputs.now_ms, inputs.triggering_grace_ms) or _lags_behind_a_fill(inputs),
        rungs=inputs.rungs,
        stop_price=stop.price,
        stop_today=stop.price if stop.price == initial.price else _today(inputs, stop.price),
        stop_source=stop.source,
        stop_anchored=stop.anchored,
        policy_price=initial.price,
        policy_source=initial.source,
        policy_anchored=initial.anchored,
        policy_pin=exits.pin,
        obstacle=exits.obstacle,
        foreign_is_enough=enough,
        awaits_foreign=waits_for_foreign(inputs, exits),
        gives_way=gives_way(inputs, enough=enough),
        targets=exits.targets,
        passed=exits.passed,
        beyond_last=exits.beyond_last,
        runner=exits.runner,
        also=exits.also,
        ladder_stays=exits.ladder_stays,
        alone=exits.alone,
    )


def _lags_behind_a_fill(inputs: BookInputs) -> bool:
    """Whether a limit order of ours was filled in part after the row of the position was written, and just now."""
    return any(
        own.status is not OrderStatus.NEW
        and own.updated_at_ms > inputs.position.updated_at_ms
        and abs(inputs.now_ms - own.updated_at_ms) <= inputs.triggering_grace_ms
        for own in inputs.live.ladder
    )


def _today(inputs: BookInputs, price: Decimal) -> Decimal:
    """A level at a price that the venue permits today, on its side of the mark."""
    position, venue = inputs.position, inputs.instrument
    if venue.permits(price) and is_multiple(price, venue.tick):
        return price
    side, mark = position.side, position.arming_price
    fitted = fitted_stop(price=price, side=side, mark=mark, liquidation=position.liquidation_ahead, instrument=venue)
    return fitted or fitted_stop(price=price, side=side, mark=mark, liquidation=None, instrument=venue) or price


def _unproven(inputs: BookInputs) -> frozenset[str]:
    """Working stops that rest and were not read back often enough to replace another one."""
    reads, needed = inputs.belief.listed_reads, inputs.replacement_reads
    few = [own.client_id for own in inputs.live.working if reads.get(own.client_id, 0) < needed]
    return frozenset(few) if few else _NONE


def rungs_for(
    keys: Sequence[PositionKey], reserved: int, conditional_orders_max: int
) -> dict[PositionKey, RungsAllowed]:
    """What each position may hold now, and what a collapsed ladder may grow back to; arguments as `rungs_allowed`."""
    in_order = sorted(keys)
    most = _shares(len(keys), reserved, conditional_orders_max)
    again = _shares(len(keys), reserved + conditional_orders_max // SPARE_TO_GROW, conditional_orders_max)
    pairs = {pair: RungsAllowed(*pair) for pair in {*zip(most, again, strict=True)}}
    return {key: pairs[pair] for key, pair in zip(in_order, zip(most, again, strict=True), strict=True)}


def rungs_allowed(keys: Sequence[PositionKey], reserved: int, conditional_orders_max: int) -> dict[PositionKey, int]:
    """Take-profit rungs each position may hold inside the venue's cap on open conditional orders.

    `reserved` counts what comes first: foreign conditional orders and our stops. One more slot in ten positions
    (at least two) stays free so that a working stop can be placed beside the one it replaces. What is left is spread
    evenly; the remainder goes to the first keys, so the same positions keep it from cycle to cycle.
    """
    return dict(zip(sorted(keys), _shares(len(keys), reserved, conditional_orders_max), strict=True))


def _shares(count: int, reserved: int, conditional_orders_max: int) -> list[int]:
    spare = max(2, -(-count // 10))
    free = max(0, conditional_orders_max - reserved - spare)
    each, more = divmod(free, count) if count else (0, 0)
    return [min(RUNGS_MAX, each + 1)] * more + [min(RUNGS_MAX, each)] * (count - more)
