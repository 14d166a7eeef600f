"""Rungs that the price has passed: none of them may be placed now, and what becomes of their shares (S11).

A rung that is crossed before it rests would execute at once, which is an exit that nobody asked for. Its share joins
the next rung. Where the price has passed all of them, one order for the whole rest goes the least way beyond the mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, LevelSource, Target
from position_monitor.core.model.money import in_favour, reached, target_trigger
from position_monitor.core.model.sides import Side

_NONE: frozenset[int] = frozenset()


def passed_rungs(targets: Sequence[Target], mark: Decimal, side: Side) -> frozenset[int]:
    """The rungs whose level the mark has reached or passed; the targets are given nearest first."""
    passed: list[int] = []
    for target in targets:
        if not reached(mark, target.level.price, side):
            break
        passed.append(target.rung)
    return frozenset(passed) if passed else _NONE


def open_targets(targets: Sequence[Target], passed: frozenset[int], done: frozenset[int]) -> tuple[Target, ...]:
    """The targets still to be reached; the share of one that the mark has passed joins the next."""
    remaining: list[Target] = []
    carried = Decimal(0)
    for target in targets:
        if target.rung in done:
            continue
        if target.rung in passed:
            carried += target.fraction
            continue
        remaining.append(target._replace(fraction=target.fraction + carried) if carried else target)
        carried = Decimal(0)
    return tuple(remaining)


def rest_in_one(targets: Sequence[Target], beyond_last: Decimal | None) -> Target:
    """One rung for the whole rest when none is open: at the last level, or beyond the mark that has passed it."""
    last = targets[-1]
    level = last.level if beyond_last is None else Level(beyond_last, LevelSource.REANCHOR)
    return last._replace(level=level, fraction=Decimal(1))


def beyond_the_mark(view: ExitView) -> Decimal:
    """Where a target goes when the price has passed all of them: the least way from the mark, on the tick grid."""
    side, mark, tick = view.position.side, view.mark, view.instrument.tick
    price = target_trigger(in_favour(mark, side, view.settings.target_min_pct), side, tick)
    if reached(mark, price, side):
        price = target_trigger(mark, side, tick) + (tick if side is Side.LONG else -tick)
    nearest = view.instrument.nearest_permitted(price)
    return price if reached(mark, nearest, side) else nearest
