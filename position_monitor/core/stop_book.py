"""The stop side of a desired book: the two layers, the ratchet, breakeven and trailing (DESIGN 2, 9).

The stop on this venue has two layers. The *backstop* is a close-all order: the exchange sizes it when it triggers, so
it covers a position that grew after it was placed, and it disappears by itself when the position ends. The exchange
allows only one of it per direction (-4130) and offers no amendment, so it can never be moved without a gap. It is
therefore placed once, at the policy's own level, and left alone; a tighter level is a *working stop*, a reduce-only
quantity order above it, which can be replaced make-before-break.

The ratchet has no memory of its own: the best stop of ours that rests is how far the stop has come. That is also what
remembers the best mark of a trailing stop over a restart.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core import ids
from position_monitor.core.cover import belongs_to, cover_of, outdated_backstop, owned_role
from position_monitor.core.ladder import even_parts
from position_monitor.core.model import (
    DesiredOrder,
    Level,
    LevelSource,
    LiveOrder,
    OrderKind,
    OrderStatus,
    Role,
    Side,
    Trailing,
)
from position_monitor.core.money import against, beyond, distance_pct, stop_trigger, tighter
from position_monitor.core.policy import Levels
from position_monitor.core.settings import Policy
from position_monitor.core.wanted import BookInputs, as_desired, new_order, of_this_epoch


def _own_stops(inputs: BookInputs) -> tuple[LiveOrder, ...]:
    """Our resting stops of this position that count as cover."""
    return tuple(order for order in inputs.cover.orders if ids.is_ours(order.client_id))


def _holds_the_ratchet(order: LiveOrder, inputs: BookInputs) -> bool:
    """Stops of this epoch bind its level, and so does any backstop that is not being replaced by a rebase."""
    if owned_role(order) is Role.BACKSTOP:
        return not outdated_backstop(order, inputs.known.epoch, inputs.settings)
    return of_this_epoch(order, inputs.known.epoch)


def effective_stop(inputs: BookInputs, levels: Levels, *, breakeven: bool) -> Level:
    """The tightest level asked for now, but never looser than the best stop of ours that rests (invariant 8)."""
    side = inputs.position.side
    resting = [
        order.trigger_price
        for order in _own_stops(inputs)
        if order.trigger_price is not None and _holds_the_ratchet(order, inputs)
    ]
    wanted = _wanted(inputs, levels, breakeven=breakeven)
    if not resting:
        return wanted
    best = max(resting) if side is Side.LONG else min(resting)
    if tighter(wanted.price, best, side) and _worth_moving(inputs, levels, wanted, best):
        return wanted
    if levels.clamp is not None and tighter(levels.clamp, best, side) and _far_enough(inputs, levels.clamp, best):
        return Level(levels.clamp, LevelSource.LIQUIDATION, {"resting": best, "clamp": levels.clamp})
    if not _far_enough(inputs, wanted.price, best):
        return Level(best, wanted.source, wanted.inputs)  # it rests where the policy wants it
    return Level(best, LevelSource.RATCHET, {"resting": best, "wanted": wanted.price})


def _wanted(inputs: BookInputs, levels: Levels, *, breakeven: bool) -> Level:
    """The policy's stop, or breakeven after the first rung, or the trailed mark: whichever is tightest.

    A level at or beyond the mark is not wanted: it would be an exit, not a stop.
    """
    position, settings = inputs.position, inputs.settings
    if settings.policy is not Policy.HYBRID or levels.crossed or position.entry_price <= 0:
        return levels.stop
    entry, mark, side, tick = position.entry_price, position.mark_price, position.side, inputs.instrument.tick
    candidates = [levels.stop]
    if breakeven:
        candidates.append(Level(stop_trigger(entry, side, tick), LevelSource.HYBRID, {"breakeven": entry}))
    trailed = stop_trigger(against(mark, side, settings.trailing_pct), side, tick)
    if not tighter(entry, trailed, side):
        made_from = {"mark_price": mark, "trailing_pct": settings.trailing_pct}
        candidates.append(Level(trailed, LevelSource.HYBRID, made_from))
    behind = [level for level in candidates if not beyond(mark, level.price, side)]
    chosen = behind[0] if behind else levels.stop
    for level in behind:
        chosen = level if tighter(level.price, chosen.price, side) else chosen
    return chosen


def trailing_of(inputs: BookInputs) -> Trailing | None:
    """How the stop follows the mark, for display; active once the trailed level is at breakeven or better."""
    position, settings = inputs.position, inputs.settings
    if settings.policy is not Policy.HYBRID or position.entry_price <= 0:
        return None
    trailed = against(position.mark_price, position.side, settings.trailing_pct)
    active = not tighter(position.entry_price, trailed, position.side)
    return Trailing(settings.trailing_pct, position.mark_price, active)


def _worth_moving(inputs: BookInputs, levels: Levels, wanted: Level, best: Decimal) -> bool:
    """Whether a tighter level should replace a resting stop.

    A level measured from the entry does so only while the position is not losing: a stop that was anchored to the mark
    in a loss would otherwise jump back to the entry's distance on the first bounce and turn the next small move into an
    exit nobody asked for. (The clamp to the liquidation price is another matter: it always moves the stop, to itself.)
    """
    if not _far_enough(inputs, wanted.price, best) or levels.crossed or inputs.position.entry_price <= 0:
        return False
    if wanted.source == LevelSource.AI:
        room = against(inputs.position.mark_price, inputs.position.side, inputs.settings.stop_loss_min_pct)
        return not tighter(wanted.price, room, inputs.position.side)
    return inputs.position.loss_pct <= 0


def _far_enough(inputs: BookInputs, level: Decimal, best: Decimal) -> bool:
    return distance_pct(level, best) >= inputs.settings.stop_min_move_pct


def stop_orders(inputs: BookInputs, levels: Levels, stop: Level) -> tuple[DesiredOrder, ...]:
    """The backstop and, when the effective stop is tighter than it, the working stop."""
    if inputs.known.firing(inputs.now_ms, inputs.triggering_grace_ms):
        return _own_as_they_rest(inputs)
    close_all = _resting_close_all(inputs)
    if close_all is not None and outdated_backstop(close_all, inputs.known.epoch, inputs.settings):
        return _working_stops(inputs, stop)
    if close_all is not None and ids.is_ours(close_all.client_id):
        assert close_all.trigger_price is not None
        moved = _far_enough(inputs, levels.stop.price, close_all.trigger_price)
        source = LevelSource.RATCHET if moved else levels.stop.source
        kept = as_desired(inputs, close_all, Role.BACKSTOP, None, source)
        covers = close_all in inputs.cover.orders
        if covers and not tighter(stop.price, close_all.trigger_price, inputs.position.side):
            return (kept,)
        return (kept, *_working_stops(inputs, stop))
    if _foreign_is_enough(inputs, levels):
        return _own_as_they_rest(inputs)
    if close_all is not None or inputs.known.close_all_blocked or _stuck_close_all(inputs):
        return _working_stops(inputs, stop)
    backstop = new_order(inputs, Role.BACKSTOP, 0, OrderKind.STOP_MARKET, levels.stop, None)
    if tighter(stop.price, levels.stop.price, inputs.position.side):
        return (backstop, *_working_stops(inputs, stop))
    return (backstop,)


def _resting_close_all(inputs: BookInputs) -> LiveOrder | None:
    """The close-all stop of this position and direction, ours or foreign: the venue allows only one."""
    return next((order for order in inputs.live.close_alls if belongs_to(order, inputs.position)), None)


def _stuck_close_all(inputs: BookInputs) -> bool:
    """Whether a backstop of ours is still in the act of triggering: it protects nothing and keeps the only slot."""
    in_flight = (OrderStatus.TRIGGERING, OrderStatus.TRIGGERED)
    return any(
        owned_role(order) is Role.BACKSTOP and order.status in in_flight and belongs_to(order, inputs.position)
        for order in inputs.orders
    )


def _own_as_they_rest(inputs: BookInputs) -> tuple[DesiredOrder, ...]:
    """Our stops, wanted exactly as they are: nothing is added and nothing removed."""
    return tuple(
        as_desired(inputs, order, role, None if order.close_all else order.quantity, LevelSource.RATCHET)
        for order in inputs.orders
        if (role := owned_role(order)) in (Role.BACKSTOP, Role.WORKING_STOP)
        and order.trigger_price is not None
        and belongs_to(order, inputs.position)
    )


def _foreign_is_enough(inputs: BookInputs, levels: Levels) -> bool:
    """A user's own full cover is respected, unless it lies beyond the clamp to the liquidation price."""
    cover = cover_of(inputs.position, inputs.live.foreign, inputs.settings)
    if cover.whole_price is None:
        return False
    return levels.clamp is None or not tighter(levels.clamp, cover.whole_price, inputs.position.side)


def _working_stops(inputs: BookInputs, stop: Level) -> tuple[DesiredOrder, ...]:
    """Reduce-only quantity stops over the whole position, in equal parts where the venue's market maximum demands it.

    The minimum notional is not applied: whether the venue exempts the closing side in hedge mode is not documented,
    and a stop that is tried and refused costs nothing.
    """
    parts = even_parts(inputs.position.quantity, inputs.instrument, ids.RUNG_CODES)
    return tuple(
        new_order(inputs, Role.WORKING_STOP, number, OrderKind.STOP_MARKET, stop, part)
        for number, part in enumerate(parts)
    )
