"""The installed program in a real systemd: `make install` runs in its box, on the running interpreter's packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SYSTEM_PYTHON = "/usr/bin/python3"
INSTALLED = "/opt/quantum/position-monitor"
SOURCE, PACKAGES, BACKPORTS = "/srv/source", "/srv/packages", "/srv/backports"
PYTHONPATH = f"PYTHONPATH={SOURCE}:{PACKAGES}:{BACKPORTS}"
UNIT = "quantum-position-monitor.service"
WAIT_S = 60.0
BOXES = Path("/tmp/systemd-box")
BOX_PREFIX = "position-monitor-"
"""The process id of the test run follows."""
CONFIG = """
account = "main"
[exchange]
environment = "paper"
rest_url = "http://127.0.0.1:8799"
stream_url = "ws://127.0.0.1:8799"
[loop]
check_interval_s = 1
[redis]
url = "redis://127.0.0.1:6379/0"
"""
NEIGHBOURS = {
    "valkey-server": "position_monitor.edge.redis.embedded 6379",
    "paper-exchange": "position_monitor.paper --port 8799 --scenario seven-naked",
}
ASK = """
import json, sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8799/paper/state", timeout=60) as reply:
    state = json.load(reply)
keep = ("symbol", "side", "orderType", "closePosition", "clientAlgoId")
orders = [{k: o[k] for k in keep} for o in state["algo_orders"] if o["algoStatus"] == "NEW"]
json.dump({"positions": {p["symbol"]: p["positionAmt"] for p in state["positions"]}, "orders": orders}, sys.stdout)
"""
REDIS = """
import json, sys, redis
json.dump(redis.Redis(decode_responses=True).execute_command(*sys.argv[1:]), sys.stdout)
"""


class Box:
    """A booted box. Paths are those inside it."""

    def __init__(self, name: str) -> None:
        self._command = [str(HERE / "systemd-box")]
        self._name = name
        self._environment = {**os.environ, "SYSTEMD_BOX_STATE": str(BOXES)}

    def up(self, *bindings: str) -> None:
        subprocess.run([*self._command, "up", self._name, *bindings], env=self._environment, check=True)

    def down(self) -> None:
        subprocess.run([*self._command, "down", self._name], env=self._environment, check=True)

    def run(self, *command: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, "run", self._name, *command],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=WAIT_S + 30,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=text)

    def systemctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *arguments, check=check)

    def show(self, *properties: str, unit: str = UNIT) -> dict[str, str]:
        text = self.systemctl("show", unit, "-p", ",".join(properties)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def journal(self, *arguments: str) -> list[str]:
        return self.run("journalctl", "-o", "cat", "--no-pager", *arguments, check=False).stdout.splitlines()

    def python(self, program: str, *arguments: str) -> Any:
        return json.loads(self.run("env", PYTHONPATH, SYSTEM_PYTHON, "-c", program, *arguments).stdout)

    def redis(self, *command: str) -> Any:
        return self.python(REDIS, *command)

    def redis_hash(self, key: str) -> dict[str, str]:
        found = self.redis("HGETALL", key)
        return dict(zip(found[::2], found[1::2], strict=True)) if isinstance(found, list) else found

    def exchange(self) -> dict[str, Any]:
        """What really rests on the paper exchange, told by its control interface."""
        return self.python(ASK)

    def stops(self) -> set[str]:
        """Symbols whose position has a close-all stop on the side that reduces it."""
        found = self.exchange()
        sides = {symbol: "SELL" if Decimal(amount) > 0 else "BUY" for symbol, amount in found["positions"].items()}
        return {
            order["symbol"]
            for order in found["orders"]
            if order["orderType"] == "STOP_MARKET"
            and str(order["closePosition"]).lower() == "true"
            and order["side"] == sides.get(order["symbol"])
        }

    def install_neighbours(self) -> None:
        """Valkey under the name the guardian wants it by, and the exchange."""
        for name, module in NEIGHBOURS.items():
            unit = f"[Service]\nType=exec\nEnvironment={PYTHONPATH}\nExecStart={SYSTEM_PYTHON} -m {module}\n"
            self.write(f"/etc/systemd/system/{name}.service", unit)
        self.systemctl("daemon-reload")

    def remove_neighbour(self, name: str) -> None:
        """As on a host where it is not installed."""
        self.run("rm", f"/etc/systemd/system/{name}.service")
        self.systemctl("daemon-reload")

    def start_neighbours(self) -> None:
        """A fresh Valkey and a fresh exchange with the seven naked positions."""
        self.systemctl("restart", *NEIGHBOURS)
        eventually(lambda: len(self.exchange()["positions"]) == 7 and self.redis("PING"))

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        """`make install` and its like, as root in the box, without an index."""
        return self.run("make", "-C", SOURCE, target, f"PACKAGES={PACKAGES}:{BACKPORTS}")

    def drop_in(self, text: str, unit: str = UNIT) -> None:
        """Local changes, as `systemctl edit` would make them."""
        head, _, tail = unit.partition("@")
        self.write(f"/etc/systemd/system/{head}{'@.service' if tail else ''}.d/test.conf", text)
        self.systemctl("daemon-reload")


def eventually(condition: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
    """Wait, with a bound, until `condition()` is true."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            if found := condition():
                return found
        except AssertionError:
            if time.monotonic() > deadline_s:
                raise
        assert time.monotonic() <= deadline_s, f"never true: {condition}"
        time.sleep(0.1)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    return eventually


