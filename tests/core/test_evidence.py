"""What may be believed: flat, read back, awaited, done (invariants 2, 4, 6, 7)."""

from dataclasses import replace

import pytest

from position_monitor.core.evidence.conclusions import after_exposure, pruned
from position_monitor.core.evidence.endings import after_word, to_ask_for, word_of
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.evidence.written import AWAITED_PER_POSITION_MAX, MISSES_UNTIL_GONE, after_miss, after_write
from position_monitor.core.model import ids
from position_monitor.core.model.orders import OrderStatus, Role
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.live_book import SymbolOrders

from .build import (
    EPOCH,
    EVIDENCE_SETTINGS,
    LONG,
    NOW_MS,
    OLD_EPOCH,
    OPENED_MS,
    SHORT,
    SIDES,
    SYMBOL,
    D,
    at,
    backstop,
    decided,
    desired,
    ladder,
    learned,
    live,
    ours,
    position,
    seen_at,
    settled,
    working,
)

both_sides = pytest.mark.parametrize("side", SIDES)
KEY = {side: PositionKey(SYMBOL, side) for side in SIDES}


def absent(times, side=LONG, *, zero=(), start=NOW_MS, orders=()):
    return [seen_at(orders=orders, at_ms=start + t, zero=[KEY[side]] if t in zero else ()) for t in times]


# --- flat -------------------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(
    ("times", "zero", "proven"),
    [
        ([0], [0], False),
        ([0, 2000], [0, 2000], False),
        ([0, 2000, 4000], [4000], True),
        ([0, 2000, 4000], [0], True),
        ([0, 2000, 4000], [], False),
        ([0, 2000, 4000, 6000, 8000, 60_000], [], False),
        ([0, 1, 2, 3, 4, 5], [0, 1, 2], False),
        ([0, 999, 1998], [0], False),
        ([0, 1000, 2000], [0], True),
    ],
    ids=str,
)
def test_flat_needs_spaced_reads_and_a_zero_row(side, times, zero, proven):
    """A stale replica repeats itself within milliseconds; an answer without the row is not an answer that says 0."""
    evidence = learned(seen_at([position(side)]), *absent(times, side, zero=zero, start=NOW_MS + 1))
    assert evidence.keys[KEY[side]].flat_proven(EVIDENCE_SETTINGS) is proven


@both_sides
def test_one_read_with_the_position_starts_the_count_again(side):
    held = position(side)
    evidence = learned(
        seen_at([held]),
        *absent([0, 2000], side, zero=[0], start=NOW_MS + 2000),
        seen_at([position(side, updated_at_ms=NOW_MS + 5000)], at_ms=NOW_MS + 6000),
        *absent([0, 2000], side, start=NOW_MS + 8000),
    )
    known = evidence.keys[held.key]
    assert known.absent_reads == 2 and not known.flat_sign
    assert not known.flat_proven(EVIDENCE_SETTINGS)


def test_a_suspended_host_gathers_its_evidence_anew():
    held = position()
    rest = backstop(held, 98)
    evidence = learned(seen_at([held], [rest]), *absent([0, 2000, 4000], zero=[0], start=NOW_MS + 1, orders=[rest]))
    assert evidence.keys[held.key].flat_proven(EVIDENCE_SETTINGS)
    fresh = evidence.without_window()
    assert not fresh.keys[held.key].flat_proven(EVIDENCE_SETTINGS)
    assert not fresh.keys[held.key].listed_reads
    assert fresh.keys[held.key].epoch == evidence.keys[held.key].epoch


def test_a_standby_does_not_wait_anew_after_its_clock_was_stepped():
    """Two reads without cover, 20 s apart by its clock: one before the step and one after it."""
    held = position()
    before = after_exposure(learned(seen_at([held])), {held.key: True}, NOW_MS)
    stepped = after_exposure(before.without_window(), {held.key: True}, NOW_MS + 120_000)
    assert stepped.keys[held.key].long_exposed(EVIDENCE_SETTINGS, NOW_MS + 120_000)


