"""What the policy that is not live would want (exits.md 1, row 25): pinned, never looser, told when it changed."""

from __future__ import annotations

import pytest

from position_monitor.core.model.orders import WorkingType
from position_monitor.core.shadow.shadow_book import RestsLive, ShadowBook, ShadowInputs, shadow_book

from .build import ACCOUNT, EPOCH, HYBRID, INSTRUMENT, NOW_MS, OLD_EPOCH, SIDES, STATIC, D, at, position, settings

LIVE = RestsLive(policy="static", stop_price=D("98.5"), stop_quantity=D(1))


def book(side, mark="0", before=None, *, policy=HYBRID, epoch=EPOCH, now_ms=NOW_MS, live=LIVE, **words) -> ShadowBook:
    """The shadow book at a mark, in percent in favour of the position."""
    held = position(side, mark=at(side, mark), **words)
    inputs = ShadowInputs(
        account=ACCOUNT,
        position=held,
        epoch=epoch,
        instrument=INSTRUMENT,
        settings=settings(policy, working_type=WorkingType.MARK_PRICE),
        advice=None,
        market=None,
        live=live,
        now_ms=now_ms,
    )
    return shadow_book(inputs, before)


@pytest.mark.parametrize("side", SIDES)
def test_it_is_the_answer_of_the_policy_as_if_nothing_of_ours_rested(side):
    told = book(side)
    assert (told.policy, told.stop_price, told.initial_stop) == ("hybrid", at(side, "-1.5"), at(side, "-1.5"))
    assert [(one.price, one.fraction) for one in told.targets] == [
        (at(side, "1.5"), D("0.3")),
        (at(side, "2.5"), D("0.3")),
        (at(side, "4"), D("0.4")),
    ]
    assert told.live == LIVE
    assert not told.stop_reached


@pytest.mark.parametrize("side", SIDES)
def test_it_is_the_same_object_while_it_says_the_same(side):
    first = book(side)
    again = book(side, "0.4", first, now_ms=NOW_MS + 10_000, live=LIVE._replace(stop_price=D(97)))
    assert again is first, "neither the mark, the time nor what rests live is a change"


@pytest.mark.parametrize("side", SIDES)
def test_its_stop_never_loosens(side):
    first = book(side)
    trailed = book(side, "3", first)
    back = book(side, "2", trailed)
    assert trailed.stop_price != first.stop_price
    assert back.stop_price == trailed.stop_price, "the mark went back, the stop stays"


@pytest.mark.parametrize("side", SIDES)
def test_a_move_below_the_least_is_no_change(side):
    trailed = book(side, "3", book(side))
    assert book(side, "3.05", trailed) is trailed
    assert book(side, "3.3", trailed) is not trailed


@pytest.mark.parametrize("side", SIDES)
def test_a_rung_that_a_mark_reached_stays_taken_and_locks_breakeven(side):
    reached = book(side, "1.6", book(side))
    assert reached.rungs_done == {0}
    assert [one.price for one in reached.targets] == [at(side, "2.5"), at(side, "4")]
    back = book(side, "0.5", reached)
    assert back.rungs_done == {0}, "the price went back, the rung stays taken"
    secured = at(side, "0")
    assert back.stop_price >= secured if side is SIDES[0] else back.stop_price <= secured


@pytest.mark.parametrize("side", SIDES)
def test_once_its_stop_is_reached_it_would_be_out_and_says_so_for_the_rest_of_the_life(side):
    out = book(side, "-1.6", book(side))
    assert out.stop_reached
    assert book(side, "2", out) is out


def test_another_life_or_another_policy_begins_anew():
    first = book(SIDES[0], "3", book(SIDES[0]))
    assert book(SIDES[0], "0", first, epoch=OLD_EPOCH).stop_price == D("98.50")
    assert book(SIDES[0], "0", first, policy=STATIC).policy == "static"


def test_the_entry_moves_and_what_was_decided_first_stays():
    first = book(SIDES[0])
    added = book(SIDES[0], "-0.5", first, entry="99.6", quantity="2")
    assert (added.initial_stop, added.stop_price) == (D("98.50"), D("98.50"))
    assert added.quantity == D(2)
