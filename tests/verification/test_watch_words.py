"""What a watch says: what is new, what is over, and nothing while all is as it was."""

from __future__ import annotations

import json

import pytest

from position_monitor.cli.verify import _tell_change
from position_monitor.config import Config
from position_monitor.verification import Difference, Kind, Report

CONFIG = Config.from_data({})
NAKED = Difference(Kind.VERDICT_TOO_HIGH, "BTCUSDT:LONG", "PROTECTED", "no stop that rests covers it", settled=False)
MOVED = Difference(Kind.VERDICT_TOO_HIGH, "BTCUSDT:LONG", "PROTECTED", "stops that rest cover 50 %", settled=False)


def report(*differences: Difference) -> Report:
    return Report(differences, (), looks=2, positions=1, orders=1, claimed_mode="live", observed_at_ms=1)


def told(
    capsys: pytest.CaptureFixture[str], before: Report | str, now: Report | str, *, as_json: bool = False
) -> tuple[str, str]:
    _tell_change(CONFIG, before, now, as_json=as_json)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_only_changes_are_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At first how things are; then a difference once, and once that it is over."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert told(capsys, "", report())[0] == "Redis and the venue agree: 1 positions, 1 open orders, account main.\n"
    assert told(capsys, report(), report()) == ("", "")
    assert told(capsys, report(), report(NAKED))[0].startswith("BTCUSDT:LONG verdict_too_high: Redis claims PROTECTED;")
    assert told(capsys, report(NAKED), report(MOVED)) == ("", "")
    assert told(capsys, report(NAKED), report())[0].startswith("over: BTCUSDT:LONG verdict_too_high\nRedis and")


def test_what_cannot_be_read_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """And the end of it with what is the case then."""
    assert told(capsys, report(), "Redis at x did not answer") == ("", "position-monitor: Redis at x did not answer\n")
    assert told(capsys, "Redis at x did not answer", "Redis at x did not answer") == ("", "")
    assert "agree" in told(capsys, "Redis at x did not answer", report())[0]


def test_a_watch_in_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With what is over beside what is there."""
    lines = told(capsys, report(NAKED), report(), as_json=True)[0].splitlines()
    [document] = map(json.loads, lines)
    assert document["agrees"] and [one["kind"] for one in document["over"]] == ["verdict_too_high"]


def test_in_the_journal_a_difference_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`journalctl -p err` shows it, with the prefix of every line."""
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    assert told(capsys, report(), report(NAKED))[0].startswith("<3>[POSITION-MONITOR] BTCUSDT:LONG verdict_too_high")