def test_what_is_proven_flat_and_has_no_order_left_is_forgotten():
    held = position()
    rest = backstop(held, 98)
    flat = learned(seen_at([held]), *absent([0, 2000, 4000], zero=[0], start=NOW_MS + 1, orders=[rest]))
    assert held.key in pruned(flat, EVIDENCE_SETTINGS).keys, "an orphan must still be swept"
    swept = learned(seen_at(at_ms=NOW_MS + 8000), before=flat)
    assert held.key not in pruned(swept, EVIDENCE_SETTINGS).keys
    unproven = learned(seen_at([held]), *absent([0, 2000, 4000], start=NOW_MS + 1))
    assert held.key in pruned(unproven, EVIDENCE_SETTINGS).keys


def test_an_unreadable_observation_teaches_nothing():
    with pytest.raises(AssertionError, match="Invariant"):
        after_read(Evidence(), seen_at([position()], unreadable="html instead of json"))


# --- epochs -----------------------------------------------------------------------------------------------------------


def test_a_position_first_seen_takes_its_epoch_from_the_venues_time():
    assert learned(seen_at([position()])).keys[KEY[LONG]].epoch == EPOCH


@both_sides
def test_after_a_restart_the_epoch_comes_back_from_the_resting_orders(side):
    held = position(side, updated_at_ms=OPENED_MS + 999)
    rows = [backstop(held, at(side, -2)), *ladder(held)]
    assert learned(seen_at([held], rows)).keys[held.key].epoch == EPOCH


@both_sides
def test_the_backstop_speaks_for_the_epoch_before_any_orphan(side):
    """The venue removes a close-all with its position, so it cannot be left over; a quantity order can."""
    held = position(side)
    old = backstop(held, at(side, -2), epoch=OLD_EPOCH)
    newer = working(held, at(side, -3), epoch=EPOCH)
    assert learned(seen_at([held], [newer, old])).keys[held.key].epoch == OLD_EPOCH


@both_sides
def test_a_working_stop_speaks_for_the_epoch_only_if_it_was_made_in_this_life(side):
    """Made since the last change of the position, or since a close-all order that rests, which ends with its life."""
    held = position(side)
    before = working(held, at(side, -1), epoch=OLD_EPOCH)._replace(created_at_ms=OPENED_MS - 1)
    since = before._replace(created_at_ms=OPENED_MS)
    users = live(held, at(side, -3))._replace(created_at_ms=OPENED_MS - 10)
    assert learned(seen_at([held], [before])).keys[held.key].epoch == EPOCH
    assert learned(seen_at([held], [since])).keys[held.key].epoch == OLD_EPOCH
    assert learned(seen_at([held], [before, users])).keys[held.key].epoch == OLD_EPOCH


@both_sides
def test_of_two_epochs_of_one_life_the_older_counts_and_both_bind_the_stop(side):
    """A restarted process could not read the first stop and made up an epoch; both were placed in this life."""
    held = position(side, updated_at_ms=OPENED_MS - 1_000)
    second = working(held, at(side, "-1.6"), epoch=EPOCH)._replace(created_at_ms=OPENED_MS + 10)
    first = working(held, at(side, "-1"), epoch=OLD_EPOCH)._replace(created_at_ms=OPENED_MS + 20)
    for rows in ([first, second], [second, first]):
        reads = [seen_at([held], rows, at_ms=NOW_MS + n) for n in (0, 2_000, 4_000)]
        evidence = learned(*reads)
        assert evidence.keys[held.key].epoch == OLD_EPOCH
        plan = decided(reads[-1], evidence, now_ms=NOW_MS + 4_000).plans[SYMBOL]
        assert [cancel.order.client_id for cancel in plan.cancels] == [second.client_id]


