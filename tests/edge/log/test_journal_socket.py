"""The native journal: entries with fields on a socket as journald binds it; standard error gets what is not taken."""

from __future__ import annotations

import io
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger

from position_monitor.core.publication.journal_line import Level, Line
from position_monitor.edge import journal_socket, log

Entries = Callable[[], list[dict[str, str]]]
FIRED = Line(Level.INFO, "🛑 Stop fired: BTCUSDT LONG 0.3 @ 59100", "BTCUSDT", "LONG", event="StopFired")


def parsed(datagram: bytes) -> dict[str, str]:
    """An entry read as the protocol describes it, by none of our code."""
    fields: dict[str, str] = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        if b"=" in head:
            name, _, value = head.partition(b"=")
        else:
            (length,) = struct.unpack("<Q", rest[:8])
            name, value, rest = head, rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where the socket is; logging is put back afterwards."""
    hook = sys.excepthook
    place = tmp_path / "socket"
    monkeypatch.setenv(journal_socket.PATH_VARIABLE, str(place))
    yield place
    log.flush()
    log.name_account("")
    log._secrets = ()
    logger.remove()
    logger.add(sys.stderr)
    sys.excepthook = hook


@pytest.fixture
def journald(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(path))
        bound.settimeout(10)
        yield bound


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def received(journald: socket.socket) -> list[dict[str, str]]:
    log.flush()
    journald.setblocking(False)
    entries = []
    while True:
        try:
            entries.append(parsed(journald.recv(65_536)))
        except BlockingIOError:
            return entries


def test_a_line_has_its_words_its_priority_and_its_fields(journald: socket.socket, stream: io.StringIO) -> None:
    log.configure(stream=stream, journal=True)
    log.name_account("main")
    log.say(FIRED)
    log.say(Line(Level.ERROR, "naked", "ETHUSDT", "SHORT", verdict="NAKED", event="VerdictChanged"))
    logger.warning("of a library")
    fired, naked, plain = received(journald)
    assert fired == {
        "MESSAGE": "[POSITION-MONITOR] 🛑 Stop fired: BTCUSDT LONG 0.3 @ 59100",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "quantum-position-monitor",
        "ACCOUNT": "main",
        "SYMBOL": "BTCUSDT",
        "SIDE": "LONG",
        "EVENT": "StopFired",
    }
    assert (naked["PRIORITY"], naked["VERDICT"]) == ("3", "NAKED")
    assert plain["PRIORITY"] == "4" and set(plain) == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "ACCOUNT"}
    assert stream.getvalue() == ""


def test_every_line_of_a_traceback_is_an_entry_and_no_secret_is_in_any(
    journald: socket.socket, stream: io.StringIO
) -> None:
    log.configure(stream=stream, journal=True)
    log.register_secret("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP")
    try:
        raise ValueError("first\nNhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP")
    except ValueError:
        logger.bind(symbol="NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP\nX=1").exception("it failed")
    entries = received(journald)
    assert len(entries) > 3 and all(entry["MESSAGE"].startswith("[POSITION-MONITOR] ") for entry in entries)
    assert "NhqPtmdS" not in str(entries)
    assert {entry["PRIORITY"] for entry in entries} == {"3"}
    assert {entry["SYMBOL"] for entry in entries} == {"***\nX=1"}  # a line break begins no field of its own


def test_what_the_journal_does_not_take_goes_to_standard_error(journald: socket.socket, stream: io.StringIO) -> None:
    """It is full, because nobody reads it."""
    log.configure(stream=stream, journal=True)
    for number in range(1_000):
        logger.info("line {} {}", number, "x" * 1_500)
    log.flush(30)
    written = stream.getvalue().splitlines()
    assert written and all(line.startswith("<6>[POSITION-MONITOR] line ") for line in written)
    numbers = [int(entry["MESSAGE"].split()[2]) for entry in received(journald)]
    numbers += [int(line.split()[2]) for line in written]
    assert sorted(numbers) == list(range(1_000))


def test_a_burst_waits_for_a_journal_that_is_busy(journald: socket.socket, stream: io.StringIO) -> None:
    """The kernel holds eleven entries and no more for a journal that has no turn: none may lose its fields."""
    entries: list[dict[str, str]] = []

    def read() -> None:
        time.sleep(0.3)
        while len(entries) < 60:
            entries.append(parsed(journald.recv(65_536)))

    reading = threading.Thread(target=read)
    log.configure(stream=stream, journal=True)
    reading.start()
    for _ in range(60):
        log.say(FIRED)
    reading.join(30)
    assert [entry.get("EVENT") for entry in entries] == ["StopFired"] * 60
    assert stream.getvalue() == ""


def test_a_journal_that_went_away_and_came_back(path: Path, journald: socket.socket, stream: io.StringIO) -> None:
    log.configure(stream=stream, journal=True)
    path.rename(path.with_name("elsewhere"))
    logger.info("while it is away")
    log.flush()
    assert stream.getvalue() == "<6>[POSITION-MONITOR] while it is away\n"
    path.with_name("elsewhere").rename(path)
    logger.info("again")
    assert [entry["MESSAGE"] for entry in received(journald)] == ["[POSITION-MONITOR] again"]


def test_without_a_socket_standard_error_has_the_priorities(path: Path, stream: io.StringIO) -> None:
    log.configure(stream=stream, journal=True)
    log.say(FIRED)
    log.flush()
    assert stream.getvalue() == f"<6>[POSITION-MONITOR] {FIRED.text}\n"


def test_the_journal_is_used_only_where_standard_error_is_connected_to_it(
    monkeypatch: pytest.MonkeyPatch, journald: socket.socket, path: Path, tmp_path: Path
) -> None:
    """A terminal, a file or a pipe that only inherited the variable keeps its lines."""
    monkeypatch.delenv(journal_socket.PATH_VARIABLE)
    monkeypatch.setattr(journal_socket, "SOCKET_PATH", str(path))
    with (tmp_path / "standard-error").open("w") as connected:
        status = os.fstat(connected.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert journal_socket.journal_behind(connected) is not None
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
        assert journal_socket.journal_behind(connected) is None
        assert journal_socket.journal_behind(io.StringIO()) is None


def test_a_value_with_a_line_break_is_sent_with_its_length() -> None:
    fields = {"A": "one\ntwo=2", "B": "", "C": "x=y"}
    assert parsed(journal_socket.entry_bytes(fields)) == {"A": "one\ntwo=2", "C": "x=y"}
