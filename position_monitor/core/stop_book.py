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
from position_monitor.core.cover import belongs_to, cover_of, outdated_backstop
from position_monitor.core.desired import DesiredOrder, Level, LevelSource, Trailing
from position_monitor.core.diff import same_content
from position_monitor.core.ladder import even_parts
from position_monitor.core.model import LiveOrder, OrderKind, OrderStatus, Role
from position_monitor.core.money import against, beyond, distance_pct, stop_trigger, tighter, tightest
from position_monitor.core.policy import Levels
from position_monitor.core.settings import Policy
from position_monitor.core.wanted import BookInputs, OrderFacts, as_desired, new_order

LEVELS_AT_ONCE_MAX = 4
"""Levels at which working stops of one position may rest while the stop is moved on and on."""


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
    owned = ids.parse(order.client_id)
    if owned is None:
        return False
    return owned.epoch == inputs.known.epoch or (owned.role is Role.BACKSTOP and not inputs.settings.rebase_on_add)


def effective_stop(inputs: BookInputs, levels: Levels, *, breakeven: bool) -> Level:
    """The tightest level asked for now, but never looser than the best stop of ours that rests (invariant 8)."""
    side, best = inputs.position.side, _best_resting(inputs)
    wanted = _wanted(inputs, levels, breakeven=breakeven)
    if best is None:
        return wanted
    if tighter(wanted.price, best, side) and _worth_moving(inputs, levels, wanted, best):
        return wanted
    if levels.clamp is not None and tighter(levels.clamp, best, side) and _far_enough(inputs, levels.clamp, best):
        return Level(levels.clamp, LevelSource.LIQUIDATION, {"resting": best, "clamp": levels.clamp})
    if wanted.price == best:
        return wanted
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
    candidates: list[Level] = []
    if breakeven:
        candidates.append(Level(stop_trigger(entry, side, tick), LevelSource.HYBRID, {"breakeven": entry}))
    trailed = stop_trigger(against(mark, side, settings.trailing_pct), side, tick)
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
    if (
        len({own.order.trigger_price for own in inputs.live.resting if own.role is Role.WORKING_STOP})
        >= LEVELS_AT_ONCE_MAX
    ):
        return False  # the ones it moved from go first, or a trend would pile up orders (invariant 10)
    if wanted.source == LevelSource.AI:
        room = against(inputs.position.mark_price, inputs.position.side, inputs.settings.stop_loss_min_pct)
        return not tighter(wanted.price, room, inputs.position.side)
    return inputs.position.loss_pct <= 0


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


def stop_orders(facts: OrderFacts) -> tuple[DesiredOrder, ...]:
    """The backstop and, when the effective stop is tighter than it, the working stop."""
    if facts.firing:
        return _own_as_they_rest(facts)
    close_all = _resting_close_all(facts)
    if close_all is not None and outdated_backstop(close_all, facts.epoch, facts.settings):
        return _working_stops(facts)
    if close_all is not None and ids.is_ours(close_all.client_id):
        assert close_all.trigger_price is not None
        moved = distance_pct(facts.policy_price, close_all.trigger_price) >= facts.settings.stop_min_move_pct
        source = LevelSource.RATCHET if moved else facts.policy_source
        kept = as_desired(facts, close_all, Role.BACKSTOP, None, source)
        covers = close_all in facts.cover
        if covers and not tighter(facts.stop_price, close_all.trigger_price, facts.side):
            return (kept,)
        return (kept, *_working_stops(facts))
    if facts.foreign_is_enough:
        return _own_as_they_rest(facts)
    if close_all is not None or facts.close_all_blocked or _stuck_close_all(facts):
        return _working_stops(facts)
    backstop = new_order(facts, Role.BACKSTOP, 0, OrderKind.STOP_MARKET, facts.policy_price, facts.policy_source, None)
    if tighter(facts.stop_price, facts.policy_price, facts.side):
        return (backstop, *_working_stops(facts))
    return (backstop,)


def _resting_close_all(facts: OrderFacts) -> LiveOrder | None:
    """The close-all stop of this position and direction, ours or foreign: the venue allows only one."""
    return next((order for order in facts.live.close_alls if belongs_to(order, facts)), None)


def _stuck_close_all(facts: OrderFacts) -> bool:
    """Whether a backstop of ours is still in the act of triggering: it protects nothing and keeps the only slot."""
    in_flight = (OrderStatus.TRIGGERING, OrderStatus.TRIGGERED)
    return any(
        own.role is Role.BACKSTOP and own.order.status in in_flight and belongs_to(own.order, facts)
        for own in facts.live.owned
    )


def _own_as_they_rest(facts: OrderFacts) -> tuple[DesiredOrder, ...]:
    """Our stops, wanted exactly as they are: nothing is added and nothing removed."""
    return tuple(
        as_desired(facts, own.order, own.role, None if own.order.close_all else own.order.quantity, LevelSource.RATCHET)
        for own in facts.live.owned
        if own.role in (Role.BACKSTOP, Role.WORKING_STOP)
        and own.order.trigger_price is not None
        and belongs_to(own.order, facts)
    )


def _working_stops(facts: OrderFacts) -> tuple[DesiredOrder, ...]:
    """Reduce-only quantity stops over the whole position, in equal parts where the venue's market maximum demands it.

    The minimum notional is not applied: whether the venue exempts the closing side in hedge mode is not documented,
    and a stop that is tried and refused costs nothing.
    """
    parts = even_parts(facts.quantity, facts.instrument, ids.RUNG_CODES)
    return tuple(_working_stop(facts, number, part) for number, part in enumerate(parts))


def _working_stop(facts: OrderFacts, number: int, part: Decimal) -> DesiredOrder:
    """One part where it rests; else on today's tick grid, which a level that rests may be older than."""
    kind, price, source = OrderKind.STOP_MARKET, facts.stop_price, facts.stop_source
    wanted = new_order(facts, Role.WORKING_STOP, number, kind, price, source, part)
    on_grid = stop_trigger(price, facts.side, facts.instrument.tick)
    if on_grid == price or any(same_content(wanted, own) for own in facts.live.resting):
        return wanted
    return new_order(facts, Role.WORKING_STOP, number, kind, on_grid, source, part)
