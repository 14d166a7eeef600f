"""The desired book: two layers of stop, never looser, foreign orders, a ladder that stays (DESIGN 1, 2, 9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.book.desired_book import rungs_allowed, rungs_for
from position_monitor.core.book.stop_level import LEVELS_AT_ONCE_MAX, LEVELS_STUCK_MAX
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model import ids
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.money import beyond, tighter
from position_monitor.core.model.orders import OrderStatus, Purpose, Role
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.settings import Rung
from position_monitor.core.model.sides import PositionKey

from .build import (
    LONG,
    NOW_MS,
    OLD_EPOCH,
    SHORT,
    SIDES,
    STATIC,
    D,
    advise,
    at,
    backstop,
    book_for,
    compared,
    decided,
    instrument,
    known,
    ladder,
    live,
    ours,
    position,
    rested,
    seen_at,
    settings,
    settled,
    target,
    working,
)

ANCHORED = ids.stop_rung(0, anchored=True)
both_sides = pytest.mark.parametrize("side", SIDES)
both_modes = pytest.mark.parametrize("hedged", [False, True], ids=["one-way", "hedge"])


def stops(book) -> list[tuple[str, object, object]]:
    return [(order.role.value, order.trigger_price, order.quantity) for order in book.stops]


def rungs(book) -> list[tuple[int, object, object]]:
    return [(order.rung, order.trigger_price, order.quantity) for order in book.take_profits]


# --- the two layers of the stop ---------------------------------------------------------------------------------------


@both_sides
@both_modes
def test_a_naked_position_gets_its_backstop_first_then_the_ladder(side, hedged):
    held = position(side, hedged=hedged)
    book = book_for(held)
    assert stops(book) == [("backstop", at(side, "-1.5"), None)]
    assert book.orders[0] is book.stops[0], "stops come first"
    assert rungs(book) == [
        (0, at(side, "1.5"), D("0.3")),
        (1, at(side, "2.5"), D("0.3")),
        (2, at(side, "4"), D("0.4")),
    ]
    assert all(order.hedged is held.hedged for order in book.orders)
    assert all(order.purpose is Purpose.TAKE_PROFIT for order in book.take_profits)


@both_sides
@both_modes
def test_a_tighter_level_is_a_working_stop_above_the_backstop(side, hedged):
    held = position(side, hedged=hedged)
    rest = backstop(held, at(side, -3))
    book = book_for(held, [rest])
    assert stops(book) == [("backstop", at(side, -3), None), ("working_stop", at(side, "-1.5"), D(1))]
    assert book.stops[0].client_id == rest.client_id, "the backstop is wanted exactly as it rests"


@both_sides
@pytest.mark.parametrize("quantity", ["0.5", "1", "130"])
def test_a_backstop_where_it_belongs_needs_no_working_stop(side, quantity):
    held = position(side, quantity)
    assert stops(book_for(held, [backstop(held, at(side, "-1.5"))])) == [("backstop", at(side, "-1.5"), None)]


close_alls = st.lists(
    st.tuples(st.sampled_from(["ours", "foreign"]), st.decimals("-8", "1", places=1), st.booleans()), max_size=2
)


@given(st.sampled_from(SIDES), st.booleans(), close_alls, st.booleans(), st.decimals("-4", "6", places=1))
def test_a_second_close_all_is_never_wanted(side, hedged, rows, blocked, mark):
    """The venue refuses it (-4130) and would leave the position without the stop it asked for."""
    held = position(side, hedged=hedged, mark=at(side, mark))
    orders = [
        backstop(held, at(side, pct)) if owner == "ours" else live(held, at(side, pct), order_id=f"f{n}")
        for n, (owner, pct, _) in enumerate(rows)
    ][:1]
    book = book_for(held, orders, known_as=known(close_all_blocked=blocked))
    new = [order for order in book.stops if order.close_all and order.client_id not in {o.client_id for o in orders}]
    assert not new or not (orders or blocked)


@both_sides
@pytest.mark.parametrize("trigger", ["-4.9", "-1", "1"])
def test_a_foreign_close_all_inside_the_allowed_loss_is_respected(side, trigger):
    held = position(side, mark=at(side, 2))
    assert stops(book_for(held, [live(held, at(side, trigger))])) == []


@both_sides
@pytest.mark.parametrize(
    ("trigger", "respect"), [("-6", True), ("-2", False)], ids=["too far", "ignored by configuration"]
)
def test_beside_a_foreign_close_all_that_does_not_count_a_working_stop_rests(side, trigger, respect):
    held = position(side)
    book = book_for(held, [live(held, at(side, trigger))], settings(respect_foreign_orders=respect))
    assert stops(book) == [("working_stop", at(side, "-1.5"), D(1))]


@both_sides
def test_partial_foreign_cover_does_not_keep_our_backstop_away(side):
    held = position(side)
    book = book_for(held, [live(held, at(side, -1), "0.9")])
    assert stops(book) == [("backstop", at(side, "-1.5"), None)]


@both_sides
def test_foreign_cover_is_not_enough_when_liquidation_is_nearer_than_the_policys_stop(side):
    held = position(side, liquidation=at(side, "-1.5"))
    assert stops(book_for(held, [live(held, at(side, "-1.4"))])) == [("working_stop", at(side, "-1.2"), D(1))]
    assert stops(book_for(held, [live(held, at(side, "-1.1"))])) == []


@both_sides
def test_foreign_cover_just_before_liquidation_is_not_enough(side):
    held = position(side, liquidation=at(side, -3))
    assert stops(book_for(held, [live(held, at(side, "-2.9"))])) == [("working_stop", at(side, "-1.5"), D(1))]


@both_sides
def test_after_the_venue_said_a_close_all_exists_a_working_stop_is_wanted(side):
    held = position(side)
    book = book_for(held, known_as=known(close_all_blocked=True))
    assert stops(book) == [("working_stop", at(side, "-1.5"), D(1))]


@both_sides
def test_our_backstop_beyond_liquidation_stays_and_a_working_stop_covers(side):
    """Margin was withdrawn: the close-all cannot be moved, so the cover comes from the second layer."""
    held = position(side, liquidation=at(side, -1))
    book = book_for(held, [backstop(held, at(side, "-1.5"))])
    assert stops(book) == [("backstop", at(side, "-1.5"), None), ("working_stop", at(side, "-0.8"), D(1))]
    assert book.stop.source == LevelSource.LIQUIDATION


@both_sides
def test_a_large_working_stop_is_split_at_the_market_maximum(side):
    held = position(side, "25")
    book = book_for(held, [backstop(held, at(side, -3))], venue=instrument(market_max_quantity=10))
    working_stops = [order for order in book.stops if order.role is Role.WORKING_STOP]
    assert sum(order.quantity for order in working_stops) == 25
    assert all(8 < order.quantity <= 10 for order in working_stops), "in equal parts: none is left too small"
    assert len({order.client_id for order in working_stops}) == 3


@both_sides
def test_a_very_large_position_without_a_backstop_is_covered_whole(side):
    held = position(side, "45")
    book = book_for(held, [live(held, at(side, -8))], venue=instrument(market_max_quantity=10))
    assert sum(order.quantity for order in book.stops) == 45


def test_a_position_smaller_than_one_step_still_gets_the_close_all():
    held = position(quantity="0.0004")
    book = book_for(held)
    assert stops(book) == [("backstop", at(LONG, "-1.5"), None)]
    assert rungs(book) == [] and "rounds to zero" in book.notes[-1]


@both_sides
def test_levels_that_rest_keep_the_word_of_the_policy_that_wants_them(side):
    """A dashboard must see `hybrid` in the tenth cycle as in the first (DESIGN 9)."""
    held = position(side)
    first = book_for(held)
    again = book_for(held, [rested(order) for order in first.orders])
    assert again.stop == first.stop and again.stop.source == LevelSource.HYBRID
    assert [order.source for order in again.orders] == [LevelSource.HYBRID] * 4 == [o.source for o in first.orders]


# --- never looser -----------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize("asked", ["1.5", "2", "5"])
def test_a_wider_setting_does_not_loosen_a_resting_stop(side, asked):
    held = position(side)
    book = book_for(held, [backstop(held, at(side, -1))], settings(stop_loss_pct=asked))
    assert stops(book) == [("backstop", at(side, -1), None)]
    assert book.stop.source == LevelSource.RATCHET


@both_sides
def test_a_working_stop_keeps_its_level_when_the_policy_asks_for_less(side):
    held = position(side, mark=at(side, 2))
    rest = [backstop(held, at(side, "-1.5")), working(held, at(side, 1))]
    assert stops(book_for(held, rest)) == [("backstop", at(side, "-1.5"), None), ("working_stop", at(side, 1), D(1))]


@both_sides
@pytest.mark.parametrize(("asked", "level"), [("1.45", "-1.5"), ("1.41", "-1.5"), ("1.3", "-1.3"), ("0.5", "-0.5")])
def test_a_stop_moves_only_for_a_worthwhile_improvement(side, asked, level):
    held = position(side, mark=at(side, 1))
    book = book_for(held, [backstop(held, at(side, "-1.5"))], settings(stop_loss_pct=asked))
    assert book.stop.price == at(side, level)


moves = st.lists(
    st.tuples(
        st.decimals("-6", "8", places=1),
        st.decimals("0.5", "5", places=1),
        st.sampled_from([None, "0.5", "1", "3"]),
        st.sampled_from([None, "-4", "-9"]),
        st.sampled_from(["0.5", "1", "2"]),
    ),
    min_size=2,
    max_size=6,
)


@given(st.sampled_from(SIDES), st.booleans(), moves)
def test_whatever_happens_within_an_epoch_the_effective_stop_only_tightens(side, hedged, steps):
    """Marks, settings, advice, liquidation prices and sizes change; a stop that rests and covers is never given up."""
    orders: tuple = ()
    best = None
    for mark, stop_loss, opinion, liquidation, size in steps:
        held = position(
            side,
            size,
            mark=at(side, mark),
            hedged=hedged,
            liquidation=None if liquidation is None else at(side, liquidation),
        )
        if best is not None and beyond(held.mark_price, best, side):
            break
        advice = None if opinion is None else advise("1", stop=opinion)
        book = book_for(held, orders, settings(stop_loss_pct=stop_loss), advice=advice)
        covering = [order for order in book.stops if order.trigger_price == book.stop.price]
        assert covering, "the effective stop is one that rests or is wanted"
        assert all(order.close_all or order.quantity == held.quantity for order in covering)
        if best is not None:
            assert not tighter(best, book.stop.price, side)
        best = book.stop.price
        orders = tuple(rested(order) for order in book.orders)


@both_sides
def test_a_stop_of_an_earlier_epoch_does_not_bind_a_new_position(side):
    held = position(side)
    orphan = ours(held, Role.WORKING_STOP, at(side, "-0.2"), "1", epoch=OLD_EPOCH)
    book = book_for(held, [orphan])
    assert book.stop.price == at(side, "-1.5")


@both_sides
def test_while_the_price_is_beyond_the_policys_stop_a_resting_stop_stays(side):
    """Anchored once to the mark, it does not follow the price back up in a loss."""
    held = position(side, mark=at(side, -3))
    anchored = backstop(held, at(side, -4), rung=ANCHORED)
    for mark in ("-3", "-2", "-1.6", "-1", "-0.1"):
        moved = position(side, mark=at(side, mark))
        assert stops(book_for(moved, [anchored])) == [("backstop", at(side, -4), None)]
    winning = position(side, mark=at(side, "0.5"))
    assert stops(book_for(winning, [anchored]))[1] == ("working_stop", at(side, "-1.5"), D(1))


@both_sides
def test_the_liquidation_clamp_moves_the_stop_even_while_the_price_is_beyond_the_policys_stop(side):
    held = position(side, mark=at(side, -3), liquidation=at(side, -5))
    book = book_for(held, [backstop(held, at(side, "-4.95"))])
    assert not tighter(at(side, "-4.6"), book.stop.price, side)


@both_sides
def test_without_an_entry_price_a_resting_stop_does_not_follow_the_mark(side):
    rest = backstop(position(side, entry=0), at(side, "-1.5"))
    moved = position(side, entry=0, mark=at(side, 1))
    assert stops(book_for(moved, [rest])) == [("backstop", at(side, "-1.5"), None)]


@both_sides
def test_new_foreign_cover_does_not_make_our_tighter_stop_unwanted(side):
    held = position(side)
    far, near = live(held, at(side, -8)), live(held, at(side, -4), "1", client_id="web_other")
    own = working(held, at(side, "-1.5"))
    seen, evidence = settled(held, (far, near, own))
    book = book_for(held, seen.orders)
    assert ("working_stop", at(side, "-1.5"), D(1)) in stops(book)
    assert decided(seen, evidence).plans[held.symbol].cancels == ()


@both_sides
def test_a_breached_clamp_moves_the_stop_to_the_clamp_and_no_further_in_a_loss(side):
    held = position(side, mark=at(side, "-1.4"), liquidation=at(side, "-3"))
    book = book_for(held, [backstop(held, at(side, "-2.9"), rung=ANCHORED)])
    assert book.stop.price == at(side, "-2.4")
    assert book.stop.anchored, "a stop that was anchored to the mark stays one where the clamp moves it"


@both_sides
def test_rebase_on_add_bridges_from_the_old_backstop_to_new_levels(side):
    """The one configured exception of invariant 8: an epoch later the old backstop binds no more."""
    rest = backstop(position(side), at(side, "-1.5"), epoch=OLD_EPOCH)
    grown = position(side, "2", entry=at(side, -1), mark=at(side, -1))
    now = known(quantities=(D(1), D(2)))
    book = book_for(grown, [rest], settings(rebase_on_add=True), known_as=now)
    assert [order.role for order in book.stops] == [Role.WORKING_STOP]
    assert not tighter(book.stop.price, at(side, "-2.4"), side), "looser, as configured"
    bridge = rested(book.stops[0])
    after = book_for(grown, [bridge], settings(rebase_on_add=True), known_as=now)
    assert stops(after) == [("backstop", bridge.trigger_price, None)]
    bound = book_for(grown, [rest], settings(), known_as=now)
    assert bound.stop.price == at(side, "-1.5"), "without the setting the old backstop binds"


@both_sides
def test_hybrid_moves_the_stop_to_breakeven_after_the_first_rung(side):
    held = position(side, "0.7", mark=at(side, "1.6"))
    rest = [backstop(held, at(side, "-1.5")), *ladder(position(side))[1:]]
    book = book_for(held, rest, known_as=known(done_rungs=frozenset({0}), quantities=(D("0.7"),)))
    assert not tighter(D(100), book.stop.price, side)


@both_sides
def test_hybrid_trails_the_mark_once_the_trailed_stop_is_at_breakeven(side):
    held = position(side, "0.4", mark=at(side, "3.5"))
    rest = [backstop(held, at(side, "-1.5")), *ladder(position(side))[2:]]
    book = book_for(held, rest, known_as=known(done_rungs=frozenset({0, 1}), quantities=(D("0.4"),)))
    assert not tighter(at(side, "1.9"), book.stop.price, side)


@both_sides
def test_a_trailed_stop_follows_the_best_mark_and_never_comes_back(side):
    """The best mark is remembered by the stop that rests, so a restart forgets nothing."""
    orders: tuple = (backstop(position(side), at(side, "-1.5")),)
    levels = []
    for mark in ("0.5", "1.4", "2", "3", "2.2", "1.6", "3.5", "2.5"):
        held = position(side, mark=at(side, mark))
        book = book_for(held, orders)
        orders = tuple(rested(order) for order in book.orders)
        levels.append(book.stop.price)
    gains = [at(side, 0) - level if side is SHORT else level - at(side, 0) for level in levels]
    assert gains == sorted(gains), "it only tightens"
    assert gains[0] == gains[1] == D("-1.5"), "inactive below breakeven"
    assert D("1.4") < gains[3] == gains[4] == gains[5] < D("1.6") and D("1.9") < gains[-1] < D("2.1")


@both_sides
def test_the_static_policy_neither_trails_nor_moves_to_breakeven(side):
    held = position(side, mark=at(side, "2.4"))
    book = book_for(
        held, [backstop(held, at(side, "-1.5"))], settings(STATIC), known_as=known(done_rungs=frozenset({0}))
    )
    assert book.stop.price == at(side, "-1.5") and book.trailing is None


@both_sides
@pytest.mark.parametrize(
    "why", ["below the venue's minimum", "no capacity then, capacity now", "passed when first seen"]
)
def test_a_ladder_that_never_had_a_first_rung_is_no_reason_for_breakeven(side, why):
    size = "0.003" if why.startswith("below") else "1"
    first = position(side, size, mark=at(side, "1.6" if why.startswith("passed") else 0))
    placed = book_for(first, rungs_max=2 if why.startswith("no capacity") else 4).take_profits
    assert placed and placed[0].rung > 0
    rows = [backstop(first, at(side, "-1.5")), *(rested(order) for order in placed)]
    later = position(side, size, mark=at(side, "0.4"))
    assert book_for(later, rows).stop.price == at(side, "-1.5")


# --- a stop that is firing --------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize("status", [OrderStatus.NEW, OrderStatus.TRIGGERING, OrderStatus.TRIGGERED])
def test_while_a_stop_is_firing_nothing_else_is_wanted_in_its_place(side, status):
    held = position(side, mark=at(side, -2))
    rest = backstop(held, at(side, "-1.5"), status=status)
    firing = known(firing_since_ms=NOW_MS - 9_000)
    assert stops(book_for(held, [rest], known_as=firing)) == [("backstop", at(side, "-1.5"), None)]


@both_sides
def test_a_stop_stuck_in_triggering_is_replaced_after_its_grace(side):
    held = position(side, mark=at(side, -2))
    rest = backstop(held, at(side, "-1.5"), status=OrderStatus.TRIGGERING)
    stuck = known(firing_since_ms=NOW_MS - 10_001)
    book = book_for(held, [rest], known_as=stuck)
    assert [order.trigger_price for order in book.stops] == [book.stop.price]
    assert book.stop.source == LevelSource.REANCHOR
    assert not beyond(held.mark_price, book.stop.price, side)


# --- the ladder -------------------------------------------------------------------------------------------------------


@both_sides
@both_modes
def test_a_resting_ladder_is_wanted_as_it_is(side, hedged):
    held = position(side, hedged=hedged)
    rows = ladder(held)
    assert [o.client_id for o in book_for(held, rows).take_profits] == [o.client_id for o in rows]


@both_sides
@pytest.mark.parametrize("memory", ["remembered", "restarted"])
@pytest.mark.parametrize("filled", [1, 2])
def test_after_rungs_were_filled_the_rest_of_the_ladder_stands(side, memory, filled):
    full = position(side)
    rows = ladder(full)[filled:]
    left = sum(order.quantity for order in rows)
    held = position(side, left, mark=at(side, "1.4"))
    done = frozenset(range(filled)) if memory == "remembered" else frozenset()
    book = book_for(held, rows, known_as=known(done_rungs=done, quantities=(left,)))
    assert [o.client_id for o in book.take_profits] == [o.client_id for o in rows]


@both_sides
@pytest.mark.parametrize("size", ["2", "0.9", "0.35"], ids=["grew", "shrank", "shrank below two rungs"])
def test_the_ladder_is_spread_anew_when_the_position_changes_by_another_hand(side, size):
    rows = ladder(position(side))
    held = position(side, size)
    book = book_for(held, rows)
    assert sum(order.quantity for order in book.take_profits) == D(size)
    assert [order.rung for order in book.take_profits] == [0, 1, 2]
    assert all(order.quantity <= held.quantity for order in book.take_profits)


@both_sides
def test_after_a_fill_and_growth_a_done_rung_is_not_placed_again(side):
    held = position(side, "1.4")
    rows = ladder(position(side))[1:]
    book = book_for(held, rows, known_as=known(done_rungs=frozenset({0})))
    assert [order.rung for order in book.take_profits] == [1, 2]
    assert sum(order.quantity for order in book.take_profits) == D("1.4")


@both_sides
def test_an_oscillating_price_does_not_move_a_resting_ladder(side):
    """The mark crosses the first rung's level back and forth while the rungs placed behind it rest."""
    orders: tuple = ()
    ids_seen = set()
    for mark in ("1.6", "1.4", "1.6", "1.2", "2.6", "2.4", "0"):
        book = book_for(position(side, mark=at(side, mark)), orders)
        orders = tuple(rested(order) for order in book.orders)
        ids_seen.add(tuple(order.client_id for order in book.take_profits))
    assert len(ids_seen) == 1


