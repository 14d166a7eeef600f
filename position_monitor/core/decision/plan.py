"""The planner: a diff becomes ordered actions, and everything that is not done yet is named with its reason.

Make before break is written here once. Within one symbol the order is: place stops, place take-profits, close, and
only then remove (`surplus.py` says what may go). Whatever point a plan is interrupted at, the next cycle reads the
exchange and plans again; there is no state in between that has less cover than before, which
`tests/core/test_interrupted.py` shows for every prefix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from position_monitor.core.book.diff import BookDiff
from position_monitor.core.decision.case import Case
from position_monitor.core.decision.closing import closes_in_the_last_minute, next_close, why_not_close_now
from position_monitor.core.decision.ownership import MEANINGS, RIGHTS, may_place_stop, why_not_closed
from position_monitor.core.decision.plan_inputs import Held, Plan, PlanInputs
from position_monitor.core.decision.surplus import for_absent, removals
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.evidence.foreign_removals import too_often
from position_monitor.core.evidence.refusals import Facts, worth_a_try
from position_monitor.core.model import ids
from position_monitor.core.model.actions import Close, Mode, Place
from position_monitor.core.model.desired import CloseReason, DesiredBook, DesiredOrder
from position_monitor.core.model.level_words import origin
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.rungs import rung_words
from position_monitor.core.model.settings import Limits
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.exit_profile import exits_wanted, fitting
from position_monitor.core.observation.needs import BLIND_READS, Deed, Fact

_LADDER_READS = 2
"""Reads before a ladder is placed: after a restart one empty list must not double it. Stops never wait."""

CANCELS_RESERVED = 2
"""Writes of one plan that take-profits leave to removals."""


def plan(inputs: PlanInputs) -> Plan:
    """What to do for one symbol now, as far as what was read allows it (`core/observation/needs.py`).

    Where not everything was read, missing stops are placed and nothing else is done: nothing follows from absence.
    """
    symbol = inputs.observation.symbol
    if not inputs.observation.allows(Deed.PLACE_STOP):
        return Plan(symbol)
    if not inputs.observation.readable:
        return _stops_only(inputs)
    if not inputs.orphaned and all(case.quiet for case in inputs.cases):
        return Plan(symbol)
    parts = {case.key: _for_open(inputs, case) for case in inputs.cases}
    if inputs.orphaned:
        parts |= {key: for_absent(inputs, key, live) for key, live in inputs.orphaned.items()}
    result = _joined(symbol, [parts[key] for key in sorted(parts)])
    return result if result.empty else _bounded(_allowed_by_mode(result, inputs), inputs.limits)


def _stops_only(inputs: PlanInputs) -> Plan:
    """The plan of a symbol of which not everything could be read."""
    why = f"not everything could be read: {inputs.observation.unreadable}"
    parts = [_for_open(inputs, case) for case in inputs.cases if not _is_served_blind(inputs, case)]
    result = _joined(inputs.observation.symbol, parts)
    held = [Held(p.key, "place", why, p.order) for p in result.take_profits]
    stops = Plan(result.symbol, stops=result.stops, held=(*result.held, *held))
    return _bounded(_allowed_by_mode(stops, inputs), inputs.limits) if stops.stops else stops


def _is_served_blind(inputs: PlanInputs, case: Case) -> bool:
    """Whether a position waits for nothing although its conditional orders could not be read.

    For a look or two it is taken that what rested still rests. After that its stop is tried: the venue refuses it where
    it is not needed. What it refused because a close-all stop exists is ours, if one of ours was ever read.
    """
    if Fact.CONDITIONAL_ORDERS not in inputs.observation.unread:
        return False
    belief = case.belief
    if belief is None or belief.blind_reads < BLIND_READS:
        return True
    tags = [ids.tag_of(client_id) for client_id in belief.listed_reads] if belief.close_all_blocked else []
    return any(tag is not None and tag.role is Role.BACKSTOP for tag in tags)


def _joined(symbol: str, parts: Sequence[Plan]) -> Plan:
    """The plans of a symbol's positions as one."""
    if len(parts) == 1:
        return parts[0]
    return Plan(
        symbol=symbol,
        stops=tuple(place for part in parts for place in part.stops),
        take_profits=tuple(place for part in parts for place in part.take_profits),
        closes=tuple(close for part in parts for close in part.closes),
        cancels=tuple(cancel for part in parts for cancel in part.cancels),
        held=tuple(held for part in parts for held in part.held),
    )


