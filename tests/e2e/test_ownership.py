"""Ownership with real processes: signals, a real Valkey, a lease of nobody, a second daemon (invariant 9)."""

from __future__ import annotations

import signal
from pathlib import Path

import redis

from position_monitor.edge.redis.embedded import EmbeddedRedis
from tests.e2e.stack import PREFIX, Running, Stack, eventually, fully_protected


def test_signals_move_a_daemon_between_observing_and_owning(stack: Stack) -> None:
    """SIGHUP observe to live contends at once, live to observe gives the lease up, SIGTERM says so."""
    database = stack.start_redis()
    paper = stack.start_paper("seven-naked")
    config = stack.config('[protection]\nmode = "observe"\n')
    daemon = stack.start_daemon(config)
    eventually("it observes", lambda: database.hget(f"{PREFIX}:status", "mode") == "observe")
    assert not database.exists(f"{PREFIX}:lease") and not paper.resting()

    stack.config()
    daemon.process.send_signal(signal.SIGHUP)
    eventually("it owns and protects", lambda: fully_protected(paper))
    assert database.exists(f"{PREFIX}:lease")

    stack.config('[protection]\nmode = "observe"\n')
    eventually("the pause between two reloads is over", lambda: _reloads(daemon, database))
    eventually("it observes again", lambda: database.hget(f"{PREFIX}:status", "mode") == "observe")
    assert fully_protected(paper)

    assert daemon.terminate() == 0
    status = database.hgetall(f"{PREFIX}:status")
    assert (status["risk_status"], status["mode"]) == ("UNKNOWN", "stopped")
    assert "Stopped" in database.xrevrange(f"{PREFIX}:events", count=1)[0][1]["data"]
    assert fully_protected(paper)


def _reloads(daemon: Running, database: redis.Redis) -> bool:
    daemon.process.send_signal(signal.SIGHUP)
    return not database.exists(f"{PREFIX}:lease")


def test_a_lease_of_nobody_holds_no_stop_back(stack: Stack) -> None:
    """Row 3.1 with a real server: `SET lease x`; stops at once, everything else after a lease time or two."""
    database = stack.start_redis()
    paper = stack.start_paper("seven-naked")
    database.set(f"{PREFIX}:lease", "x")
    stack.start_daemon(stack.config())
    eventually("every stop rests", lambda: fully_protected(paper, ladder=False))
    assert database.get(f"{PREFIX}:lease") == "x"
    eventually("the lease is taken and the ladders rest", lambda: fully_protected(paper))


def test_two_daemons_with_a_redis_each_do_not_fight(stack: Stack, tmp_path: Path) -> None:
    """Row 3.6 with real processes: a few orders more, then both are careful and say why."""
    database = stack.start_redis()
    paper = stack.start_paper("seven-naked")
    config = stack.config()
    stack.start_daemon(config)
    eventually("protected", lambda: fully_protected(paper))
    with EmbeddedRedis() as other:
        ladder = "[protection]\nladder = [{ target_pct = 2.0, share_pct = 100 }]\n"
        text = stack.config(ladder, redis_url=other.url).read_text()
        second = tmp_path / "second.toml"
        second.write_text(text)
        stack.start_daemon(second)
        databases = (database, redis.Redis.from_url(other.url, decode_responses=True))

        def careful() -> list[str]:
            states = [one.hgetall(f"{PREFIX}:status") for one in databases]
            return [state["risk_status"] for state in states if "second daemon" in state.get("reason", "")]

        assert "DEGRADED" in eventually("one of them is careful, and says why", careful)
        before = len([entry for entry in paper.journal() if entry["kind"] == "order_accepted"])
        begun = int(database.hget(f"{PREFIX}:status", "sequence") or 0)
        eventually("some looks later", lambda: int(database.hget(f"{PREFIX}:status", "sequence") or 0) > begun + 20)
        after = len([entry for entry in paper.journal() if entry["kind"] == "order_accepted"])
        assert after - before <= 60, "a ladder each, and no more"
