"""Beside another program that places a stop of its own: when ours waits for it, and when ours gives way to it.

Both are wishes of the operator (`foreign_stop_grace_s`, `yield_to_foreign_stop`) and off by default. Both hold only
while the user's orders are respected at all.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.stop_level import foreign_is_enough
from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.view import Exits, Obstacle
from position_monitor.core.model.money import tightest
from position_monitor.core.observation.cover import cover_of, is_no_looser

_NONE = Obstacle.NONE


def waits_for_foreign(inputs: BookInputs, exits: Exits) -> bool:
    """Whether the first stop of a fresh position waits for another program's own.

    It waits while nothing of ours was placed, and no longer than `foreign_stop_grace_s` from the first sign of the
    position. A restart forgets that sign; so nothing is waited for when the last change of the position, by the
    venue's own time, is twice the grace ago. It ends at once when the price passes the level of our stop.
    """
    grace_ms, known = inputs.settings.foreign_stop_grace_ms, inputs.known
    if not grace_ms or not inputs.settings.respect_foreign_orders or inputs.live.guarding:
        return False
    if exits.crossed or exits.obstacle is not _NONE or known.last_stop is not None:
        return False
    changed_ms = inputs.position.updated_at_ms
    if changed_ms > 0 and inputs.now_ms - changed_ms >= 2 * grace_ms:
        return False
    return known.appeared_at_ms <= 0 or 0 <= inputs.now_ms - known.appeared_at_ms < grace_ms


def others_are_enough(inputs: BookInputs, exits: Exits) -> bool:
    """Whether the user's own stops cover the position, and ours need not be placed beside them.

    Where ours gives way to them, what it had reached binds them as it binds ours (invariant 8).
    """
    if not foreign_is_enough(inputs, exits):
        return False
    last = inputs.known.last_stop
    if last is None or inputs.live.guarding or not inputs.settings.yield_to_foreign_stop:
        return True
    price = cover_of(inputs.position, inputs.live.foreign, inputs.settings).whole_price
    return price is not None and is_no_looser(price, last, inputs.position.side, inputs.settings)


def gives_way(inputs: BookInputs, *, enough: bool) -> bool:
    """Whether our stops are withdrawn: others that were read back often enough cover the position, no looser than ours.

    `enough`: the user's own stops cover it as they were read now (`others_are_enough`).
    """
    if not (enough and inputs.settings.yield_to_foreign_stop):
        return False
    counts, needed = inputs.known.foreign_seen, inputs.replacement_reads
    proven = [order for order in inputs.live.foreign if counts.get(order.order_id, 0) >= needed]
    price, ours = cover_of(inputs.position, proven, inputs.settings).whole_price, _tightest_of_ours(inputs)
    return price is not None and (ours is None or is_no_looser(price, ours, inputs.position.side, inputs.settings))


def _tightest_of_ours(inputs: BookInputs) -> Decimal | None:
    """The level of ours: of what rests, and of what rested last."""
    best = inputs.known.last_stop
    for own in inputs.live.guarding:
        price = own.trigger_price
        if price is not None:
            best = price if best is None else tightest(price, best, inputs.position.side)
    return best