@both_sides
def test_beyond_every_target_one_rung_for_the_rest_is_placed_once_and_stays(side):
    first = book_for(position(side, mark=at(side, 6)))
    assert len(first.take_profits) == 1
    anchored = first.take_profits[0]
    assert (anchored.rung, anchored.quantity, anchored.source) == (2, D(1), LevelSource.REANCHOR)
    assert tighter(anchored.trigger_price, at(side, 6), side), "it lies beyond the mark"
    orders = tuple(rested(order) for order in first.orders)
    for mark in ("6.2", "5", "4.1", "3.9", "1", "-1"):
        again = book_for(position(side, mark=at(side, mark)), orders)
        assert [o.client_id for o in again.take_profits] == [anchored.client_id], mark


@both_sides
def test_a_take_profit_never_lies_on_the_losing_side_of_the_entry(side):
    held = position(side, "0.5", mark=at(side, -1))
    done = known(done_rungs=frozenset({0, 1, 2}), quantities=(D("0.5"),))
    for order in book_for(held, known_as=done).take_profits:
        assert tighter(order.trigger_price, at(side, "0.29"), side)


@both_sides
def test_a_target_close_to_its_level_is_not_replaced_for_a_rounding_difference(side):
    held = position(side)
    rows = [target(held, o.rung, o.trigger_price + D("0.05"), o.quantity) for o in book_for(held).take_profits]
    assert [o.client_id for o in book_for(held, rows).take_profits] == [o.client_id for o in rows]


