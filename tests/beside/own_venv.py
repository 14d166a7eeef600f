"""A venv of its own for a program that pins other versions of half our packages."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest


def python_of(lock: Path) -> Path:
    """The interpreter of the venv beside a lock, made on the first call; skips the test where it cannot be made."""
    venv = lock.parent / ".venv"
    command, stamp = venv / "bin" / "python", venv / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return command
    pip = [str(command), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    for step in ([sys.executable, "-m", "venv", str(venv)], [*pip, "--require-hashes", "-r", str(lock)]):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{lock.parent.name} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    stamp.write_text(wanted)
    return command
