"""The whole stack in separate processes: Valkey, the paper exchange, the daemon. Everything on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import redis

from position_monitor.edge.redis.embedded import EmbeddedRedis

WAIT_S = 60.0
SAID_LINES = 40
POLL_S = 0.05
PREFIX = "quantum:position_monitor:main"
INCIDENT = {
    "EXIT_MODE": "LEGACY",
    "EXIT_EXECUTOR_MODE": "SHADOW",
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": "DISABLED",
    "EXIT_BRAIN_PROFILE": "DEFAULT",
    "EXIT_BRAIN_V3_ENABLED": "true",
}


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def eventually(what: str, look: Callable[[], Any]) -> Any:
    """Wait (bounded) until `look` gives something true, and return it."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"this never became true: {what}")
        time.sleep(POLL_S)


class Paper:
    """The paper exchange in its own process, and its control interface."""

    def __init__(self, scenario: str, *options: str) -> None:
        command = [sys.executable, "-m", "position_monitor.paper", "--port", "0", "--scenario", scenario, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split(" on ")[1].split(" ")[0].strip()
        self.client = httpx.Client(base_url=self.url, timeout=WAIT_S)

    def state(self) -> dict[str, Any]:
        return self.client.get("/paper/state").json()

    def journal(self) -> list[dict[str, Any]]:
        return self.client.get("/paper/journal").json()["entries"]

    def post(self, endpoint: str, **values: object) -> dict[str, Any]:
        answer = self.client.post(f"/paper/{endpoint}", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def clear_faults(self) -> None:
        self.client.request("DELETE", "/paper/fault", json={})

    def positions(self) -> dict[tuple[str, str], Decimal]:
        """(symbol, LONG or SHORT) -> absolute size."""
        found = {}
        for row in self.state()["positions"]:
            amount = Decimal(row["positionAmt"])
            side = row["positionSide"] if row["positionSide"] != "BOTH" else ("LONG" if amount > 0 else "SHORT")
            found[(row["symbol"], side)] = abs(amount)
        return found

    def resting(self, *, origin: str | None = None) -> list[dict[str, Any]]:
        """Open conditional orders; origin `api` for those that came through the API."""
        rows = [row for row in self.state()["algo_orders"] if row["algoStatus"] == "NEW"]
        return [row for row in rows if origin is None or row["origin"] == origin]

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(WAIT_S)


def exit_side(side: str) -> str:
    return "SELL" if side == "LONG" else "BUY"


def of_position(rows: list[dict[str, Any]], symbol: str, side: str) -> list[dict[str, Any]]:
    """Orders that reduce one position."""
    return [
        row
        for row in rows
        if row["symbol"] == symbol and row["side"] == exit_side(side) and row["positionSide"] in ("BOTH", side)
    ]


def fully_protected(paper: Paper, *, ladder: bool = True) -> bool:
    """One close-all stop per position and a ladder that adds up to it, by the exchange's own list."""
    rows = paper.resting()
    for (symbol, side), quantity in paper.positions().items():
        mine = of_position(rows, symbol, side)
        stops = [row for row in mine if row["orderType"] == "STOP_MARKET" and row["closePosition"]]
        rungs = [row for row in mine if row["orderType"] == "TAKE_PROFIT_MARKET"]
        if len(stops) != 1:
            return False
        if ladder and sum((Decimal(row["quantity"]) for row in rungs), Decimal(0)) != quantity:
            return False
    return bool(paper.positions())


def duplicated_intents(paper: Paper) -> list[Any]:
    """Contents that rest more than once."""
    contents = Counter(
        (row["symbol"], row["side"], row["positionSide"], row["orderType"], row["triggerPrice"], row["quantity"])
        for row in paper.resting()
    )
    ids = Counter(row["clientAlgoId"] for row in paper.resting())
    return [item for item, count in (contents + ids).items() if count > 1]


class Running:
    """One daemon process and what it said."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log

    def text(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT_S)

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(WAIT_S)


class Stack:
    """Starts and ends everything a test needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.closing = contextlib.ExitStack()
        self.redis: EmbeddedRedis | None = None
        self.paper: Paper
        self._daemons = 0

    def start_redis(self) -> redis.Redis:
        self.redis = self.closing.enter_context(EmbeddedRedis())
        return redis.Redis.from_url(self.redis.url, decode_responses=True)

    def start_paper(self, scenario: str, *options: str) -> Paper:
        self.paper = Paper(scenario, *options)
        self.closing.callback(self.paper.stop)
        return self.paper

    def config(self, text: str = "", *, redis_url: str | None = None, check_interval_s: int = 1) -> Path:
        """A configuration for this exchange and this Redis. With a check every second the daemon takes most of a
        minute's request weight: where others have to read the exchange as well, it is asked less often."""
        url = redis_url or (self.redis.url if self.redis else "redis://127.0.0.1:1/0")
        path = self.folder / "position-monitor.toml"
        path.write_text(
            f'[exchange]\nrest_url = "{self.paper.url}"\n[redis]\nurl = "{url}"\n'
            f"[loop]\ncheck_interval_s = {check_interval_s}\nfull_sweep_s = {2 * check_interval_s}\n{text}"
        )
        return path

    def start_daemon(self, config: Path, **environment: str) -> Running:
        self._daemons += 1
        log = self.folder / f"daemon-{self._daemons}.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("EXIT_", "EXCHANGE_"))}
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "position_monitor", "run", "--config", str(config)],
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                env=clean | environment,
            )
        running = Running(process, log)
        self.closing.callback(_end, process)
        return running

    def close(self) -> None:
        """End everything. What the daemons said is printed: pytest shows it where the test failed."""
        self.closing.close()
        for log in sorted(self.folder.glob("daemon-*.log")):
            print(f"--- {log.name}", *log.read_text().splitlines()[-SAID_LINES:], sep="\n")


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait(WAIT_S)


@contextlib.contextmanager
def stack_in(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder)
    try:
        yield stack
    finally:
        stack.close()