@both_sides
def test_new_levels_move_the_ladder(side):
    held = position(side)
    farther = settings(ladder=(Rung(D(2), D(30)), Rung(D(3), D(30)), Rung(D(5), D(40))))
    book = book_for(held, ladder(held), farther)
    assert [order.trigger_price for order in book.take_profits] == [at(side, 2), at(side, 3), at(side, 5)]


@both_sides
@pytest.mark.parametrize(("foreign", "left"), [("0.4", "0.6"), ("0.999", "0.001"), ("1", "0"), ("3", "0"), (None, "0")])
def test_foreign_take_profits_count_toward_the_ladder(side, foreign, left):
    held = position(side)
    own = live(held, at(side, 3), foreign, purpose=Purpose.TAKE_PROFIT)
    book = book_for(held, [own])
    assert sum((order.quantity for order in book.take_profits), D(0)) == D(left)
    if left == "0":
        assert "the user's own" in book.notes[-1]
    ignoring = book_for(held, [own], settings(respect_foreign_orders=False))
    assert sum(order.quantity for order in ignoring.take_profits) == 1


@both_sides
@pytest.mark.parametrize(("rungs_max", "expected"), [(4, [0, 1, 2]), (3, [0, 1, 2]), (2, [1, 2]), (1, [2]), (0, [])])
def test_the_ladder_collapses_into_the_capacity_that_is_left(side, rungs_max, expected):
    held = position(side)
    book = book_for(held, rungs_max=rungs_max)
    assert [rungs_of(order.rung)[-1] for order in book.take_profits] == expected
    assert stops(book) == [("backstop", at(side, "-1.5"), None)], "the stop does not depend on capacity"
    if rungs_max:
        assert sum(order.quantity for order in book.take_profits) == 1
    else:
        assert "no conditional-order capacity" in book.notes[-1]
    resting = book_for(held, ladder(held), rungs_max=rungs_max)
    assert [rungs_of(o.rung)[-1] for o in resting.take_profits] == expected, "a resting ladder collapses as well"


