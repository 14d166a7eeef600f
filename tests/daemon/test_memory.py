"""The memory: what happened is taken in, nobody else writes the evidence, and what waits to be told has a bound."""

from __future__ import annotations

import pytest

from position_monitor.core.evidence.endings import word_of
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.orders import OrderStatus
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.memory import Memory
from position_monitor.daemon.outbox import EVENTS_KEPT, Outbox
from position_monitor.edge.reading.account_observation import AccountObservation
from tests.core.build import LONG, NOW_MS, SYMBOL, at, backstop, position, seen_at
from tests.daemon.around import Around

HELD = position()
STOP = backstop(HELD, at(LONG, "-1.5"))


class Clock:
    def __init__(self):
        self.ms = NOW_MS

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.ms / 1000


def memory_after(*seen):
    memory = Memory(Clock(), Around(), Outbox())
    for one in seen:
        memory.symbol_read(one)
    return memory


STRANGER = STOP._replace(client_id=STOP.client_id[:-4] + "aaaa", order_id="o-other", created_at_ms=NOW_MS)
"""An order with our prefix that this process did not write, placed now."""
LONG_AGO_MS = NOW_MS - 60_000
"""The first look: what is placed so long after it was not under way then."""


def test_nobody_but_the_memory_writes_the_evidence():
    desk = Desk(None, Clock(), Around())
    with pytest.raises(AttributeError):
        desk.evidence = desk.evidence
    with pytest.raises(AttributeError):
        desk.memory.evidence = desk.evidence


def test_a_read_that_is_not_complete_does_not_show_a_position_a_second_time():
    memory = memory_after(seen_at([HELD], [STOP]), seen_at([HELD], unreadable="its open orders could not be read"))
    assert memory.evidence.of(HELD.key).present_reads == 1


def test_an_end_that_a_query_told_is_known_before_the_rows_are_learned_from():
    """The row that shrank may be what the order closed; learned the other way round it would be a stranger's doing."""
    memory = memory_after(*[seen_at([HELD], [STOP])] * 2)
    ended = STOP._replace(status=OrderStatus.CANCELED, updated_at_ms=NOW_MS)
    memory.account_read(AccountObservation({SYMBOL: seen_at([HELD])}, ends=(ended,)))
    known = memory.evidence.of(HELD.key)
    assert STOP.client_id in known.spent
    assert STOP.client_id not in known.vanished


def test_a_jump_of_the_clock_separates_the_reads_before_and_after_it():
    memory = memory_after(*[seen_at([HELD], [STOP])] * 3)
    memory.clock_jumped()
    assert memory.evidence.of(HELD.key).present_reads == 0


def test_an_order_of_a_stranger_is_a_sign_once_a_look_has_ended_and_is_told_once():
    memory = memory_after(seen_at([HELD], [STOP]))
    memory.look_ended(Mode.LIVE, venue_now_ms=LONG_AGO_MS)
    memory.symbol_read(seen_at([HELD], [STOP, STRANGER]))
    memory.symbol_read(seen_at([HELD], [STOP, STRANGER]))
    assert memory.second_writer
    assert STRANGER.client_id in memory.foreign_order
    assert [event.type for event in memory.outbox.take()[0]] == ["SecondWriterSeen"]


@pytest.mark.parametrize("mode", [Mode.STANDBY, Mode.OBSERVE])
def test_beside_another_owner_nothing_is_a_sign(mode):
    memory = memory_after(seen_at([HELD], [STOP]))
    memory.look_ended(mode, venue_now_ms=LONG_AGO_MS)
    memory.symbol_read(seen_at([HELD], [STOP, STRANGER]))
    assert not memory.second_writer


def test_with_a_new_lease_what_rests_was_written_by_the_owner_before():
    memory = memory_after(seen_at([HELD], [STOP]))
    memory.look_ended(Mode.LIVE, venue_now_ms=LONG_AGO_MS)
    memory.lease_taken()
    memory.symbol_read(seen_at([HELD], [STOP, STRANGER]))
    assert not memory.second_writer


def test_an_order_of_this_process_is_no_sign():
    memory = memory_after(seen_at([HELD], [STOP]))
    memory.look_ended(Mode.LIVE, venue_now_ms=LONG_AGO_MS)
    memory.order_sent(STRANGER.client_id)
    memory.symbol_read(seen_at([HELD], [STOP, STRANGER]))
    assert not memory.second_writer


def test_an_order_that_the_venue_reports_as_cancelled_names_nothing_any_more():
    memory = memory_after(*[seen_at([HELD], [STOP])] * 2)
    cancelled = STOP._replace(status=OrderStatus.CANCELED, updated_at_ms=NOW_MS)
    memory.order_reported(word_of(cancelled)._replace(nothing_filled=True))
    assert STOP.client_id in memory.evidence.of(HELD.key).spent


def test_a_flat_position_without_orders_is_forgotten_when_the_cycle_ends():
    memory = memory_after(seen_at([HELD]))
    for number in range(1, 6):
        memory.symbol_read(seen_at(zero=[HELD.key], at_ms=NOW_MS + 1_000 * number))
    assert memory.evidence.of(HELD.key) is not None
    memory.cycle_ended()
    assert memory.evidence.of(HELD.key) is None


def test_what_waits_to_be_told_is_bounded_and_taken_once():
    outbox = Outbox()
    outbox.add([Event("StopPlaced", number) for number in range(EVENTS_KEPT + 10)])
    outbox.add([Event("StopPlaced", 0)])
    outbox.note_write()
    events, wrote = outbox.take()
    assert ([event.at_ms for event in events], wrote) == ([*range(EVENTS_KEPT)], True)
    assert outbox.take() == ((), False)
