"""Writing a report to a file: whole or not at all, so that no half page stands where a reader looks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from position_monitor.errors import BadInput


def write_page(path: Path, page: str) -> None:
    """Replace `path` by the page in one step. Raises `BadInput` with the reason where that cannot be done."""
    if path.is_dir():
        raise BadInput(f"{path} is a directory; expected the name of a file")
    if path.exists() and not path.is_file():
        _write_through(path, page)
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as fault:
        raise BadInput(f"{path} could not be written: {fault.strerror}") from None
    waiting = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        waiting.chmod(0o644 & ~_umask())
        waiting.replace(path)
    except OSError as fault:
        waiting.unlink(missing_ok=True)
        raise BadInput(f"{path} could not be written: {fault.strerror}") from None


def _write_through(path: Path, page: str) -> None:
    """A device or a pipe takes what it is given."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as fault:
        raise BadInput(f"{path} could not be written: {fault.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