@both_sides
@pytest.mark.parametrize("collapsed_to", [1, 2])
def test_a_collapsed_ladder_grows_back_when_there_is_room_to_spare(side, collapsed_to):
    """Nothing is remembered: that rungs were merged stands in the ids."""
    held = position(side)
    full = [(o.rung, o.quantity, o.trigger_price) for o in book_for(held).take_profits]
    rows = [rested(order) for order in book_for(held, rungs_max=collapsed_to).take_profits]
    kept = book_for(held, rows, rungs_max=4, again=collapsed_to).take_profits
    assert [order.client_id for order in kept] == [order.client_id for order in rows], "room, but none to spare"
    grown = book_for(held, rows).take_profits
    assert [(o.rung, o.quantity, o.trigger_price) for o in grown] == full
    stays = book_for(held, [rested(order) for order in grown], again=collapsed_to).take_profits
    assert [order.client_id for order in stays] == [order.client_id for order in grown]


@both_sides
@pytest.mark.parametrize("collapsed_to", [1, 2])
def test_what_took_its_profit_before_a_ladder_collapsed_does_not_come_back(side, collapsed_to):
    """After the first rung was filled, with no memory of it, the ladder collapses and grows: two rungs, never three."""
    held = position(side, "0.7")
    rest = ladder(position(side))[1:]
    rows = [rested(order) for order in book_for(held, rest, rungs_max=collapsed_to).take_profits]
    grown = book_for(held, rows).take_profits
    assert [(order.rung, order.quantity) for order in grown] == [(1, D("0.3")), (2, D("0.4"))]


