"""What the end of a write teaches (invariants 4 and 6): an acknowledgement only says where to look."""

from dataclasses import replace

import pytest

from position_monitor.core.evidence.crossing import Crossed
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.outcome import Outcome, Sent, after_outcome
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey

from .build import LONG, NOW_MS, SYMBOL, D, backstop, desired, known, position, target, working

KEY = PositionKey(SYMBOL, LONG)
HELD = position()
STOP = desired(backstop(HELD, 98), HELD)
WORKING = desired(working(HELD, 98), HELD)
TARGET = desired(target(HELD, 0, 102, "0.3"), HELD)
CLOSE = Close(KEY, HELD.hedged, D(1), "qpmclose", None, "test", D(1), WorkingType.MARK_PRICE)


TWICE = Crossed(2, D(99), NOW_MS - 1_000, 1)


def after(action, sent, refusal=None, **before) -> Evidence:
    evidence = Evidence({KEY: known(**before)})
    return after_outcome(evidence, Outcome(action, sent, NOW_MS, refusal=refusal, said="-1234"))


@pytest.mark.parametrize("order", [STOP, WORKING, TARGET], ids=lambda order: order.role.value)
@pytest.mark.parametrize(
    ("sent", "refusal", "awaited"),
    [
        (Sent.ACCEPTED, None, True),
        (Sent.AMBIGUOUS, None, True),
        (Sent.REFUSED, Refusal.DUPLICATE, True),
        (Sent.REFUSED, Refusal.CROSSED, False),
        (Sent.REFUSED, Refusal.SLOT_TAKEN, False),
        (Sent.REFUSED, Refusal.OFF_GRID, False),
        (Sent.NOT_SENT, None, False),
    ],
)
def test_only_what_may_rest_is_looked_for(order, sent, refusal, awaited):
    """An unknown outcome and a duplicate id both mean: the order may be there. Neither is success."""
    evidence = after(Place(order, "test"), sent, refusal)
    assert (evidence.awaited_in(SYMBOL) == (order.client_id,)) is awaited
    assert evidence.keys[KEY].listed_reads == {}, "nothing counts as read back"


@pytest.mark.parametrize(
    ("order", "counted"), [(STOP, 3), (WORKING, 3), (TARGET, 2)], ids=["backstop", "working", "target"]
)
def test_a_stop_refused_as_crossed_is_counted_and_a_target_is_not(order, counted):
    assert after(Place(order, "test"), Sent.REFUSED, Refusal.CROSSED, crossed=TWICE).keys[KEY].crossed.count == counted


@pytest.mark.parametrize(
    ("order", "sent", "count"),
    [
        (STOP, Sent.ACCEPTED, 0),
        (WORKING, Sent.ACCEPTED, 0),
        (TARGET, Sent.ACCEPTED, 2),
        (STOP, Sent.NOT_SENT, 2),
    ],
)
def test_an_accepted_stop_ends_the_row_of_refusals(order, sent, count):
    assert after(Place(order, "test"), sent, crossed=TWICE).keys[KEY].crossed.count == count


@pytest.mark.parametrize("refusal", [one for one in Refusal if one not in (Refusal.CROSSED, Refusal.DUPLICATE)])
def test_other_refusals_are_not_crossings(refusal):
    assert after(Place(STOP, "test"), Sent.REFUSED, refusal, crossed=TWICE).keys[KEY].crossed.count == 2


def test_refusals_far_apart_are_not_in_a_row():
    old = replace(TWICE, last_at_ms=NOW_MS - 40_000)
    assert after(Place(STOP, "test"), Sent.REFUSED, Refusal.CROSSED, crossed=old).keys[KEY].crossed.count == 1


def test_the_first_trigger_of_the_row_is_remembered():
    crossed = after(Place(STOP, "test"), Sent.REFUSED, Refusal.CROSSED, crossed=TWICE).keys[KEY].crossed
    assert crossed.first_trigger == TWICE.first_trigger != STOP.trigger_price


def test_what_the_venue_called_the_last_of_the_row_is_remembered():
    first = after(Place(STOP, "test"), Sent.REFUSED, Refusal.CROSSED).keys[KEY].crossed
    assert (
        first.said
        == after(Place(STOP, "test"), Sent.REFUSED, Refusal.CROSSED, crossed=TWICE).keys[KEY].crossed.said
        == "-1234"
    )