def _for_open(inputs: PlanInputs, case: Case) -> Plan:
    """The plan of one open position. Stops are taken first; each later step may only make the take-profits fewer.

    What a step takes out of the plan is not dropped silently: it goes into `held` with the reason (invariant 13).
    """
    position, belief, book, diff = case.position, case.belief, case.book, case.diff
    if book is None or diff is None or belief is None or case.quiet:
        return Plan(position.symbol)
    key = case.key
    ready = [order for order in diff.missing if not _is_awaited(order, inputs)]
    held = [Held(key, "place", "written and not read back yet", o) for o in diff.missing if o not in ready]
    facts = Facts(position.quantity, inputs.observation.instrument, inputs.now_ms, inputs.limits.again_ms)
    ready, waiting = worth_a_try(ready, belief.stops_refused, belief.targets_refused, facts)
    held += [Held(key, "place", why, order) for order, why in waiting]
    stops = tuple(Place(order, _why_stop(order, book)) for order in ready if order.role.is_stop)
    targets = [order for order in ready if order.role is Role.TAKE_PROFIT]
    room = max(0, inputs.room(diff, len(stops)))
    if len(targets) > room:
        why = f"{inputs.limits.owned_orders_per_position_max} orders of ours for one position is the limit"
        held += [Held(key, "place", why, order) for order in targets[room:]]
        targets = targets[:room]
    if why := _why_targets_wait(inputs, case, belief):
        held += [Held(key, "place", why, order) for order in targets]
        targets = []
    due, targets = targets, _beside_what_rests(inputs=inputs, case=case, book=book, diff=diff, targets=targets)
    why = "it waits until what rests in its place is removed (invariant 16)"
    held += [Held(key, "place", why, order) for order in due if order not in targets]
    cancels, held_cancels = removals(inputs, case, belief, diff, ladder_due=bool(due))
    closes, held_closes = _closes(inputs, position, belief, case.to_close)
    return Plan(
        symbol=position.symbol,
        stops=stops,
        take_profits=tuple(
            Place(order, f"take-profit {rung_words(order.rung)} of the ladder ({order.source})") for order in targets
        ),
        closes=closes,
        cancels=cancels,
        held=(*held, *held_cancels, *held_closes),
    )


def _why_targets_wait(inputs: PlanInputs, case: Case, belief: Belief) -> str:
    """Why no take-profit of a position is placed now, or empty."""
    if case.closing:
        return "the position is being closed"
    if not case.cover.full:
        return "take-profits wait until the stop rests (invariant 3)"
    if inputs.observation.instrument is None:
        return "the trading rules of the symbol are not known"
    if too_often(belief.targets_removed, inputs.now_ms, inputs.limits.again_ms):
        return "another hand removes our take-profits again and again; they are placed again in the next check"
    return "take-profits wait for a second read" if belief.present_reads < _LADDER_READS else ""


def _beside_what_rests(
    inputs: PlanInputs, case: Case, book: DesiredBook, diff: BookDiff, targets: Sequence[DesiredOrder]
) -> list[DesiredOrder]:
    """The take-profits that close no more than wanted at any price, beside all of ours that rest or may rest.

    None while one rests that is not wanted: no ladder beside a ladder. It is removed in the same cycle.
    """
    if any(order.role is Role.TAKE_PROFIT for order in diff.surplus):
        return []
    side = case.position.side
    rungs = [(order, one) for order in targets for one in exits_wanted([order])]
    return fitting(rungs, inputs.resting_exits(case), exits_wanted(book.take_profits), side) if rungs else []


def _is_awaited(order: DesiredOrder, inputs: PlanInputs) -> bool:
    """Whether an order was written already, or, for a backstop, another one for the only slot the venue gives."""
    if (order.symbol, order.client_id) in inputs.evidence.awaited:
        return True
    return order.role is Role.BACKSTOP and inputs.evidence.awaits_backstop(order.key)


def _why_stop(order: DesiredOrder, book: DesiredBook) -> str:
    """The level in words; that of a backstop is the policy's own where the stop has moved on since."""
    if order.role is Role.BACKSTOP and order.trigger_price != book.stop.price:
        return f"the first level of the policy ({order.source})"
    return origin(book.stop)