@both_sides
@pytest.mark.parametrize("grows", [True, False], ids=["grows", "collapses"])
@pytest.mark.parametrize(("size", "taken"), [("1", 0), ("0.7", 1)], ids=["whole", "after the first rung"])
def test_while_one_ladder_replaces_the_other_the_same_one_is_wanted(side, grows, size, taken):
    held, small = position(side, size), {"rungs_max": 1}
    full = ladder(position(side))[taken:]
    one = [rested(order) for order in book_for(held, full, **small).take_profits]
    assert len(one) == 1
    old, new, room = (one, full, {"again": 3}) if grows else (full, one, small)
    for count in range(len(new) + 1):
        wanted = book_for(held, [*old, *new[:count]], **room).take_profits
        assert {order.client_id for order in wanted} == {order.client_id for order in new}, count
    for count in range(len(old)):
        wanted = book_for(held, [*old[count:], *new], **room).take_profits
        assert {order.client_id for order in wanted} == {order.client_id for order in new}, count


@both_sides
def test_a_ladder_that_the_minimum_keeps_short_is_not_replaced_for_room(side):
    held = position(side, "0.002")
    rows = [rested(order) for order in book_for(held, rungs_max=1).take_profits]
    kept = book_for(held, rows, venue=instrument(min_quantity=D("0.002"))).take_profits
    assert [order.client_id for order in kept] == [order.client_id for order in rows]


