"""The take-profit side of a desired book: the ladder for what foreign take-profits leave (DESIGN 9).

A resting ladder is kept wherever it is good enough. After a rung took its profit, the rest of the ladder is exactly the
rest of the position; that is seen without any memory of what was there before. A ladder that was collapsed for want of
room says so in its ids, and grows back when there is room again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.book.ladder import SizedRung, fitted_to_slots, size_ladder
from position_monitor.core.book.standing import ladder_stands, resting_ladder
from position_monitor.core.book.wanted import OrderFacts, as_desired, new_order
from position_monitor.core.exits.crossed_rungs import open_targets, rest_in_one
from position_monitor.core.model.book_cases import TargetCase
from position_monitor.core.model.desired import DesiredOrder, LevelSource, Target
from position_monitor.core.model.money import distance_pct
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.rungs import PIECE_STRIDE, is_merged, rungs_of
from position_monitor.core.observation.cover import counts_as_target

_NOTHING = Decimal(0)


class WantedTargets(NamedTuple):
    """The take-profits that should rest, and why."""

    case: TargetCase
    orders: tuple[DesiredOrder, ...]
    notes: tuple[str, ...] = ()


RUNNER_NOTE = "runner"
_NO_ROOM = WantedTargets(TargetCase.NO_ROOM, (), ("no conditional-order capacity left for take-profits",))
_PURPOSES = {RungKind.MARKET: Purpose.TAKE_PROFIT, RungKind.LIMIT: Purpose.LIMIT}
_RUNS = WantedTargets(TargetCase.RUNNER, (), (RUNNER_NOTE,))


def take_profits(facts: OrderFacts) -> WantedTargets:
    """The ladder for the quantity that foreign take-profits do not already take. The first case that holds counts:

     1 SWITCHED_OFF   none: the operator wants no take-profit of ours (`take_profits = false`)
     2 NO_LEVEL       what rests: the entry is unknown, or no price in profit is permitted
     3 FIRING         what rests: nothing is placed beside a stop that is being triggered
     4 FILLING        what rests: the size that was read may be too large
     5 RUNNER         none: every rung is gone, and what is left never gets a target (S4)
     6 FOREIGN        none, and no ladder of ours stands
     7 STANDS         the ladder that rests
     8 CHANGES_KIND   the same, one rung of it as the kind that is configured since: rung by rung, so that hardly any of
                      the ladder is missing meanwhile, and never rests twice
     9 STANDS_MERGED  the ladder that rests: the venue's least amounts keep it as short as it is
    10 GROWS          a ladder with more rungs than the merged one that rests
    11 NO_ROOM        none: stops come first
    12 TOO_SMALL      none: below the venue's least amounts
    13 NOT_PERMITTED  none: every price that is left lies beyond what the venue permits
    14 NO_OPEN_RUNG   one order for the rest, at the last level or beyond the mark
    15 SHRINKS        fewer rungs than the ladder that rests
    16 NEW_LADDER     what is still to be reached
    """
    if not facts.settings.take_profits:
        return WantedTargets(TargetCase.SWITCHED_OFF, (), ("stop only: take-profits are switched off",))
    resting = resting_ladder(facts)
    if not facts.targets:
        return WantedTargets(TargetCase.NO_LEVEL, _as_it_rests(facts, resting))
    if facts.firing:
        return WantedTargets(TargetCase.FIRING, _as_it_rests(facts, resting))
    if facts.taking_profit:
        return WantedTargets(TargetCase.FILLING, _as_it_rests(facts, resting))
    if facts.alone and not resting:
        return _RUNS
    quantity, rungs = facts.quantity - _foreign_target_quantity(facts), facts.rungs
    standing = [ladder for ladder in _ladders(resting) if ladder_stands(ladder, quantity, facts)]
    if quantity <= 0 and not standing:
        return WantedTargets(TargetCase.FOREIGN, (), ("take-profits are the user's own",))
    good = next((ladder for ladder in standing if _slots_of(ladder) <= rungs.most), None)
    if good is None:
        return _ladder_anew(facts, resting, standing, quantity)
    if not _may_grow(good, rungs.again):
        return _in_its_kinds(facts, good)
    return _grown(facts, resting, good, quantity)


def _in_its_kinds(facts: OrderFacts, good: Sequence[LiveOrder]) -> WantedTargets:
    """Cases 7 and 8. A limit order stays what it is while it is being filled, and while no slot is left for another
    kind of order."""
    orders, kinds = _as_it_rests(facts, good), {target.rung: target.kind for target in facts.targets}
    room = _slots_of(good) < facts.rungs.most
    for number in reversed(range(len(good))):
        own, order, rung = good[number], orders[number], rungs_of(good[number].rung)[-1]
        purpose = _PURPOSES[kinds[rung]] if rung in kinds and rung not in facts.passed else own.purpose
        if own.purpose is purpose or own.status is not OrderStatus.NEW or order.quantity is None:
            continue
        if purpose is not Purpose.LIMIT and not room:
            continue
        changed = _new_rung(
            facts=facts,
            rung=own.rung,
            purpose=purpose,
            price=order.trigger_price,
            source=order.source,
            quantity=order.quantity,
        )
        return WantedTargets(TargetCase.CHANGES_KIND, (*orders[:number], changed, *orders[number + 1 :]))
    return WantedTargets(TargetCase.STANDS, orders)


def _grown(
    facts: OrderFacts, resting: Sequence[LiveOrder], good: Sequence[LiveOrder], quantity: Decimal
) -> WantedTargets:
    """Cases 9, 10 and 13: rungs of the ladder that stands were merged for want of room, and there is room again."""
    targets = _open_rungs(facts, _nearer(good)) or (() if facts.runner else (_whole_rest(facts, resting),))
    sized, note = _sized(facts, resting, fitted_to_slots(targets, facts.rungs.again), quantity)
    if len(sized) <= len(good):
        return WantedTargets(TargetCase.STANDS_MERGED, _as_it_rests(facts, good))
    return _permitted(facts, TargetCase.GROWS, sized, note)


def _ladder_anew(
    facts: OrderFacts, resting: Sequence[LiveOrder], standing: Sequence[Sequence[LiveOrder]], quantity: Decimal
) -> WantedTargets:
    """Cases 5 and 11 to 16: no ladder rests that may stay as it is."""
    if facts.rungs.most <= 0 and not any(target.kind is RungKind.LIMIT for target in facts.targets):
        return _NO_ROOM
    filling = [own for own in resting if own.status is not OrderStatus.NEW]
    nearer = _nearer(standing[0]) if standing else frozenset(range(facts.ladder_from))
    if filling:  # each is closing its own part; what is beyond them is for the rungs beyond them
        quantity -= sum([own.quantity or _NOTHING for own in filling], _NOTHING)
        if quantity <= 0:
            return WantedTargets(TargetCase.FILLING, _as_it_rests(facts, filling))
        nearer |= frozenset(range(max(rungs_of(own.rung)[-1] for own in filling) + 1))
    still_open = _open_rungs(facts, nearer)
    case = TargetCase.SHRINKS if standing else TargetCase.NEW_LADDER
    if not still_open:
        if facts.runner:
            return _RUNS._replace(orders=_as_it_rests(facts, filling)) if filling else _RUNS
        case = TargetCase.NO_OPEN_RUNG
    targets = fitted_to_slots(still_open or (_whole_rest(facts, resting),), facts.rungs.most)
    if not targets:
        return _NO_ROOM._replace(orders=_as_it_rests(facts, filling))
    sized, note = _sized(facts, resting, targets, quantity)
    wanted = _permitted(facts, case, sized, note)
    return wanted._replace(orders=(*_as_it_rests(facts, filling), *wanted.orders)) if filling else wanted


def _open_rungs(facts: OrderFacts, nearer: frozenset[int]) -> tuple[Target, ...]:
    """The rungs still to be reached; those `nearer` than what stands, or stood, count as done."""
    return open_targets(facts.targets, facts.passed, _in_order(facts.done_rungs | nearer, facts))


def _sized(
    facts: OrderFacts, resting: Sequence[LiveOrder], targets: Sequence[Target], quantity: Decimal
) -> tuple[tuple[DesiredOrder, ...], str]:
    """The targets as orders, kept where one of the same size rests nearly there; and what could not be placed."""
    notional = facts.instrument.min_notional if facts.hedged else _NOTHING
    rungs, note = size_ladder(targets, quantity, facts.instrument, min_notional=notional, runner=facts.runner)
    return tuple([_snapped(_as_rung(facts, rung), facts, resting) for rung in rungs]), note


def _permitted(facts: OrderFacts, case: TargetCase, sized: tuple[DesiredOrder, ...], note: str) -> WantedTargets:
    """Those of the orders whose price the venue permits; cases 12 and 13 where none is left."""
    orders = tuple([order for order in sized if facts.instrument.permits(order.trigger_price)])
    if len(orders) < len(sized):
        note = "no take-profit beyond the mark: the venue permits no such price"
    if not orders:
        case = TargetCase.NOT_PERMITTED if sized else TargetCase.TOO_SMALL
    return WantedTargets(case, orders, (note,) if note else ())


def _as_rung(facts: OrderFacts, rung: SizedRung) -> DesiredOrder:
    level = rung.level
    return _new_rung(
        facts=facts,
        rung=rung.rung,
        purpose=_PURPOSES[rung.kind],
        price=level.price,
        source=level.source,
        quantity=rung.quantity,
    )


def _new_rung(
    facts: OrderFacts, rung: int, purpose: Purpose, price: Decimal, source: str, quantity: Decimal
) -> DesiredOrder:
    return new_order(
        facts=facts,
        role=Role.TAKE_PROFIT,
        rung=rung,
        purpose=purpose,
        price=price,
        source=source,
        quantity=quantity,
    )


def _ladders(resting: Sequence[LiveOrder]) -> Iterator[Sequence[LiveOrder]]:
    """What may be meant as the ladder: everything that rests, or, while one replaces another, either of the two."""
    yield resting
    merged = [own for own in resting if is_merged(own.rung)]
    if merged and len(merged) < len(resting):
        within = {rung for own in merged for rung in rungs_of(own.rung)}
        yield [own for own in resting if not is_merged(own.rung)]
        yield [own for own in resting if is_merged(own.rung) or rungs_of(own.rung)[-1] not in within]


def _slots_of(resting: Sequence[LiveOrder]) -> int:
    """How many rungs rest that take slots for conditional orders; the pieces of one count once."""
    return len({own.rung % PIECE_STRIDE for own in resting if own.conditional})


def _may_grow(resting: Sequence[LiveOrder], rungs: int) -> bool:
    """Whether rungs were merged for want of room, and there is room again."""
    return _slots_of(resting) < rungs and any(is_merged(own.rung) for own in resting)


def _nearer(resting: Sequence[LiveOrder]) -> frozenset[int]:
    """The rungs nearer than a ladder that stands: they took their profit, or the price had passed them before."""
    return frozenset(range(min(rungs_of(own.rung)[0] for own in resting)))


def _in_order(done: frozenset[int], facts: OrderFacts) -> frozenset[int]:
    """The rungs that took their profit as a price takes them: none beyond one that is still to be reached."""
    reached_ones: set[int] = set()
    for target in facts.targets:
        if target.rung not in done and target.rung not in facts.passed:
            break
        reached_ones.add(target.rung)
    return done & reached_ones


def _as_it_rests(facts: OrderFacts, resting: Sequence[LiveOrder]) -> tuple[DesiredOrder, ...]:
    """The ladder wanted as it is, with the policy's word for each level it knows."""
    sources = {target.rung: target.level.source for target in facts.targets}
    sourced = ((own, sources.get(rungs_of(own.rung)[-1], LevelSource.RATCHET)) for own in resting)
    return tuple([as_desired(facts, o, Role.TAKE_PROFIT, source) for o, source in sourced])