def _closes(
    inputs: PlanInputs, position: Position, belief: Belief, reason: CloseReason | None
) -> tuple[tuple[Close, ...], list[Held]]:
    """The next order of the close ladder, if the evidence and the account's limit allow it."""
    instrument = inputs.observation.instrument
    if reason is None or instrument is None:
        return (), []
    recent = closes_in_the_last_minute(inputs.evidence, inputs.now_ms)
    if why := why_not_close_now(belief, recent, inputs.limits, inputs.now_ms):
        return (), [Held(position.key, "close at market", why)]
    return (
        next_close(account=inputs.account, position=position, instrument=instrument, belief=belief, reason=reason),
    ), []


def _allowed_by_mode(result: Plan, inputs: PlanInputs) -> Plan:
    """What the state of ownership and the pauses in force permit; the rest is named with its reason."""
    held: list[Held] = []

    def permits(key: PositionKey, deed: str, why: str, order: DesiredOrder | LiveOrder | None = None) -> bool:
        held.extend([Held(key, deed, why, order)] if why else [])
        return not why

    modes = {key: inputs.mode_for(key, inputs.mode) for key in _keys_of(result)}
    if all(mode is Mode.LIVE for mode in modes.values()):
        return result
    missing = {case.key: case.long_missing(inputs.evidence_settings, inputs.now_ms) for case in _uncovered(inputs)}
    stops = tuple(p for p in result.stops if permits(p.key, "place", _why_no_stop(modes[p.key], p, missing), p.order))
    targets = tuple(p for p in result.take_profits if permits(p.key, "place", _why_no_target(modes[p.key]), p.order))
    closes = tuple(
        c
        for c in result.closes
        if permits(c.key, f"close {plain(c.quantity)}", why_not_closed(modes[c.key], by_loss=c.by_loss))
    )
    cancels = tuple(c for c in result.cancels if permits(c.key, "cancel", _why_not_removed(modes[c.key]), c.order))
    return Plan(
        symbol=result.symbol,
        stops=stops,
        take_profits=targets,
        closes=closes,
        cancels=cancels,
        held=(*result.held, *held),
    )


def _keys_of(result: Plan) -> set[PositionKey]:
    """The positions that a plan does something for."""
    placed = {place.key for place in (*result.stops, *result.take_profits)}
    return placed | {close.key for close in result.closes} | {cancel.key for cancel in result.cancels}


def _why_no_stop(mode: Mode, place: Place, missing: Mapping[PositionKey, bool]) -> str:
    key = place.key
    if may_place_stop(mode, missing=key in missing, long_missing=missing.get(key, False)):
        return ""
    return _why_held(mode, key in missing)


def _why_no_target(mode: Mode) -> str:
    return "" if RIGHTS[mode].take_profits else f"{MEANINGS[mode]}: no take-profit is placed"


def _why_not_removed(mode: Mode) -> str:
    return "" if RIGHTS[mode].removals else f"{MEANINGS[mode]}: nothing is removed"


def _uncovered(inputs: PlanInputs) -> list[Case]:
    return [case for case in inputs.cases if not case.cover.full]


def _why_held(mode: Mode, missing: bool) -> str:
    """Why a stop is not sent in this state of ownership."""
    if not missing:
        return f"{MEANINGS[mode]}: the stop that covers stays as it is"
    if RIGHTS[mode].long_missing_stops:
        return f"{MEANINGS[mode]}: placed when it was read without cover for two check intervals"
    return f"{MEANINGS[mode]}: nothing is written"


def _bounded(result: Plan, limits: Limits) -> Plan:
    """At most `actions_per_symbol_max` writes in one plan, stops first; the rest waits for the next cycle."""
    left = limits.actions_per_symbol_max
    stops = result.stops[:left]
    left -= len(stops)
    closes = result.closes[:left]
    left -= len(closes)
    # Removals must not starve where take-profits are refused again and again.
    targets = result.take_profits[: max(0, left - min(len(result.cancels), CANCELS_RESERVED))]
    left -= len(targets)
    return result._replace(stops=stops, closes=closes, take_profits=targets, cancels=result.cancels[:left])