@both_sides
def test_an_entry_price_of_zero_removes_no_take_profit(side):
    held = position(side, entry=0)
    rows = (backstop(held, at(side, "-1.5")), *ladder(held))
    assert [o.client_id for o in book_for(held, rows).take_profits] == [o.client_id for o in rows[1:]]
    seen, evidence = settled(held, rows)
    assert decided(seen, evidence).plans[held.symbol].cancels == ()


def test_in_hedge_mode_small_rungs_are_merged_to_the_minimum_notional():
    held = position(quantity="0.1", hedged=True)
    for order in book_for(held).take_profits:
        assert order.quantity * order.trigger_price >= 5
    assert len(book_for(position(quantity="0.1")).take_profits) == 3, "reduce-only orders are exempt in one-way mode"


# --- ids, determinism, capacity ---------------------------------------------------------------------------------------


@both_sides
@both_modes
def test_the_two_sides_of_a_hedge_never_share_an_id(side, hedged):
    one, other = position(side, hedged=hedged), position(side.opposite, hedged=hedged)
    assert not {o.client_id for o in book_for(one).orders} & {o.client_id for o in book_for(other).orders}


@both_sides
def test_the_book_does_not_depend_on_the_order_of_the_lists(side):
    held = position(side, mark=at(side, 1))
    rows = (backstop(held, at(side, -3)), working(held, at(side, -1)), *ladder(held), live(held, at(side, -4), "0.3"))
    assert book_for(held, rows) == book_for(held, tuple(reversed(rows)))


