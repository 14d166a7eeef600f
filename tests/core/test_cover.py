"""What counts as a stop: the one predicate that plans, approves and judges (DESIGN 1, 9, invariants 5 and 6)."""

import pytest

from position_monitor.core.model.orders import OrderStatus, Purpose, Role
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.cover import belongs_to, counts_as_target, cover_of, why_not_cover

from .build import LONG, SHORT, SIDES, D, at, backstop, live, position, settings, target, working

HEDGED = (False, True)
both_sides = pytest.mark.parametrize("side", SIDES)
both_modes = pytest.mark.parametrize("hedged", HEDGED, ids=["one-way", "hedge"])


@both_sides
@both_modes
@pytest.mark.parametrize("quantity", [None, "1", "0.4"], ids=["close-all", "whole", "part"])
def test_a_resting_stop_on_the_right_side_is_cover_ours_or_not(side, hedged, quantity):
    held = position(side, hedged=hedged)
    own = backstop(held, at(side, -2)) if quantity is None else working(held, at(side, -2), quantity)
    assert why_not_cover(own, held, settings()) == ""
    assert why_not_cover(live(held, at(side, -2), quantity), held, settings()) == ""


@both_sides
@both_modes
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"key": PositionKey("ETHUSDT", LONG)}, "not a reducing stop"),
        ({"purpose": Purpose.STOP_LIMIT}, "not a reducing stop"),
        ({"purpose": Purpose.TRAILING_STOP}, "not a reducing stop"),
        ({"purpose": Purpose.TAKE_PROFIT}, "not a reducing stop"),
        ({"purpose": Purpose.LIMIT}, "not a reducing stop"),
        ({"purpose": Purpose.OTHER}, "not a reducing stop"),
        ({"trigger_price": None}, "no trigger"),
        ({"trigger_price": D(0)}, "no trigger"),
        ({"caveat": "it expires"}, "it expires"),
        *(({"status": status}, "only NEW protects") for status in OrderStatus if status is not OrderStatus.NEW),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_what_is_not_a_plain_resting_market_stop_is_not_cover(side, hedged, change, why):
    held = position(side, hedged=hedged)
    for order in (backstop(held, at(side, -2)), working(held, at(side, -2)), live(held, at(side, -2))):
        changed = order._replace(**change)
        assert why in why_not_cover(changed, held, settings())
        assert not cover_of(held, (changed,), settings()).full


@both_sides
def test_an_order_that_would_add_to_the_position_is_not_cover(side):
    held, other = position(side), position(side.opposite)
    wrong = live(other, at(side, -2))
    assert not belongs_to(wrong, held.key, hedged=False)
    assert why_not_cover(wrong, held, settings())


@both_sides
@both_modes
def test_a_stop_that_could_open_a_position_is_not_cover(side, hedged):
    held = position(side, hedged=hedged)
    stop = live(held, at(side, -2), "1")
    assert why_not_cover(stop, held, settings()) == ""
    assert why_not_cover(stop._replace(reduces=False), held, settings()) == "not a reducing stop of this position"


@both_sides
@pytest.mark.parametrize(
    ("hedged", "leg", "counts"),
    [
        (True, "own", True),
        (True, "other", False),
        (True, "none", False),
        (False, "none", True),
        (False, "own", False),
    ],
)
def test_the_leg_an_order_names_must_match_the_mode_of_the_account(side, hedged, leg, counts):
    held = position(side, hedged=hedged)
    key = PositionKey(held.symbol, side.opposite if leg == "other" else side)
    order = live(held, at(side, -2), key=key, hedged=leg != "none")
    assert (why_not_cover(order, held, settings()) == "") is counts


@both_sides
@pytest.mark.parametrize(
    ("trigger", "counts"), [("-9.99", True), ("-10", False), ("-10.01", False), ("-1", True)], ids=str
)
def test_a_stop_at_or_beyond_liquidation_protects_nothing(side, trigger, counts):
    held = position(side, liquidation=at(side, -10))
    own = backstop(held, at(side, trigger))
    assert (why_not_cover(own, held, settings()) == "") is counts
    assert cover_of(held, (own,), settings()).full is counts


@both_sides
@pytest.mark.parametrize(("mark", "counts"), [("-1.99", True), ("-2", False), ("-2.01", False)], ids=str)
def test_a_stop_the_mark_has_passed_protects_no_more(side, mark, counts):
    held = position(side, mark=at(side, mark))
    assert (why_not_cover(backstop(held, at(side, -2)), held, settings()) == "") is counts


@both_sides
@pytest.mark.parametrize(
    ("trigger", "counts"),
    [("-5", True), ("-5.01", False), ("0", True), ("2", True), ("-0.01", True)],
    ids=["at the limit", "too far", "breakeven", "locks profit", "near"],
)
def test_a_foreign_stop_counts_only_inside_the_allowed_loss(side, trigger, counts):
    held = position(side, mark=at(side, 3))
    foreign = live(held, at(side, trigger))
    assert (why_not_cover(foreign, held, settings()) == "") is counts
    assert why_not_cover(backstop(held, at(side, trigger)), held, settings()) == "", "our own is judged by liquidation"


@both_sides
def test_the_allowed_loss_is_measured_from_the_mark_while_the_entry_is_unknown(side):
    held = position(side, entry=0, mark=100)
    assert why_not_cover(live(held, at(side, -5)), held, settings()) == ""
    assert "further than" in why_not_cover(live(held, at(side, "-5.01")), held, settings())


