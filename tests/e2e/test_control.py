"""Pause, hold and resume by the command line, with real processes and a real Valkey (DESIGN 5, P:control)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import PREFIX, Stack, eventually, exit_side, fully_protected, of_position, stack_in

SYMBOL = "BTCUSDT"


class Desk:
    """One running stack, and an operator at it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.database = stack.start_redis()
        self.paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
        self.config = stack.config("[protection]\nstop_loss_pct = 1.5\n")
        self.daemon = stack.start_daemon(self.config)
        eventually("the account is protected", lambda: fully_protected(self.paper))

    def command(self, *words: str) -> tuple[int, dict[str, Any]]:
        """What a command with --json answers."""
        done = subprocess.run(
            [sys.executable, "-m", "position_monitor", *words, "--json", "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=60,
            env={name: value for name, value in os.environ.items() if not name.startswith(("EXIT_", "EXCHANGE_"))},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def add(self, **members: Any) -> str:
        """Write an entry as another program would; its request id."""
        now_ms = time.time_ns() // 1_000_000
        usual = {"id": f"t-{time.time_ns()}", "type": "pause", "symbol": SYMBOL, "until_ms": now_ms + 60_000}
        usual |= {"reason": "a test", "by": "pytest", "at_ms": now_ms}
        data = {**usual, **members}
        self.database.xadd(f"{PREFIX}:control", {"data": json.dumps(data)})
        return str(data["id"])

    def answers(self, request_id: str) -> list[dict[str, Any]]:
        """What was told of a request. An event may be written again with its id (docs/redis.md: at least once)."""
        rows = [json.loads(fields["data"]) for _, fields in self.database.xrevrange(f"{PREFIX}:events", count=500)]
        return list({row["id"]: row for row in rows if row.get("request_id") == request_id}.values())

    def status(self) -> dict[str, str]:
        return self.database.hgetall(f"{PREFIX}:status")

    def ours(self, symbol: str, side: str) -> list[dict[str, Any]]:
        return of_position(self.paper.resting(origin="api"), symbol, side)

    def stops(self, symbol: str, side: str) -> list[dict[str, Any]]:
        return [row for row in self.ours(symbol, side) if row["orderType"] == "STOP_MARKET"]

    def position(self) -> tuple[str, str]:
        return next(key for key in sorted(self.paper.positions()) if key[0] == SYMBOL)

    def cancel_by_hand(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.paper.client.request(
                "DELETE", "/paper/order", json={"clientAlgoId": row["clientAlgoId"], "symbol": row["symbol"]}
            ).raise_for_status()

    def looks(self, count: int = 4) -> None:
        """Wait until the daemon has looked a few times more. One that took over counts its looks anew."""
        begun = eventually("it is published", lambda: (now := self.status()).get("sequence") and now)

        def looked() -> bool:
            now = self.status()
            before = int(begun["sequence"]) if now.get("owner") == begun["owner"] else 0
            return int(now.get("sequence", 0)) >= before + count

        eventually("some looks", looked)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with stack_in(tmp_path_factory.mktemp("control")) as stack:
        yield Desk(stack)


def test_a_pause_is_accepted_shown_and_ended(desk: Desk) -> None:
    code, answer = desk.command("pause", "--for", "30m", "--reason", "maintenance of the exchange", "--by", "ana")
    assert (code, answer["accepted"]) == (0, True), answer
    request_id = answer["request"]["id"]
    assert [row["type"] for row in desk.answers(request_id)] == ["ControlAccepted"]
    eventually("the state says so", lambda: desk.status()["mode"] == "paused")
    [shown] = json.loads(desk.status()["control"])
    assert (shown["id"], shown["by"], shown["reason"]) == (request_id, "ana", "maintenance of the exchange")
    assert desk.status()["risk_status"] == "DEGRADED"
    assert "maintenance of the exchange" in desk.status()["reason"]
    symbol, side = desk.position()
    document = json.loads(desk.database.hget(f"{PREFIX}:position:{symbol}:{side}", "doc"))
    assert (document["pause"]["id"], document["hold"]) == (request_id, None)

    before = {row["clientAlgoId"] for row in desk.paper.resting(origin="api")}
    desk.cancel_by_hand(desk.stops(symbol, side))
    stop = eventually("its stop is placed although paused", lambda: desk.stops(symbol, side))
    targets = [row for row in desk.ours(symbol, side) if row["orderType"] == "TAKE_PROFIT_MARKET"]
    desk.cancel_by_hand(targets)
    desk.looks()
    assert [row for row in desk.ours(symbol, side) if row["orderType"] == "TAKE_PROFIT_MARKET"] == []
    gone = before - {row["clientAlgoId"] for row in desk.paper.resting(origin="api")}
    assert len(gone) == len(targets) + len(stop), "nothing is removed"

    code, answer = desk.command("resume")
    assert (code, answer["text"]) == (0, "1 pause or hold ended"), answer
    eventually("the ladder comes back", lambda: fully_protected(desk.paper))
    eventually("the state is as before", lambda: (desk.status()["mode"], desk.status()["control"]) == ("live", "[]"))


def test_a_hold_of_a_side_that_is_not_open_says_so(desk: Desk) -> None:
    """It is accepted, and no help for the position on the other side."""
    symbol, side = desk.position()
    other = "SHORT" if side == "LONG" else "LONG"
    for subject, words in ((f"{symbol}:{other}", f"{symbol}:{other} has no open position now"), (symbol, "")):
        code, answer = desk.command("hold", subject, "--for", "30m", "--reason", "the stop is mine")
        assert (code, answer["accepted"], answer["text"]) == (0, True, words), answer
    assert desk.command("resume")[0] == 0
    eventually("nothing is in force", lambda: desk.status()["control"] == "[]")


def test_a_hold_accepts_a_looser_stop_until_it_ends(desk: Desk) -> None:
    symbol, side = desk.position()
    code, answer = desk.command("hold", f"{symbol}:{side}", "--for", "1h", "--reason", "the stop is mine")
    assert code == 0, answer
    row = next(one for one in desk.paper.state()["positions"] if one["symbol"] == symbol)
    far = Decimal(row["entryPrice"]) * (Decimal("0.92") if side == "LONG" else Decimal("1.08"))
    placed = desk.paper.post(
        "order",
        algoType="CONDITIONAL",
        symbol=symbol,
        side=exit_side(side),
        type="STOP_MARKET",
        triggerPrice=str(round(far, 1)),
        quantity=str(abs(Decimal(row["positionAmt"]))),
        reduceOnly="true",
    )
    assert placed
    desk.cancel_by_hand(desk.stops(symbol, side))
    desk.looks()
    assert desk.stops(symbol, side) == [], "a stop of the user's own is accepted"
    document = json.loads(desk.database.hget(f"{PREFIX}:position:{symbol}:{side}", "doc"))
    assert document["verdict"] in ("PROTECTED", "STOP_ONLY")
    assert document["hold"]["reason"] == "the stop is mine"

    code, _ = desk.command("resume", symbol)
    assert code == 0
    eventually("our stop is back", lambda: len(desk.stops(symbol, side)) == 1)


@pytest.mark.parametrize(
    ("word", "members"),
    [
        ("expired", {"until_ms": 1}),
        ("from the future", {"at_ms": time.time_ns() // 1_000_000 + 10**9}),
        ("without a reason", {"reason": ""}),
        ("too long", {"until_ms": time.time_ns() // 1_000_000 + 10 * 86_400_000}),
        ("unknown symbol", {"symbol": "NOSUCHUSDT"}),
        ("malformed: type", {"type": "flatten"}),
        ("malformed: side", {"side": "BOTH"}),
    ],
)
def test_what_is_refused_is_refused_with_a_word(desk: Desk, word: str, members: dict[str, Any]) -> None:
    request_id = desk.add(**members)
    [answer] = eventually("it is answered", lambda: desk.answers(request_id))
    assert answer["type"] == "ControlRefused"
    assert answer["text"].startswith(word), answer
    assert desk.status()["control"] == "[]"


def test_a_replay_is_refused_and_garbage_costs_nothing(desk: Desk) -> None:
    request_id = desk.add(symbol="*", until_ms=time.time_ns() // 1_000_000 + 2_000)
    eventually("it is answered", lambda: desk.answers(request_id))
    eventually("it ends by itself", lambda: desk.status()["control"] == "[]")
    key = f"{PREFIX}:control"
    for data in ("", "not json", "[]", "x" * 100_000, '{"id": "' + "y" * 5_000 + '"}', "\x00\x1b[2J"):
        desk.database.xadd(key, {"data": data})
    desk.database.xadd(key, {"other": "field"})
    desk.add(id=request_id)
    answers = eventually("it is answered", lambda: [a for a in desk.answers(request_id) if "replay" in a["text"]])
    assert [answer["type"] for answer in answers] == ["ControlRefused"]
    desk.database.delete(key)
    desk.database.set(key, "no stream at all")
    desk.looks()
    desk.database.delete(key)
    request_id = desk.add()
    [answer] = eventually("it is heard again", lambda: desk.answers(request_id))
    assert answer["type"] == "ControlAccepted"
    desk.add(type="resume")
    eventually("it is resumed", lambda: desk.status()["control"] == "[]")
    assert "Traceback" not in desk.daemon.text()


def test_what_is_in_force_outlives_the_daemon_and_a_flush(desk: Desk) -> None:
    """A daemon that starts knows what is in force and answers nobody twice; a flushed Redis ends nothing."""
    code, answer = desk.command("pause", "--for", "1h", "--reason", "over a restart")
    request_id = answer["request"]["id"]
    assert code == 0
    desk.daemon.kill()
    desk.database.delete(f"{PREFIX}:lease")
    desk.daemon = desk.stack.start_daemon(desk.config)
    eventually("it is paused again", lambda: "In force since before this start" in desk.daemon.text())
    desk.looks()
    assert desk.status()["mode"] == "paused"
    assert len(desk.answers(request_id)) == 1
    desk.database.flushall()
    eventually("the state is back", lambda: desk.status().get("control"))
    desk.looks()
    assert [one["id"] for one in json.loads(desk.status()["control"])] == [request_id]
    assert desk.command("resume")[0] == 0


def test_a_dead_redis_is_named(desk: Desk, tmp_path: Path) -> None:
    config = tmp_path / "alone.toml"
    config.write_text(desk.config.read_text().replace(str(desk.stack.redis.url), "redis://127.0.0.1:1/0"))
    before, desk.config = desk.config, config
    code, answer = desk.command("pause", "--for", "1m", "--reason", "no Redis")
    desk.config = before
    assert code == 1
    assert "127.0.0.1:1" in answer["problems"][0]
