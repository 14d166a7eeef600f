"""Where the stop of a position should be now: the policy's level, breakeven, the trail, and the ratchet (DESIGN 9).

The ratchet has no memory of its own: the best stop of ours that rests is how far the stop has come. That is also what
remembers the best mark of a trailing stop over a restart.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.policy import Levels
from position_monitor.core.model import ids
from position_monitor.core.model.desired import Level, LevelSource, Trailing
from position_monitor.core.model.money import against, beyond, distance_pct, plain, stop_trigger, tighter, tightest
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.settings import Policy
from position_monitor.core.observation.cover import cover_of

LEVELS_AT_ONCE_MAX = 4
"""Levels at which working stops of one position may rest while the stop is moved on and on."""
LEVELS_STUCK_MAX = 16
"""The same where the venue does not remove the ones it moved from: then every further one must be worth more."""


def _best_resting(inputs: BookInputs) -> Decimal | None:
    """The tightest of our resting stops that binds the level; None without one."""
    best: Decimal | None = None
    for order in inputs.cover.orders:
        price = order.trigger_price
        if price is not None and _holds_the_ratchet(order, inputs):
            best = price if best is None else tightest(price, best, inputs.position.side)
    return best


def _holds_the_ratchet(order: LiveOrder, inputs: BookInputs) -> bool:
    """Stops of ours of this epoch bind its level, and so does any backstop that is not being replaced by a rebase."""
    tag = order.tag
    if tag is None:
        return False
    return tag.epoch >= inputs.known.epoch or (tag.role is Role.BACKSTOP and not inputs.settings.rebase_on_add)


def effective_stop(inputs: BookInputs, levels: Levels, *, breakeven: bool) -> Level:
    """The tightest level asked for now, but never looser than the best stop of ours that rests (invariant 8)."""
    side, best = inputs.position.side, _best_resting(inputs)
    wanted = _wanted(inputs, levels, breakeven=breakeven)
    if best is None:
        return wanted
    if tighter(wanted.price, best, side) and _worth_moving(inputs, levels, wanted, best):
        return wanted
    anchored = _rests_anchored(inputs, best)
    if levels.clamp is not None and tighter(levels.clamp, best, side) and _room_to_move(inputs, levels.clamp, best):
        made_from = {"resting": best, "clamp": levels.clamp}
        return Level(levels.clamp, LevelSource.LIQUIDATION, made_from, anchored or levels.crossed)
    if wanted.price == best or not _far_enough(inputs, wanted.price, best):
        return Level(best, wanted.source, wanted.inputs, anchored)  # it rests where the policy wants it
    return Level(best, LevelSource.RATCHET, {"resting": best, "wanted": wanted.price}, anchored)


def why_behind(inputs: BookInputs, stop: Level) -> str:
    """Why the stop waits although the policy wants it tighter by now: the venue keeps what it moved from; or empty."""
    wanted = stop.inputs.get("wanted")
    if stop.source != LevelSource.RATCHET or wanted is None or not tighter(wanted, stop.price, inputs.position.side):
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


def _wanted(inputs: BookInputs, levels: Levels, *, breakeven: bool) -> Level:
    """The policy's stop, or breakeven after the first rung, or the trailed mark: whichever is tightest.

    A level at or beyond the mark is not wanted: it would be an exit, not a stop.
    """
    position, settings = inputs.position, inputs.settings
    if settings.policy is not Policy.HYBRID or levels.crossed or position.entry_price <= 0:
        return levels.stop
    entry, mark, side, venue = position.entry_price, position.arming_price, position.side, inputs.instrument
    candidates: list[Level] = []
    if breakeven:
        at_entry = venue.nearest_permitted(stop_trigger(entry, side, venue.tick))
        candidates.append(Level(at_entry, LevelSource.HYBRID, {"breakeven": entry}))
    trailed = venue.nearest_permitted(stop_trigger(against(mark, side, settings.trailing_pct), side, venue.tick))
    if not tighter(entry, trailed, side):
        made_from = {"mark_price": mark, "trailing_pct": settings.trailing_pct}
        candidates.append(Level(trailed, LevelSource.HYBRID, made_from))
    chosen = levels.stop
    for level in candidates:
        if not beyond(mark, level.price, side) and tighter(level.price, chosen.price, side):
            chosen = level
    return chosen


def trailing_of(inputs: BookInputs) -> Trailing | None:
    """How the stop follows the mark, for display; active once the trailed level is at breakeven or better."""
    position, settings = inputs.position, inputs.settings
    if settings.policy is not Policy.HYBRID or position.entry_price <= 0:
        return None
    trailed = against(position.arming_price, position.side, settings.trailing_pct)
    active = not tighter(position.entry_price, trailed, position.side)
    return Trailing(settings.trailing_pct, position.arming_price, active)


def _worth_moving(inputs: BookInputs, levels: Levels, wanted: Level, best: Decimal) -> bool:
    """Whether a tighter level should replace a resting stop.

    A stop that was anchored to the mark in a loss stays while the position is losing: it would otherwise jump back to
    the entry's distance on the first bounce and turn the next small move into an exit nobody asked for. Any other stop
    follows the policy's level in a loss as well: the position was added to at a worse price, and the level that rests
    was measured from an entry that is no more. (The clamp to the liquidation price always moves the stop, to itself.)
    """
    position = inputs.position
    if position.entry_price <= 0 or not _room_to_move(inputs, wanted.price, best):
        return False
    if wanted.source == LevelSource.AI:
        room = against(position.arming_price, position.side, inputs.settings.stop_loss_min_pct)
        return not levels.crossed and not tighter(wanted.price, room, position.side)
    return not (levels.crossed or position.loss_pct > 0) or not _rests_anchored(inputs, best)


def _rests_anchored(inputs: BookInputs, price: Decimal) -> bool:
    """Whether a stop of ours that rests at this price was anchored to the mark when it was placed."""
    return any(ids.is_anchored(own.rung) and own.trigger_price == price for own in inputs.live.guarding)


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
    """At how many levels working stops of ours rest."""
    return len({own.trigger_price for own in inputs.live.working})


def _far_enough(inputs: BookInputs, level: Decimal, best: Decimal) -> bool:
    return distance_pct(level, best) >= inputs.settings.stop_min_move_pct


def foreign_is_enough(inputs: BookInputs, levels: Levels) -> bool:
    """A user's own full cover is respected, unless it lies beyond the clamp to the liquidation price."""
    if not inputs.live.foreign:
        return False
    cover = cover_of(inputs.position, inputs.live.foreign, inputs.settings)
    if cover.whole_price is None:
        return False
    return levels.clamp is None or not tighter(levels.clamp, cover.whole_price, inputs.position.side)