@both_sides
def test_a_newer_epoch_beside_a_stop_that_was_read_before_the_position_changed_is_not_believed(side):
    """Another process met the position after it shrank, and made up an epoch of that moment (seed 8786)."""
    held = position(side, quantity="2")
    first = working(held, at(side, "-1"), "2", epoch=OLD_EPOCH)._replace(created_at_ms=OPENED_MS + 10)
    before = learned(seen_at([held], [first]))
    assert before.keys[held.key].epoch == OLD_EPOCH
    smaller = position(side, quantity="1", updated_at_ms=NOW_MS + 1_000)
    second = working(smaller, at(side, "-1.5"), epoch=EPOCH)._replace(created_at_ms=NOW_MS + 1_500)
    both = learned(seen_at([smaller], [first, second], at_ms=NOW_MS + 2_000), before=before)
    assert both.keys[held.key].epoch == OLD_EPOCH
    alone = learned(seen_at([smaller], [second], at_ms=NOW_MS + 2_000), before=before)
    assert alone.keys[held.key].epoch == EPOCH


@both_sides
def test_an_epoch_made_up_after_a_restart_yields_to_the_backstop_that_appears(side):
    held = position(side, updated_at_ms=OPENED_MS + 70_000)
    rest = backstop(held, at(side, "-1.5"))
    evidence = learned(seen_at([held]), seen_at([held], [rest], at_ms=NOW_MS + 2000))
    assert evidence.keys[held.key].epoch == EPOCH


@both_sides
def test_a_new_position_after_a_proven_flat_one_begins_a_new_epoch(side):
    reopened = position(side, updated_at_ms=NOW_MS + 8000)
    evidence = learned(
        seen_at([position(side)]),
        *absent([0, 2000, 4000], side, zero=[0], start=NOW_MS + 1),
        seen_at([reopened], at_ms=NOW_MS + 9000),
    )
    known = evidence.keys[reopened.key]
    assert known.epoch == ids.epoch_of(NOW_MS + 8000)
    assert known.done_rungs == frozenset() and known.quantities == (D(1),)


@both_sides
def test_one_false_zero_row_does_not_end_an_epoch(side):
    grown = position(side, "2", mark=at(side, 3), updated_at_ms=OPENED_MS + 50_000)
    rows = (backstop(grown, at(side, "-1.5")), working(grown, at(side, 1), "2"))
    before = learned(*[seen_at([grown], rows, at_ms=NOW_MS + n) for n in (0, 2000)])
    lie = seen_at(orders=rows, at_ms=NOW_MS + 4000, zero=[grown.key])
    evidence = learned(lie, *[seen_at([grown], rows, at_ms=NOW_MS + n) for n in (6000, 8000)], before=before)
    assert evidence.keys[grown.key].epoch == before.keys[grown.key].epoch
    decision = decided(seen_at([grown], rows, at_ms=NOW_MS + 8000), evidence, now_ms=NOW_MS + 8000)
    assert [c for c in decision.plans[SYMBOL].cancels if c.order.client_id == rows[1].client_id] == []


@both_sides
@pytest.mark.parametrize("how", ["zero row", "flip"])
def test_a_different_position_after_a_zero_row_is_a_new_epoch(side, how):
    """A lie of one read brings the same row back; a new entry at a later venue time is another position."""
    held = position(side)
    reopened = position(side, entry=97, mark=97, updated_at_ms=NOW_MS + 3000)
    if how == "flip":
        gap = seen_at([position(side.opposite, updated_at_ms=OPENED_MS + 20_000)], at_ms=NOW_MS + 2000)
    else:
        gap = seen_at(at_ms=NOW_MS + 2000, zero=[held.key])
    evidence = learned(seen_at([held], ladder(held)), seen_at([position(side, "0.7")], ladder(held)[1:]), gap)
    known = learned(seen_at([reopened], at_ms=NOW_MS + 4000), before=evidence).keys[held.key]
    assert known.epoch == ids.epoch_of(NOW_MS + 3000)
    assert known.done_rungs == frozenset()


