"""Cassettes hold no secrets (invariant 15): all cassettes of the repository, not only ours."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
CASSETTES = sorted(path for path in TESTS.rglob("*.yaml") if "cassettes" in path.parts)
FORBIDDEN = re.compile(
    r"(?im)^\s*-?\s*(x-mbx-apikey|authorization|cookie|set-cookie|x-api-key)\s*:"
    r"|[?&]signature=(?!\*|REDACTED)|://[^/\s@]*:[^/\s@]*@|hunter22|"
    + re.escape(base64.b64encode(b"monitor:hunter22").decode().rstrip("="))
)


def test_there_are_cassettes():
    """An empty search would prove nothing."""
    assert len([path for path in CASSETTES if path.parent == Path(__file__).parent / "cassettes"]) == 9


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_no_secret_was_recorded(path):
    """The recording was made with a password in the address; it must be nowhere."""
    found = FORBIDDEN.search(path.read_text())
    assert found is None, found.group(0)
