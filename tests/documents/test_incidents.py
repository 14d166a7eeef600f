"""Lines that docs/incidents.md shows are lines of the program: each of their fixed parts stands in its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from position_monitor.core.publication.alert_text import CARDS, INCIDENTS
from position_monitor.core.publication.alerts import AlertKind
from tests.documents.reading import ROOT, anchors, blocks, section, text_of

PAGE = ROOT / "docs" / "incidents.md"
UNIT = ROOT / "deploy" / "systemd" / "quantum-position-monitor-failed@.service"
FIXED_LEAST = 4
"""Shorter pieces of text between two values say nothing of where they come from."""
SYMPTOMS = (
    "naked", "UNKNOWN", "not heard", "DEGRADED", "second writer", "418, 429", "refuses the key", "No room",
    "circuit breaker", "stream", "clock", "lease", "Redis", "configuration is refused", "stop fired", "at market",
    "not ours", "vanished", "does not start", "journal is silent", "provisional", "`verify` disagrees",
    "crash", "upgrade",
)  # fmt: skip


def lines_shown() -> list[str]:
    return [line for code in blocks(PAGE) if code.language == "journal" for line in code.text.splitlines()]


def literals(node: ast.AST) -> Iterator[str]:
    """Texts of a module as they are printed; where a value stands in between there is a NUL."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"\{[^{}]*\}", "\0", node.value)
    for child in ast.iter_child_nodes(node):
        yield from literals(child)


@cache
def fixed_parts() -> tuple[str, ...]:
    """The fixed parts of every text of the program and of the unit that speaks for it, the longest first."""
    texts = [re.sub(r"\$\w+|%i|[\n\"]", "\0", UNIT.read_text("utf-8"))]
    for path in (ROOT / "position_monitor").rglob("*.py"):
        texts += literals(ast.parse(path.read_text("utf-8")))
    between = {part for text in texts for part in re.split("[\0\n]", text)}
    parts = between | {part.strip() for part in between}
    return tuple(sorted((part for part in parts if len(part) >= FIXED_LEAST), key=len, reverse=True))


def not_of_the_program(line: str) -> list[str]:
    """Words of a line that stand in no text of the program. What is written in capitals or has digits is a value."""
    rest = line
    for part in fixed_parts():
        if part in rest:
            rest = rest.replace(part, "\0")
    return re.findall(r"(?<![\w./-])[a-z]{3,}(?![\w./-])", rest)


@pytest.mark.parametrize("line", lines_shown())
def test_a_line_is_one_of_the_program(line: str) -> None:
    assert not_of_the_program(line) == []


def test_the_rule_of_lines_sees() -> None:
    """The rule is not blind: another word in a line is found."""
    assert not_of_the_program("🚨 BTCUSDT LONG has no whole stop cover for 16 s: no stop counts as cover")
    assert not_of_the_program("Lease: held by guard-2 (configuration 334f); waiting its turn")


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_every_symptom_has_a_card(symptom: str) -> None:
    headings = re.findall(r"^## (.*)$", text_of(PAGE), re.MULTILINE)
    assert [heading for heading in headings if symptom.lower() in heading.lower()]


def test_every_alert_leads_to_a_card() -> None:
    """The link of a message ends at a heading that exists, and each kind has its own."""
    assert {kind: CARDS[kind] for kind in AlertKind if CARDS[kind] not in anchors(PAGE)} == {}
    assert len(set(CARDS.values())) == len(AlertKind) and (ROOT / INCIDENTS) == PAGE


@pytest.mark.parametrize("heading", re.findall(r"^## (.*)$", text_of(PAGE), re.MULTILINE))
def test_a_card_says_what_to_do_and_whom_to_call(heading: str) -> None:
    card = section(PAGE, heading)
    assert "```journal" in card or "**You see**" in card
    assert [word for word in ("Means", "Look", "Decide", "Call") if f"- **{word}**: " not in card] == []
    assert re.search(r"`(position-monitor|systemctl|journalctl|timedatectl|readlink)", card)