def rebased(*observations):
    evidence = Evidence()
    for seen in observations:
        evidence = after_read(evidence, seen, lambda key: True)
    return evidence


@both_sides
def test_only_growth_under_rebase_on_add_begins_a_new_epoch(side):
    held = position(side)
    grown = position(side, "2", updated_at_ms=OPENED_MS + 50_000)
    shrunk = position(side, "0.5", updated_at_ms=OPENED_MS + 50_000)
    assert rebased(seen_at([held]), seen_at([grown])).keys[held.key].epoch == ids.epoch_of(OPENED_MS + 50_000)
    assert rebased(seen_at([held]), seen_at([shrunk])).keys[held.key].epoch == EPOCH
    assert learned(seen_at([held]), seen_at([grown])).keys[held.key].epoch == EPOCH, "only where it is configured"


@both_sides
def test_a_stale_smaller_size_is_not_growth_when_it_is_corrected(side):
    held = position(side)
    grown = position(side, "2", updated_at_ms=OPENED_MS + 50_000)
    now = rebased(seen_at([held]), seen_at([grown]), seen_at([grown])).keys[held.key].epoch
    later = position(side, "2", updated_at_ms=OPENED_MS + 90_000)
    again = rebased(seen_at([held]), seen_at([grown]), seen_at([held]), seen_at([later])).keys[held.key].epoch
    assert again == now


@both_sides
def test_in_one_way_mode_a_flip_is_a_zero_row_of_the_old_side(side):
    held, flipped = position(side), position(side.opposite, updated_at_ms=OPENED_MS + 20_000)
    evidence = learned(seen_at([held]), *[seen_at([flipped], at_ms=NOW_MS + n) for n in (2000, 4000, 6000)])
    assert evidence.keys[held.key].flat_proven(EVIDENCE_SETTINGS)
    assert evidence.keys[flipped.key].present_reads == 3


@both_sides
def test_in_hedge_mode_the_other_side_says_nothing(side):
    held, other = position(side, hedged=True), position(side.opposite, hedged=True)
    evidence = learned(seen_at([held, other]), *[seen_at([other], at_ms=NOW_MS + n) for n in (2000, 4000, 6000, 8000)])
    assert not evidence.keys[held.key].flat_proven(EVIDENCE_SETTINGS)


# --- reads of orders --------------------------------------------------------------------------------------------------


def test_only_reads_in_a_row_count_and_only_as_new():
    held = position()
    rest = backstop(held, 98)
    pending = rest._replace(status=OrderStatus.TRIGGERING)
    counts = []
    evidence = Evidence()
    for rows in ([rest], [rest], [], [rest], [pending], [rest], [rest]):
        evidence = learned(seen_at([held], rows), before=evidence)
        counts.append(evidence.keys[held.key].listed_reads.get(rest.client_id, 0))
    assert counts == [1, 2, 0, 1, 0, 1, 2]


def test_the_largest_recent_size_is_remembered_for_a_few_reads_only():
    reads = [seen_at([position(quantity=size)]) for size in ("1", "3", "1", "1", "1", "1")]
    largest = []
    evidence = Evidence()
    for seen in reads:
        evidence = learned(seen, before=evidence)
        largest.append(evidence.keys[KEY[LONG]].largest_quantity)
    assert largest == [1, 3, 3, 3, 3, 1]


def test_one_absent_read_does_not_empty_the_window_of_sizes():
    evidence = learned(seen_at([position(quantity="3")]), seen_at(at_ms=NOW_MS + 2000), seen_at([position()]))
    assert evidence.keys[KEY[LONG]].largest_quantity == 3


