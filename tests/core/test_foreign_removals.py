"""Another hand removes our take-profits as often as they are placed: it is answered at the pace of the checks."""

from __future__ import annotations

import pytest

from position_monitor.core.evidence.endings import after_word, word_of
from position_monitor.core.evidence.evidence import with_key
from position_monitor.core.evidence.foreign_removals import KEPT, after_removal, too_often
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.evidence.outcome import Outcome, Sent, after_outcome
from position_monitor.core.evidence.refusals import MINUTE_MS, TRIES_AT_ONCE_MAX
from position_monitor.core.model.actions import Cancel
from position_monitor.core.model.orders import OrderStatus

from .build import NOW_MS, SIDES, SYMBOL, D, at, backstop, decided, ladder, position, rules, settled, target

both_sides = pytest.mark.parametrize("side", SIDES)
AGAIN_MS = rules().limits.again_ms


def removed(evidence, order, *, at_ms=NOW_MS, status=OrderStatus.CANCELED):
    """The venue says that an order of ours ended, at this time here."""
    return after_word(evidence, word_of(order)._replace(status=status, at_ms=at_ms, nothing_filled=True), at_ms)


def rung_of(held, number):
    """The first rung as it was placed for the so manyth time: under another id each time."""
    return target(held, 0, at(held.side, "1.5"), D("0.3") + D(number) / 1000)


def after_removals(held, count, *, status=OrderStatus.CANCELED, at_ms=NOW_MS):
    seen, evidence = settled(held, [backstop(held, at(held.side, "-1.5"))])
    for number in range(count):
        evidence = removed(evidence, rung_of(held, number), status=status, at_ms=at_ms)
    return seen, evidence


@both_sides
def test_a_ladder_that_is_removed_again_and_again_waits_for_the_next_check(side):
    held = position(side)
    seen, evidence = after_removals(held, TRIES_AT_ONCE_MAX - 1)
    assert decided(seen, evidence).plans[SYMBOL].take_profits, "a mistake is put right at once"
    seen, evidence = after_removals(held, TRIES_AT_ONCE_MAX)
    plan = decided(seen, evidence).plans[SYMBOL]
    assert not plan.take_profits and {one.why for one in plan.held if "another hand" in one.why}
    assert decided(seen, evidence, now_ms=NOW_MS + AGAIN_MS).plans[SYMBOL].take_profits


@both_sides
def test_a_stop_waits_for_no_removal(side):
    held = position(side)
    seen, evidence = settled(held)
    for number in range(9):
        evidence = removed(evidence, rung_of(held, number))
    assert decided(seen, evidence).plans[SYMBOL].stops


@both_sides
@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.FINISHED, OrderStatus.REJECTED])
def test_what_the_venue_ended_itself_is_no_removal(side, status):
    held = position(side)
    _, evidence = after_removals(held, 9, status=status)
    assert not evidence.of(held.key).targets_removed


@both_sides
@pytest.mark.parametrize("event_first", [True, False])
def test_our_own_removal_is_no_other_hands(side, event_first):
    held = position(side)
    _, evidence = settled(held, [backstop(held, at(side, "-1.5")), *ladder(held)])
    rung = ladder(held)[0]
    done = Outcome(Cancel(rung, held.key, "another ladder follows"), Sent.ACCEPTED, NOW_MS)
    if event_first:
        evidence = removed(evidence, rung)
        assert list(evidence.of(held.key).targets_removed) == [rung.client_id]
    evidence = after_outcome(evidence, done)
    if not event_first:
        evidence = removed(evidence, rung)
    assert not evidence.of(held.key).targets_removed


@both_sides
def test_a_removed_stop_is_no_removed_take_profit(side):
    held = position(side)
    stop = backstop(held, at(side, "-1.5"))
    _, evidence = settled(held, [stop])
    assert not removed(evidence, stop).of(held.key).targets_removed


def test_a_whole_ladder_is_one_removal_of_each_rung():
    gone = {}
    for rung in range(3 * TRIES_AT_ONCE_MAX):
        gone = after_removal(gone, f"id{rung}", rung, NOW_MS)
    assert not too_often(gone, NOW_MS, AGAIN_MS)


def test_removals_are_forgotten_after_a_minute_and_bounded():
    gone = {}
    for number in range(3 * KEPT):
        gone = after_removal(gone, f"id{number}", 0, NOW_MS)
    assert len(gone) == KEPT and too_often(gone, NOW_MS, AGAIN_MS)
    assert not too_often(gone, NOW_MS + MINUTE_MS, MINUTE_MS * 2)
    assert not too_often({}, NOW_MS, AGAIN_MS)
    assert len(after_removal(gone, "new", 0, NOW_MS + MINUTE_MS)) == 1


@both_sides
def test_it_outlives_the_reads(side):
    held = position(side)
    seen, evidence = after_removals(held, TRIES_AT_ONCE_MAX)
    belief = evidence.of(held.key)
    assert decided(seen, with_key(evidence, held.key, belief._replace(targets_removed={}))).plans[SYMBOL].take_profits

    assert after_read(evidence, seen).of(held.key).targets_removed == belief.targets_removed
