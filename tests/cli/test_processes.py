"""The command as a user starts it: real processes, real exit codes, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.state import RedisState

TIMEOUT_S = 60


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m position_monitor` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "position_monitor", *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["status"], ["plan"], ["explain", "X"], ["check"], ["config", "show"], ["--json", "check", "--live"]],
)
def test_bad_configuration_is_78_everywhere(arguments: list[str], tmp_path: Path) -> None:
    """DESIGN 6. The reason stands on stderr, without a traceback."""
    path = tmp_path / "bad.toml"
    path.write_text("protection.stop_loss_pct = 0.015\nnonsense = true\n")
    done = command(*arguments, "--config", str(path))
    assert done.returncode == 78
    assert "nonsense is not a known key" in done.stderr and "protection.stop_loss_pct was 0.015" in done.stderr
    assert "Traceback" not in done.stderr
    assert ("--json" in arguments) == bool(done.stdout)


def test_a_daemon_that_cannot_start_says_so_in_the_journal(tmp_path: Path) -> None:
    """Under systemd every line carries prefix and priority, so `journalctl -p err` shows the reason."""
    path = tmp_path / "bad.toml"
    path.write_text("nonsense = true\n")
    done = command("run", "--config", str(path), INVOCATION_ID="x")
    assert done.returncode == 78
    assert {line[:22] for line in done.stderr.splitlines()} == {"<3>[POSITION-MONITOR] "}
    assert "nonsense is not a known key" in done.stderr


def test_a_missing_file_is_78(tmp_path: Path) -> None:
    """By environment as well."""
    done = command("status", POSITION_MONITOR_CONFIG=str(tmp_path / "none.toml"))
    assert done.returncode == 78
    assert "there is no file" in done.stderr and "config generate" in done.stderr


def test_generated_configuration_is_accepted(tmp_path: Path) -> None:
    """`config generate > file` then `check`."""
    path = tmp_path / "new.toml"
    path.write_text(command("config", "generate").stdout)
    done = command("check", "--config", str(path), "--json")
    assert done.returncode == 0
    assert {finding["fine"] for finding in json.loads(done.stdout)["findings"]} == {True}


def test_generating_does_not_import_the_exchange() -> None:
    """ccxt costs 0.7 s and 100 MB; a command that needs none of it must not pay."""
    code = (
        "import sys; from position_monitor.cli.main import main; main(['config', 'generate']); "
        "sys.exit(', '.join(sorted({'ccxt', 'redis', 'httpx', 'uvloop', 'aiohttp'} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "nope"], "allowed is one of"),
        (["--port", "99999"], "a port from 0 to 65535"),
        (["--port", "-1"], "expected"),
        (["--latency-ms", "-1"], "expected"),
        (["--price-interval-s", "soon"], "not negative"),
    ],
)
def test_a_paper_exchange_that_cannot_start_says_why(arguments: list[str], said: str) -> None:
    done = command("paper-exchange", *arguments)
    assert done.returncode == 1 and said in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_paper_exchange_on_a_taken_port_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("paper-exchange", "--port", str(port), "--json")
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr and json.loads(done.stdout)["exit_code"] == 1


def test_a_paper_exchange_on_port_0_says_where_it_listens() -> None:
    """Data on stdout, so a script can read the address; SIGTERM ends it with 0."""
    arguments = [sys.executable, "-m", "position_monitor", "paper-exchange", "--port", "0", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        with urllib.request.urlopen(f"{ready['rest_url']}/fapi/v1/ping", timeout=TIMEOUT_S) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    assert ready["positions"] == 7 and ready["stream_url"].startswith("ws://127.0.0.1:")


def test_status_without_redis_is_1(config_file: Path) -> None:
    """Nothing is known, and the answer comes quickly."""
    done = command("status", "--config", str(config_file))
    assert done.returncode == 1
    assert "Redis at 127.0.0.1:9 did not answer: connection refused" in done.stderr and done.stdout == ""


def test_a_reader_that_leaves_is_no_traceback(config_file: Path) -> None:
    """`position-monitor config show | head -1`."""
    line = f"{sys.executable} -m position_monitor config show --config {config_file} | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_a_terminal_that_knows_ascii_only_gets_everything(config_file: Path) -> None:
    """Row 6.8: what cannot be shown is escaped, and the exit code is as ever."""
    done = command("status", "--config", str(config_file), PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    shown = command("config", "generate", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert shown.returncode == 0 and "Traceback" not in shown.stderr and shown.stdout.isascii()


@pytest.mark.parametrize("arguments", [["config", "generate"], ["config", "show", "--json"], ["status", "--json"]])
def test_a_full_device_is_a_word_and_1(arguments: list[str], config_file: Path) -> None:
    """Row 6.8: output that cannot be written is no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "position_monitor", *arguments, "--config", str(config_file)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 1
    assert "could not be written" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedRedis]:
    """A real server."""
    with EmbeddedRedis() as server:
        yield server


def publish(url: str, name: str, account: AccountState, positions: list[PositionState]) -> None:
    """Publish as the daemon does."""

    async def write() -> None:
        state = RedisState(
            url, prefix="quantum:position_monitor", account=name, owner="test:1:x", clock=SystemClock(),
            check_interval_s=10, lease_ttl_s=20, contend=False,
        )  # fmt: skip
        state.publish(account, positions)
        taken = [await state.write_once() for _ in range(5)]  # a machine without time for Redis leaves one unanswered
        assert any(taken)
        await state.close()

    asyncio.run(write())


