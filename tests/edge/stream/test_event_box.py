"""The box a slow receiver empties: bounded, and never older than what it was given."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.stream_events import (
    ConfigEvent,
    Drained,
    EventBox,
    MarginCallEvent,
    PositionEvent,
    StreamGap,
    SymbolTouched,
)


def position(amount: str, at_ms: int = 1, symbol: str = "BTCUSDT", leg: Side | None = None) -> PositionEvent:
    return PositionEvent(symbol, leg, Decimal(amount), Decimal(100), at_ms, "ORDER")


def test_an_empty_box_is_false_and_drains_nothing() -> None:
    box = EventBox()
    assert not box and box.drain() == Drained()


def test_the_latest_state_of_each_leg() -> None:
    box = EventBox()
    for event in (
        position("1", 1, leg=Side.LONG),
        position("-2", 2, leg=Side.SHORT),
        position("3", 3, leg=Side.LONG),
        position("9", 2, leg=Side.LONG),
    ):
        box.put(event)
    assert box
    drained = box.drain()
    assert [event.amount for event in drained.positions] == [3, -2] and drained.symbols == {"BTCUSDT"}
    assert not box and box.drain() == Drained()


def test_within_one_millisecond_the_later_arrival_counts() -> None:
    box = EventBox()
    box.put(position("1"))
    box.put(position("2"))
    assert [event.amount for event in box.drain().positions] == [2]


def test_a_repeat_says_nothing_and_an_older_event_only_wakes() -> None:
    box = EventBox()
    box.put(position("2", 2))
    box.drain()
    box.put(position("2", 2))
    assert not box
    box.put(position("1", 1))
    assert box.drain() == Drained(symbols=frozenset({"BTCUSDT"}))


def test_a_gap_is_kept_with_its_first_reason_and_forgets_ages() -> None:
    box = EventBox()
    box.put(position("2", 2_000))
    box.put(StreamGap("first"))
    box.put(StreamGap("second"))
    box.put(position("1", 1))
    drained = box.drain()
    assert drained.gap == "first" and [event.amount for event in drained.positions] == [1]


def test_what_else_wakes() -> None:
    box = EventBox()
    box.put(SymbolTouched("AUSDT", "why"))
    box.put(MarginCallEvent(("BUSDT", "CUSDT"), 1))
    box.put(ConfigEvent("DUSDT", 20, None, 1))
    assert box.drain() == Drained(
        symbols=frozenset({"AUSDT", "BUSDT", "CUSDT", "DUSDT"}), margin_called=frozenset({"BUSDT", "CUSDT"})
    )
    box.put(ConfigEvent("", None, True, 1))
    assert box and box.drain() == Drained(account_changed=True)


@pytest.mark.parametrize("kind", ["positions", "touched", "margin"])
def test_more_than_it_holds_becomes_a_full_read(kind: str) -> None:
    box = EventBox(keys_max=10)
    for number in range(1_000):
        symbol = f"S{number}USDT"
        if kind == "positions":
            box.put(position("1", 1, symbol))
            box.drain()
        elif kind == "touched":
            box.put(SymbolTouched(symbol, "why"))
        else:
            box.put(MarginCallEvent((symbol,), 1))
        assert len(box._symbols) <= 10 and len(box._latest) <= 10 and len(box._margin_called) <= 10
    if kind != "positions":
        assert box.drain().gap == "more than 10 symbols changed at once"


def test_a_change_of_the_account_survives_the_overflow() -> None:
    box = EventBox(keys_max=1)
    box.put(ConfigEvent("", None, True, 1))
    box.put(MarginCallEvent(("AUSDT", "BUSDT"), 1))
    assert box.drain() == Drained(gap="more than 1 symbols changed at once", account_changed=True)


@given(
    st.lists(
        st.tuples(st.sampled_from(["AUSDT", "BUSDT"]), st.integers(-5, 5), st.integers(1, 6), st.booleans()),
        max_size=40,
    )
)
def test_whatever_the_order_the_newest_wins_and_every_news_wakes(story: list[tuple[str, int, int, bool]]) -> None:
    box = EventBox()
    newest: dict[str, PositionEvent] = {}
    delivered: dict[str, PositionEvent] = {}
    for symbol, amount, at_ms, drain in story:
        event = position(str(amount), at_ms, symbol)
        if symbol not in newest or at_ms >= newest[symbol].at_ms:
            newest[symbol] = event
        box.put(event)
        if drain:
            delivered |= {event.symbol: event for event in box.drain().positions}
    delivered |= {event.symbol: event for event in box.drain().positions}
    assert delivered == newest


@pytest.mark.parametrize(
    ("amount", "leg", "expected"),
    [
        ("1", None, Side.LONG),
        ("-1", None, Side.SHORT),
        ("0", None, None),
        ("0", Side.LONG, Side.LONG),
        ("-1", Side.SHORT, Side.SHORT),
    ],
)
def test_whose_position_it_is(amount: str, leg: Side | None, expected: Side | None) -> None:
    event = position(amount, leg=leg)
    assert event.side is expected
    assert event.key == (None if expected is None else PositionKey("BTCUSDT", expected))
