"""What this daemon tells systemd, and the credentials systemd hands it. Everything is a no-op outside systemd."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sdnotify

STATUS_LENGTH_MAX: Final = 500
CREDENTIAL_BYTES_MAX: Final = 64 * 1024
RELOAD_ANSWER_LENGTH_MAX: Final = 4_000
MICROSECONDS_PER_SECOND: Final = 1_000_000


class Systemd:
    """The notification socket of the unit. No method blocks or raises."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            self._notifier.socket.setblocking(False)  # a stuck service manager must not stop the loop
        self._watchdog_interval_s = _watchdog_interval_s()

    @property
    def listening(self) -> bool:
        """Whether a service manager hears us."""
        return self._notifier.socket is not None

    @property
    def watchdog_interval_s(self) -> float | None:
        """Within how many seconds `watchdog` must be called again; None when systemd does not watch this process."""
        return self._watchdog_interval_s

    def ready(self, status: str = "") -> None:
        """Every position found has a verdict: the unit is started."""
        self._send("READY=1", *_status(status))

    def watchdog(self, status: str = "") -> None:
        """A whole cycle was finished, with its sentence for `systemctl status`. To be called nowhere else."""
        self._send("WATCHDOG=1", *_status(status))

    def reloading(self) -> None:
        """The configuration is being read again; `ready` must follow, whatever came of it."""
        monotonic_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us}")

    def stopping(self, status: str = "") -> None:
        """The stop has begun."""
        self._send("STOPPING=1", *_status(status))

    def _send(self, *assignments: str) -> None:
        text = "\n".join(assignments)
        # sdnotify writes Latin-1 and silently drops what does not fit: hand it the UTF-8 bytes as Latin-1 characters.
        self._notifier.notify(text.encode("utf-8", "replace").decode("latin-1"))


def answer_reload(problem: str) -> None:
    """Leave for `ExecReload=` of the unit what became of a reload: empty when it was taken over. Never raises."""
    if (path := _reload_answer()) is not None:
        with contextlib.suppress(OSError):
            written = path.with_suffix(".new")
            written.write_text(problem[:RELOAD_ANSWER_LENGTH_MAX], "utf-8")
            written.replace(path)


def forget_reload_answer() -> None:
    """A reload is about to be asked for: what became of the last one does not count any more."""
    if (path := _reload_answer()) is not None:
        path.unlink(missing_ok=True)


def reload_answer() -> str | None:
    """What became of the reload: None while it is not known, empty when it was taken over, else the problem."""
    path = _reload_answer()
    if path is None:
        return ""  # the unit has no `RuntimeDirectory=`: nobody can answer
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("utf-8", errors="replace")
    return None


def note_variables(variables: Mapping[str, str]) -> None:
    """Leave for a later reload which variables this process was started with: digests, no values. Never raises."""
    if (path := _in_runtime_directory("variables")) is not None:
        with contextlib.suppress(OSError):
            path.write_text(json.dumps(_digests(variables)), "utf-8")


def changed_variables(variables: Mapping[str, str]) -> list[str]:
    """The names of those that are other ones now than at the start of the daemon; none where nobody noted them."""
    path = _in_runtime_directory("variables")
    try:
        noted = {} if path is None else json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    now = _digests(variables)
    return sorted(name for name in noted.keys() | now.keys() if noted.get(name) != now.get(name)) if noted else []


def _digests(variables: Mapping[str, str]) -> dict[str, str]:
    return {"": ""} | {name: hashlib.sha256(text.encode()).hexdigest() for name, text in variables.items()}


def _reload_answer() -> Path | None:
    return _in_runtime_directory("reload-answer")


def _in_runtime_directory(name: str) -> Path | None:
    folder = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(folder) / name if folder else None


def credential(name: str) -> str | None:
    """The credential `name` of the unit without surrounding white space; None when the unit has none (or an empty one).

    The text is a secret: register it with `edge/log.py` before using it.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or "/" in name:
        return None
    with contextlib.suppress(OSError, UnicodeDecodeError), (Path(directory) / name).open("rb") as file:
        return file.read(CREDENTIAL_BYTES_MAX).decode().strip() or None
    return None


def _status(sentence: str) -> tuple[str, ...]:
    line = " ".join(sentence.split())[:STATUS_LENGTH_MAX]
    return (f"STATUS={line}",) if line else ()


def _watchdog_interval_s() -> float | None:
    """WATCHDOG_USEC in seconds, unless it was meant for another process (sd_watchdog_enabled(3))."""
    try:
        microseconds = int(os.environ["WATCHDOG_USEC"])
        if int(os.environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return None
    except (KeyError, ValueError):
        return None
    return microseconds / MICROSECONDS_PER_SECOND if microseconds > 0 else None
