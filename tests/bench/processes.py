"""What the bench measures between: Valkey, the paper exchange and the daemon, each in a process of its own.

The daemon runs as in production, `python -m position_monitor run --config FILE`, with the shipped defaults, and reaches
the exchange through ccxt over HTTP and WebSocket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis

from position_monitor.edge.redis.embedded import EmbeddedRedis

POLL_S = 0.1
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
REQUEST_TIMEOUT_S = 90.0
"""Generous: before its first candles are made the venue can be busy for many seconds."""
VENUE_CAP = 200
"""Conditional orders the venue allows for one account."""
PREFIX = "quantum:position_monitor:main"
FOREIGN_VARIABLES = ("EXIT_", "EXCHANGE_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "CHECK_INTERVAL")
"""What a process under measurement must not inherit."""


def environ() -> dict[str, str]:
    """The environment of a process under measurement."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}


class BenchFailed(Exception):
    """A part did not start, ended early, or a state was never reached. The row cannot be measured."""


def eventually(what: str, look: Callable[[], Any], within_s: float, *, every_s: float = POLL_S) -> Any:
    """The first true answer of `look`; raises `BenchFailed` when there is none in time."""
    until_s = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > until_s:
            raise BenchFailed(f"within {within_s:g} s this never became true: {what}")
        time.sleep(every_s)
    return found


def ended(process: subprocess.Popen[str]) -> None:
    """End a process of ours: SIGTERM, a bounded wait, SIGKILL."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    if process.poll() is None:
        process.kill()
        process.wait()


class Venue:
    """The paper exchange and its control interface, which knows the truth and costs the client nothing."""

    def __init__(self, scenario: str, *options: str, latency_ms: int = 0) -> None:
        command = [sys.executable, "-m", "position_monitor.paper", "--port", "0", "--scenario", scenario, *options]
        self.process = subprocess.Popen([*command, "--latency-ms", str(latency_ms)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if " on http://" not in said:
            raise BenchFailed(f"the paper exchange did not start: {said!r}")
        self.url = said.split(" on ")[1].split(" ")[0]
        self.client = httpx.Client(base_url=self.url, timeout=REQUEST_TIMEOUT_S)

    def ask(self, name: str, **query: str | int) -> Any:
        """GET one control endpoint."""
        answer = self.client.get(f"/paper/{name}", params=query)
        answer.raise_for_status()
        return answer.json()

    def tell(self, name: str, **values: object) -> Any:
        """POST to one control endpoint."""
        answer = self.client.post(f"/paper/{name}", json=values)
        if answer.status_code != 200:
            raise BenchFailed(f"the paper exchange refused {name} {values}: {answer.text}")
        return answer.json()

    def journal(self) -> list[dict[str, Any]]:
        """Every entry so far."""
        entries: list[dict[str, Any]] = []
        while page := self.ask("journal", after=entries[-1]["sequence"] if entries else 0)["entries"]:
            entries += page
        return entries

    def uncovered(self) -> int:
        """How many open positions have no close-all stop resting."""
        state = self.ask("state", history="false")
        stopped = {row["symbol"] for row in state["algo_orders"] if is_stop(row) and row["algoStatus"] == "NEW"}
        return sum(row["symbol"] not in stopped for row in state["positions"])

    def weight(self) -> int:
        """Request weight used so far."""
        return int(self.ask("usage")["weight"])

    def close(self) -> None:
        """End it."""
        self.client.close()
        ended(self.process)


def is_stop(row: dict[str, Any]) -> bool:
    """Whether a listed conditional order closes the whole position at a loss."""
    return row["orderType"] == "STOP_MARKET" and bool(row["closePosition"])


class ServiceManager:
    """The listening end of NOTIFY_SOCKET, as systemd would hold it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))

    def wait_ready(self, within_s: float) -> tuple[float, str]:
        """When (monotonic seconds) READY=1 came, and the status line with it."""
        until_s = time.monotonic() + within_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                text = self._socket.recv(65_536).decode()
            except TimeoutError:
                break
            if "READY=1" in text.split("\n"):
                return time.monotonic(), text.partition("STATUS=")[2]
        raise BenchFailed(f"no READY=1 within {within_s:g} s")

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Watched:
    """One daemon process and where it can be watched."""

    process: subprocess.Popen[str]
    manager: ServiceManager
    log: Path
    store: redis.Redis
    began_s: float
    """When the process was started, monotonic seconds."""
    began_at_ms: int
    """The same moment in ms UTC, the clock the paper exchange runs on."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def status(self) -> dict[str, str]:
        """What it publishes about the account."""
        return self.store.hgetall(f"{PREFIX}:status")  # type: ignore[return-value]

    def cycles(self) -> int:
        """How many cycles it has published. Raises `BenchFailed` when the state has expired, which is not zero."""
        status = self.status()
        if "sequence" not in status:
            raise BenchFailed("the daemon's published state has expired")
        return int(status["sequence"])

    def require_alive(self) -> None:
        """`BenchFailed` with its last words if it has ended."""
        if self.process.poll() is not None:
            words = self.log.read_text(errors="replace").splitlines()[-5:]
            raise BenchFailed(f"the daemon ended with {self.process.returncode}: {' / '.join(words)}")


@contextlib.contextmanager
def venue(scenario: str, *options: str, latency_ms: int = 0) -> Iterator[Venue]:
    """A paper exchange for the length of the block."""
    running = Venue(scenario, *options, latency_ms=latency_ms)
    try:
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def daemon(exchange: Venue, *, settings: str = "") -> Iterator[Watched]:
    """A daemon on this exchange and a Valkey of its own for the length of the block; `settings` is added as TOML."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="position-monitor-bench-")))
        valkey = stack.enter_context(EmbeddedRedis())
        manager = ServiceManager(folder)
        stack.callback(manager.close)
        config = folder / "config.toml"
        config.write_text(
            f'[exchange]\nrest_url = "{exchange.url}"\nstream_url = "{exchange.url.replace("http", "ws", 1)}"\n'
            f'[redis]\nurl = "{valkey.url}"\n{settings}\n'
        )
        log = folder / "daemon.log"
        command = [sys.executable, "-m", "position_monitor", "run", "--config", str(config)]
        with log.open("w") as out:
            began_s, began_at_ms = time.monotonic(), time.time_ns() // 1_000_000
            process = subprocess.Popen(
                command, stdout=out, stderr=out, text=True, env=environ() | {"NOTIFY_SOCKET": str(manager.path)}
            )
        stack.callback(ended, process)
        store = redis.Redis.from_url(valkey.url, decode_responses=True)
        stack.callback(store.close)
        yield Watched(process, manager, log, store, began_s, began_at_ms)


def wait_settled(exchange: Venue, running: Watched, *, within_s: float = 60.0, quiet_s: float = 6.0) -> None:
    """Until every position has its stop and nothing was written for `quiet_s`.

    What is missing makes the daemon look every second, so this is long enough for a ladder; a check interval is 10 s.
    """
    running.manager.wait_ready(within_s)
    eventually("every position has a stop", lambda: exchange.uncovered() == 0, within_s)
    written, since_s = -1, time.monotonic()

    def still() -> bool:
        nonlocal written, since_s
        running.require_alive()
        sequence = exchange.ask("state", history="false")["journal_sequence"]
        if sequence != written:
            written, since_s = sequence, time.monotonic()
        return time.monotonic() - since_s >= quiet_s

    eventually("nothing is written any more", still, within_s + quiet_s, every_s=0.5)
