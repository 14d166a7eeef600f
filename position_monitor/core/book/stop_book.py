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
from position_monitor.core.model.book_cases import StopCase
from position_monitor.core.model.desired import DesiredOrder, LevelSource
from position_monitor.core.model.money import distance_pct, tighter
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role
from position_monitor.core.observation.cover import outdated_backstop

_NOTHING = Decimal(0)


def stop_orders(facts: OrderFacts) -> tuple[StopCase, tuple[DesiredOrder, ...]]:
    """The stops that should rest, and which case that is. The first case that holds counts:

     1 FIRING                        ours as they rest: nothing is placed beside a stop that is being triggered
     2 NO_PROTECTING_PRICE           ours as they rest: none can protect, and none follows every tick of the mark
     3 GAVE_WAY                      none: the user's own stop is enough, and ours is withdrawn for it
     4 OUTDATED_BACKSTOP             working stops, until the backstop of an earlier epoch is gone (`rebase_on_add`)
     5 BACKSTOP_ALONE                our backstop: it is where the stop should be
     6 BACKSTOP_LOOSER               our backstop, and working stops above it
     7 BACKSTOP_NO_COVER             our backstop, and working stops that cover in its place
     8 FOREIGN_ENOUGH                ours of this epoch as they rest: the user's own stop covers the position (during
                                     a hold this comes before case 4, and ours of every epoch rest)
     9 FOREIGN_ENOUGH_OURS_TOO_MANY  working stops at one level, for the size of now
    10 AWAITS_FOREIGN                none yet: another program's own stop is waited for
    11 SLOT_FOREIGN                  working stops: the venue would refuse a second close-all stop
    12 SLOT_HIDDEN                   working stops: the same, and no list shows the one, or it is stuck in triggering
    13 SLOT_LEFT                     working stops: another program will want the slot again
    14 NEW_BACKSTOP                  a backstop at the policy's own level, or a trifle tighter where ours was
    15 NEW_BACKSTOP_LOOSER           that, and working stops above it
    """
    if facts.firing:
        return StopCase.FIRING, _own_as_they_rest(facts)
    if facts.obstacle and (resting := _own_as_they_rest(facts)):
        return StopCase.NO_PROTECTING_PRICE, resting
    if facts.gives_way:
        return StopCase.GAVE_WAY, ()
    if facts.settings.held and facts.foreign_is_enough:
        return StopCase.FOREIGN_ENOUGH, _own_as_they_rest(facts)
    close_all = _resting_close_all(facts)
    if close_all is not None and outdated_backstop(close_all, facts.epoch, facts.settings):
        return StopCase.OUTDATED_BACKSTOP, _working_stops(facts)
    if close_all is not None and close_all.tag is not None:
        return _beside_our_backstop(facts, close_all)
    if facts.foreign_is_enough:
        return _beside_foreign_cover(facts)
    if facts.awaits_foreign:
        return StopCase.AWAITS_FOREIGN, ()
    if close_all is not None:
        return StopCase.SLOT_FOREIGN, _working_stops(facts)
    if _slot_is_taken(facts):
        return StopCase.SLOT_HIDDEN, _working_stops(facts)
    if facts.slot_is_foreign and _fits_in_parts(facts):
        return StopCase.SLOT_LEFT, _working_stops(facts)
    return _new_backstop(facts)


def _beside_our_backstop(facts: OrderFacts, close_all: LiveOrder) -> tuple[StopCase, tuple[DesiredOrder, ...]]:
    """Cases 5 to 7: our backstop rests. It is never moved."""
    assert close_all.trigger_price is not None
    moved = distance_pct(facts.policy_price, close_all.trigger_price) >= facts.settings.stop_min_move_pct
    source = LevelSource.RATCHET if moved else facts.policy_source
    kept = as_desired(facts, close_all, Role.BACKSTOP, source)
    if close_all not in facts.cover:
        return StopCase.BACKSTOP_NO_COVER, (kept, *_working_stops(facts))
    if tighter(facts.stop_price, close_all.trigger_price, facts.side):
        return StopCase.BACKSTOP_LOOSER, (kept, *_working_stops(facts))
    return StopCase.BACKSTOP_ALONE, (kept,)


def _beside_foreign_cover(facts: OrderFacts) -> tuple[StopCase, tuple[DesiredOrder, ...]]:
    """Cases 8 and 9: the user's own stop covers the position, and no backstop of ours rests."""
    earlier = {own.client_id for own in facts.live.guarding if own.epoch < facts.epoch}
    own = tuple([order for order in _own_as_they_rest(facts) if order.client_id not in earlier])
    if len(own) > LEVELS_AT_ONCE_MAX or _is_oversized(facts):
        return StopCase.FOREIGN_ENOUGH_OURS_TOO_MANY, _working_stops(facts)
    return StopCase.FOREIGN_ENOUGH, own


def _new_backstop(facts: OrderFacts) -> tuple[StopCase, tuple[DesiredOrder, ...]]:
    """Cases 14 and 15: the slot for a close-all stop is free.

    It goes to the policy's own level. Where the level that our stop had reached is tighter by less than a stop is ever
    moved for, it goes there instead: a working stop beside it would be an order more for next to nothing.
    """
    rung = ids.stop_rung(facts.policy_pin, anchored=facts.policy_anchored)
    looser = tighter(facts.stop_price, facts.policy_price, facts.side)
    near = distance_pct(facts.policy_price, facts.stop_price) < facts.settings.stop_min_move_pct
    price = facts.stop_today if looser and near else facts.policy_price
    backstop = new_order(
        facts=facts,
        role=Role.BACKSTOP,
        rung=rung,
        purpose=Purpose.STOP,
        price=price,
        source=facts.policy_source,
        quantity=None,
    )
    if looser and not near:
        return StopCase.NEW_BACKSTOP_LOOSER, (backstop, *_working_stops(facts))
    return StopCase.NEW_BACKSTOP, (backstop,)


