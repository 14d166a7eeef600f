"""A real headless browser: the distribution's Chromium, driven by Playwright. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


async def launched(playwright: Any) -> Any:
    """One browser for all; each test has a context of its own in it."""
    return await playwright.chromium.launch(executable_path=EXECUTABLE, args=list(FLAGS))


def why_not() -> str:
    """Why nothing can be looked at in a browser here; empty where it can."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright's Python package is not installed (requirements-dev.txt has it)"
    if EXECUTABLE is None:
        return "there is no Chromium here (apt-get install -y --no-install-recommends chromium)"
    return ""
