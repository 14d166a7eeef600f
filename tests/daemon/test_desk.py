"""The desk: an order is not sent under an id of which the venue says that its order rests."""

from __future__ import annotations

import pytest

from position_monitor.core.evidence.outcome import Sent
from position_monitor.core.model.actions import Mode, Place
from position_monitor.core.model.refusal import Refusal
from position_monitor.daemon.desk import Desk
from position_monitor.errors import Refused
from tests.core.build import LONG, NOW_MS, at, backstop, desired, position, rested, seen_at, target
from tests.daemon.around import Around

HELD = position()
STOP = desired(backstop(HELD, at(LONG, "-1.5")), HELD)
SEEN = seen_at([HELD])


class Venue:
    """No list shows the stop; a query may, and so may the answer to a second one."""

    def __init__(self, *, query_shows_it: bool) -> None:
        self.query_shows_it = query_shows_it
        self.sent: list[str] = []

    async def query_order(self, symbol, client_id):
        return rested(STOP) if self.query_shows_it else None

    def venue_now_ms(self):
        return NOW_MS

    async def place(self, approved):
        self.sent.append(approved.action.order.client_id)
        raise Refused("it is in use", refusal=Refusal.DUPLICATE, said="-4116")


class Clock:
    def now_ms(self):
        return NOW_MS

    def monotonic_s(self):
        return NOW_MS / 1000


def desk_of(venue: Venue, around: Around | None = None) -> Desk:
    desk = Desk(venue, Clock(), around or Around())
    desk.memory.symbol_read(SEEN)
    desk.earlier.began_at_ms = NOW_MS * 2
    return desk


@pytest.mark.parametrize(
    ("query_shows_it", "sent", "said"), [(True, [], {}), (False, [STOP.client_id], {"code": -4116})]
)
async def test_a_stop_that_rests_unlisted_is_looked_for_and_the_event_quotes_only_what_was_said(
    query_shows_it, sent, said
):
    """A query that shows the order is an answer, not a refusal: there is no number of the venue to publish."""
    desk = desk_of(venue := Venue(query_shows_it=query_shows_it))
    outcome = await desk.send(Place(STOP, "test"), SEEN)
    desk.memory.write_ended(outcome)
    assert (outcome.sent, outcome.refusal, venue.sent) == (Sent.REFUSED, Refusal.DUPLICATE, sent)
    assert desk.evidence.awaited_in(STOP.symbol) == (STOP.client_id,)
    [event] = desk.outbox.take()[0]
    assert event.type == "WriteRefused"
    assert {name: value for name, value in event.details.items() if name == "code"} == said


async def test_no_take_profit_is_sent_when_the_right_to_it_ended_while_its_id_was_asked_for():
    """The host was suspended in between: the lease is another daemon's by now (invariant 9)."""
    rung = desired(target(HELD, 0, "101.5", "0.3"), HELD)
    seen = seen_at([HELD], [backstop(HELD, at(LONG, "-1.5"))])
    around = Around()
    desk = desk_of(venue := Venue(query_shows_it=False), around)
    desk.memory.symbol_read(seen)

    async def asleep(symbol, client_id):
        around.may = Mode.PLACE_ONLY

    venue.query_order = asleep
    outcome = await desk.send(Place(rung, "test"), seen)
    desk.memory.write_ended(outcome)
    assert (outcome.sent, venue.sent) == (Sent.NOT_SENT, [])
    assert "no take-profit" in outcome.text and not desk.evidence.awaited
