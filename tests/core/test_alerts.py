"""What somebody is called for, and how often: conditions off a cycle, messages from cycle to cycle, their words."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from position_monitor.core.model.actions import Mode
from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.stream_events import StreamHealth, StreamState
from position_monitor.core.publication.alert_text import Sender, document, letter
from position_monitor.core.publication.alerting import (
    GROUP_MS,
    MESSAGES_PER_HOUR,
    URGENT_PER_HOUR,
    Alerting,
    AlertSettings,
    Message,
    after_cycle,
)
from position_monitor.core.publication.alerts import AlertKind, Condition, Signs, conditions, not_judged

NOW_MS = 1_780_000_000_000
SETTINGS = AlertSettings(naked_after_ms=15_000, unknown_after_ms=60_000, repeat_ms=3_600_000)
SENDER = Sender("main", "live", "host:1:2", "0.1.0")


def track(verdict: Verdict, *, exposed_since_ms: int = 0, since_ms: int = NOW_MS) -> SimpleNamespace:
    judgement = SimpleNamespace(verdict=verdict, reason="no stop counts as cover")
    return SimpleNamespace(judgement=judgement, exposed_since_ms=exposed_since_ms, since_ms=since_ms)


def signs(**changes: object) -> Signs:
    quiet = Signs(
        tracks={}, events=(), streams={}, rights=Mode.LIVE, failure="", unread=(), breaker="OFF", without_slot=()
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


def key(number: int = 0) -> PositionKey:
    return PositionKey(f"C{number:03}USDT", Side.LONG)


def stream(state: StreamState) -> StreamHealth:
    return StreamHealth(state, NOW_MS, None, 0, 0, 0, "the connection was lost")


def event(kind: str, **details: str) -> Event:
    return Event(kind, NOW_MS, "BTCUSDT", "LONG", details)


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (signs(), set()),
        (signs(tracks={key(): track(Verdict.PROTECTED)}), set()),
        (signs(tracks={key(): track(Verdict.UNMANAGED)}), set()),
        (signs(tracks={key(): track(Verdict.NAKED, exposed_since_ms=NOW_MS)}), {"naked"}),
        (signs(tracks={key(): track(Verdict.UNDERCOVERED, exposed_since_ms=NOW_MS)}), {"naked"}),
        (signs(tracks={key(): track(Verdict.UNKNOWN)}), {"unknown"}),
        (signs(tracks={key(): track(Verdict.UNKNOWN, exposed_since_ms=NOW_MS)}), {"naked", "unknown"}),
        (signs(failure="positions: timed out"), {"unknown"}),
        (signs(unread=("BTCUSDT",)), {"unknown"}),
        (signs(access_refused="positions: the key was refused"), {"authentication_refused"}),
        (signs(banned=True), {"banned"}),
        (signs(rights=Mode.SECOND_WRITER), {"second_writer"}),
        (signs(rights=Mode.PLACE_ONLY), {"lease_lost"}),
        (signs(rights=Mode.STALE_OWNER), {"lease_lost"}),
        (signs(rights=Mode.STANDBY), set()),
        (signs(rights=Mode.OBSERVE), set()),
        (signs(without_slot=("BTCUSDT",)), {"over_capacity"}),
        (signs(streams={"user": stream(StreamState.DOWN), "marks": stream(StreamState.LIVE)}), {"dead_stream"}),
        (signs(clock_offset_ms=-501), {"clock"}),
        (signs(clock_offset_ms=500), set()),
        (signs(events=(event("EmergencyClose", cause="LOSS", reason="loss"),)), {"emergency_close"}),
        (signs(events=(event("EmergencyClose", cause="AGE", reason="age"),)), set()),
        (signs(events=(event("PositionAppeared"),), breaker="ACTIVE (read 4 s ago)"), {"breaker_conflict"}),
        (signs(events=(event("PositionAppeared"),), breaker="INACTIVE (read 4 s ago)"), set()),
        (signs(events=(event("PositionAppeared"),), breaker="ACTIVE (read 4 s ago)", first=True), set()),
        (signs(breaker="ACTIVE (read 4 s ago)"), set()),
    ],
)
def test_what_a_cycle_gives_reason_to_call_for(found: Signs, kinds: set[str]) -> None:
    assert {str(one.kind) for one in conditions(found)} == kinds


class Night:
    """Cycles one after the other."""

    def __init__(self, settings: AlertSettings = SETTINGS) -> None:
        self.settings, self.alerting, self.now_ms = settings, Alerting(), NOW_MS
        self.messages: list[Message] = []

    def cycle(self, *found: Condition, after_s: float = 1, not_judged: frozenset[AlertKind] = frozenset()) -> list[str]:
        """What is told after this cycle, as `kind status subjects`."""
        self.now_ms += round(after_s * 1000)
        self.alerting, message = after_cycle(
            self.alerting, found, not_judged=not_judged, settings=self.settings, now_ms=self.now_ms
        )
        if message is None:
            return []
        self.messages.append(message)
        return [f"{one.kind} {one.status} {len(one.subjects)}" for one in message.notices]


def naked(since_ms: int, *numbers: int) -> list[Condition]:
    return [Condition(AlertKind.NAKED, str(key(number)), "no stop counts as cover", since_ms) for number in numbers]


LEASE = Condition(AlertKind.LEASE_LOST, "account", "no lease")
DEAF = Condition(AlertKind.DEAD_STREAM, "user", "down")


def test_a_position_is_told_when_it_was_naked_long_enough_and_once() -> None:
    night, began_ms = Night(), NOW_MS
    assert night.cycle(*naked(began_ms, 1), after_s=14.9) == []
    assert night.cycle(*naked(began_ms, 1), after_s=0.1) == ["naked raised 1"]
    assert [night.cycle(*naked(began_ms, 1), after_s=10) for _ in range(20)] == [[]] * 20
    assert night.cycle() == ["naked recovered 1"]
    assert [night.cycle(after_s=10) for _ in range(20)] == [[]] * 20


def test_a_hundred_symbols_are_one_message_and_later_ones_another() -> None:
    night, began_ms = Night(), NOW_MS - 60_000
    assert night.cycle(*naked(began_ms, *range(100))) == ["naked raised 100"]
    assert [night.cycle(*naked(began_ms, *range(101 + more)), after_s=5) for more in range(11)] == [[]] * 11
    assert night.cycle(*naked(began_ms, *range(120)), after_s=5) == ["naked raised 20"]
    assert night.messages[-1].notices[0].in_force == 120
    assert night.cycle() == ["naked recovered 120"]


def test_it_is_told_again_while_it_lasts() -> None:
    night, began_ms = Night(), NOW_MS - 60_000
    assert night.cycle(*naked(began_ms, 1, 2)) == ["naked raised 2"]
    told = [night.cycle(*naked(began_ms, 1, 2), after_s=60) for _ in range(120)]
    assert [index + 1 for index, one in enumerate(told) if one] == [60, 120]
    assert told[59] == ["naked repeated 2"]


def test_one_of_two_that_is_over_is_told_with_the_other_and_again_when_it_comes_back() -> None:
    night, began_ms = Night(), NOW_MS - 60_000
    assert night.cycle(*naked(began_ms, 1, 2)) == ["naked raised 2"]
    assert night.cycle(*naked(began_ms, 1)) == []
    assert night.cycle(*naked(began_ms, 1, 2), after_s=GROUP_MS / 1000) == ["naked raised 1"]
    assert night.cycle(*naked(began_ms, 2)) == []
    assert night.cycle() == ["naked recovered 2"]


def test_what_comes_and_goes_is_told_no_more_than_once_a_minute_each_way() -> None:
    night = Night()
    for number in range(600):
        night.cycle(*(naked(NOW_MS - 60_000, 1) if number % 2 else ()), after_s=1)
    raised = [one for message in night.messages for one in message.notices if one.status == "raised"]
    assert 8 <= len(raised) <= 11


def test_the_account_must_be_unknown_long_enough_by_the_cycles_own_times() -> None:
    night, blind = Night(), Condition(AlertKind.UNKNOWN, "account", "timed out")
    assert [night.cycle(blind, after_s=10) for _ in range(6)] == [[]] * 6
    assert night.cycle(blind, after_s=10) == ["unknown raised 1"]
    assert night.cycle() == ["unknown recovered 1"]
    assert [night.cycle(blind, after_s=10), night.cycle(after_s=10)] * 10 == [[], []] * 10


def test_what_cannot_be_judged_is_not_called_over() -> None:
    night, full = Night(), Condition(AlertKind.OVER_CAPACITY, "BTCUSDT", "the cap is reached")
    assert [night.cycle(full, after_s=10) for _ in range(4)] == [[], [], [], ["over_capacity raised 1"]]
    blind = not_judged(signs(failure="timed out"))
    assert [night.cycle(not_judged=blind) for _ in range(5)] == [[]] * 5
    assert night.cycle(not_judged=not_judged(signs())) == ["over_capacity recovered 1"]


def test_what_happens_once_is_told_once_and_never_called_over() -> None:
    night = Night()

    def closed(symbol: str) -> Condition:
        return Condition(AlertKind.EMERGENCY_CLOSE, symbol, "loss", night.now_ms + 1000)

    assert night.cycle(closed("BTCUSDT")) == ["emergency_close raised 1"]
    assert night.cycle(closed("ETHUSDT")) == []
    assert night.cycle(closed("SOLUSDT")) == []
    assert night.cycle(after_s=60) == ["emergency_close raised 2"]
    assert [night.cycle(after_s=30) for _ in range(30)] == [[]] * 30


def test_one_cycle_gives_one_message_with_the_most_urgent_first() -> None:
    night = Night()
    night.cycle(LEASE, DEAF)
    assert night.cycle(LEASE, DEAF, *naked(NOW_MS, 1), after_s=100) == [
        "naked raised 1", "lease_lost raised 1", "dead_stream raised 1",
    ]  # fmt: skip
    assert night.messages[-1].urgent
    assert night.cycle(*naked(NOW_MS, 1)) == ["lease_lost recovered 1", "dead_stream recovered 1"]
    assert not night.messages[-1].urgent


def test_an_hour_has_a_limit_that_a_stream_cannot_use_up_for_a_naked_position() -> None:
    """A stream that comes and goes for hours; then a position is naked."""
    night = Night(replace(SETTINGS, repeat_ms=60_000))
    for _ in range(6):  # it is down for two minutes, then up
        for _ in range(12):
            night.cycle(DEAF, LEASE, after_s=10)
        night.cycle(after_s=60)
    for _ in range(300):
        night.cycle(DEAF, after_s=60)
    in_an_hour = max(
        sum(0 <= other.at_ms - one.at_ms < 3_600_000 for other in night.messages) for one in night.messages
    )
    assert in_an_hour == MESSAGES_PER_HOUR < URGENT_PER_HOUR
    assert any(message.last_of_hour for message in night.messages)
    assert "naked raised 1" in night.cycle(DEAF, *naked(NOW_MS, 1))
    assert len(night.alerting.sent_ms) <= URGENT_PER_HOUR


def test_what_had_no_place_is_told_when_there_is_one() -> None:
    full = Alerting(sent_ms=tuple([NOW_MS] * MESSAGES_PER_HOUR))
    night = Night()
    night.alerting = full
    assert [night.cycle(DEAF, after_s=60) for _ in range(59)] == [[]] * 59
    assert night.cycle(DEAF, after_s=60) == ["dead_stream raised 1"]


def test_words_for_a_person() -> None:
    night = Night()
    night.cycle(*naked(NOW_MS, *range(12)), DEAF, after_s=42)
    words = letter(night.messages[0], SENDER)
    assert words.title == "[main, live] 🛑 without full stop cover: C000USDT:LONG and others, 12 in all"
    lines = words.text.splitlines()
    assert lines[0] == "NAKED (now): without full stop cover, 12 of them"
    assert lines[1] == "- C000USDT:LONG, for 42 s: no stop counts as cover"
    assert "- and 2 more" in lines and lines[-1] == "host:1:2, position-monitor 0.1.0"
    assert lines[-2] == "Card: docs/incidents.md#a-position-is-naked-for-longer-than-15-s"
    night.cycle(DEAF)
    over = letter(night.messages[1], SENDER)
    assert over.title == "[main, live] ✅ Over: without full stop cover: C000USDT:LONG and others, 12 in all"
    assert "- C000USDT:LONG: it was so for 43 s" in over.text and "Card:" not in over.text


def test_the_document_of_the_webhook() -> None:
    night = Night()
    night.cycle(*naked(NOW_MS, 1), after_s=42)
    sent = document(night.messages[0], SENDER)
    assert sent["severity"] == "critical" and sent["account"] == "main" and sent["at_ms"] == night.now_ms
    subject = {"subject": "C001USDT:LONG", "reason": "no stop counts as cover", "since_ms": NOW_MS}
    card = "docs/incidents.md#a-position-is-naked-for-longer-than-15-s"
    assert sent["alerts"] == [
        {"kind": "naked", "card": card, "status": "raised", "in_force": 1, "subjects": [subject], "more": 0}
    ]
    assert str(sent["text"]).startswith(str(sent["title"]))
    night.cycle()
    assert document(night.messages[1], SENDER)["severity"] == "info"
