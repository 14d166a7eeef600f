"""The command as a process: says where it is, ends when told, refuses what would let others look."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from position_monitor.edge.redis.embedded import EmbeddedRedis


def command(config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "position_monitor", "--config", str(config), "dashboard", *more]


@pytest.fixture
def config(tmp_path: Path, valkey: EmbeddedRedis) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(f'account = "main"\n[exchange]\nenvironment = "paper"\n[redis]\nurl = "{valkey.url}"\n')
    return path


def test_it_says_where_it_is_and_ends_when_told(config: Path) -> None:
    """Without any exchange key in its environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("EXCHANGE_", "REDIS_URL"))}
    arguments = command(config, "--port", "0", "--account", "main", "second")
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        assert process.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert address is not None
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            text = answer.read().decode()
        assert "Account main" in text
        assert "Account second" in text
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--host", "0.0.0.0"), 78, "expected a loopback address, or --token-file FILE"),
        (("--token-file", "/none"), 78, "--token-file /none could not be read"),
    ],
)
def test_what_would_let_others_look_is_refused(config: Path, more: tuple[str, ...], code: int, words: str) -> None:
    done = subprocess.run(command(config, *more), capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


def test_it_loads_nothing_of_the_daemon_nor_its_libraries() -> None:
    """What a page does not need would be half of its memory."""
    code = "import sys, position_monitor.cli.main, position_monitor.cli.dashboard; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    loaded = set(done.stdout.split())
    assert "position_monitor.dashboard.server" in loaded
    assert not {"ccxt", "aiohttp", "httpx", "rich", "numpy", "sdnotify", "tenacity"} & loaded
    rooms = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("position_monitor.")}
    assert not {f"position_monitor.{room}" for room in ("daemon", "service", "inspector", "paper")} & rooms