@both_sides
@pytest.mark.parametrize(
    ("status", "mark", "firing"),
    [
        (OrderStatus.NEW, 0, False),
        (OrderStatus.NEW, "-2", True),
        (OrderStatus.TRIGGERING, 0, True),
        (OrderStatus.TRIGGERED, 0, True),
        (OrderStatus.CANCELED, "-1", False),
    ],
)
def test_a_stop_in_the_act_of_firing_is_noticed_with_its_beginning(side, status, mark, firing):
    held = position(side, mark=at(side, mark))
    rest = backstop(held, at(side, -2), status=status)
    evidence = learned(*[seen_at([held], [rest], at_ms=NOW_MS + n) for n in (0, 2000, 4000)])
    known = evidence.keys[held.key]
    assert known.firing_since_ms == (NOW_MS if firing else 0)
    assert known.firing(NOW_MS + 10_000, 10_000) is firing
    assert not known.firing(NOW_MS + 10_001, 10_000)


@both_sides
def test_foreign_orders_and_take_profits_do_not_fire(side):
    held = position(side, mark=at(side, -2))
    rows = [
        live(held, at(side, -1), status=OrderStatus.TRIGGERING),
        ladder(held)[0]._replace(status=OrderStatus.TRIGGERED),
    ]
    assert learned(seen_at([held], rows)).keys[held.key].firing_since_ms == 0


def test_a_refused_close_all_is_remembered_until_a_list_shows_it():
    held = position()
    evidence = _blocked(held, learned(seen_at([held])))
    assert learned(seen_at([held]), before=evidence).keys[held.key].close_all_blocked
    assert not learned(seen_at([held], [live(held, 98)]), before=evidence).keys[held.key].close_all_blocked


def _blocked(held, evidence):
    return Evidence({**evidence.keys, held.key: evidence.keys[held.key]._replace(close_all_blocked=True)}, {})


@pytest.mark.parametrize("listed", ["a take-profit", "the other side's stop", "a stop that is triggering"])
def test_only_a_resting_close_all_stop_of_this_side_lifts_the_block(listed):
    held, other = position(hedged=True), position(SHORT, hedged=True)
    shown = {
        "a take-profit": live(held, 104, purpose=ladder(held)[0].purpose),
        "the other side's stop": live(other, 102),
        "a stop that is triggering": live(held, 98, status=OrderStatus.TRIGGERING),
    }[listed]
    evidence = learned(seen_at([held, other], [shown]), before=_blocked(held, learned(seen_at([held, other]))))
    assert evidence.keys[held.key].close_all_blocked
    plan = decided(seen_at([held, other], [shown]), evidence).plans[SYMBOL]
    assert [p.order.role for p in plan.stops if p.key == held.key] == [Role.WORKING_STOP]


# --- rungs ------------------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(
    ("gone", "size", "done"),
    [
        ([0], "0.7", {0}),
        ([0, 1], "0.4", {0, 1}),
        ([0], "1", set()),
        ([0], "0.8", set()),
        ([], "0.7", set()),
        ([0, 1], "0.7", {0}),
        ([0], "1.5", set()),
    ],
    ids=["filled", "two filled", "cancelled by hand", "reduced less", "reduced by hand", "one of two", "grew"],
)
def test_a_rung_is_done_when_it_vanished_as_the_position_shrank_by_its_size(side, gone, size, done):
    held = position(side)
    rows = ladder(held)
    left = [order for n, order in enumerate(rows) if n not in gone]
    evidence = learned(seen_at([held], rows), seen_at([position(side, size)], left))
    assert evidence.keys[held.key].done_rungs == done


def test_done_rungs_stay_done_within_the_epoch():
    held = position()
    rows = ladder(held)
    reads = [seen_at([held], rows), seen_at([position(quantity="0.7")], rows[1:])]
    reads += [seen_at([position(quantity=size)], rows[1:]) for size in ("0.7", "2", "0.7")]
    assert learned(*reads).keys[held.key].done_rungs == {0}


# --- writes waiting to be read back -----------------------------------------------------------------------------------


