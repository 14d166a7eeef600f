"""A position and the books beside it: marks, looks, candles for what nobody heard, and the end of following."""

from __future__ import annotations

import pytest

from position_monitor.core.model.ids import epoch_of
from position_monitor.core.model.market import Regime
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.shadow.candle_walk import PriceCandle
from position_monitor.core.shadow.following import (
    GAP_MS,
    HORIZON_MS,
    MINUTE_MS,
    at_horizon,
    begun_beside,
    ended,
    first_minute_to_walk,
    heard,
    looked,
    walked_on,
)
from position_monitor.core.shadow.pair import Censored
from position_monitor.core.shadow.simulated_position import Entry
from position_monitor.core.shadow.simulating import AT_HORIZON
from tests.core.build import ACCOUNT, BRAIN, HYBRID, INSTRUMENT, LONG, OPENED_MS, STATIC, SYMBOL, D, market_of, settings
from tests.core.shadow.books import look

SECOND_MS = 1_000
MINUTE_0_MS = -(-OPENED_MS // MINUTE_MS) * MINUTE_MS


def followed(shadow=STATIC, own=HYBRID):
    """A long of 10 at 100, static beside a live hybrid."""
    entries = [
        Entry(ACCOUNT, PositionKey(SYMBOL, LONG), epoch_of(OPENED_MS), D(10), D(100), INSTRUMENT, settings(policy))
        for policy in (shadow, own)
    ]
    return begun_beside(*entries, look(), "abc")


def minute(number, text="100 100.1 99.9 100"):
    """A candle of the minute with this number after the entry."""
    prices = (D(word) for word in text.split())
    begins_ms = MINUTE_0_MS + number * MINUTE_MS
    return PriceCandle(*prices, begins_ms, begins_ms + MINUTE_MS)


def test_both_books_hear_the_same_mark_and_leave_by_their_own_exits():
    one = followed()
    for number, price in enumerate(("101.5", "100.1", "99.9"), 1):
        one = heard(one, D(price), OPENED_MS + number * SECOND_MS)
        one = looked(one, D(10), D(100), look(price, OPENED_MS + number * SECOND_MS))
    assert [fill.reason for fill in one.own.fills] == ["TP1", "BREAKEVEN"]
    assert one.shadow.fills == ()
    assert (one.own.over, one.shadow.over, one.over) == (True, False, False)


def test_a_gap_is_walked_by_candles_and_marks_are_heard_no_more():
    one = heard(followed(), D(100), OPENED_MS + GAP_MS + 1)
    assert one.by_candles
    assert heard(one, D(90), OPENED_MS + GAP_MS + 2) is one
    assert first_minute_to_walk(one) == MINUTE_0_MS
    one = walked_on(one, minute(0, "100 100 98 99"), None)
    assert [fill.price for fill in one.shadow.fills] == [D("98.5")]
    assert one.gap_ms == MINUTE_0_MS - OPENED_MS


def test_a_minute_is_not_walked_twice_and_a_missing_one_is_counted():
    one = walked_on(ended(followed(), OPENED_MS), minute(0), None)
    assert walked_on(one, minute(0, "100 100 1 100"), None) is one
    two = walked_on(one, minute(3), None)
    assert two.gap_ms - one.gap_ms == 2 * MINUTE_MS


def test_a_book_outlives_the_live_position_until_its_own_exit():
    one = ended(followed(), OPENED_MS + SECOND_MS)
    one = walked_on(one, minute(0), None)
    assert not one.over
    one = walked_on(one, minute(1, "100 103 99.5 102.8"), None)
    assert one.shadow.fills[0].reason == "TP1"
    assert one.own.fills[0].price == D("101.5")


def test_at_the_horizon_what_is_left_is_valued_at_the_last_price():
    one = walked_on(ended(followed(), OPENED_MS + SECOND_MS), minute(0, "100 100.4 99.9 100.3"), None)
    assert one.horizon_ms == OPENED_MS + SECOND_MS + HORIZON_MS
    one = at_horizon(one)
    assert one.over
    assert [(fill.reason, fill.price) for fill in one.shadow.fills] == [(AT_HORIZON, D("100.3"))]


def test_the_horizon_is_that_of_the_regime():
    brain = ended(followed(shadow=BRAIN), 1)
    quiet = brain.shadow._replace(regime=str(Regime.EXTREME_VOL))
    one = brain._replace(shadow=quiet, own=quiet)
    assert one.horizon_ms == 1 + 12 * 3_600_000
    assert followed().horizon_ms == 0


def test_what_is_added_is_added_to_both_books_at_its_own_price():
    one = looked(followed(), D(20), D("100.5"), look("101", OPENED_MS + SECOND_MS))
    for book in (one.shadow, one.own):
        assert (book.quantity, book.entry.price) == (D(20), D("100.5"))
    assert one.censored is Censored.NO


def test_what_cannot_be_told_apart_is_censored():
    sold_and_bought = looked(followed(), D(9), D("100.5"), look("101", OPENED_MS + SECOND_MS))
    assert sold_and_bought.censored is Censored.ADDED_UNCLEAR
    waiting = followed()._replace(by_candles=True)
    assert looked(waiting, D(20), D(100), look("101", OPENED_MS + SECOND_MS)).censored is Censored.ADDED_UNCLEAR


def test_a_take_profit_of_the_live_policy_is_none_of_the_books_business():
    one = looked(followed(), D(7), D(100), look("100.2", OPENED_MS + SECOND_MS))
    assert one.shadow.quantity == one.own.quantity == 10


@pytest.mark.parametrize(("closed_in_ms", "regime"), [(0, "NORMAL_VOL"), (1, "")])
def test_candles_that_closed_later_are_not_shown(closed_in_ms, regime):
    """A restart walks hours at once: the state of the market of now was not known then."""
    candle = minute(0)
    state = market_of("1", expires_at_ms=candle.closed_at_ms + 3_600_000)
    later = type(state)(**{name: getattr(state, name) for name in state.__slots__ if name != "closed_at_ms"},
                        closed_at_ms=candle.closed_at_ms + closed_in_ms)  # fmt: skip
    one = walked_on(ended(followed(shadow=BRAIN), OPENED_MS), candle, later)
    assert one.shadow.regime == regime


def test_an_ambiguous_candle_is_counted():
    one = walked_on(ended(followed(), OPENED_MS), minute(0, "100 103 98 100"), None)
    assert one.ambiguous == 1
