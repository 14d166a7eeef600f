"""The take-profit side of a desired book: the ladder for what foreign take-profits leave (DESIGN 9).

A resting ladder is kept wherever it is good enough. After a rung took its profit, the rest of the ladder is exactly the
rest of the position; that is seen without any memory of what was there before. A ladder that was collapsed for want of
room says so in its ids, and grows back when there is room again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from position_monitor.core.book.ladder import SizedRung, collapsed, size_ladder
from position_monitor.core.book.wanted import OrderFacts, as_desired, new_order
from position_monitor.core.exits.crossed_rungs import open_targets, rest_in_one
from position_monitor.core.model.desired import DesiredOrder, LevelSource, Target
from position_monitor.core.model.money import HUNDRED, distance_pct, tighter
from position_monitor.core.model.orders import OrderKind, Role
from position_monitor.core.model.rungs import PIECE_STRIDE, is_merged, rungs_of
from position_monitor.core.observation.cover import TARGET_KINDS, belongs_to, counts_as_target
from position_monitor.core.observation.live_book import Own

_NOTHING = Decimal(0)
TOLERANCE_PCT = Decimal(1)
"""A ladder that differs from what the user's own take-profits leave by no more than this part of the position, in
percent, stays."""


def take_profits(facts: OrderFacts) -> tuple[tuple[DesiredOrder, ...], tuple[str, ...]]:
    """The ladder for the quantity that foreign take-profits do not already take."""
    if not facts.targets or facts.firing or facts.taking_profit:
        return _as_it_rests(facts, resting_ladder(facts)), ()
    quantity = facts.quantity - _foreign_target_quantity(facts)
    resting, rungs = resting_ladder(facts), facts.rungs
    standing = [ladder for ladder in _ladders(resting) if ladder_stands(ladder, quantity, facts)]
    if quantity <= 0 and not standing:
        return (), ("take-profits are the user's own",)
    good = next((ladder for ladder in standing if _rungs_in(ladder) <= rungs.most), None)
    if good is not None and not _may_grow(good, rungs.again):
        return _as_it_rests(facts, good), ()
    done = facts.done_rungs | (_nearer(good or standing[0]) if standing else frozenset(range(facts.ladder_from)))
    done = _in_order(done, facts)
    targets = open_targets(facts.targets, facts.passed, done) or (_whole_rest(facts, resting),)
    targets = collapsed(targets, rungs.most if good is None else rungs.again)
    notional = facts.instrument.min_notional if facts.hedged else _NOTHING
    sized, note = size_ladder(targets, quantity, facts.instrument, min_notional=notional)
    orders = tuple([_snapped(_as_rung(facts, rung), facts, resting) for rung in sized])
    if good is not None and len(orders) <= len(good):
        return _as_it_rests(facts, good), ()
    permitted = tuple([order for order in orders if facts.instrument.permits(order.trigger_price)])
    if len(permitted) < len(orders):
        orders, note = permitted, "no take-profit beyond the mark: the venue permits no such price"
    notes = (note,) if note else ()
    return orders, notes if rungs.most > 0 else ("no conditional-order capacity left for take-profits",)


def _as_rung(facts: OrderFacts, rung: SizedRung) -> DesiredOrder:
    price, source = rung.level.price, rung.level.source
    return new_order(facts, Role.TAKE_PROFIT, rung.rung, OrderKind.TAKE_PROFIT_MARKET, price, source, rung.quantity)


def _ladders(resting: Sequence[Own]) -> Iterator[Sequence[Own]]:
    """What may be meant as the ladder: everything that rests, or, while one replaces another, either of the two."""
    yield resting
    merged = [own for own in resting if is_merged(own.rung)]
    if merged and len(merged) < len(resting):
        within = {rung for own in merged for rung in rungs_of(own.rung)}
        yield [own for own in resting if not is_merged(own.rung)]
        yield [own for own in resting if is_merged(own.rung) or rungs_of(own.rung)[-1] not in within]


def _rungs_in(resting: Sequence[Own]) -> int:
    """How many rungs rest; the pieces of one count once."""
    return len({own.rung % PIECE_STRIDE for own in resting})


def _may_grow(resting: Sequence[Own], rungs: int) -> bool:
    """Whether rungs were merged for want of room, and there is room again."""
    return _rungs_in(resting) < rungs and any(is_merged(own.rung) for own in resting)


def _nearer(resting: Sequence[Own]) -> frozenset[int]:
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


def _as_it_rests(facts: OrderFacts, resting: Sequence[Own]) -> tuple[DesiredOrder, ...]:
    """The ladder wanted as it is, with the policy's word for each level it knows."""
    sources = {target.rung: target.level.source for target in facts.targets}
    found = ((own.order, sources.get(rungs_of(own.rung)[-1], LevelSource.RATCHET)) for own in resting)
    return tuple([as_desired(facts, o, Role.TAKE_PROFIT, o.quantity, source) for o, source in found])


