"""The time-out grows while nothing comes in time, and is the usual one again when answers are quick (row 1.3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from position_monitor.edge.reading.patience import Patience

DELAYS = st.lists(st.floats(0.0, 60.0), max_size=40)


def ask(patience: Patience, delay_s: float) -> bool:
    """One request whose answer takes so long; whether it was waited for."""
    timeout_s = patience.timeout_s
    if delay_s < timeout_s:
        patience.answered(delay_s)
        return True
    patience.timed_out(timeout_s)
    return False


def test_a_venue_slower_than_the_time_out_is_waited_for_at_the_second_try() -> None:
    patience = Patience(4.0, 20.0)
    assert [ask(patience, 5.0) for _ in range(4)] == [False, True, True, True]


def test_the_bound_is_reached_in_few_tries() -> None:
    patience = Patience(4.0, 20.0)
    assert [ask(patience, 19.0) for _ in range(6)].count(False) <= 4
    assert patience.timeout_s == 20.0


def test_quick_answers_bring_the_usual_time_out_back() -> None:
    patience = Patience(4.0, 20.0)
    for delay_s in (30.0, 30.0, 30.0, 0.1):
        ask(patience, delay_s)
    assert patience.timeout_s == 4.0


def test_requests_given_up_side_by_side_count_once() -> None:
    patience = Patience(4.0, 20.0)
    for _ in range(50):
        patience.timed_out(4.0)
    assert patience.timeout_s < 8.0


def test_a_bound_below_the_usual_time_out_is_none() -> None:
    patience = Patience(4.0, 0.0)
    assert [ask(patience, 5.0) for _ in range(3)] == [False] * 3 and patience.timeout_s == 4.0


@given(DELAYS)
def test_it_stays_between_usual_and_bound(delays: list[float]) -> None:
    patience = Patience(4.0, 20.0)
    for delay_s in delays:
        ask(patience, delay_s)
        assert 4.0 <= patience.timeout_s <= 20.0
