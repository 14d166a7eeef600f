"""The command line that reads the exchange beside the daemon, on one address: it must not starve it (row 6.5)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from position_monitor.edge.http.rate_budget import COMMAND_LINE_WEIGHT_1M
from tests.e2e.stack import PREFIX, Stack, eventually, fully_protected, stack_in

WATCHED_S = 15.0
LOOPS = 8


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with stack_in(tmp_path) as found:
        yield found


def direct(config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "position_monitor", "status", "--direct", "--config", str(config), *more]


def used(stack: Stack) -> int:
    """Request weight of the running minute, as the exchange counts it."""
    answer = stack.paper.client.get("/fapi/v1/time")
    return int(answer.headers["X-MBX-USED-WEIGHT-1M"])


def test_a_watch_and_a_loop_of_single_looks_leave_the_daemon_alone(stack: Stack) -> None:
    """The daemon stays PROTECTED, accuses nobody, and the weight ends where the command line's share does."""
    redis = stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    config = stack.config(check_interval_s=10)
    daemon = stack.start_daemon(config)
    eventually("protected", lambda: fully_protected(paper))
    eventually("said", lambda: redis.hget(f"{PREFIX}:status", "risk_status") == "PROTECTED")
    watch = subprocess.Popen(
        direct(config, "--watch", "1", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    states: set[str | None] = set()
    peak, looks, until = 0, [], time.monotonic() + WATCHED_S
    while time.monotonic() < until or len(looks) < LOOPS:
        looks.append(subprocess.run(direct(config), capture_output=True, text=True, env=os.environ, check=False))
        states.add(redis.hget(f"{PREFIX}:status", "risk_status"))
        peak = max(peak, used(stack))
    watch.terminate()
    out, err = watch.communicate(timeout=30)
    assert states == {"PROTECTED"}
    told = daemon.text()
    assert "Another program" not in told and "request budget" not in told
    # Beyond the share lie only requests that were under way, and the daemon's own.
    own = int(redis.hget(f"{PREFIX}:status", "api_weight_1m") or 0)
    assert peak <= max(COMMAND_LINE_WEIGHT_1M, own) + 200, (peak, own)
    assert all("Traceback" not in look.stderr for look in looks)
    refused = [look for look in looks if look.returncode]
    others = [
        (look.returncode, look.stdout, look.stderr) for look in refused if "belongs to the daemon" not in look.stderr
    ]
    assert not others
    watched = out.count('"heard"')
    assert "not more often" in err and watched <= 2 + (WATCHED_S + 60) / 10
    # The start has used most of this minute: one look fits at least, and chance says whether the watch or a single one.
    assert watched + len(looks) - len(refused) >= 1