def _foreign_target_quantity(facts: OrderFacts) -> Decimal:
    total = _NOTHING
    if not facts.settings.respect_foreign_orders:
        return total
    for order in facts.live.foreign:
        if counts_as_target(order, facts):
            total += facts.quantity if order.close_all else order.quantity
    return total


def resting_ladder(facts: OrderFacts) -> list[Own]:
    """Our resting take-profits of this position and epoch, nearest rung first."""
    return [
        own
        for own in facts.live.ladder
        if own.epoch == facts.epoch
        and own.order.kind in TARGET_KINDS
        and own.order.trigger_price is not None
        and belongs_to(own.order, facts)
    ]


def ladder_stands(resting: Sequence[Own], quantity: Decimal, facts: OrderFacts) -> bool:
    """Whether the resting ladder is good as it is, if only there is room for it.

    It is when it adds up to the position and every rung sits at its level: after a rung took its profit, the rest of
    the ladder is the rest of the position, and this holds without any memory of what was there before.
    """
    if not resting or len({own.rung for own in resting}) != len(resting):
        return False
    if not _adds_up(resting, quantity, facts) or not _in_shares(resting, facts):
        return False
    wanted = {target.rung: target.level.price for target in facts.targets}
    last = facts.targets[-1].rung
    tolerance = facts.settings.stop_min_move_pct
    for own in resting:
        rung, trigger = rungs_of(own.rung)[-1], own.order.trigger_price or _NOTHING
        if rung in wanted and distance_pct(trigger, wanted[rung]) <= tolerance:
            continue
        # A last rung further away than its level was placed when the price had passed every target; it may stay.
        if rung != last or not tighter(trigger, wanted[last], facts.side):
            return False
    return True


def _adds_up(resting: Sequence[Own], quantity: Decimal, facts: OrderFacts) -> bool:
    """Whether a ladder takes as much as is to be taken; beside the user's own take-profits, near enough.

    A trifle by which theirs change is no reason to replace it. What the ladder lacks then is left to the stop; what it
    has too much is clipped by the venue, which lets these orders only reduce.
    """
    total = sum([own.order.quantity for own in resting], _NOTHING)
    spare = quantity - total
    if 0 <= spare < facts.instrument.step:
        return True
    foreign = facts.quantity - quantity
    return foreign > 0 and abs(spare) <= facts.quantity * TOLERANCE_PCT / HUNDRED and total <= facts.quantity


def _in_shares(resting: Sequence[Own], facts: OrderFacts) -> bool:
    """Whether no rung is reached with more than the shares up to it (invariant 16), whatever was filled or passed."""
    shares = _NOTHING
    for target in facts.targets[:-1]:
        shares += target.fraction
        upto = [own for own in resting if rungs_of(own.rung)[-1] <= target.rung]
        closes = sum([own.order.quantity for own in upto], _NOTHING)
        if closes > facts.quantity * shares + facts.instrument.step * len(upto):
            return False
    return True


def _whole_rest(facts: OrderFacts, resting: Sequence[Own]) -> Target:
    """The one rung for the whole rest. Beyond the mark it stays where it rests: it does not follow the mark."""
    whole = rest_in_one(facts.targets, facts.beyond_last)
    if facts.beyond_last is None:
        return whole
    for own in resting:
        if rungs_of(own.rung)[-1] == whole.rung and own.order.trigger_price is not None:
            return whole._replace(level=whole.level._replace(price=own.order.trigger_price))
    return whole


def _snapped(wanted: DesiredOrder, facts: OrderFacts, resting: Sequence[Own]) -> DesiredOrder:
    """Keep a resting rung of the same size whose trigger differs by less than the least move."""
    for own in resting:
        order = own.order
        if (
            own.rung == wanted.rung
            and order.quantity == wanted.quantity
            and order.trigger_price is not None
            and distance_pct(order.trigger_price, wanted.trigger_price) <= facts.settings.stop_min_move_pct
        ):
            return as_desired(facts, order, wanted.role, order.quantity, wanted.source)
    return wanted
