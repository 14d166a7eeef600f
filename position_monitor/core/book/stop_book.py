"""The stop side of a desired book: the two layers (DESIGN 2, 9).

The stop on this venue has two layers. The *backstop* is a close-all order: the exchange sizes it when it triggers, so
it covers a position that grew after it was placed, and it disappears by itself when the position ends. The exchange
allows only one of it per direction and offers no amendment, so it can never be moved without a gap. It is
therefore placed once, at the policy's own level, and left alone; a tighter level is a *working stop*, a reduce-only
quantity order above it, which can be replaced make-before-break.

Where they should be is `stop_level.py`'s business; here levels become orders, beside what rests.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.book.diff import same_content
from position_monitor.core.book.ladder import even_parts
from position_monitor.core.book.stop_level import LEVELS_AT_ONCE_MAX
from position_monitor.core.book.wanted import OrderFacts, as_desired, new_order
from position_monitor.core.model import ids
from position_monitor.core.model.desired import DesiredOrder, LevelSource
from position_monitor.core.model.money import distance_pct, tighter
from position_monitor.core.model.orders import LiveOrder, OrderKind, OrderStatus, Role
from position_monitor.core.observation.cover import belongs_to, outdated_backstop


def stop_orders(facts: OrderFacts) -> tuple[DesiredOrder, ...]:
    """The backstop and, when the effective stop is tighter than it, the working stop."""
    if facts.firing:
        return _own_as_they_rest(facts)
    if facts.obstacle and (resting := _own_as_they_rest(facts)):
        return resting  # none of them can protect, and moving one with every tick of the mark would not either
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
        own = _own_as_they_rest(facts)
        return own if len(own) <= LEVELS_AT_ONCE_MAX and not _is_oversized(facts) else _working_stops(facts)
    if close_all is not None or _slot_is_taken(facts):
        return _working_stops(facts)
    if facts.slot_is_foreign and _fits_in_parts(facts):
        return _working_stops(facts)
    rung = ids.stop_rung(0, anchored=facts.policy_anchored)
    kind, price, source = OrderKind.STOP_MARKET, facts.policy_price, facts.policy_source
    backstop = new_order(facts, Role.BACKSTOP, rung, kind, price, source, None)
    if tighter(facts.stop_price, facts.policy_price, facts.side):
        return (backstop, *_working_stops(facts))
    return (backstop,)


def _resting_close_all(facts: OrderFacts) -> LiveOrder | None:
    """The close-all stop of this position and direction, ours or foreign: the venue allows only one."""
    return next((order for order in facts.live.close_alls if belongs_to(order, facts)), None)


def _is_oversized(facts: OrderFacts) -> bool:
    """Whether working stops of ours that rest beside the user's own stop are for a position that was larger."""
    working = [own.order.quantity for own in facts.live.guarding if own.role is Role.WORKING_STOP]
    return sum(working, Decimal(0)) > facts.quantity


def _slot_is_taken(facts: OrderFacts) -> bool:
    """Whether an order that no list shows holds the only slot for a close-all stop: the venue would refuse another."""
    return facts.close_all_blocked or _stuck_close_all(facts)


def _fits_in_parts(facts: OrderFacts) -> bool:
    """Whether quantity stops can cover the whole position. Where not, it needs the close-all slot, also one that
    another program had and may be about to fill again: leaving it free is a courtesy, the cover is not."""
    parts = even_parts(facts.quantity, facts.instrument, ids.STOP_PARTS_MAX)
    return sum(parts, Decimal(0)) >= facts.quantity and parts[-1] >= facts.instrument.least_quantity


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
    and a stop that is tried and refused costs nothing. A position below the least quantity gets none.
    """
    parts = even_parts(facts.quantity, facts.instrument, ids.STOP_PARTS_MAX)
    if parts and parts[-1] < facts.instrument.least_quantity:
        return ()
    wanted = tuple(_working_stop(facts, number, part) for number, part in enumerate(parts))
    settling = _settling(facts, wanted)
    return wanted if settling is None else settling


def _working_stop(facts: OrderFacts, number: int, part: Decimal) -> DesiredOrder:
    """One part where it rests; else at a price the venue permits today, which a level that rests may be older than."""
    kind, price, source = OrderKind.STOP_MARKET, facts.stop_price, facts.stop_source
    rung = ids.stop_rung(number, anchored=facts.stop_anchored)
    wanted = new_order(facts, Role.WORKING_STOP, rung, kind, price, source, part)
    today = facts.stop_today
    if today == price or any(same_content(wanted, own) for own in facts.live.resting):
        return wanted
    return new_order(facts, Role.WORKING_STOP, rung, kind, today, source, part)


def _settling(facts: OrderFacts, wanted: tuple[DesiredOrder, ...]) -> tuple[DesiredOrder, ...] | None:
    """What rests at the level, wanted as it is for a moment, where that is enough; None where `wanted` is the answer.

    A position that grows fill by fill would else get a stop of its whole size with each of them. While a stop at the
    level was not read back often enough, and all of them together stop the whole position, nothing is added: a stop of
    the whole size that is added when they do not doubles what rests, so fifty fills make six stops.
    """
    if not wanted or all(_is_written(order, facts) for order in wanted):
        return None
    level = wanted[0].trigger_price
    here = [own for own in facts.live.resting if own.role is Role.WORKING_STOP and own.order.trigger_price == level]
    here = [own for own in here if own.order in facts.cover]
    under_way = [order for order in facts.in_transit if order.trigger_price == level]
    if not under_way and not any(own.order.client_id in facts.unproven for own in here):
        return None
    total = sum([own.order.quantity for own in here], Decimal(0))
    total += sum([order.quantity or Decimal(0) for order in under_way], Decimal(0))
    if total < facts.quantity:
        return None
    source = facts.stop_source
    return tuple([as_desired(facts, own.order, own.role, own.order.quantity, source) for own in here])


def _is_written(order: DesiredOrder, facts: OrderFacts) -> bool:
    """Whether a wanted order rests, or was sent a moment ago."""
    sent = any(other.client_id == order.client_id for other in facts.in_transit)
    return sent or any(same_content(order, own) for own in facts.live.resting)
