"""Signs of a second writer: what is one, what is none, and how long it is remembered."""

from __future__ import annotations

from dataclasses import replace

from position_monitor.core.evidence.writers import (
    CAREFUL_MS,
    IDS_MAX,
    UNDER_WAY_MS,
    Writers,
    after_listing,
    after_sending,
    beginning,
    begun,
)
from position_monitor.core.model.orders import Purpose
from tests.core.build import NOW_MS, backstop, position, seen_at

LATER_MS = NOW_MS + 60_000


def listed(writers, *orders, awaited=(), now_ms=LATER_MS):
    seen = seen_at([position()], list(orders))
    return after_listing(writers, seen, set(awaited), (), now_ms)


def order(created_at_ms=LATER_MS, order_id="77"):
    return backstop(position(), "98.5")._replace(created_at_ms=created_at_ms, order_id=order_id)


def test_an_order_this_process_did_not_send_is_a_sign_once():
    writers = begun(Writers(), NOW_MS)
    writers, sign = listed(writers, order())
    assert sign is not None and writers.suspected(LATER_MS)
    again, sign = listed(writers, order(), now_ms=LATER_MS + 1)
    assert sign is None and again is writers
    assert not writers.suspected(LATER_MS + CAREFUL_MS)
    assert not writers.suspected(LATER_MS - CAREFUL_MS), "a clock that was stepped back ends it too"


def test_what_was_sent_or_rested_or_was_under_way_is_none():
    one = order()
    sent = after_sending(begun(Writers(), NOW_MS), one.client_id, ())
    assert listed(sent, one)[1] is None
    fresh = begun(Writers(), NOW_MS)
    assert listed(fresh, one, awaited=[(one.symbol, one.client_id)])[1] is None
    assert listed(fresh, order(created_at_ms=NOW_MS + UNDER_WAY_MS))[1] is None
    before = listed(Writers(), one)[0]
    assert listed(begun(before, NOW_MS), one)[1] is None


def test_the_same_id_placed_again_by_the_other_hand_is_another_sign():
    writers = begun(listed(Writers(), order(order_id="1"))[0], NOW_MS)
    assert listed(writers, order(order_id="2"))[1] is not None


def test_what_the_venue_makes_of_a_stop_that_triggers_is_none():
    """A stop of the predecessor triggers: its child is listed with its client id and an order id of its own (6569)."""
    writers = begun(listed(Writers(), order(NOW_MS - 1, "1"))[0], NOW_MS)
    child = order(order_id="2")._replace(purpose=Purpose.MARKET, conditional=False, trigger_price=None)
    assert listed(writers, child)[1] is None
    assert listed(writers, child._replace(purpose=Purpose.LIMIT))[1] is not None, "somebody rests a rung"


def test_an_earlier_owner_may_write_a_while_longer():
    writers = begun(Writers(), NOW_MS, others_until_ms=120_000)
    assert listed(writers, order())[1] is None


def test_signs_that_return_make_it_careful_for_longer():
    writers, now_ms = begun(Writers(), NOW_MS), LATER_MS
    lengths = []
    for number in range(8):
        writers, _ = listed(writers, order(created_at_ms=now_ms, order_id=str(number)), now_ms=now_ms)
        lengths.append(writers.careful_ms)
        now_ms += writers.careful_ms + 1
    assert lengths[0] == CAREFUL_MS and lengths[1] == 2 * CAREFUL_MS
    assert max(lengths) == lengths[-1] == 1_800_000


def test_a_new_beginning_forgets_the_signs():
    writers, _ = listed(begun(Writers(), NOW_MS), order())
    assert not beginning(writers).suspected(LATER_MS)


def test_what_is_remembered_is_bounded_and_what_rests_is_not_forgotten():
    writers = Writers()
    for number in range(3 * IDS_MAX):
        writers = after_sending(writers, f"id{number}", ("id0",))
        assert len(writers.accounted) <= IDS_MAX
    assert "id0" in writers.accounted and f"id{3 * IDS_MAX - 1}" in writers.accounted
    assert replace(writers) == writers
