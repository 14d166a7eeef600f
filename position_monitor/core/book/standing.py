"""Whether the take-profits that rest are a ladder that may stay (DESIGN 9, S4, S11, S13).

A ladder is judged by what rests alone, so that a restart finds it again: it adds up to the position, no rung closes
more than its share, and every rung sits at its level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from position_monitor.core.book.wanted import OrderFacts
from position_monitor.core.model.desired import Ladder
from position_monitor.core.model.money import HUNDRED, distance_pct, tighter
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.observation.cover import TAKING_PROFIT

_NOTHING = Decimal(0)
TOLERANCE_PCT = Decimal(1)
"""A ladder that differs from what the user's own take-profits leave by no more than this part of the position, in
percent, stays."""


def resting_ladder(facts: OrderFacts) -> list[LiveOrder]:
    """Our resting take-profits of this position and epoch, nearest rung first."""
    return [
        own
        for own in facts.live.ladder
        if own.epoch == facts.epoch
        and own.purpose in TAKING_PROFIT
        and own.price is not None
        and facts.is_reduced_by(own)
    ]


def ladder_stands(resting: Sequence[LiveOrder], quantity: Decimal, facts: OrderFacts) -> bool:
    """Whether the resting ladder is good as it is, if only there is room for it.

    It is when it adds up to the position and every rung sits at its level: after a rung took its profit, the rest of
    the ladder is the rest of the position, and this holds without any memory of what was there before. The ladder of
    the policy is asked first, then those that it lets stay.
    """
    if not resting or len({own.rung for own in resting}) != len(resting):
        return False
    if _stands_as(Ladder(facts.targets, facts.runner), resting, quantity, facts):
        return True
    return any(_stands_as(other, resting, quantity, facts) for other in facts.also)


def _stands_as(ladder: Ladder, resting: Sequence[LiveOrder], quantity: Decimal, facts: OrderFacts) -> bool:
    """Whether what rests is this ladder: the sum, the shares, and the levels."""
    if not ladder.targets or not _adds_up(ladder, resting, quantity, facts) or not _in_shares(ladder, resting, facts):
        return False
    wanted = {target.rung: target.level.price for target in ladder.targets}
    last = ladder.targets[-1].rung
    tolerance = facts.settings.stop_min_move_pct
    for own in resting:
        rung, price = rungs_of(own.rung)[-1], own.price or _NOTHING
        if rung in wanted and (facts.ladder_stays or distance_pct(price, wanted[rung]) <= tolerance):
            continue
        # A last rung further away than its level was placed when the price had passed every target; it may stay.
        if rung != last or ladder.runner or not tighter(price, wanted[last], facts.side):
            return False
    return True


def _adds_up(ladder: Ladder, resting: Sequence[LiveOrder], quantity: Decimal, facts: OrderFacts) -> bool:
    """Whether a ladder takes as much as is to be taken; beside the user's own take-profits, near enough.

    A trifle by which theirs change is no reason to replace it. What the ladder lacks then is left to the stop; what it
    has too much is clipped by the venue, which lets these orders only reduce.
    """
    total = sum([own.quantity or _NOTHING for own in resting], _NOTHING)
    step, foreign = facts.instrument.step, facts.quantity - quantity
    for expected, least_steps in _expected(ladder, resting, total):
        spare = quantity - expected
        if 0 <= spare < step * least_steps:
            return True
        if foreign > 0 and abs(spare) <= facts.quantity * TOLERANCE_PCT / HUNDRED and total <= facts.quantity:
            return True
    return False


def _expected(ladder: Ladder, resting: Sequence[LiveOrder], total: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
    """The position that a ladder of this total belongs to, and by how many steps that may be missed (S4).

    Without a runner it is the total. With one, the total is what the shares of the rungs that rest are of them and the
    runner. Each rung is rounded down, so each loses less than a step; the number of the nearest that rests says how
    many are done. Shares of nearer rungs may have joined the nearest one, because the mark had passed them (S11).
    """
    if not ladder.runner:
        yield total, Decimal(1)
        return
    fractions = {target.rung: target.fraction for target in ladder.targets}
    numbers = {number for own in resting for number in rungs_of(own.rung)}
    shares = sum([fractions.get(number, _NOTHING) for number in numbers], _NOTHING)
    nearest = min(numbers)
    for joined in range(nearest, -1, -1):
        if joined < nearest:
            shares += fractions.get(joined, _NOTHING)
        if shares > 0:
            factor = (ladder.runner + shares) / shares
            yield total * factor, nearest + factor * len(resting)


def _in_shares(ladder: Ladder, resting: Sequence[LiveOrder], facts: OrderFacts) -> bool:
    """Whether no rung is reached with more than the shares up to it (invariant 16), whatever was filled or passed."""
    shares = _NOTHING
    for target in ladder.targets if ladder.runner else ladder.targets[:-1]:
        shares += target.fraction
        upto = [own for own in resting if rungs_of(own.rung)[-1] <= target.rung]
        closes = sum([own.quantity or _NOTHING for own in upto], _NOTHING)
        if closes > facts.quantity * shares + facts.instrument.step * len(upto):
            return False
    return True