def test_a_write_is_awaited_until_a_list_shows_it():
    held = position()
    rest = backstop(held, 98)
    evidence = after_write(learned(seen_at([held])), SYMBOL, rest.client_id, NOW_MS)
    assert evidence.awaited_in(SYMBOL) == (rest.client_id,) and evidence.awaited_in("ETHUSDT") == ()
    assert SYMBOL in evidence.symbols()
    assert learned(seen_at([held]), before=evidence).awaited_in(SYMBOL) == (rest.client_id,)
    assert learned(seen_at([held], [rest]), before=evidence).awaited_in(SYMBOL) == ()


def test_an_order_found_only_by_its_id_is_awaited_until_a_list_shows_it():
    held = position()
    rest = backstop(held, at(LONG, "-1.5"))
    evidence = after_write(learned(seen_at([held])), SYMBOL, rest.client_id, NOW_MS)
    evidence = learned(seen_at([held], [rest], confirmed=[rest.client_id]), before=evidence)
    lagging = seen_at([held], at_ms=NOW_MS + 500)
    evidence = learned(lagging, before=evidence)
    assert evidence.awaited_in(SYMBOL) == (rest.client_id,)
    assert decided(lagging, evidence).plans[SYMBOL].stops == ()


@pytest.mark.parametrize(
    ("misses", "later_ms", "gone"),
    [(1, 60_000, False), (2, 4_999, False), (2, 5_000, True), (5, 4_999, False)],
)
def test_a_write_counts_as_not_placed_after_several_misses_and_the_grace_time(misses, later_ms, gone):
    evidence = after_write(Evidence(), SYMBOL, "qpmx", NOW_MS)
    for _ in range(misses):
        evidence = after_miss(evidence, SYMBOL, "qpmx", NOW_MS + later_ms, EVIDENCE_SETTINGS.listing_grace_ms)
    assert (evidence.awaited == {}) is gone
    assert misses < MISSES_UNTIL_GONE or evidence.awaited == {} or later_ms < 5_000


@pytest.mark.parametrize(
    ("stop", "later_ms", "gone"),
    [(False, 59_999, False), (False, 60_000, True), (True, 14_999, False), (True, 15_000, True)],
)
def test_an_order_proven_live_is_waited_for_longer(stop, later_ms, gone):
    held = position()
    order = desired(backstop(held, at(LONG, "-1.5")) if stop else ladder(held)[0], held)
    client_id = order.client_id
    evidence = after_write(Evidence(), SYMBOL, client_id, NOW_MS, proved=True, order=order)
    assert evidence.proved_in(SYMBOL) == {client_id} and not evidence.proved_in("ETHUSDT")
    for _ in range(MISSES_UNTIL_GONE):
        now_ms, grace_ms = NOW_MS + later_ms, EVIDENCE_SETTINGS.listing_grace_ms
        evidence = after_miss(evidence, SYMBOL, client_id, now_ms, grace_ms)
    assert (evidence.awaited == {}) is gone


@pytest.mark.parametrize(("later_ms", "gone"), [(5_999, False), (6_000, True)])
def test_a_take_profit_that_may_be_held_up_on_its_way_is_waited_for(later_ms, gone):
    """Until `recvWindow` is over the venue may still take it: a second ladder beside it would close too much (16)."""
    held = position()
    order = desired(ladder(held)[0], held)
    client_id = order.client_id
    evidence = after_write(Evidence(), SYMBOL, client_id, NOW_MS, order=order)
    for _ in range(MISSES_UNTIL_GONE):
        evidence = after_miss(evidence, SYMBOL, client_id, NOW_MS + later_ms, EVIDENCE_SETTINGS.listing_grace_ms)
    assert (evidence.awaited == {}) is gone


