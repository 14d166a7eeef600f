"""Processes the demo starts and always ends: own group, ended by pid, bounded waits, and dead with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from position_monitor.errors import PositionMonitorError

TERMINATE_TIMEOUT_S = 8.0
LAST_LINES = 15
_PR_SET_PDEATHSIG = 1


class DemoFailed(PositionMonitorError):
    """A part of the demo did not start or ended before its time."""


class Child:
    """One process with its output in a file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._ended = False

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> Child:
        """Run `python -m position_monitor ARGUMENTS` in its own process group."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "position_monitor",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environ),
                start_new_session=True,  # Ctrl-C reaches the demo, which ends its children in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its process id, which is also its group."""
        return self._process.pid

    def require_alive(self) -> None:
        """`DemoFailed` with its last words if it has ended."""
        code = self._process.returncode
        if code is not None:
            raise DemoFailed(f"the {self.name} ended with exit code {code}; it said:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its output."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LAST_LINES:]) or "  (nothing)"

    async def stop(self) -> None:
        """SIGTERM, a bounded wait, then SIGKILL to its whole group. The second call does nothing."""
        if self._ended:
            return
        self._ended = True
        if self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), TERMINATE_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
"""Looked up before anything is forked: between fork and exec the lock of the loader may be held by a thread that is not
there any more, and whoever asks for it then waits for ever."""


def _die_with_parent() -> None:
    """Runs in the child: the kernel ends it when the demo is gone, however the demo ended."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
