"""When what was refused is worth another try (invariant 10)."""

from dataclasses import replace

import pytest

from position_monitor.core.evidence.refusals import (
    TRIES_AT_ONCE_MAX,
    TRIES_KEPT,
    TRIES_ON_NEWS_MAX,
    Facts,
    FailedTries,
    RefusedOrder,
    after_failure,
    slot_of,
    worth_a_try,
)
from position_monitor.core.model.refusal import Refusal

from .build import NOW_MS, D, backstop, desired, instrument, position, target, working

HELD = position()
RULES = instrument()
STOP = desired(backstop(HELD, 98), HELD)
WORKING = desired(working(HELD, 99), HELD)
TARGET = desired(target(HELD, 0, 102, "0.3"), HELD)
FACTS = Facts(D(1), RULES, NOW_MS, 9_000)


def refused(order, at_ms=NOW_MS, refusal=Refusal.OTHER, before=None, tries=1) -> FailedTries:
    """So many refusals of an order, one after another, the last one then."""
    result = before or FailedTries()
    for _ in range(tries):
        row = RefusedOrder(
            at_ms=at_ms,
            refusal=refusal,
            said="-4108",
            trigger=order.trigger_price,
            quantity=order.quantity,
            hedged=order.hedged,
            size=D(1),
            instrument=RULES,
        )
        result = after_failure(result, at_ms, slot_of(order), row)
    return result


def tried(orders, stops, facts=FACTS, targets=None):
    now, waiting = worth_a_try(orders, stops, targets or FailedTries(), facts)
    assert len(now) + len(waiting) == len(orders)
    return now


def test_what_was_never_refused_is_sent():
    assert tried([STOP, WORKING, TARGET], FailedTries()) == [STOP, WORKING, TARGET]


@pytest.mark.parametrize(("later_ms", "again"), [(0, False), (8_999, False), (9_000, True), (30_000, True)])
def test_the_same_rests_until_the_next_check(later_ms, again):
    assert bool(tried([STOP], refused(STOP), FACTS._replace(now_ms=NOW_MS + later_ms))) is again
    assert bool(tried([STOP], refused(STOP), FACTS._replace(now_ms=NOW_MS - later_ms))) is again, "the clock stepped"


def test_another_order_does_not_wait_for_it_and_take_profits_are_another_matter():
    assert tried([STOP, WORKING, TARGET], refused(STOP)) == [WORKING, TARGET]


@pytest.mark.parametrize(
    "facts",
    [FACTS._replace(size=D(2)), FACTS._replace(instrument=replace(RULES, status="BREAK"))],
    ids=["size", "trading rules"],
)
def test_a_changed_fact_is_tried_at_once_and_not_without_end(facts):
    assert tried([STOP], refused(STOP, tries=TRIES_AT_ONCE_MAX), facts) == [STOP]
    assert tried([STOP], refused(STOP, tries=TRIES_ON_NEWS_MAX), facts) == []


def test_another_mode_or_size_of_the_order_is_another_order():
    hedged = STOP._replace(hedged=True)
    assert tried([hedged], refused(STOP)) == [hedged]
    larger = WORKING._replace(quantity=D(3))
    assert tried([larger], refused(WORKING)) == [larger]


def test_a_moved_trigger_is_tried_at_once_a_few_times():
    moved, hair = STOP._replace(trigger_price=D(97)), STOP._replace(trigger_price=D("98.01"))
    assert tried([moved], refused(STOP)) == [moved]
    assert tried([moved], refused(STOP, tries=TRIES_AT_ONCE_MAX)) == []
    assert tried([hair], refused(STOP)) == []


MAY_PASS = (Refusal.NOTHING_TO_REDUCE, Refusal.NO_POSITION, Refusal.CAPACITY)


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refusal_that_may_pass_is_tried_at_once_a_few_times(refusal):
    assert tried([STOP], refused(STOP, refusal=refusal)) == ([STOP] if refusal in MAY_PASS else [])
    assert tried([STOP], refused(STOP, refusal=refusal, tries=TRIES_AT_ONCE_MAX)) == []


def test_what_waits_says_what_the_venue_said():
    [(order, why)] = worth_a_try([STOP], refused(STOP), FailedTries(), FACTS)[1]
    assert order == STOP
    assert why == "it was refused (-4108) and nothing changed since; it is tried again in the next check"


def test_in_each_check_one_is_tried_the_longest_waiting_first():
    before = refused(WORKING, NOW_MS + 1_000, before=refused(STOP))
    late = FACTS._replace(now_ms=NOW_MS + 11_000)
    assert tried([WORKING, STOP], before, late) == [STOP]
    again = refused(STOP, NOW_MS + 11_000, before=before)
    assert tried([WORKING, STOP], again, FACTS._replace(now_ms=NOW_MS + 21_000)) == [WORKING]


def test_a_minute_without_a_try_is_forgotten_and_the_memory_is_bounded():
    before = refused(STOP, tries=100)
    assert len(before.tries_at_ms) == TRIES_KEPT
    assert before.hopeless(NOW_MS) and not before.hopeless(NOW_MS + 60_000)
    assert tried([STOP, WORKING], before, FACTS._replace(now_ms=NOW_MS + 60_000)) == [STOP, WORKING]


def test_unknown_outcomes_count_as_tries():
    before = FailedTries()
    for _ in range(TRIES_AT_ONCE_MAX):
        assert tried([STOP], before) == [STOP]
        before = after_failure(before, NOW_MS, slot_of(STOP), None)
    assert tried([STOP], before) == []
