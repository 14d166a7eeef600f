"""What an event makes of the last observation: the stop a cycle would place, and never anything else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.decision.event_view import (
    ORDERS_REMEMBERED_MAX,
    SinceRead,
    after_order,
    after_position,
    mark_moves_a_stop,
    quantity_before,
    stops_from_event,
)
from position_monitor.core.decision.guard import Approved, approve_place
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_flat_event
from position_monitor.core.evidence.outcome import Outcome, Sent, after_outcome, claimed
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.orders import OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.observation.stream_events import AlgoEvent, MarkPrice, PositionEvent

from .build import (
    LONG,
    NOW_MS,
    SIDES,
    SYMBOL,
    D,
    at,
    backstop,
    decided,
    gate,
    instrument,
    live,
    position,
    rules,
    seen_at,
    settings,
    settled,
    working,
)

both_sides = pytest.mark.parametrize("side", SIDES)
both_modes = pytest.mark.parametrize("hedged", [False, True], ids=["one-way", "hedge"])


def leg_of(held):
    return held.side if held.hedged else None


def told(held, *, at_ms=None):
    """The event of a position as it is now."""
    sign = 1 if held.side is LONG else -1
    stamp = held.updated_at_ms if at_ms is None else at_ms
    return PositionEvent(SYMBOL, leg_of(held), sign * held.quantity, held.entry_price, stamp, "ORDER")


def flat(held, at_ms):
    return PositionEvent(SYMBOL, leg_of(held), D(0), D(0), at_ms, "ORDER")


def stops(event, last=None, *, before=(), evidence=None, mark=None, marked_at_ms=NOW_MS, mode=Mode.LIVE, rulebook=None):
    """What the fast path would place after `before` and `event`."""
    mark = None if mark is None else MarkPrice(SYMBOL, mark, marked_at_ms)
    since = SinceRead()
    for one in (*before, event):
        since = after_order(since, one) if isinstance(one, AlgoEvent) else after_position(since, one, last) or since
    known = evidence if evidence is not None else Evidence()
    return stops_from_event(event, last, since, instrument(), mark, known, rulebook or rules(), None, mode, NOW_MS)


def algo(order, status):
    return AlgoEvent(
        key=order.key,
        client_id=order.client_id,
        tag=order.tag,
        order_id="1",
        status=status,
        purpose=Purpose.STOP,
        hedged=order.hedged,
        trigger=order.trigger_price,
        quantity=order.quantity,
        executed_quantity=D(0),
        reason="",
        at_ms=NOW_MS,
    )


@both_sides
@both_modes
def test_a_new_position_gets_the_very_stop_a_cycle_would_place(side, hedged):
    held = position(side, hedged=hedged)
    seen = seen_at([held])
    read_stops = decided(seen, settled(held, reads=1)[1]).plans[SYMBOL].stops
    wanted = stops(told(held))
    assert [place.order for place in wanted.places] == [place.order for place in read_stops]
    assert [place.order.role for place in wanted.places] == [Role.BACKSTOP]
    assert wanted.exposed
    approved = approve_place(wanted.places[0], gate(wanted.view, wanted.evidence.of(held.key)))
    assert isinstance(approved, Approved)


@both_sides
def test_a_position_that_grows_under_its_backstop_needs_nothing_at_once(side):
    held = position(side)
    seen, evidence = settled(held, [backstop(held, at(side, "-1.5"))])
    wanted = stops(told(replace(held, quantity=D(3), updated_at_ms=NOW_MS)), seen, evidence=evidence)
    assert wanted.places == ()
    assert not wanted.exposed


@both_sides
def test_a_grown_position_without_a_backstop_gets_a_stop_over_the_whole(side):
    """A foreign close-all stop too far away takes the only slot; our quantity stop must follow the size."""
    held = position(side)
    blocking = live(held, at(side, -30))
    seen, evidence = settled(held, [blocking, working(held, at(side, "-1.5"))])
    wanted = stops(told(replace(held, quantity=D(3), updated_at_ms=NOW_MS)), seen, evidence=evidence)
    assert [(place.order.role, place.order.quantity) for place in wanted.places] == [(Role.WORKING_STOP, D(3))]
    assert wanted.exposed


@both_sides
def test_a_turned_position_gets_the_stop_of_its_new_side(side):
    held = position(side)
    seen, evidence = settled(held, [backstop(held, at(side, "-1.5"))])
    turned = position(side.opposite, updated_at_ms=NOW_MS)
    wanted = stops(told(turned), seen, evidence=evidence)
    [place] = wanted.places
    assert (place.order.side, place.order.role) == (side.opposite, Role.BACKSTOP)
    assert place.order.trigger_price == at(side.opposite, "-1.5")
    assert [p.key for p in wanted.view.positions] == [turned.key]


@both_sides
def test_in_hedge_mode_the_other_leg_and_its_orders_stay_as_they_were(side):
    leg = position(side, hedged=True)
    seen, evidence = settled(leg, [backstop(leg, at(side, "-1.5"))])
    other = position(side.opposite, hedged=True, updated_at_ms=NOW_MS)
    wanted = stops(told(other), seen, evidence=evidence)
    assert [place.key for place in wanted.places] == [other.key]
    assert wanted.view.position(leg.key) == leg


@both_sides
def test_closed_and_opened_again_is_a_new_position_whose_old_stop_ended_with_the_old_one(side):
    held = position(side)
    seen, evidence = settled(held, [backstop(held, at(side, "-1.5"))])
    again = replace(held, updated_at_ms=NOW_MS)
    evidence = after_flat_event(evidence, held.key, NOW_MS - 10)
    wanted = stops(told(again), seen, before=[flat(held, NOW_MS - 10)], evidence=evidence)
    [place] = wanted.places
    assert place.order.role is Role.BACKSTOP
    assert wanted.evidence.of(held.key).epoch != evidence.of(held.key).epoch


@both_sides
@pytest.mark.parametrize(
    "status", [OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.FINISHED]
)
def test_a_stop_that_was_reported_ended_is_not_counted_as_cover(side, status):
    held = position(side)
    rest = backstop(held, at(side, "-1.5"))
    seen, evidence = settled(held, [rest])
    grown = replace(held, quantity=D(2), updated_at_ms=NOW_MS)
    wanted = stops(told(grown), seen, before=[algo(rest, status)], evidence=evidence)
    assert [place.order.role for place in wanted.places] == [Role.BACKSTOP]


@both_sides
def test_an_event_cannot_bring_an_order_to_rest(side):
    """An order that only an event told of is not cover: it was not read."""
    held = position(side)
    rest = backstop(held, at(side, "-1.5"))
    wanted = stops(told(held), seen_at([]), before=[algo(rest, OrderStatus.NEW)])
    assert len(wanted.places) == 1


@both_sides
def test_while_a_backstop_is_on_its_way_no_second_one_is_sent(side):
    """The venue gives one slot; a cycle that sees another price must not try for it with another id."""
    held = position(side)
    first = stops(told(held))
    under_way = claimed(first.evidence, first.places[0].order, NOW_MS)
    elsewhere = replace(held, entry_price=at(side, "0.7"), quantity=D(2), updated_at_ms=NOW_MS)
    assert stops(told(elsewhere), evidence=under_way).places == ()
    read = decided(seen_at([elsewhere]), under_way)
    assert read.plans[SYMBOL].stops == ()
    assert any("not read back" in held.why for held in read.plans[SYMBOL].held)


@both_sides
@pytest.mark.parametrize(
    ("outcome", "waits"),
    [
        (Outcome(None, Sent.ACCEPTED, NOW_MS), True),
        (Outcome(None, Sent.AMBIGUOUS, NOW_MS), True),
        (Outcome(None, Sent.REFUSED, NOW_MS, refusal=Refusal.DUPLICATE), True),
        (Outcome(None, Sent.REFUSED, NOW_MS, refusal=Refusal.CROSSED), False),
        (Outcome(None, Sent.NOT_SENT, NOW_MS), False),
    ],
    ids=["accepted", "ambiguous", "duplicate", "crossed", "not-sent"],
)
def test_a_claim_lasts_while_the_order_may_rest(side, outcome, waits):
    first = stops(told(position(side)))
    [place] = first.places
    after = after_outcome(claimed(first.evidence, place.order, NOW_MS), replace(outcome, action=place))
    assert after.awaits_backstop(place.key) is waits
    assert bool(after.awaited_in(SYMBOL)) is waits


@both_sides
def test_what_the_guard_held_back_takes_no_claim_away(side):
    first = stops(told(position(side)))
    [place] = first.places
    mine = claimed(first.evidence, place.order, NOW_MS)
    assert after_outcome(mine, Outcome(place, Sent.NOT_SENT, NOW_MS, denied=True)) == mine


@both_sides
def test_nothing_is_placed_while_only_observing_or_for_what_is_unmanaged(side):
    held = position(side)
    assert stops(told(held), mode=Mode.OBSERVE).places == ()
    assert stops(told(held), rulebook=rules(unmanaged=[held.key])).places == ()
    assert stops(told(held), mode=Mode.PLACE_ONLY).places


@both_sides
def test_a_streamed_mark_beyond_the_stop_anchors_it_to_the_mark(side):
    wanted = stops(told(position(side)), mark=at(side, -3))
    [place] = wanted.places
    assert place.order.source == "reanchor"


@both_sides
@both_modes
@pytest.mark.parametrize("again", [False, True], ids=["read as flat", "told as flat"])
def test_a_mark_from_before_it_was_opened_anchors_nothing(side, hedged, again):
    """The price jumped, and the position was opened there before the stream told of the next mark."""
    held = position(side, hedged=hedged, updated_at_ms=NOW_MS)
    last = seen_at([position(side, hedged=hedged)] if again else [])
    before = [flat(held, NOW_MS - 1)] if again else []
    [place] = stops(told(held), last, before=before, mark=at(side, -3), marked_at_ms=NOW_MS - 1).places
    assert (place.order.source, place.order.trigger_price) == ("hybrid", at(side, "-1.5"))
    [place] = stops(told(held), last, before=before, mark=at(side, -3), marked_at_ms=NOW_MS).places
    assert place.order.source == "reanchor", "a mark of that moment is no older than the position"


@both_sides
def test_an_older_mark_counts_where_the_entry_may_be_of_long_ago(side):
    """Nothing was read of the symbol: the event may tell of a position that only grew."""
    held = position(side, updated_at_ms=NOW_MS)
    [place] = stops(told(held), mark=at(side, -3), marked_at_ms=NOW_MS - 1).places
    assert place.order.source == "reanchor"


@both_sides
def test_an_older_mark_counts_where_the_entry_is_not_told(side):
    held = position(side, entry=D(0), updated_at_ms=NOW_MS)
    [place] = stops(told(held), seen_at([]), mark=D(100), marked_at_ms=NOW_MS - 1).places
    assert place.order.source == "reanchor" and place.order.trigger_price == at(side, "-1.5")


@both_sides
def test_no_verdict_counts_an_event_as_a_read(side):
    wanted = stops(told(position(side)))
    known = wanted.evidence.of(position(side).key)
    assert (known.present_reads, known.quantities, known.flat_sign) == (0, (), False)


@both_sides
def test_repeats_and_older_events_say_nothing_new(side):
    held = position(side, updated_at_ms=NOW_MS)
    since = after_position(SinceRead(), told(held), None)
    assert after_position(since, told(held), None) is None
    assert after_position(since, told(replace(held, quantity=D(9)), at_ms=NOW_MS - 1), None) is None
    assert after_position(SinceRead(), told(held), seen_at([held])) is None


@both_sides
@both_modes
def test_the_size_before_is_the_last_event_else_the_last_read(side, hedged):
    held = position(side, hedged=hedged)
    seen = seen_at([held])
    assert quantity_before(None, SinceRead(), held.key) == 0
    assert quantity_before(seen, SinceRead(), held.key) == 1
    since = after_position(SinceRead(), told(replace(held, quantity=D(4)), at_ms=NOW_MS), seen)
    assert quantity_before(seen, since, held.key) == 4
    gone = after_position(since, flat(held, NOW_MS + 1), seen)
    assert quantity_before(seen, gone, held.key) == 0


def test_orders_remembered_between_two_reads_are_bounded():
    since = SinceRead()
    for number in range(ORDERS_REMEMBERED_MAX + 50):
        order = live(position(), 98, client_id=f"web{number}")
        since = after_order(since, algo(order, OrderStatus.CANCELED))
    assert len(since.orders) == ORDERS_REMEMBERED_MAX


@both_sides
def test_a_mark_moves_a_stop_only_once_it_trails(side):
    held = position(side)
    seen, evidence = settled(held, [backstop(held, at(side, "-1.5"))])

    def moves(pct):
        return mark_moves_a_stop(seen, at(side, pct), evidence, rules(), None, Mode.LIVE, NOW_MS)

    assert [moves(pct) for pct in ("0", "0.5", "1", "2", "5")] == [False, False, False, True, True]
    trailed = working(held, at(side, "0.5"))
    seen, evidence = settled(replace(held, mark_price=at(side, 2)), [backstop(held, at(side, "-1.5")), trailed])
    assert [moves(pct) for pct in ("1.5", "2.02", "2.5")] == [False, False, True]


@both_sides
def test_a_mark_that_moves_is_a_reason_to_look_where_the_last_trade_arms_too(side):
    rulebook = rules(settings(working_type=WorkingType.CONTRACT_PRICE))
    held = replace(position(side), last_price=D(100))
    seen, evidence = settled(held, [backstop(held, at(side, "-1.5"))])

    def moves(look):
        return mark_moves_a_stop(look, at(side, 2), evidence, rulebook, None, Mode.LIVE, NOW_MS)

    assert moves(seen)
    assert not moves(replace(seen, positions=(position(side),))), "the price that a stop would follow was not read"


sizes = st.decimals("0.001", "50", places=3)
prices = st.decimals("10", "1000", places=2)


@given(st.sampled_from(SIDES), st.booleans(), sizes, prices, prices)
def test_whatever_an_event_says_the_guard_lets_only_reducing_orders_pass(side, hedged, size, entry, mark):
    held = replace(position(side, entry=entry, mark=mark, hedged=hedged), quantity=size)
    wanted = stops(told(held), mark=mark, rulebook=rules(settings()))
    for place in wanted.places:
        approved = approve_place(place, gate(wanted.view, wanted.evidence.of(held.key)))
        assert isinstance(approved, Approved)
        assert place.order.side is side
        assert place.order.close_all or place.order.quantity <= size
    assert all(place.order.trigger_price > 0 for place in wanted.places)