def _reason_to_skip() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "booting systemd in a box needs root on Linux"
    missing = [
        tool for tool in ("unshare", "nsenter", "setpriv", "ip", "pgrep", "systemctl", "make") if not shutil.which(tool)
    ]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"booting systemd in a box needs {', '.join(missing) or 'systemd'}"
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run([SYSTEM_PYTHON, "-c", version], capture_output=True, text=True, check=False).stdout.strip()
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if found != running:
        return f"{SYSTEM_PYTHON} is {found or 'missing'} and cannot use the packages of Python {running}"
    return ""


def _remove_leftovers() -> None:
    """Boxes of test runs that were killed."""
    for path in BOXES.glob(f"{BOX_PREFIX}*"):
        if not Path(f"/proc/{path.name.removeprefix(BOX_PREFIX)}").exists():
            Box(path.name).down()


@pytest.fixture(scope="session")
def booted() -> Iterator[Box]:
    """One box for all tests of a worker, with the units, a configuration and the program installed."""
    if reason := _reason_to_skip():
        pytest.skip(reason)
    import redis as installed

    packages = Path(installed.__file__).parents[1]
    _remove_leftovers()
    box = Box(f"{BOX_PREFIX}{os.getpid()}")
    try:
        box.up(f"{REPOSITORY}:{SOURCE}", f"{packages}:{PACKAGES}")
    except subprocess.CalledProcessError as fault:
        box.down()
        pytest.skip(f"this kernel or container does not let a systemd boot in a box ({fault})")
    try:
        # redis-py needs async_timeout before Python 3.11.3, and the running interpreter may be newer than the box's.
        box.write(f"{BACKPORTS}/async_timeout.py", "from asyncio import timeout\n")
        box.make("install")
        box.install_neighbours()
        yield box
    finally:
        box.down()


IN_THE_BOX = """
[Service]
RestartSec=0.5
"""


@pytest.fixture
def box(booted: Box) -> Iterator[Box]:
    """The box with the unit installed and stopped, and an empty journal."""
    booted.write("/etc/quantum/position-monitor.toml", CONFIG)
    booted.drop_in(IN_THE_BOX)
    yield booted
    booted.systemctl("stop", UNIT, *NEIGHBOURS, check=False)
    booted.systemctl("reset-failed", check=False)
    booted.run("sh", "-c", "rm -rf /etc/quantum /var/lib/private/quantum-* /var/lib/quantum-*")
    booted.run("journalctl", "--rotate")
    booted.run("journalctl", "--vacuum-time=1s", check=False)


@pytest.fixture
def in_the_box() -> str:
    """The drop-in that makes the unit run in the box, for a test to add to."""
    return IN_THE_BOX
