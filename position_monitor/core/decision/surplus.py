"""Which orders of ours may go (invariants 2, 7, 8).

An order of ours that is part of the stop cover is removed only when

1. the stops that were each seen resting in `replacement_reads` reads in a row, the last one being this very read, cover
   the largest size the position had lately without it and without all the others this plan removes, and
2. they stop all of that no later than at its level (invariant 8).

Whether the wanted stops are among them is not asked: plan and guard must never wait for each other (invariant 10).

The backstop is never removed while the position is open; only `rebase_on_add` replaces it, by the first of them, and
`yield_to_foreign_stop` withdraws it, and any other stop of ours, for another program's stop that was read back as often
and is no looser.
Orders of a position that is not listed are removed only when it is proven flat.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal

from position_monitor.core.book.diff import BookDiff
from position_monitor.core.decision.case import Case
from position_monitor.core.decision.plan_inputs import Held, Plan, PlanInputs
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model.actions import Cancel
from position_monitor.core.model.money import plain, tighter
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.cover import cover_of, outdated_backstop, stopped_by, why_not_cover
from position_monitor.core.observation.exit_profile import exits_wanted, too_much_at
from position_monitor.core.observation.live_book import LiveBook


def removals(
    inputs: PlanInputs, case: Case, belief: Belief, diff: BookDiff, *, ladder_due: bool
) -> tuple[tuple[Cancel, ...], list[Held]]:
    """Which surplus orders of an open position may go now. `ladder_due`: take-profits wait for nothing but room."""
    cancels: list[Cancel] = []
    held: list[Held] = []
    surplus = list(diff.surplus)
    shed = bool(case.closing) and belief.close_budget_refused
    if shed:
        surplus += [live for desired, live in diff.matched if desired.role is Role.TAKE_PROFIT]
    matched_stops = [live for desired, live in diff.matched if desired.role.is_stop]
    replaced_by = tuple(live.client_id for live in matched_stops)
    going: set[str] = set()
    for order in _least_needed_first(surplus, case.position.side):
        role = order.role
        if role is Role.TAKE_PROFIT:
            in_the_way = ladder_due or shed or inputs.crowded or inputs.room(diff, 0) <= 0
            why = "" if in_the_way else _why_keep_target(inputs, case, diff)
        elif case.wanted is not None and case.wanted.facts.gives_way:
            why = _why_not_withdrawn(inputs, case, belief, order)
        elif role is Role.BACKSTOP and not outdated_backstop(order, belief.epoch, case.settings):
            why = "the backstop stays until the position is proven flat (invariant 2)"
        else:
            why = _why_keep_stop(inputs=inputs, case=case, belief=belief, diff=diff, order=order, going=going)
            going.update([] if why else [order.order_id])
        if why:
            held.append(Held(case.key, "cancel", why, order))
        else:
            replacement = () if role is Role.TAKE_PROFIT else replaced_by
            follows = role is Role.TAKE_PROFIT and any(new.role is Role.TAKE_PROFIT for new in diff.missing)
            reason = "another ladder follows" if follows else "no longer wanted"
            cancels.append(Cancel(order, case.key, reason, replacement))
    return tuple(cancels), held


def _why_keep_target(inputs: PlanInputs, case: Case, diff: BookDiff) -> str:
    """Take-profits are expendable. One that is not wanted goes before its successor comes: beside each other they would
    close too much of the position. It stays while the successor cannot come yet, unless it closes too much itself.

    That a successor rests is believed here of the venue's refusal of a second one, without a list.
    """
    proved, book = inputs.evidence.proved_in(case.key.symbol), case.book
    missing = any(order.role is Role.TAKE_PROFIT and order.client_id not in proved for order in diff.missing)
    if not missing or book is None:
        return ""
    beyond = too_much_at(inputs.resting_exits(case), exits_wanted(book.take_profits), case.position.side)
    return "its replacement cannot be placed yet" if beyond is None else ""


def _least_needed_first(surplus: Sequence[LiveOrder], side: Side) -> list[LiveOrder]:
    """Take-profits, then stops: the loosest level first, and at one level the smallest."""
    targets = [order for order in surplus if order.role is Role.TAKE_PROFIT]
    stops = [order for order in surplus if order.role is not Role.TAKE_PROFIT]
    way, nothing = 1 if side is Side.LONG else -1, Decimal(0)
    return targets + sorted(
        stops, key=lambda o: (way * (o.trigger_price or nothing), o.quantity or nothing, o.order_id)
    )


def _why_keep_stop(
    inputs: PlanInputs, case: Case, belief: Belief, diff: BookDiff, order: LiveOrder, going: Collection[str]
) -> str:
    """Why a working stop that is not wanted stays, or empty: then the ones that were read back do as much without it.

    Whether the wanted stops rest does not matter for that: what is redundant goes also while they are refused, or
    while a position grows faster than its stops are read back. Else plan and guard would wait for each other.
    """
    needed = inputs.evidence_settings.replacement_reads
    largest = replace(case.position, quantity=max(case.position.quantity, belief.largest_quantity))
    proven = [
        other
        for other in inputs.observation.orders
        if other.order_id not in going
        and other.order_id != order.order_id
        and (other.tag is None or belief.listed_reads.get(other.client_id, 0) >= needed)
    ]
    cover, price = cover_of(largest, proven, case.settings), order.trigger_price
    # One of an earlier epoch stayed behind when an earlier life of the position ended: its level binds nobody. One of a
    # later epoch was made in this life, by a process that had not read the backstop yet. Epochs sort as their times do.
    binds = order.epoch >= belief.epoch and not why_not_cover(order, largest, case.settings)
    if cover.full and (not binds or price is None or stopped_by(largest, cover.orders, price) >= largest.quantity):
        return ""
    if any(desired.role.is_stop for desired in diff.missing):
        return "its replacement does not rest yet (invariant 2)"
    stops = [live for desired, live in diff.matched if desired.role.is_stop]
    if any(belief.listed_reads.get(live.client_id, 0) < needed for live in stops):
        return f"its replacement must be read back in {needed} reads (invariant 2)"
    if not cover.full:
        return f"without it {plain(largest.quantity)} would not be covered (invariant 2)"
    return f"without it part of the position would lose its stop at {plain(price or Decimal(0))} (invariant 8)"


def _why_not_withdrawn(inputs: PlanInputs, case: Case, belief: Belief, order: LiveOrder) -> str:
    """Why a stop of ours does not give way to another program's yet, or empty (`yield_to_foreign_stop`).

    The size counts that the position had lately, and only stops that rested in enough reads in a row.
    """
    needed, settings = inputs.evidence_settings.replacement_reads, case.settings
    largest = replace(case.position, quantity=max(case.position.quantity, belief.largest_quantity))
    others = [other for other in case.live.foreign if belief.foreign_reads.get(other.order_id, 0) >= needed]
    price, ours = cover_of(largest, others, settings).whole_price, order.trigger_price
    if price is None:
        return f"the other program's stop does not cover {plain(largest.quantity)}, the size of late (invariant 2)"
    binds = order.epoch >= belief.epoch  # one of an earlier life binds nobody
    if binds and ours is not None and tighter(ours, price, case.position.side):
        return f"the other program's stop at {plain(price)} is looser (invariant 8)"
    return ""


def for_absent(inputs: PlanInputs, key: PositionKey, live: LiveBook) -> Plan:
    """Orders of ours whose position is not listed: swept only after flat is proven (invariant 7)."""
    belief = inputs.evidence.of(key)
    if belief is not None and belief.flat_proven(inputs.evidence_settings):
        cancels = tuple(Cancel(own, key, "left over from a position that is proven flat") for own in live.resting)
        return Plan(key.symbol, cancels=cancels)
    reads = belief.absent_reads if belief else 0
    zero = "seen" if belief and belief.flat_sign else "missing"
    why = f"flat is not proven: {reads} of {inputs.evidence_settings.flat_reads} reads, zero row {zero} (invariant 7)"
    return Plan(key.symbol, held=tuple(Held(key, "cancel", why, own) for own in live.resting))
