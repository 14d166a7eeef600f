"""Writes and read-backs as past-tense events (DESIGN 5)."""

import pytest

from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.evidence.written import after_write
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.orders import OrderStatus, WorkingType
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.announce import read_back, written

from .build import LONG, NOW_MS, SYMBOL, D, backstop, desired, learned, live, position, seen_at, target, working

HELD = position()
KEY = PositionKey(SYMBOL, LONG)
STOP, UPPER, RUNG = backstop(HELD, 98), working(HELD, 99), target(HELD, 0, 102, "0.3")
CLOSE = Close(KEY, HELD.hedged, D(1), "qpmclose", None, "too much lost", D(1), WorkingType.MARK_PRICE)


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Place(desired(STOP, HELD), "why"), "StopPlaced"),
        (Place(desired(UPPER, HELD), "why"), "StopPlaced"),
        (Place(desired(RUNG, HELD), "why"), "TakeProfitPlaced"),
        (Cancel(UPPER, KEY, "why"), "StopRetired"),
        (Cancel(RUNG, KEY, "why"), "TakeProfitRetired"),
        (CLOSE, "EmergencyClose"),
    ],
)
def test_every_write_has_its_event_and_only_an_accepted_one_claims_it(action, kind):
    event = written(Outcome(action, Sent.ACCEPTED, NOW_MS, text="order 7"))
    assert (event.type, event.at_ms, event.symbol, event.side) == (kind, NOW_MS, SYMBOL, "LONG")
    assert event.details["outcome"] == "accepted" and event.details["reason"] in ("why", "too much lost")
    assert written(Outcome(action, Sent.AMBIGUOUS, NOW_MS)).type == "WriteAmbiguous"
    for sent in (Sent.REFUSED, Sent.NOT_SENT):
        refused = written(Outcome(action, sent, NOW_MS, said="-2021", text="would trigger"))
        assert refused.type == "WriteRefused" and refused.details["code"] == -2021


@pytest.mark.parametrize(
    ("said", "published"),
    [("-2021", -2021), ("51088", 51088), ("00171", "00171"), ("wouldNotReducePosition", "wouldNotReducePosition")],
)
def test_what_the_venue_said_is_published_as_it_was_said(said, published):
    details = written(Outcome(CLOSE, Sent.REFUSED, NOW_MS, said=said)).details
    assert details["code"] == published and type(details["code"]) is type(published)


def test_where_the_venue_named_nothing_no_name_is_published():
    assert "code" not in written(Outcome(CLOSE, Sent.REFUSED, NOW_MS, text="it timed out")).details


def test_the_text_of_a_failure_is_bounded():
    assert len(written(Outcome(CLOSE, Sent.REFUSED, NOW_MS, text="x" * 5000)).details["text"]) == 300


def test_a_close_all_says_so_instead_of_a_quantity():
    assert written(Outcome(Place(desired(STOP, HELD), ""), Sent.ACCEPTED, NOW_MS)).details["quantity"] == "close-all"
    assert written(Outcome(Place(desired(UPPER, HELD), ""), Sent.ACCEPTED, NOW_MS)).details["quantity"] == "1"


def test_a_stop_is_announced_as_read_back_when_a_list_shows_it_and_never_twice():
    waiting = after_write(learned(seen_at([HELD])), SYMBOL, STOP.client_id, NOW_MS)
    waiting = after_write(waiting, SYMBOL, RUNG.client_id, NOW_MS)
    assert read_back(seen_at([HELD]), waiting, NOW_MS) == []
    shown = seen_at([HELD], [STOP, RUNG, live(HELD, 97)])
    events = read_back(shown, waiting, NOW_MS)
    assert [(event.type, event.details["client_id"]) for event in events] == [("StopReadBack", STOP.client_id)]
    assert read_back(shown, learned(shown, before=waiting), NOW_MS) == []


@pytest.mark.parametrize("status", [OrderStatus.NEW, OrderStatus.TRIGGERING])
def test_a_read_back_carries_the_status_because_only_new_protects(status):
    waiting = after_write(learned(seen_at([HELD])), SYMBOL, STOP.client_id, NOW_MS)
    shown = seen_at([HELD], [backstop(HELD, 98, status=status)])
    assert read_back(shown, waiting, NOW_MS)[0].details["status"] == status.value