@pytest.mark.parametrize(
    ("name", "verdict", "code"), [("fine", Verdict.PROTECTED, 0), ("naked", Verdict.NAKED, 2), ("silent", None, 3)]
)
def test_status_from_redis(
    name: str,
    verdict: Verdict | None,
    code: int,
    valkey: EmbeddedRedis,
    tmp_path: Path,
    account_state: AccountState,
    position_state: PositionState,
) -> None:
    """The three answers a script acts on."""
    path = tmp_path / "c.toml"
    # A live account without keys: whoever may read Redis may ask for the status.
    path.write_text(f'account = "{name}"\nexchange.environment = "live"\n')
    if verdict is not None:
        publish(valkey.url, name, account_state, [replace(position_state, verdict=verdict)])
    done = command("status", "--config", str(path), REDIS_URL=valkey.url)
    assert done.returncode == code, done.stderr
    assert ("not heard" in done.stderr) == (verdict is None)
    as_json = command("status", "--json", "--config", str(path), REDIS_URL=valkey.url)
    document = json.loads(as_json.stdout)
    assert (as_json.returncode, document["exit_code"], document["heard"]) == (code, code, verdict is not None)
    assert [found["verdict"] for found in document["positions"]] == ([str(verdict)] if verdict else [])


def test_watch_ends_with_ctrl_c(valkey: EmbeddedRedis, tmp_path: Path) -> None:
    """It returns the code of the last look, without a traceback."""
    path = tmp_path / "c.toml"
    path.write_text('account = "watched"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "position_monitor", "status", "--watch", "0.2", "--config", str(path)],
        env=os.environ | {"REDIS_URL": valkey.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "not heard" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 3
    assert "Traceback" not in errors


def descendants(pid: int) -> set[int]:
    """Every live process below `pid`."""
    children: dict[int, set[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), set()).add(int(entry.name))
    found, waiting = set(), [pid]
    while waiting:
        below = children.get(waiting.pop(), set()) - found
        found |= below
        waiting += below
    return found


def alive(pids: set[int]) -> set[int]:
    """Which of these processes still run, after a while to end."""
    for _ in range(300):
        left = {pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and _cmdline(pid)}
        if not left:
            return left
        time.sleep(0.1)
    return left


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
def test_the_demo_protects_all_seven_and_leaves_nothing_behind() -> None:
    """0/7 to 7/7 with the incident's switches; the exchange's own list is the proof."""
    before = descendants(os.getpid())
    process = subprocess.Popen(
        [sys.executable, "-m", "position_monitor", "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    while not said or "7/7 PROTECTED" not in said[-1]:
        line = process.stderr.readline()
        assert line, said
        said.append(line)
    process.send_signal(signal.SIGINT)
    output, rest = process.communicate(timeout=TIMEOUT_S)
    errors = "".join(said) + rest
    assert process.returncode == 0, errors
    document = json.loads(output)
    assert document["account"]["risk_status"] == "PROTECTED"
    assert "EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true" in document["account"]["conflicts"][0]
    positions, orders = document["exchange"]["positions"], document["exchange"]["orders"]
    stops = {order["symbol"] for order in orders if order["orderType"] == "STOP_MARKET" and order["closePosition"]}
    assert len(positions) == 7 and stops == {position["symbol"] for position in positions}
    assert len([order for order in orders if order["orderType"] == "TAKE_PROFIT_MARKET"]) == 21
    assert "0 with a stop" in errors and "7 of 7 positions have a stop" in errors
    assert descendants(os.getpid()) <= before


def test_a_demo_with_a_time_ends_by_itself() -> None:
    """With the code `status` would give then; so early the daemon has hardly begun."""
    done = command("demo", "--for", "0.5", "--json")
    assert done.returncode in (0, 2, 3) and json.loads(done.stdout)["exit_code"] == done.returncode
    assert "Traceback" not in done.stderr


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_the_demo_ends_its_processes_end(how: signal.Signals) -> None:
    """Ctrl-C and SIGTERM in order, SIGKILL by the kernel: no daemon keeps trading on a desk nobody watches."""
    process = subprocess.Popen(
        [sys.executable, "-m", "position_monitor", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline_s = time.monotonic() + TIMEOUT_S
        while len(children := descendants(process.pid)) < 3 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert len(children) >= 3, "Valkey, the paper exchange and the daemon run"
        time.sleep(1.5)
        process.send_signal(how)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    assert alive(children) == set()
    assert "Traceback" not in errors
    codes = {-signal.SIGKILL} if how is signal.SIGKILL else {0, 2, 3}  # those of `status`
    assert process.returncode in codes, errors


@needs_proc
def test_a_demo_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """The daemon cannot start: the demo says why with its last words and ends the rest."""
    broken = tmp_path / "uvloop.py"
    broken.write_text("raise RuntimeError('no event loop today')\n")
    before = descendants(os.getpid())
    done = command("demo", "--for", "10", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "the daemon ended with exit code" in done.stderr and "no event loop today" in done.stderr
    assert descendants(os.getpid()) <= before
