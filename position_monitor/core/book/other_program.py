"""Beside another program that places a stop of its own: when ours waits for it, and when ours gives way to it.

Both are wishes of the operator (`foreign_stop_grace_s`, `yield_to_foreign_stop`) and off by default. Both hold only
while the user's orders are respected at all.
"""

from __future__ import annotations

from position_monitor.core.book.stop_level import foreign_is_enough
from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.view import Exits, Obstacle
from position_monitor.core.model.money import against, tighter
from position_monitor.core.observation.cover import cover_of

_NONE = Obstacle.NONE


def waits_for_foreign(inputs: BookInputs, exits: Exits) -> bool:
    """Whether the first stop of a fresh position waits for another program's own.

    It waits while nothing of ours was placed, and no longer than `foreign_stop_grace_s` from the first sign of the
    position. A restart forgets that sign; so nothing is waited for when the last change of the position, by the
    venue's own time, is twice the grace ago. It ends at once when the price passes the level of our stop.
    """
    grace_ms, belief = inputs.settings.foreign_stop_grace_ms, inputs.belief
    if not grace_ms or not inputs.settings.respect_foreign_orders or inputs.live.guarding:
        return False
    if exits.crossed or exits.obstacle is not _NONE or belief.last_stop is not None:
        return False
    changed_ms = inputs.position.updated_at_ms
    if changed_ms > 0 and inputs.now_ms - changed_ms >= 2 * grace_ms:
        return False
    return belief.appeared_at_ms <= 0 or 0 <= inputs.now_ms - belief.appeared_at_ms < grace_ms


def others_are_enough(inputs: BookInputs, exits: Exits) -> bool:
    """Whether the user's own stops cover the position, and ours need not be placed beside them.

    Once ours rested, its level binds them: a stop that is looser by more than the least move of a stop does not stand
    for it, whoever took ours away (invariant 8). A hold of the operator lifts that until it ends.
    """
    if not foreign_is_enough(inputs, exits):
        return False
    last, settings = inputs.belief.last_stop, inputs.settings
    if last is None or settings.held:
        return True
    side, price = inputs.position.side, cover_of(inputs.position, inputs.live.foreign, settings).whole_price
    return price is not None and not tighter(against(last, side, settings.stop_min_move_pct), price, side)


def gives_way(inputs: BookInputs, *, enough: bool) -> bool:
    """Whether our stops are withdrawn: others that were read back often enough cover the position, no looser than ours.

    Never during a hold: it accepts a stop, and takes none away.
    `enough`: the user's own stops cover it as they were read now (`others_are_enough`).
    """
    if not (enough and inputs.settings.yield_to_foreign_stop) or inputs.settings.held:
        return False
    counts, needed = inputs.belief.foreign_reads, inputs.replacement_reads
    proven = [order for order in inputs.live.foreign if counts.get(order.order_id, 0) >= needed]
    price, side = cover_of(inputs.position, proven, inputs.settings).whole_price, inputs.position.side
    mine = [own for own in inputs.live.guarding if own.epoch >= inputs.belief.epoch]
    ours = [own.trigger_price for own in mine if own.trigger_price is not None]
    return price is not None and not any(tighter(level, price, side) for level in ours)
