"""What an operator may ask for, and the word for what is refused (DESIGN 5, P:control)."""

from __future__ import annotations

import pytest

from position_monitor.core.decision.control_answers import (
    IN_FORCE_MAX,
    Unreadable,
    answer_to,
    request_from,
)
from position_monitor.core.model.control import NO_CONTROL, Control, after_request
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.publication.control_words import ends_soon, event_of, in_words, moment

NOW_MS = 1_780_000_000_000
HOUR_MS = 3_600_000
LONG = PositionKey("BTCUSDT", Side.LONG)


def entry(**changes):
    plain = {
        "id": "r-1",
        "type": "pause",
        "symbol": "BTCUSDT",
        "side": None,
        "until_ms": NOW_MS + HOUR_MS,
        "reason": "maintenance",
        "by": "ana",
        "at_ms": NOW_MS,
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not ...}


def answered(control=NO_CONTROL, *, used_before=False, now_ms=NOW_MS, **changes):
    request = request_from(entry(**changes))
    return answer_to(
        request, control, arrived_ms=now_ms, used_before=used_before, is_listed=lambda symbol: symbol != "NOSUCHUSDT"
    )


def in_force(*entries) -> Control:
    control = NO_CONTROL
    for number, one in enumerate(entries):
        control = after_request(control, request_from(entry(id=f"r-{number}", **one)))
    return control


@pytest.mark.parametrize("kind", ["pause", "hold"])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "btcusdt", "*"])
@pytest.mark.parametrize("side", [None, "", "LONG", ...])
def test_a_request_is_accepted_and_in_force_until_it_ends(kind, symbol, side):
    control, answer = answered(type=kind, symbol=symbol, side=side)
    assert (answer.accepted, answer.request_id) == (True, "r-1")
    of = control.pause_of if kind == "pause" else control.hold_of
    assert of(LONG) is answer.request
    left = control.at(NOW_MS + HOUR_MS - 1)
    assert left is control
    assert control.at(NOW_MS + HOUR_MS) == NO_CONTROL


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("expired", {"until_ms": NOW_MS}),
        ("expired", {"until_ms": NOW_MS - HOUR_MS, "at_ms": NOW_MS - 2 * HOUR_MS}),
        ("from the future", {"at_ms": NOW_MS + 60_001}),
        ("without a reason", {"reason": "  "}),
        ("without a reason", {"reason": ...}),
        ("too long", {"until_ms": NOW_MS + 8 * 24 * HOUR_MS}),
        ("too long", {"until_ms": NOW_MS + HOUR_MS, "at_ms": NOW_MS - 8 * 24 * HOUR_MS}),
        ("contradictory", {"until_ms": NOW_MS + 1_000, "at_ms": NOW_MS + 2_000}),
        ("unknown symbol", {"symbol": "NOSUCHUSDT"}),
        ("expired", {"type": "resume", "until_ms": NOW_MS - 1}),
    ],
)
def test_what_is_refused_changes_nothing_and_has_its_word(word, changes):
    before = in_force({"type": "hold"})
    control, answer = answered(before, **changes)
    assert control is before
    assert not answer.accepted
    assert answer.text.startswith(word)


def test_an_id_is_used_once():
    control, answer = answered(used_before=True)
    assert (control, answer.accepted) == (NO_CONTROL, False)
    assert answer.text.startswith("replayed")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "pause",
        7,
        {},
        entry(id=...),
        entry(id=""),
        entry(id=7),
        entry(id="x" * 101),
        entry(type="stop"),
        entry(type=["pause"]),
        entry(type=...),
        entry(symbol=...),
        entry(symbol=""),
        entry(symbol="BTC USDT"),
        entry(symbol="BTC*"),
        entry(symbol="X" * 41),
        entry(side="BOTH"),
        entry(side=["LONG"]),
        entry(side=1),
        entry(until_ms=...),
        entry(until_ms="soon"),
        entry(until_ms=True),
        entry(until_ms=1e15),
        entry(until_ms=10**40),
        entry(until_ms=-1),
        entry(at_ms=...),
        entry(at_ms=None),
        entry(by=...),
        entry(by="\n"),
        entry(reason=["x"]),
        entry(reason="x" * 201),
        entry(reason="two\nlines"),
    ],
)
def test_what_has_not_the_form_of_a_request_is_unreadable(value):
    with pytest.raises(Unreadable):
        request_from(value)


def test_the_later_of_two_counts_also_where_it_ends_sooner():
    control = in_force({"symbol": "*"}, {"until_ms": NOW_MS + 2 * HOUR_MS})
    assert len(control.in_force) == 2
    control, answer = answered(control, id="r-9", symbol="*", until_ms=NOW_MS + 1_000)
    assert answer.accepted
    assert [one.id for one in control.in_force] == ["r-9"]
    assert control.at(NOW_MS + 1_000) == NO_CONTROL


def test_a_hold_and_a_pause_stand_beside_each_other():
    control = in_force({"type": "hold"}, {"type": "pause"})
    assert control.hold_of(LONG) and control.pause_of(LONG)
    assert control.pause_of_all is None


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ({"symbol": "*"}, set()),
        ({"symbol": "BTCUSDT"}, {"r-2"}),
        ({"symbol": "BTCUSDT", "side": "LONG"}, {"r-1", "r-2"}),
        ({"symbol": "ETHUSDT"}, {"r-0", "r-1"}),
    ],
)
def test_a_resume_ends_what_lies_within_it(scope, left):
    control = in_force({"side": "LONG"}, {"type": "hold", "side": "SHORT"}, {"symbol": "ETHUSDT"})
    control, answer = answered(control, type="resume", id="r-9", reason=..., until_ms=..., **scope)
    assert answer.accepted
    assert {one.id for one in control.in_force} == left


def test_a_part_of_a_whole_is_not_resumed():
    before = in_force({"symbol": "*"})
    control, answer = answered(before, type="resume", id="r-9")
    assert control is before
    assert answer.text == "contradictory: the pause in force is of every position; resume that as a whole"


def test_a_resume_of_nothing_is_no_mistake():
    control, answer = answered(type="resume", until_ms=0)
    assert (control, answer.accepted, answer.text) == (NO_CONTROL, True, "nothing was in force")


def test_what_is_in_force_is_bounded():
    control = in_force(*({"symbol": f"S{number}USDT"} for number in range(IN_FORCE_MAX)))
    after, answer = answered(control, id="r-new")
    assert after is control
    assert answer.text.startswith("too many")
    assert answered(control, id="r-new", symbol="*")[1].accepted, "one that takes their place is"


def test_the_words():
    request = request_from(entry(type="hold", side="LONG"))
    assert moment(1_709_210_096_000) == "2024-02-29 12:34:56 UTC"
    assert in_words(request) == (
        "hold of BTCUSDT:LONG: a stop of the user's own is accepted until 2026-05-28 21:26:40 UTC by ana: maintenance"
    )
    assert ends_soon(request, 599_000).startswith("⏳ In 9 min it ends by itself: hold of BTCUSDT:LONG")
    event = event_of(answered(type="hold", symbol="*")[1], NOW_MS)
    assert (event.type, event.symbol, event.details["request_id"]) == ("ControlAccepted", "", "r-1")