@both_sides
def test_foreign_stops_can_be_ignored_but_ours_never(side):
    held = position(side)
    ignoring = settings(respect_foreign_orders=False)
    assert "ignored" in why_not_cover(live(held, at(side, -2)), held, ignoring)
    assert why_not_cover(backstop(held, at(side, -2)), held, ignoring) == ""


@both_sides
def test_a_stop_the_venue_may_withhold_in_a_spike_is_not_cover(side):
    held = position(side)
    stop = live(held, at(side, -2), caveat="it may be withheld")
    assert why_not_cover(stop, held, settings()) == "it may be withheld"


@both_sides
@pytest.mark.parametrize(
    ("sizes", "covered", "pct"),
    [
        ([], "0", "0"),
        (["0.25"], "0.25", "25"),
        (["0.25", "0.5"], "0.75", "75"),
        (["0.5", "0.5"], "1", "100"),
        (["0.7", "0.7"], "1", "100"),
        ([None], "1", "100"),
        (["0.1", None], "1", "100"),
        ([None, "5"], "1", "100"),
    ],
    ids=str,
)
def test_cover_adds_up_over_mixed_stops_and_is_capped_at_the_position(side, sizes, covered, pct):
    held = position(side)
    orders = [live(held, at(side, -1 - n), size, order_id=str(n)) for n, size in enumerate(sizes)]
    cover = cover_of(held, orders, settings())
    assert (cover.quantity, cover.pct) == (D(covered), D(pct))
    assert cover.full is (D(pct) == 100)
    assert cover.stop_price == (at(side, -1) if sizes else None), "the tightest trigger speaks for the position"


@both_sides
def test_orders_that_do_not_count_add_nothing(side):
    held = position(side)
    good = live(held, at(side, -2), "0.4")
    bad = live(held, at(side, -1), "0.6", status=OrderStatus.TRIGGERING)
    cover = cover_of(held, (good, bad), settings())
    assert cover.orders == (good,)
    assert cover.quantity == D("0.4") and cover.stop_price == at(side, -2)


@both_sides
@pytest.mark.parametrize(
    ("stops", "loss"),
    [
        ([("-2", None)], "2"),
        ([("-2", "1")], "2"),
        ([("-1", "0.4"), ("-3", None)], "2.2"),
        ([("-3", None), ("-1", "0.4")], "2.2"),
        ([("-1", "0.5"), ("-2", "0.5")], "1.5"),
        ([("-1", "0.9"), ("-2", "0.9")], "1.1"),
        ([("2", None)], "-2"),
        ([("-2", "0.99")], None),
    ],
    ids=str,
)
def test_the_worst_loss_fills_the_stops_in_the_order_the_price_meets_them(side, stops, loss):
    held = position(side, mark=at(side, 3))
    orders = [live(held, at(side, pct), size, order_id=str(n)) for n, (pct, size) in enumerate(stops)]
    assert cover_of(held, orders, settings()).worst_loss == (None if loss is None else D(loss))


def test_without_an_entry_price_no_loss_is_claimed():
    held = position(entry=0)
    cover = cover_of(held, (backstop(held, 98),), settings())
    assert cover.full and cover.worst_loss is None


@both_sides
@both_modes
@pytest.mark.parametrize(
    ("purpose", "prices", "status", "counts"),
    [
        (Purpose.TAKE_PROFIT, {"trigger_price": D(104)}, OrderStatus.NEW, True),
        (Purpose.TAKE_PROFIT_LIMIT, {"trigger_price": D(104)}, OrderStatus.NEW, True),
        (Purpose.LIMIT, {"trigger_price": None, "limit_price": D(104)}, OrderStatus.NEW, True),
        (Purpose.LIMIT, {"trigger_price": None, "limit_price": D(104)}, OrderStatus.PARTIALLY_FILLED, True),
        (Purpose.LIMIT, {"trigger_price": D(104), "limit_price": None}, OrderStatus.NEW, False),
        (Purpose.TAKE_PROFIT, {"trigger_price": None}, OrderStatus.NEW, False),
        (Purpose.TAKE_PROFIT, {"trigger_price": D(104)}, OrderStatus.TRIGGERED, False),
        (Purpose.STOP, {"trigger_price": D(104)}, OrderStatus.NEW, False),
    ],
)
def test_which_orders_take_profit(side, hedged, purpose, prices, status, counts):
    held = position(side, hedged=hedged)
    order = live(held, 104, "0.5", purpose=purpose)._replace(status=status, **prices)
    assert counts_as_target(order, held.key, hedged=hedged) is counts
    assert not counts_as_target(order._replace(reduces=False), held.key, hedged=hedged)


def test_the_role_of_an_order_is_read_from_its_id_and_foreign_orders_have_none():
    held = position()
    assert backstop(held, 98).role is Role.BACKSTOP
    assert working(held, 98).role is Role.WORKING_STOP
    assert target(held, 2, 104, "1").role is Role.TAKE_PROFIT
    assert live(held, 98).role is None


@pytest.mark.parametrize(("one", "other"), [(LONG, SHORT), (SHORT, LONG)])
def test_in_hedge_mode_the_two_sides_never_share_a_stop(one, other):
    held, against = position(one, hedged=True), position(other, hedged=True)
    stop = backstop(held, at(one, -2))
    assert cover_of(held, (stop,), settings()).full
    assert cover_of(against, (stop,), settings()).quantity == 0
