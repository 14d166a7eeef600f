"""Desired against live: by content, not by remembered ids (DESIGN 1, invariants 4 and 5)."""

import pytest

from position_monitor.core.book import diff
from position_monitor.core.model.orders import OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.live_book import SymbolOrders

from .build import (
    LONG,
    OLD_EPOCH,
    SHORT,
    SIDES,
    SYMBOL,
    D,
    at,
    backstop,
    book_for,
    compared,
    desired,
    instrument,
    ladder,
    live,
    position,
    rested,
    target,
    working,
)


def same_content(wanted, order):
    owned = SymbolOrders([order]).by_position[order.key].owned
    return bool(owned) and diff.same_content(wanted, owned[0])


both_sides = pytest.mark.parametrize("side", SIDES)


@both_sides
@pytest.mark.parametrize("hedged", [False, True])
def test_a_complete_book_is_in_sync(side, hedged):
    held = position(side, hedged=hedged)
    book = book_for(held)
    found = compared(held, book, [rested(order) for order in book.orders])
    assert found.in_sync and len(found.matched) == 4
    assert found.missing == found.surplus == found.foreign == found.in_flight == ()


@both_sides
def test_every_order_lands_in_exactly_one_pile(side):
    held = position(side)
    book = book_for(held)
    rows = [
        rested(book.orders[0]),
        rested(book.orders[1])._replace(status=OrderStatus.TRIGGERING),
        working(held, at(side, -3)),
        live(held, at(side, -4)),
        working(held, at(side, "-3.5"))._replace(status=OrderStatus.CANCELED),
        live(position(side, symbol="ETHUSDT"), at(side, -2)),
    ]
    found = compared(held, book, rows)
    assert [order for _, order in found.matched] == [rows[0]]
    assert found.in_flight == (rows[1],)
    assert found.surplus == (rows[2],)
    assert found.foreign == (rows[3],)
    assert {order.rung for order in found.missing} == {1, 2}, "the rung in flight is not placed again"


def test_an_order_of_an_earlier_epoch_with_the_same_content_is_taken_over():
    held = position()
    book = book_for(held)
    old = [order._replace(order_id=f"old-{n}") for n, order in enumerate(ladder(held, epoch=OLD_EPOCH))]
    found = compared(held, book, old)
    assert {order.role for order in found.missing} == {Role.BACKSTOP}
    assert not found.surplus


@both_sides
@pytest.mark.parametrize(
    "change",
    [
        {"trigger_price": D("97.77")},
        {"quantity": D("0.9")},
        {"quantity": None},
        {"client_id": "web_abcdef", "tag": None},
        {"key": PositionKey(SYMBOL, LONG)},
        {"key": PositionKey(SYMBOL, SHORT)},
        {"hedged": True},
        {"purpose": Purpose.TAKE_PROFIT},
    ],
    ids=lambda change: "-".join(change),
)
def test_any_difference_that_matters_makes_it_another_order(side, change):
    held = position(side)
    order = working(held, at(side, -2))
    wanted = desired(order, held)
    assert same_content(wanted, order)
    changed = order._replace(**change)
    assert same_content(wanted, changed) is (changed == order)


@both_sides
def test_an_order_that_can_do_more_than_reduce_is_another_order(side):
    """Only a leg leaves the direction of a target open; a stop that can do more than reduce covers nothing."""
    for held, target_is_same in ((position(side, hedged=True), False), (position(side), True)):
        stop, rung = working(held, at(side, -2)), target(held, 0, at(side, 2), "0.3")
        assert not same_content(desired(stop, held), stop._replace(reduces=False))
        assert same_content(desired(rung, held), rung._replace(reduces=False)) is target_is_same


def test_a_changed_working_type_does_not_replace_what_rests():
    """Its id would be the same; the next stop that moves carries the new setting."""
    held = position()
    order = working(held, 98, working_type=WorkingType.CONTRACT_PRICE)
    assert same_content(desired(working(held, 98), held), order)


@both_sides
def test_another_rung_is_another_order(side):
    held = position(side)
    assert not same_content(desired(working(held, 98, rung=1), held), working(held, 98, rung=0))


def test_two_equal_wishes_need_two_orders():
    held = position()
    book = book_for(held)
    twice = book._replace(orders=(book.orders[0], *book.take_profits, book.take_profits[0]))
    found = compared(held, twice, [rested(order) for order in book.orders])
    assert len(found.missing) == 1


def test_what_rests_is_sorted_by_owner_whether_or_not_there_is_a_position():
    held = position()
    rows = [backstop(held, 98), *ladder(held), live(held, 97)]
    found = SymbolOrders(rows).by_position
    assert found.keys() == {held.key}
    assert found[held.key].resting == tuple(rows[:4]) and found[held.key].foreign == (rows[4],)


@both_sides
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_piece_of_a_split_stop_is_asked_for_under_its_own_id(side, lost):
    """Three equal pieces differ by their id only; the one that is missing must not be sent under an id that rests."""
    held = position(side, "30")
    book = book_for(held, [live(held, at(side, -8))], venue=instrument(market_max_quantity=10))
    pieces = [rested(order) for order in book.stops]
    assert len(pieces) == 3
    left = [order for n, order in enumerate(pieces) if n != lost]
    missing = [order.client_id for order in compared(held, book, left).missing if order.role is Role.WORKING_STOP]
    assert missing == [pieces[lost].client_id]