def test_the_pieces_of_one_split_stop_are_one_refusal():
    evidence = Evidence({KEY: known()})
    for rung in (0, 9, 17):
        piece = desired(working(HELD, 98, "0.3", rung=rung), HELD)
        evidence = after_outcome(evidence, Outcome(Place(piece, "test"), Sent.REFUSED, NOW_MS, refusal=Refusal.CROSSED))
    assert evidence.keys[KEY].crossed.count == 1


@pytest.mark.parametrize(
    ("order", "refusal", "blocked"),
    [(STOP, Refusal.SLOT_TAKEN, True), (WORKING, Refusal.SLOT_TAKEN, False), (STOP, Refusal.CROSSED, False)],
)
def test_an_existing_close_all_is_remembered(order, refusal, blocked):
    assert after(Place(order, "test"), Sent.REFUSED, refusal).keys[KEY].close_all_blocked is blocked


@pytest.mark.parametrize(
    ("sent", "refusal", "counted", "budget"),
    [
        (Sent.ACCEPTED, None, True, False),
        (Sent.AMBIGUOUS, None, True, False),
        (Sent.REFUSED, Refusal.OTHER, True, False),
        (Sent.REFUSED, Refusal.NO_POSITION, True, False),
        (Sent.REFUSED, Refusal.NOTHING_TO_REDUCE, False, True),
        (Sent.NOT_SENT, None, False, False),
    ],
)
def test_a_close_advances_the_ladder_unless_it_had_no_effect(sent, refusal, counted, budget):
    learned = after(CLOSE, sent, refusal, closes_sent=4).keys[KEY]
    assert learned.closes_sent == (5 if counted else 4)
    assert learned.closes_at_ms == ((NOW_MS,) if counted and sent is not Sent.REFUSED else ())
    assert bool(learned.closes_refused.tries_at_ms) is (sent in (Sent.REFUSED, Sent.NOT_SENT))
    assert learned.close_budget_refused is budget


def test_the_times_of_closes_are_bounded():
    assert len(after(CLOSE, Sent.ACCEPTED, closes_at_ms=tuple(range(10))).keys[KEY].closes_at_ms) == 10


@pytest.mark.parametrize("sent", list(Sent))
def test_a_cancel_teaches_only_that_its_id_is_spent(sent):
    """Whether it is gone is seen in the next read; an id that named it is not used again."""
    evidence = Evidence({KEY: known(listed_reads={"x": 2})})
    cancel = Cancel(working(HELD, 98), KEY, "test")
    learned = after_outcome(evidence, Outcome(cancel, sent, NOW_MS)).keys[KEY]
    assert learned.spent == ((cancel.order.client_id,) if sent is Sent.ACCEPTED else ())
    assert learned._replace(spent=()) == evidence.keys[KEY]


def test_a_write_for_a_forgotten_position_changes_nothing():
    for action in (Place(STOP, "test"), CLOSE):
        assert after_outcome(Evidence(), Outcome(action, Sent.ACCEPTED, NOW_MS)) == Evidence()


@pytest.mark.parametrize("order", [STOP, WORKING], ids=["backstop", "working"])
def test_why_a_stop_does_not_rest_is_remembered_until_one_is_taken(order):
    why = "the venue refused the order (-4164)"
    refusal = Outcome(Place(order, "test"), Sent.REFUSED, NOW_MS, refusal=Refusal.OTHER, text=why)
    refused = after_outcome(Evidence({KEY: known()}), refusal)
    assert refused.keys[KEY].stop_refused == why
    taken = after_outcome(refused, Outcome(Place(order, "test"), Sent.ACCEPTED, NOW_MS))
    assert taken.keys[KEY].stop_refused == ""


def test_a_refused_target_says_nothing_about_stops():
    refused = Outcome(Place(TARGET, "test"), Sent.REFUSED, NOW_MS, refusal=Refusal.OTHER, text="refused")
    assert after_outcome(Evidence({KEY: known()}), refused).keys[KEY].stop_refused == ""