@both_sides
def test_a_position_without_evidence_or_reads_has_no_book(side):
    held = position(side)
    assert decided(seen_at([held]), Evidence()).books == {}
    _, evidence = settled(held)
    assert decided(seen_at([held], unreadable="garbage"), evidence).books == {}


@both_sides
def test_another_working_type_is_another_intent_or_no_difference(side):
    from position_monitor.core.model.orders import WorkingType

    held = position(side, mark=at(side, 1))
    rows = (backstop(held, at(side, "-1.5")), working(held, at(side, "-0.5")), *ladder(held))
    book = book_for(held, rows, settings(working_type=WorkingType.CONTRACT_PRICE))
    resting = {order.client_id for order in rows}
    assert not [order for order in compared(held, book, rows).missing if order.client_id in resting]


keys = st.lists(st.integers(0, 300), min_size=0, max_size=120, unique=True).map(
    lambda numbers: [PositionKey(f"S{n:03}USDT", LONG) for n in numbers]
)


@given(keys, st.integers(0, 250), st.integers(10, 400))
def test_what_may_grow_back_leaves_room_to_spare(held, reserved, cap):
    allowed = rungs_for(held, reserved, cap)
    assert all(0 <= rungs.again <= rungs.most <= 4 for rungs in allowed.values())
    again = sum(rungs.again for rungs in allowed.values())
    assert again == 0 or reserved + again < cap - cap // 10