def _foreign_target_quantity(facts: OrderFacts) -> Decimal:
    total = _NOTHING
    if not facts.settings.respect_foreign_orders:
        return total
    for order in facts.live.foreign:
        if counts_as_target(order, facts.key, hedged=facts.hedged):
            total += order.part_of(facts.quantity)
    return total


def _whole_rest(facts: OrderFacts, resting: Sequence[LiveOrder]) -> Target:
    """The one rung for the whole rest. Beyond the mark it stays where it rests: it does not follow the mark."""
    whole = rest_in_one(facts.targets, facts.beyond_last)
    if facts.beyond_last is None:
        return whole
    for own in resting:
        if rungs_of(own.rung)[-1] == whole.rung and own.price is not None:
            return whole._replace(level=whole.level._replace(price=own.price))
    return whole


def _snapped(desired: DesiredOrder, facts: OrderFacts, resting: Sequence[LiveOrder]) -> DesiredOrder:
    """Keep a resting rung of the same size whose level differs by less than the least move.

    Also one of the other kind, if there is room for what rests: while one rung of a ladder changes its kind, the others
    stay where they are.
    """
    any_kind = _slots_of(resting) <= facts.rungs.most
    for order in resting:
        if (
            order.rung == desired.rung
            and (any_kind or order.purpose is desired.purpose)
            and order.quantity == desired.quantity
            and order.status is OrderStatus.NEW
            and order.price is not None
            and distance_pct(order.price, desired.trigger_price) <= facts.settings.stop_min_move_pct
        ):
            return as_desired(facts, order, desired.role, desired.source)
    return desired