def _resting_close_all(facts: OrderFacts) -> LiveOrder | None:
    """The close-all stop of this position and direction, ours or foreign: the venue allows only one."""
    return next((order for order in facts.live.close_alls if facts.is_reduced_by(order)), None)


def _is_oversized(facts: OrderFacts) -> bool:
    """Whether working stops of ours that rest beside the user's own stop are for a position that was larger."""
    working = [own.quantity or _NOTHING for own in facts.live.guarding if own.role is Role.WORKING_STOP]
    return sum(working, _NOTHING) > facts.quantity


def _slot_is_taken(facts: OrderFacts) -> bool:
    """Whether an order that no list shows holds the only slot for a close-all stop: the venue would refuse another."""
    return facts.close_all_blocked or _stuck_close_all(facts)


def _fits_in_parts(facts: OrderFacts) -> bool:
    """Whether quantity stops can cover the whole position. Where not, it needs the close-all slot, also one that
    another program had and may be about to fill again: leaving it free is a courtesy, the cover is not."""
    parts = even_parts(facts.quantity, facts.instrument, ids.STOP_PARTS_MAX)
    return sum(parts, _NOTHING) >= facts.quantity and parts[-1] >= facts.instrument.least_quantity


def _stuck_close_all(facts: OrderFacts) -> bool:
    """Whether a backstop of ours is still in the act of triggering: it protects nothing and keeps the only slot."""
    in_flight = (OrderStatus.TRIGGERING, OrderStatus.TRIGGERED)
    return any(
        own.role is Role.BACKSTOP and own.status in in_flight and facts.is_reduced_by(own) for own in facts.live.owned
    )


def _own_as_they_rest(facts: OrderFacts) -> tuple[DesiredOrder, ...]:
    """Our stops, wanted exactly as they are: nothing is added and nothing removed."""
    return tuple(
        as_desired(facts, own, tag.role, LevelSource.RATCHET)
        for own in facts.live.guarding
        if (tag := own.tag) is not None and own.trigger_price is not None and facts.is_reduced_by(own)
    )


def _working_stops(facts: OrderFacts) -> tuple[DesiredOrder, ...]:
    """Reduce-only quantity stops over the whole position, in equal parts where the venue's market maximum demands it.

    The minimum notional is not applied: whether the venue exempts the closing side in hedge mode is not documented,
    and a stop that is tried and refused costs nothing. A position below the least quantity gets none.
    """
    parts = even_parts(facts.quantity, facts.instrument, ids.STOP_PARTS_MAX)
    if parts and parts[-1] < facts.instrument.least_quantity:
        return ()
    desired = tuple(_working_stop(facts, number, part) for number, part in enumerate(parts))
    settling = _settling(facts, desired)
    return desired if settling is None else settling


def _working_stop(facts: OrderFacts, number: int, part: Decimal) -> DesiredOrder:
    """One part where it rests; else at a price the venue permits today, which a level that rests may be older than."""
    purpose, price, source = Purpose.STOP, facts.stop_price, facts.stop_source
    rung = ids.stop_rung(number, anchored=facts.stop_anchored)
    desired = new_order(
        facts=facts, role=Role.WORKING_STOP, rung=rung, purpose=purpose, price=price, source=source, quantity=part
    )
    today = facts.stop_today
    if today == price or any(same_content(desired, own) for own in facts.live.resting):
        return desired
    return new_order(
        facts=facts, role=Role.WORKING_STOP, rung=rung, purpose=purpose, price=today, source=source, quantity=part
    )


def _settling(facts: OrderFacts, desired: tuple[DesiredOrder, ...]) -> tuple[DesiredOrder, ...] | None:
    """What rests at the level, wanted as it is for a moment, where that is enough; None where `desired` is the answer.

    A position that grows fill by fill would else get a stop of its whole size with each of them. While a stop at the
    level was not read back often enough, and all of them together stop the whole position, nothing is added: a stop of
    the whole size that is added when they do not doubles what rests, so fifty fills make six stops.
    """
    if not desired or all(_is_written(order, facts) for order in desired):
        return None
    level = desired[0].trigger_price
    here = [own for own in facts.live.working if own.trigger_price == level]
    here = [own for own in here if own in facts.cover]
    under_way = [order for order in facts.in_transit if order.trigger_price == level]
    if not under_way and not any(own.client_id in facts.unproven for own in here):
        return None
    total = sum([own.quantity or _NOTHING for own in here], _NOTHING)
    total += sum([order.quantity or _NOTHING for order in under_way], _NOTHING)
    if total < facts.quantity:
        return None
    source = facts.stop_source
    return tuple([as_desired(facts, own, Role.WORKING_STOP, source) for own in here])


def _is_written(order: DesiredOrder, facts: OrderFacts) -> bool:
    """Whether a wanted order rests, or was sent a moment ago."""
    sent = any(other.client_id == order.client_id for other in facts.in_transit)
    return sent or any(same_content(order, own) for own in facts.live.resting)