@given(keys, st.integers(0, 250), st.integers(10, 400))
def test_capacity_is_shared_out_below_the_cap_and_the_same_every_time(held, reserved, cap):
    shared = rungs_allowed(held, reserved, cap)
    assert set(shared) == set(held)
    assert all(0 <= count <= 4 for count in shared.values())
    assert sum(shared.values()) == 0 or reserved + sum(shared.values()) < cap, "room for a replacement stays"
    assert shared == rungs_allowed(list(reversed(held)), reserved, cap)
    if shared:
        assert max(shared.values()) - min(shared.values()) <= 1, "evenly"


def test_static_policy_has_one_rung():
    held = position()
    book = book_for(held, protection=settings(STATIC))
    assert rungs(book) == [(0, at(LONG, "2.5"), D(1))]
    assert book.notes == ()


@both_sides
def test_a_stop_that_moves_on_and_on_waits_for_the_removal_of_those_it_moved_from(side):
    """A trend moves the trailed stop faster than a replacement is read back; what it leaves behind is bounded."""
    orders, levels = [backstop(position(side), at(side, "-1.5"))], set()
    for step in range(4, 40):
        held = position(side, mark=at(side, step))
        book = book_for(held, orders)
        orders = [*orders, *(rested(o) for o in book.orders if o.client_id not in {r.client_id for r in orders})]
        levels = {o.trigger_price for o in orders if o.role is Role.WORKING_STOP}
    assert LEVELS_AT_ONCE_MAX < len(levels) <= LEVELS_STUCK_MAX
    best = max(levels) if side is LONG else min(levels)
    assert tighter(best, at(side, 15), side), "it goes on following, in larger and larger steps"
    assert "do not go" in book.stop_behind, "at the end it says why it stays behind"
    kept = [o for o in orders if o.role is not Role.WORKING_STOP or o.trigger_price == best]
    assert tighter(book_for(held, kept).stop.price, best, side), "when they are gone it moves again"


@both_sides
def test_a_level_that_rests_off_a_new_tick_grid_is_kept_and_placed_anew_on_the_grid(side):
    """The venue changed the tick; the resting stop stays, and for what was added the next tick toward less loss."""
    held, coarse = position(side, "1", mark=at(side, 1)), instrument(tick="0.5")
    resting = [backstop(held, at(side, "-1.5")), working(held, at(side, "0.3"), "1")]
    assert stops(book_for(held, resting, venue=coarse))[1:] == [("working_stop", at(side, "0.3"), D(1))]
    grown = position(side, "2", mark=at(side, 1))
    placed = stops(book_for(grown, resting, venue=coarse))[1:]
    assert placed == [("working_stop", at(side, "0.5"), D(2))]
