"""Every field of the contract is on the page, or is named in docs/dashboard.md as not shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from position_monitor import schemas

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "dashboard.md").read_text("utf-8")
SOURCE = "\n".join(path.read_text("utf-8") for path in (DOCS.parent / "position_monitor" / "dashboard").glob("*.py"))
ALIASES = {"unprotected_notional"}
"""Older names of what is shown by the newer one."""


def paragraph(start: str) -> set[str]:
    """The names in code that a paragraph of docs/dashboard.md lists."""
    [text] = [part for part in PAGE.split("\n\n") if part.startswith(start)]
    return set(re.findall(r"[\w:]+", " ".join(re.findall(r"`([^`]+)`", text))))


@pytest.mark.parametrize(("schema", "start"), [("status", "`P:status`:"), ("position", "`P:position`:")])
def test_every_field_is_shown_or_named(schema: str, start: str) -> None:
    fields = set(schemas.load(schema)["properties"]) - {"account", "symbol", "side"}
    listed, left_out = paragraph(start), paragraph("Not shown:")
    assert fields - listed - left_out - {"published_at_ms", "schema", "doc"} == set()
    shown = listed & fields - ALIASES
    assert [name for name in sorted(shown) if not re.search(rf"\b{name}\b", SOURCE)] == []


def test_every_key_of_the_contract_is_shown_or_named() -> None:
    """The table at the top of docs/redis.md."""
    table = (DOCS / "redis.md").read_text("utf-8").split("## P:status")[0]
    keys = {key.split(":")[1] for key in re.findall(r"^\| `(P:[\w:<>|]+)", table, re.MULTILINE)}
    assert keys
    assert [key for key in sorted(keys) if f"P:{key}" not in PAGE] == []
