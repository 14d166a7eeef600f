"""`events`, `history` and what `explain` learns from events: sentences, one object a line, and where it all begins."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from position_monitor.cli.daemon_switches import switches_of_daemon
from position_monitor.cli.event_words import ALARM, LOOK, telling
from position_monitor.cli.main import main
from position_monitor.cli.moments import moment, since_ms
from position_monitor.config import load_config
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.event_stream import StreamedEvent
from position_monitor.edge.redis.record_documents import record_document
from tests.cli.conftest import BTC
from tests.cli.test_status_view import Overview, publish
from tests.core.performance.test_record import vector

P = "quantum:position_monitor:main"
BEGAN_MS = 1_766_358_000_000


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedRedis]:
    """A real server."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def redis(valkey: EmbeddedRedis) -> Iterator[Redis]:
    """Empty."""
    client = Redis.from_url(valkey.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def asked(valkey: EmbeddedRedis, redis: Redis, tmp_path: Path) -> Path:
    """A configuration whose Redis is the server."""
    path = tmp_path / "asked.toml"
    path.write_text(f'[redis]\nurl = "{valkey.url}"\n')
    return path


def event(kind: str, at_ms: int = BEGAN_MS, symbol: str = "BTCUSDT", side: str = "LONG", **details: object) -> str:
    """One event as the daemon writes it."""
    head = {"schema": 1, "id": f"{kind}-{at_ms}", "type": kind, "at_ms": at_ms, "account": "main"}
    return json.dumps(head | {"symbol": symbol, "side": side} | details)


def streamed(kind: str, **details: object) -> StreamedEvent:
    """The same as it was read."""
    return StreamedEvent("1-0", kind, BEGAN_MS, "BTCUSDT", "LONG", {"type": kind, "symbol": "BTCUSDT"} | details)


def night(redis: Redis) -> None:
    """A position that opens, is protected, loses its stop to a hand, and is stopped out; a second symbol beside it."""
    facts = [
        event("Started", side="", symbol="", version="0.2.0", environment="paper", mode="live"),
        event("PositionAppeared", BEGAN_MS + 1, quantity="0.250", entry_price="42000", verdict="NAKED", flipped=False),
        event("StopPlaced", BEGAN_MS + 2, quantity="close-all", trigger_price="41370", reason="why", client_id="qpm1b"),
        event("OrderVanished", BEGAN_MS + 3, role="backstop", status="CANCELED", client_id="qpm1b"),
        event("VerdictChanged", BEGAN_MS + 4, **{"from": "PROTECTED", "to": "NAKED", "reason": "no stop"}),
        event("StopFired", BEGAN_MS + 5, role="backstop", price="41300", quantity="0.25", client_id="qpm1c"),
        event("PositionAppeared", BEGAN_MS + 6, symbol="ETHUSDT", quantity="2", verdict="NAKED", entry_price=None),
    ]
    for number, fact in enumerate(facts):
        redis.xadd(f"{P}:events", {"data": fact}, id=f"{BEGAN_MS + number}-0")


def test_events_are_one_line_each_in_utc(
    redis: Redis, asked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    night(redis)
    assert main(["events", "--config", str(asked)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "2025-12-21 23:00:00 UTC   daemon started: version 0.2.0, environment paper, mode live",
        "2025-12-21 23:00:00 UTC   BTCUSDT:LONG position appeared: 0.25 @ 42,000, NAKED",
        "2025-12-21 23:00:00 UTC   BTCUSDT:LONG stop placed close-all @ 41,370: why (id qpm1b)",
        "2025-12-21 23:00:00 UTC ! BTCUSDT:LONG our backstop was cancelled, and not by the daemon (id qpm1b)",
        "2025-12-21 23:00:00 UTC ✖ BTCUSDT:LONG verdict PROTECTED -> NAKED: no stop",
        "2025-12-21 23:00:00 UTC ! BTCUSDT:LONG stop fired 0.25 @ 41,300 (id qpm1c)",
    ]
    assert main(["events", "btc/usdt:usdt", "--limit", "2", "--config", str(asked)]) == 0
    assert [line.split()[4] for line in capsys.readouterr().out.splitlines()] == ["BTCUSDT:LONG"] * 2
    assert main(["events", "BTCUSDT:SHORT", "--config", str(asked)]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and "no event about BTCUSDT:SHORT in Redis" in captured.err


def test_events_since_and_as_json(redis: Redis, asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, as it stands in Redis; where Redis has lost the beginning, that is said."""
    night(redis)
    assert main(["events", "--since", "2025-12-21T22:00", "--json", "--config", str(asked)]) == 0
    captured = capsys.readouterr()
    documents = [json.loads(line) for line in captured.out.splitlines()]
    assert [document["type"] for document in documents][:2] == ["Started", "PositionAppeared"]
    assert documents[2]["trigger_price"] == "41370" and documents[2]["stream_id"] == f"{BEGAN_MS + 2}-0"
    assert "the events in Redis begin 2025-12-21 23:00:00 UTC" in captured.err and "trimmed" not in captured.err
    assert main(["events", "--since", "1h", "--config", str(asked)]) == 0
    assert "no event since" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["soon", "2", "2y", "-2h", "2026-13-01", ""])
def test_a_time_that_is_none_is_said_with_the_forms(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["events", f"--since={text}"])
    assert caught.value.code == 1 and "expected a span as 90s, 15m, 2h" in capsys.readouterr().err


def test_times() -> None:
    """UTC unless a zone is named; a span counts back from now."""
    assert since_ms("2026-01-31T03:00") == since_ms("2026-01-31T04:00+01:00") == 1_769_828_400_000
    assert abs(since_ms("2h") - (time.time() - 7200) * 1000) < 60_000
    assert moment(1_769_828_400_000) == "2026-01-31 03:00:00 UTC"
    assert moment(10**30) == "1970-01-01 00:00:00 UTC"


def test_an_event_of_a_type_or_a_form_that_is_new_is_shown_with_all_it_has() -> None:
    """Another version of the daemon may write it."""
    new = telling(streamed("MoonRose", phase="full", at=3, nothing=None))
    assert new.text == "moon rose: phase full, at 3"
    bare = [telling(streamed(kind)).text for kind in ("StopPlaced", "TakeProfitFilled", "RecordFinal", "BanBegan")]
    assert all(bare) and not any("None" in text for text in bare)
    odd = telling(streamed("StopPlaced", quantity=["x"], trigger_price="soon", reason={"a": 1}))
    assert odd.text == "stop placed soon"


DESIGNED = """
    Started Stopped ConfigReloaded ConfigRefused PositionAppeared PositionGrew PositionShrank PositionFlipped
    PositionFlat TakeProfitPlaced TakeProfitFilled TakeProfitRetired StopPlaced StopReadBack StopFired
    StopRetired OrderVanished ForeignOrderSeen ForeignOrderGone WriteRefused WriteAmbiguous VerdictChanged
    EmergencyClose ModeChanged LeaseTaken LeaseLost SecondWriterSeen BreakerChanged ConfigConflict BanBegan
    BanEnded RedisLost RedisBack StreamLost StreamBack ControlAccepted ControlRefused RecordFinal
"""


@pytest.mark.parametrize("kind", DESIGNED.split())
def test_every_event_of_the_design_has_a_sentence_of_its_own(kind: str) -> None:
    """Also where every field is absent: no braces, no None, no blanks in a row, nothing that hangs at the end."""
    bare, marker = telling(streamed(kind)), telling(streamed(kind, strange="x-marker"))
    assert "x-marker" not in marker.text, "the fallback was taken"
    assert bare.text and not any(part in bare.text for part in ("{", "None", ": ,"))
    assert bare.text == bare.text.strip(" :")


def test_what_needs_eyes_is_marked_and_says_whose_hand_it_was() -> None:
    """As it is decided whether a person did it, the exchange, or the daemon."""
    marks = {
        ("VerdictChanged", "UNDERCOVERED"): (ALARM, "daemon"),
        ("VerdictChanged", "PROTECTED"): (" ", "daemon"),
        ("EmergencyClose", ""): (ALARM, "daemon"),
        ("SecondWriterSeen", ""): (ALARM, "other hand"),
        ("ForeignOrderSeen", ""): (LOOK, "other hand"),
        ("StopFired", ""): (LOOK, "exchange"),
        ("ControlRefused", ""): (LOOK, "operator"),
        ("PositionGrew", ""): (" ", "trader"),
    }
    for (kind, to), (mark, actor) in marks.items():
        said = telling(streamed(kind, to=to))
        assert (said.mark, said.actor) == (mark, actor), kind
    assert telling(streamed("OrderVanished", status="EXPIRED", role="take_profit", rungs="2")).actor == "exchange"


def test_history_tells_who_changed_what_and_what_is_now(
    redis: Redis,
    valkey: EmbeddedRedis,
    asked: Path,
    account_state: AccountState,
    position_state: PositionState,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the events and the records; a fill that both tell of stands there once."""
    monkeypatch.setenv("COLUMNS", "80")
    night(redis)
    redis.xadd(f"{P}:exits", {"data": json.dumps(record_document(replace(vector(), key=BTC)))})
    publish(valkey.url, Overview(account_state, (position_state,)))
    assert main(["history", "btcusdt:long", "--config", str(asked)]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "BTCUSDT:LONG: the events in Redis begin 2025-12-21 23:00:00 UTC"
    actors = [line[9:20].strip() for line in lines if line[2:3] == ":" and line[0].isdigit()]
    assert actors.count("other hand") == 1 and {"trader", "daemon", "exchange"} <= set(actors)
    assert text.count("stop fired") == 1 and "closed by TRAIL: net 119.691524 USDT (+1.14 R)" in text
    assert "TP1 closed 0.6 @ 3,447.5" in text and "ETHUSDT" not in text
    assert lines[-1].startswith("now: LONG 0.25, stop 41,370, ✔ PROTECTED for ")
    assert main(["history", "BTCUSDT", "--json", "--config", str(asked)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["at_ms"] for one in document["life"]] == sorted(one["at_ms"] for one in document["life"])
    assert document["trimmed"] is False and document["now"][0]["verdict"] == "PROTECTED"


def test_a_position_that_nobody_heard_of_is_1(
    redis: Redis,
    valkey: EmbeddedRedis,
    asked: Path,
    account_state: AccountState,
    position_state: PositionState,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With those that there are."""
    publish(valkey.url, Overview(account_state, (position_state,)))
    assert main(["history", "NOSUCH", "--config", str(asked)]) == 1
    err = capsys.readouterr().err
    assert "NOSUCH has no open position, and Redis has no event and no record of it" in err
    assert "open are: BTCUSDT:LONG" in err


def test_a_state_that_expired_is_not_told_as_a_position_that_is_closed(
    redis: Redis,
    valkey: EmbeddedRedis,
    asked: Path,
    account_state: AccountState,
    position_state: PositionState,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Listed, and nothing readable of it: nobody knows (DESIGN 5), with and without events of its life."""
    publish(valkey.url, Overview(account_state, (position_state,)))
    redis.delete("quantum:position_monitor:main:position:BTCUSDT:LONG")
    assert main(["history", "BTCUSDT", "--config", str(asked)]) == 0
    out = capsys.readouterr().out
    assert "now: not known: BTCUSDT:LONG is listed, and its state has expired or cannot be read" in out
    redis.srem("quantum:position_monitor:main:positions", "BTCUSDT:LONG")
    redis.xadd("quantum:position_monitor:main:events", {"data": event("PositionFlat", naked_ms=0, flipped=False)})
    assert main(["history", "BTCUSDT", "--config", str(asked)]) == 0
    assert "now: not open, as the daemon last said" in capsys.readouterr().out


def test_a_key_of_another_kind_is_named(redis: Redis, asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = "quantum:position_monitor:main:status"
    redis.set(key, "somebody else's")
    assert main(["history", "BTCUSDT", "--config", str(asked)]) == 1
    err = capsys.readouterr().err
    assert f": key {key} is of another kind than the daemon writes; delete it" in err


@pytest.mark.parametrize("command", [["events"], ["events", "-f"], ["history", "BTCUSDT"]])
def test_without_redis_it_is_1_and_says_where(
    command: list[str], config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--config", str(config_file)]) == 1
    assert "Redis at 127.0.0.1:9 did not answer: connection refused" in capsys.readouterr().err


def test_following_shows_what_comes_and_ends_with_ctrl_c(redis: Redis, asked: Path) -> None:
    """The last ones first, then what happens; each line is written at once, also into a pipe."""
    night(redis)
    command = [sys.executable, "-m", "position_monitor", "events", "-f", "--limit", "1", "--json"]
    with subprocess.Popen(
        [*command, "--config", str(asked)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["symbol"] == "ETHUSDT"
        redis.xadd(f"{P}:events", {"data": event("BanEnded", BEGAN_MS + 9, symbol="", side="")})
        assert json.loads(process.stdout.readline())["type"] == "BanEnded"
        process.send_signal(2)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_explain_learns_from_events_since_when_the_policy_is_live(redis: Redis, asked: Path) -> None:
    """From the start of the daemon by these switches; not where it runs by others, or Redis has no such event."""
    config = load_config(asked)
    described, key = config.exit_plan().described, f"{P}:events"
    assert asyncio.run(switches_of_daemon(config))[0] == ()
    for at_ms, after, cause in ((1, described, "start"), (2, "other", "reload"), (3, described, "start")):
        fact = event("ModeChanged", at_ms, symbol="", side="", subject="exits", after=after, cause=cause)
        redis.xadd(key, {"data": fact})
    switches, problem = asyncio.run(switches_of_daemon(config))
    assert [one.at_ms for one in switches] == [3] and problem == ""
    redis.xadd(key, {"data": event("ModeChanged", 4, symbol="", side="", subject="exits", after="x", cause="reload")})
    said = "no event in Redis says that the daemon runs by these exit switches"
    assert asyncio.run(switches_of_daemon(config)) == ((), said)
