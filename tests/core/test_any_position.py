"""Whatever the venue says about a position: where a stop can rest and protect, a first look places one (4.1, 4.2).

Entry, mark and liquidation price are drawn apart from each other, as a cross-margin account may report them; the price
and size limits of the symbol are drawn so that they bind.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from position_monitor.core.decision.decide import decide
from position_monitor.core.decision.guard import Approved, approve_place
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.model.actions import Place
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import Side
from position_monitor.core.observation.cover import cover_of

from .build import (
    SIDES,
    SYMBOL,
    D,
    backstop,
    gate,
    instrument,
    live,
    position,
    rested,
    rules,
    seen_at,
    settings,
    working,
)

# How many cases are tried is a matter of the profile (`tests/conftest.py`): `--hypothesis-profile=search` tries many
# new ones.
TICKS = [D("0.01"), D("0.1"), D("0.5"), D("3")]


TICKS_TRIED = 2_200
"""So far from the mark the permitted prices begin at most."""


def has_stop_price(held: Position, venue: Instrument, *, before_liquidation: bool = True) -> bool:
    """Whether there is a permitted stop price for a position, by trying: strictly between liquidation and mark."""
    long = held.side is Side.LONG
    ahead = held.liquidation_ahead if before_liquidation else None

    def fits(steps: int) -> bool:
        price = steps * venue.tick
        if not venue.min_price <= price <= venue.max_price or price <= 0:
            return False
        if ahead is not None and (price <= ahead if long else price >= ahead):
            return False
        return price < held.mark_price if long else price > held.mark_price

    near = int(held.mark_price / venue.tick)
    return any(fits(near + (1 - steps if long else steps)) for steps in range(TICKS_TRIED))


def fits_in_parts(held: Position, venue: Instrument) -> bool:
    """Whether some number of quantity stops, as many as ids tell apart, can cover a position."""
    least, most = max(venue.min_quantity, venue.market_min_quantity), venue.market_max_quantity
    return any(least * count <= held.quantity <= most * count for count in range(1, 19))


@st.composite
def positions(draw) -> tuple[Position, Instrument]:
    side, tick = draw(st.sampled_from(SIDES)), draw(st.sampled_from(TICKS))
    near = st.decimals("90", "110", places=3)
    close = st.decimals("99.9", "100.1", places=3)
    price = st.one_of(near, close)
    mark = draw(price)
    liquidation = draw(st.one_of(st.none(), price, st.decimals("0.001", "400", places=3)))
    entry = draw(st.one_of(price, st.just(D(0))))
    low = draw(st.one_of(st.just(D("0.01")), near))
    high = draw(st.one_of(st.just(D(10_000)), near))
    quantity = draw(st.sampled_from(["0.001", "0.004", "1", "130", "5000"]))
    venue = instrument(
        tick=tick,
        min_price=min(low, high),
        max_price=max(low, high) + D("0.001"),
        market_max_quantity=draw(st.sampled_from([D("0.002"), D(3), D(120), D(10_000)])),
        market_min_quantity=draw(st.sampled_from([D("0.001"), D("0.003")])),
    )
    held = position(side, quantity, entry=entry, mark=mark, liquidation=liquidation, hedged=draw(st.booleans()))
    return held, venue


@st.composite
def protections(draw):
    stop = draw(st.decimals("0.5", "5", places=1))
    return settings(
        stop_loss_pct=stop,
        trailing_pct=draw(st.decimals("0.3", "4", places=1)),
        liquidation_fraction_pct=draw(st.integers(10, 95)),
        respect_foreign_orders=draw(st.booleans()),
    )


@st.composite
def resting(draw, held: Position) -> list[LiveOrder]:
    """What rests already: a close-all of anybody, working stops of ours, quantity stops of others; at any price."""
    price = st.decimals("85", "115", places=2)
    orders: list[LiveOrder] = []
    kind = draw(st.sampled_from(["", "", "ours", "foreign"]))
    if kind:
        trigger = draw(price)
        orders.append(backstop(held, trigger) if kind == "ours" else live(held, trigger, client_id="web_all"))
    for number in range(draw(st.integers(0, 3))):
        orders.append(working(held, draw(price), "0.001", rung=number, order_id=f"w{number}"))
    for number in range(draw(st.integers(0, 2))):
        orders.append(live(held, draw(price), "0.001", client_id=f"web_{number}"))
    return orders


def passed(order: LiveOrder, held: Position) -> bool:
    trigger = order.trigger_price or D(0)
    return held.mark_price <= trigger if held.side is Side.LONG else held.mark_price >= trigger


def first_look(held: Position, venue: Instrument, protection, orders=()):
    seen = seen_at([held], orders, venue=venue)
    evidence = after_read(Evidence(), seen)
    decision = decide({SYMBOL: seen}, evidence, rules(protection), {}, gate(seen).mode, 0, seen.observed_at_ms)
    answers = [
        approve_place(place, gate(seen, evidence.of(held.key), protection=protection))
        for place in decision.plans[SYMBOL].stops
    ]
    return decision, answers


@given(positions(), protections(), st.data())
@effort(max_examples=2 * effort.default.max_examples)
def test_where_a_stop_can_protect_a_first_look_places_one_that_the_gate_approves(drawn, protection, data):
    held, venue = drawn
    orders = data.draw(resting(held))
    if any(passed(order, held) for order in orders if order.client_id.startswith("qpm")):
        return  # one of ours is in the act of triggering: nothing is placed meanwhile (invariant 16)
    decision, answers = first_look(held, venue, protection, orders)
    assert all(isinstance(answer, Approved) for answer in answers), answers
    reason = decision.judgements[held.key].reason
    if not has_stop_price(held, venue):
        assert reason, "where no stop can protect, it is said"
        return
    placed = [rested(answer.action.order) for answer in answers if isinstance(answer.action, Place)]
    covered = cover_of(held, [*orders, *placed], protection)
    if fits_in_parts(held, venue) or not any(order.close_all for order in orders):
        assert covered.full, (reason, placed)


@given(positions(), protections())
def test_a_naked_position_gets_a_stop_or_a_try_where_the_rules_permit_none(drawn, protection):
    held, venue = drawn
    decision, answers = first_look(held, venue, protection)
    roles = [answer.action.order.role for answer in answers if isinstance(answer, Approved)]
    assert roles[:1] == [Role.BACKSTOP]
    if not has_stop_price(held, venue, before_liquidation=False):  # the rules may be older than the venue's
        assert len(answers) == 1 and "permits no stop price" in decision.judgements[held.key].reason
    elif not has_stop_price(held, venue):
        assert "between the liquidation price and the mark" in decision.judgements[held.key].reason


@pytest.mark.parametrize("side", SIDES)
def test_the_row_that_was_found_a_winning_position_whose_entry_lies_beyond_its_liquidation_price(side):
    way = 1 if side is Side.LONG else -1
    entry = D("131.28")
    held = position(side, "10", entry=entry, mark=entry + way * D("1.57"), liquidation=entry + way * D("0.72"))
    decision, answers = first_look(held, instrument(), settings())
    (stop,) = [answer.action.order for answer in answers if isinstance(answer, Approved)]
    liquidation = entry + way * D("0.72")
    assert way * (stop.trigger_price - liquidation) > 0 and way * (held.mark_price - stop.trigger_price) > 0
    assert abs(stop.trigger_price - held.mark_price) <= D("0.8") * abs(liquidation - held.mark_price)
    assert decision.books[held.key].stop.source == "liquidation"


@given(positions(), protections())
def test_take_profits_keep_to_the_limits_of_the_venue_too(drawn, protection):
    held, venue = drawn
    seen = seen_at([held], venue=venue)
    evidence = after_read(after_read(Evidence(), seen), seen)
    decision = decide({SYMBOL: seen}, evidence, rules(protection), {}, gate(seen).mode, 0, seen.observed_at_ms)
    for place in decision.plans[SYMBOL].take_profits:
        answer = approve_place(place, gate(seen, evidence.of(held.key), protection=protection))
        assert isinstance(answer, Approved), answer


def test_a_stop_that_is_too_late_is_not_moved_with_every_tick_of_the_mark():
    held = position(mark="100.008", entry=100, liquidation="100.005")
    (answer,) = first_look(held, instrument(), settings())[1]
    stop = rested(answer.action.order)
    moved = position(mark="100.028", entry=100, liquidation="100.025")
    assert not first_look(moved, instrument(), settings(), [stop])[1]


@pytest.mark.parametrize("side", SIDES)
def test_a_working_stop_alone_leaves_the_close_all_slot_free_only_where_quantity_stops_can_cover(side):
    """After a restart a working stop without a backstop says that another program had the slot. A position that
    quantity stops cannot cover takes it all the same."""
    venue = instrument(market_max_quantity=D("0.002"), market_min_quantity=D("0.003"))
    held = position(side, "0.004")
    level = held.entry_price * (D("0.98") if side is Side.LONG else D("1.02"))
    alone = working(held, level, "0.001")
    answers = first_look(held, venue, settings(), [alone])[1]
    assert [answer.action.order.role for answer in answers if isinstance(answer, Approved)] == [Role.BACKSTOP]
    answers = first_look(held, instrument(), settings(), [alone])[1]
    assert [answer.action.order.role for answer in answers if isinstance(answer, Approved)] == [Role.WORKING_STOP]
