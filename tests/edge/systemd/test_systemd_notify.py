"""What arrives on a notification socket, and what a unit hands over."""

from __future__ import annotations

import os
import socket
import time

import pytest

from position_monitor.edge.systemd import CREDENTIAL_BYTES_MAX, Systemd, credential


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """The service manager's end of the socket."""
    path = str(tmp_path / "notify")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.settimeout(30)
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    yield receiver
    receiver.close()


def test_the_life_of_a_service(manager):
    """READY, STATUS, WATCHDOG, STOPPING in systemd's words, and UTF-8 survives sdnotify's Latin-1."""
    systemd = Systemd()
    assert systemd.listening
    systemd.ready("🛡️ 7/7 protected (100%)")
    systemd.watchdog("two\nlines")
    systemd.watchdog()
    systemd.stopping("leaves all orders resting")
    assert [manager.recv(4096).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=🛡️ 7/7 protected (100%)",
        "WATCHDOG=1\nSTATUS=two lines",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=leaves all orders resting",
    ]


def test_a_reload_carries_the_monotonic_time(manager):
    """systemd waits for a READY sent after that moment."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Systemd().reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_is_one_bounded_line_and_cannot_forge_another_field(manager):
    """Text from outside must not become READY=1."""
    Systemd().watchdog("x\nREADY=1\n" + "y" * 1000)
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "WATCHDOG=1"
    assert second.startswith("STATUS=x READY=1 y")
    assert len(second) == len("STATUS=") + 500


def test_an_abstract_socket_is_understood(monkeypatch):
    """NOTIFY_SOCKET=@name."""
    name = f"position-monitor-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        receiver.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        Systemd().watchdog()
        assert receiver.recv(100) == b"WATCHDOG=1"


def test_without_systemd_everything_is_a_no_op(monkeypatch):
    """On a terminal and in tests."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    systemd = Systemd()
    assert not systemd.listening
    assert systemd.watchdog_interval_s is None
    systemd.ready()
    systemd.reloading()
    systemd.stopping()


def test_a_manager_that_does_not_read_does_not_block_us(manager):
    """A full socket drops notifications; the loop goes on."""
    systemd = Systemd()
    for _ in range(5000):
        systemd.watchdog()


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval(monkeypatch, environment, interval_s):
    """As sd_watchdog_enabled(3) defines it."""
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Systemd().watchdog_interval_s == interval_s


def test_credentials_are_read_stripped(tmp_path, monkeypatch):
    """Owner and mode differ between systemd versions: whatever can be read counts."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "exchange_api_key").write_text("  vmPUZE6mv9SD5\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_text("x" * (CREDENTIAL_BYTES_MAX + 10))
    assert credential("exchange_api_key") == "vmPUZE6mv9SD5"
    assert credential("empty") is None
    assert credential("missing") is None
    assert credential("binary") is None
    assert len(credential("huge")) == CREDENTIAL_BYTES_MAX
    assert credential("../outside") is None
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert credential("exchange_api_key") is None
