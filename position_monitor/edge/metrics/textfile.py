"""The file for node_exporter's textfile collector: replaced as a whole, readable by all.

A thread of its own writes it, one at a time: a disk that hangs costs figures, never a cycle.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

from loguru import logger

MODE: Final = 0o644


class TextFile:
    """One file. No method waits or raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passing = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        """Beside it, so that the rename is atomic; its name does not end with .prom, so that nobody reads it."""
        self._writer: threading.Thread | None = None
        self._fault = ""

    @property
    def busy(self) -> bool:
        """Whether the last text is still being written."""
        return self._writer is not None and self._writer.is_alive()

    def write(self, text: bytes) -> None:
        """Put this text into the file, unless the one before is still under way."""
        if not self.busy:
            self._writer = threading.Thread(target=self._write, args=(text,), name="metrics", daemon=True)
            self._writer.start()

    def remove(self) -> None:
        """The figures are nobody's any more: what is gone misleads nobody."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _write(self, text: bytes) -> None:
        fault = ""
        try:
            with self._passing.open("wb") as file:
                os.fchmod(file.fileno(), MODE)  # the unit's umask would hide it from node_exporter
                file.write(text)
            self._passing.replace(self._path)
        except OSError as error:
            fault = f"{error.strerror}"
            with contextlib.suppress(OSError):
                self._passing.unlink()
        if fault and fault != self._fault:
            logger.warning("metrics.textfile {} could not be written: {}", self._path, fault)
        self._fault = fault
