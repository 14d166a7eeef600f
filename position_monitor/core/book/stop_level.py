"""Where the stop of a position is: the policy's level, held by the ratchet (invariant 8).

The ratchet has no memory of its own: the best stop of ours that rests is how far the stop has come. That is also what
remembers the best mark of a trailing stop over a restart.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.view import Exits, RestingStop
from position_monitor.core.model.desired import Level, LevelSource
from position_monitor.core.model.money import distance_pct, plain, tighter
from position_monitor.core.observation.cover import cover_of

LEVELS_AT_ONCE_MAX = 4
"""Levels at which working stops of one position may rest while the stop is moved on and on."""
LEVELS_STUCK_MAX = 16
"""The same where the venue does not remove the ones it moved from: then every further one must be worth more."""


def effective_stop(inputs: BookInputs, resting: RestingStop | None, exits: Exits) -> Level:
    """The policy's stop, but never looser than the best stop of ours that rests, which stays unless it is worth moving.

    Where the policy wants the stop that rests to stay, it still moves to the least stop before liquidation.
    """
    if resting is None:
        return exits.stop
    side, best, policy, least = inputs.position.side, resting.price, exits.stop, exits.least
    if exits.moves_resting and tighter(policy.price, best, side) and _room_to_move(inputs, policy.price, best):
        return policy
    if least is not None and tighter(least, best, side) and _room_to_move(inputs, least, best):
        made_from = {"resting": best, "clamp": least}
        return Level(least, LevelSource.LIQUIDATION, made_from, resting.anchored or exits.crossed)
    if policy.price == best or not _far_enough(inputs, policy.price, best):
        return Level(best, policy.source, policy.inputs, resting.anchored)  # it rests where the policy wants it
    return Level(best, LevelSource.RATCHET, {"resting": best, "wanted": policy.price}, resting.anchored)


def why_behind(inputs: BookInputs, stop: Level) -> str:
    """Why the stop waits although the policy wants it tighter by now: the venue keeps what it moved from; or empty."""
    wanted = stop.inputs.get("wanted") if stop.source == LevelSource.RATCHET else None
    if wanted is None or not tighter(wanted, stop.price, inputs.position.side):
        return ""
    resting = _levels_resting(inputs)
    if resting < (LEVELS_AT_ONCE_MAX if inputs.rungs.most <= 0 else LEVELS_STUCK_MAX):
        return ""
    return (
        f"the stop waits at {plain(stop.price)}, {plain(wanted)} is wanted: "
        f"working stops rest at {resting} levels, and those it moved from do not go"
    )


def why_far(inputs: BookInputs, stop: Level) -> str:
    """Why the stop loses more than `stop_loss_max_pct` of the entry; empty where it does not."""
    position, most = inputs.position, inputs.settings.stop_loss_max_pct
    entry = position.entry_price
    if entry <= 0 or not tighter(entry, stop.price, position.side) or distance_pct(stop.price, entry) <= most:
        return ""
    why = "it was anchored to the mark in a loss" if stop.anchored else "it is moved as soon as it may be"
    return f"the stop is {distance_pct(stop.price, entry):.2f} % from the entry, more than {plain(most)} %: {why}"


def _room_to_move(inputs: BookInputs, level: Decimal, best: Decimal) -> bool:
    """Whether a level is better than the resting one by enough for one more order.

    What a stop moved from is removed as soon as its successor was read back. In a trend, and where the venue does not
    remove anything, levels pile up: beyond a few of them each further one must be worth more, and there is an end of it
    where the account has no slot to spare (invariant 10).
    """
    moved, levels = distance_pct(level, best), _levels_resting(inputs)
    if moved < inputs.settings.stop_min_move_pct:
        return False
    if levels < LEVELS_AT_ONCE_MAX:
        return True
    if levels >= LEVELS_STUCK_MAX or inputs.rungs.most <= 0:
        return False
    doubled: Decimal = inputs.settings.stop_min_move_pct * 2 ** (levels - LEVELS_AT_ONCE_MAX + 1)
    return moved >= min(doubled, max(inputs.settings.trailing_pct, inputs.settings.stop_min_move_pct))


def _levels_resting(inputs: BookInputs) -> int:
    """At how many levels working stops of ours rest, or were sent a moment ago: fifty fills come faster than a list."""
    levels = {own.trigger_price for own in inputs.live.working}
    return len(levels.union([order.trigger_price for order in inputs.in_transit]) if inputs.in_transit else levels)


def _far_enough(inputs: BookInputs, level: Decimal, best: Decimal) -> bool:
    return distance_pct(level, best) >= inputs.settings.stop_min_move_pct


def foreign_is_enough(inputs: BookInputs, exits: Exits) -> bool:
    """A user's own full cover is respected, unless it lies too near the liquidation price and no hold accepts it."""
    if not inputs.live.foreign:
        return False
    cover = cover_of(inputs.position, inputs.live.foreign, inputs.settings)
    if cover.whole_price is None:
        return False
    if inputs.settings.held or exits.least is None:
        return True
    return not tighter(exits.least, cover.whole_price, inputs.position.side)
