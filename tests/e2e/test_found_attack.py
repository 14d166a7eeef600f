"""What an attacker of the whole stack found that only real processes show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import WAIT_S, Running, Stack, eventually, fully_protected, of_position


@pytest.fixture
def started(stack: Stack) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(WAIT_S)


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_cost_no_stop(
    stack: Stack, started: list[subprocess.Popen[bytes]], closed: str
) -> None:
    """Somebody starts it from a script that closes what it does not need."""
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    command = [sys.executable, "-m", "position_monitor", "run", "--config", str(stack.config())]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EXIT_", "EXCHANGE_"))}
    started.append(subprocess.Popen(["sh", "-c", f'exec "$@" {closed}', "sh", *command], env=clean))
    eventually("every position is protected", lambda: fully_protected(paper))


def test_a_pipe_in_the_place_of_the_configuration_does_not_hold_up_a_stop(stack: Stack, tmp_path: Path) -> None:
    """SIGHUP while the file's path is a pipe that nobody writes to: it is refused, the old configuration stays."""
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    config = stack.config()
    daemon: Running = stack.start_daemon(config)
    eventually("every position is protected", lambda: fully_protected(paper))
    config.unlink()
    os.mkfifo(config)
    daemon.process.send_signal(signal.SIGHUP)
    eventually("the reload was refused", lambda: "regular file" in daemon.text())
    paper.post("position", action="flip", symbol="BTCUSDT")
    eventually(
        "the flipped position has its stop",
        lambda: any(
            row["closePosition"] and row["orderType"] == "STOP_MARKET"
            for row in of_position(paper.resting(), "BTCUSDT", "SHORT")
        ),
    )
