"""The native protocol of the systemd journal: one datagram per entry, with fields (systemd.io/JOURNAL_NATIVE_PROTOCOL).

An entry is `NAME=value` lines; a value with a line break is sent as name, length and bytes. Nothing here raises: a
socket that stays full, is gone or not there takes nothing, and the caller writes the line to standard error.

A full socket is waited for, because the kernel may hold only ten entries for a journal that is busy
(`net.unix.max_dgram_qlen`; systemd sets 512 where it boots a machine), and a line on standard error has no fields. The
caller is a thread that does nothing else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

SOCKET_PATH: Final = "/run/systemd/journal/socket"
PATH_VARIABLE: Final = "POSITION_MONITOR_JOURNAL_SOCKET"
"""Another path for it, for tests and for containers that put it elsewhere."""
IDENTIFIER: Final = "quantum-position-monitor"
SEND_WITHIN_S: Final = 2
SEND_BUFFER_BYTES: Final = 8 * 1024 * 1024
"""As much as the journal's own client asks for: a burst waits in the kernel rather than being refused."""


def entry_bytes(fields: Mapping[str, str]) -> bytes:
    """An entry as the journal takes it; empty values are left out."""
    parts: list[bytes] = []
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")
        if not data:
            continue
        if b"\n" in data:
            parts += (name.encode(), b"\n", struct.pack("<Q", len(data)), data, b"\n")
        else:
            parts += (name.encode(), b"=", data, b"\n")
    return b"".join(parts)


class JournalSocket:
    """The socket of the journal at one path."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._took = True
        """Whether the last entry was taken: a journal that let one wait in vain is not waited for again until then."""

    def send(self, fields: Mapping[str, str]) -> bool:
        """Hand over one entry, within `SEND_WITHIN_S`. False where the journal did not take it."""
        try:
            if self._socket is None:
                self._socket = _opened()
            self._socket.sendto(entry_bytes(fields), 0 if self._took else socket.MSG_DONTWAIT, self._path)
        except (OSError, ValueError):  # full, gone, not there, no descriptor left, a path that is none
            self._took = False
        else:
            self._took = True
        return self._took


def _opened() -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    # Of the kernel: Python's own time-out would ask in a loop, as a socket that is not connected always looks free.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SEND_WITHIN_S, 0))
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return opened


def journal_behind(stream: TextIO) -> JournalSocket | None:
    """The journal, where `stream` is connected to it, so that the native protocol only adds fields; else None.

    systemd names the journal's end of our standard error in `JOURNAL_STREAM` as device and inode (systemd.exec(5)): a
    terminal or a file that only inherited the variable is no journal.
    """
    if chosen := os.environ.get(PATH_VARIABLE, ""):
        return JournalSocket(chosen) if _is_socket(chosen) else None
    if not _is_socket(SOCKET_PATH):
        return None
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    connected = os.environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"
    return JournalSocket(SOCKET_PATH) if connected else None


def _is_socket(path: str) -> bool:
    try:
        return Path(path).is_socket()
    except (OSError, ValueError):
        return False