@pytest.mark.parametrize(
    ("ended_ms", "later_ms", "awaited"),
    [(-1_001, 0, True), (-1_000, 0, False), (1, 0, False), (-1_001, 14_999, True), (-1_001, 15_000, False)],
)
def test_the_end_of_an_earlier_order_of_the_same_id_is_not_the_end_of_this_one(ended_ms, later_ms, awaited):
    """A question may be answered with the first of two orders; only for a while is that not believed (3)."""
    held = position()
    rest = backstop(held, at(LONG, "-1.5"))
    evidence = learned(seen_at([held]))
    evidence = after_write(evidence, SYMBOL, rest.client_id, NOW_MS, live_at_ms=NOW_MS + 500)
    ended_at_ms = NOW_MS + 500 + ended_ms
    word = word_of(rest)._replace(status=OrderStatus.EXPIRED, at_ms=ended_at_ms, nothing_filled=True)
    after = after_word(evidence, word, NOW_MS + later_ms)
    assert (after.awaited != {}) is awaited
    assert (rest.client_id not in after.of(held.key).spent) is awaited


def test_a_miss_of_something_nobody_waits_for_changes_nothing():
    assert after_miss(Evidence(), SYMBOL, "qpmx", NOW_MS, 0) == Evidence()


def test_the_list_of_awaited_writes_is_bounded_and_drops_the_oldest():
    evidence = Evidence()
    for n in range(AWAITED_PER_POSITION_MAX + 10):
        evidence = after_write(evidence, SYMBOL, f"id{n}", NOW_MS + n)
    assert len(evidence.awaited) == AWAITED_PER_POSITION_MAX
    assert (SYMBOL, "id9") not in evidence.awaited and (SYMBOL, f"id{AWAITED_PER_POSITION_MAX + 9}") in evidence.awaited


# --- whose order it is ------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize("hedged", [False, True])
def test_an_exit_order_belongs_to_the_side_it_reduces(side, hedged):
    held = position(side, hedged=hedged)
    assert backstop(held, 98).key == held.key
    books = SymbolOrders([backstop(held, 98), live(position(SHORT, symbol="ETHUSDT"), 3)]).by_position
    assert [key for key, book in books.items() if book.owned] == [held.key]


def test_one_symbol_teaches_nothing_about_another():
    one, other = position(), position(symbol="ETHUSDT")
    evidence = learned(seen_at([one]), seen_at([other], symbol="ETHUSDT"))
    after = learned(*absent([0, 2000, 4000], zero=[0]), before=evidence)
    assert after.keys[other.key] == evidence.keys[other.key]


def test_an_orphan_after_a_restart_is_known_but_never_proven_flat_without_a_zero_row():
    rest = ours(position(), Role.WORKING_STOP, 98, "1")
    evidence = learned(*absent([0, 2000, 4000, 6000], orders=[rest]))
    known = evidence.keys[KEY[LONG]]
    assert known.epoch == EPOCH and not known.flat_proven(EVIDENCE_SETTINGS)
    _, again = settled(position(), [rest])
    assert again.keys[KEY[LONG]].listed_reads[rest.client_id] == 3


@both_sides
@pytest.mark.parametrize(
    ("taken_ms", "zero_of_ms", "proven"), [(3_000, 1_000, False), (3_000, 4_000, True), (-5_000, 1_000, True)]
)
def test_a_close_all_that_was_taken_after_the_zero_row_proves_that_the_position_is_open(
    side, taken_ms, zero_of_ms, proven
):
    """A replica that lags shows how it was flat before it was opened again; the venue takes such an order only if it is
    open (seed 4759)."""
    held = position(side)
    rest = backstop(held, at(side, "-1.5"), created_at_ms=NOW_MS + taken_ms)
    gone = [
        replace(seen, zero_at_ms={KEY[side]: NOW_MS + zero_of_ms})
        for seen in absent([5_000, 6_000, 7_000, 8_000], side, zero=[5_000, 6_000, 7_000, 8_000], orders=[rest])
    ]
    evidence = learned(seen_at([held]), *gone)
    assert evidence.keys[KEY[side]].flat_proven(EVIDENCE_SETTINGS) is proven
    late = absent([70_000, 71_000, 72_000], side, zero=[70_000, 71_000, 72_000], orders=[rest])
    after = learned(*late, before=evidence)
    assert after.keys[KEY[side]].flat_proven(EVIDENCE_SETTINGS)


@both_sides
def test_stops_of_a_life_that_is_recognised_late_name_it(side):
    """Closed and opened again in one instant, and the stops were made before any row told of it: they carry the old
    epoch, and the first row is that of a later change. They bind all the same (invariant 8)."""
    held = position(side)
    before = learned(*[seen_at([held], [backstop(held, at(side, "-1.5"))], at_ms=NOW_MS + n) for n in (0, 2_000)])
    ended = word_of(backstop(held, at(side, "-1.5")))
    ended = ended._replace(status=OrderStatus.EXPIRED, at_ms=NOW_MS + 3_000, nothing_filled=True)
    told = after_word(before, ended, NOW_MS + 3_010)
    smaller = position(side, quantity="0.5", updated_at_ms=NOW_MS + 9_000)
    again = position(side)
    made = [
        working(again, at(side, "-1.5"))._replace(created_at_ms=NOW_MS + 3_030),
        backstop(again, at(side, "-2"), created_at_ms=NOW_MS + 3_035),
    ]
    reads = [seen_at([smaller], [], at_ms=NOW_MS + 10_000)]
    reads += [seen_at([smaller], made, at_ms=NOW_MS + n) for n in (11_000, 13_000, 15_000, 17_000)]
    evidence = learned(*reads, before=told)
    assert evidence.keys[held.key].epoch == made[0].epoch
    assert not decided(reads[-1], evidence, now_ms=NOW_MS + 17_000).plans[SYMBOL].cancels


@both_sides
@pytest.mark.parametrize(
    ("status", "ended_ms", "changed_ms", "new"),
    [
        (OrderStatus.EXPIRED, 3_000, 3_030, True),
        (OrderStatus.EXPIRED, 3_000, 3_000, False),
        (OrderStatus.CANCELED, 3_000, 3_030, False),
    ],
)
def test_the_end_of_its_backstop_tells_of_a_position_that_was_closed_and_opened_again(
    side, status, ended_ms, changed_ms, new
):
    """Both within 30 ms and between two reads: no row ever says zero. Only the venue ends a close-all stop so."""
    held = position(side, mark=at(side, 3))
    rows = (backstop(held, at(side, "-1.5")), working(held, at(side, 1)))
    before = learned(*[seen_at([held], rows, at_ms=NOW_MS + n) for n in (0, 2_000)])
    ended = word_of(rows[0])._replace(status=status, at_ms=NOW_MS + ended_ms, nothing_filled=True)
    told = after_word(before, ended, NOW_MS + 5_000)
    again = position(side, mark=at(side, 3), updated_at_ms=NOW_MS + changed_ms)
    evidence = learned(seen_at([again], rows[1:], at_ms=NOW_MS + 6_000), before=told)
    assert (evidence.of(again.key).epoch != before.of(held.key).epoch) is new


def test_a_take_profit_that_is_not_listed_is_asked_for_less_and_less_often():
    """A stop in every look: whether it rests decides whether the position is naked."""
    held = position(LONG)
    seen = learned(seen_at([held]))
    stop, rung = desired(backstop(held, at(LONG, "-1.5")), held), desired(ladder(held)[0], held)
    for order in (stop, rung):
        seen = after_write(seen, SYMBOL, order.client_id, NOW_MS, order=order)
    asked = {stop.client_id: 0, rung.client_id: 0}
    for now_ms in range(NOW_MS + 100, NOW_MS + 5_000, 100):
        for client_id in to_ask_for(seen, seen_at([held], at_ms=now_ms)):
            asked[client_id] += 1
            seen = after_miss(seen, SYMBOL, client_id, now_ms, grace_ms=10_000)
    assert asked == {stop.client_id: 49, rung.client_id: 5}
