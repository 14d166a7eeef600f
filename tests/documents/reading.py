"""The documentation as a reader meets it: blocks of code, inline code, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
HISTORY = ("decisions.md", "changes.md")
"""Pages that also name what is no more, to say why."""
_FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Code:
    """A piece of code of a page: `language` is empty for inline code."""

    page: str
    line: int
    language: str
    text: str
    inline: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@cache
def text_of(page: Path) -> str:
    """The page as it is."""
    return page.read_text("utf-8")


@cache
def prose(page: Path) -> str:
    """The page with its blocks blanked, line by line."""
    return _FENCE.sub(lambda block: "\n" * block.group().count("\n"), text_of(page))


@cache
def blocks(page: Path) -> tuple[Code, ...]:
    """The fenced blocks."""
    text = text_of(page)
    return tuple(
        Code(page.name, text.count("\n", 0, block.start()) + 2, block.group(1), block.group(2), inline=False)
        for block in _FENCE.finditer(text)
    )


@cache
def inline(page: Path) -> tuple[Code, ...]:
    """The pieces of inline code."""
    text = prose(page)
    return tuple(
        Code(page.name, text.count("\n", 0, span.start()) + 1, "", span.group(1).replace("\\|", "|"), inline=True)
        for span in _INLINE.finditer(text)
    )


def all_inline(*, but: tuple[str, ...] = ()) -> list[Code]:
    """The inline code of all pages."""
    return [code for page in PAGES if page.name not in but for code in inline(page)]


def all_blocks() -> list[Code]:
    """The blocks of all pages."""
    return [code for page in PAGES for code in blocks(page)]


def shell_lines() -> Iterator[Code]:
    """What a reader would type: lines behind a prompt, lines of shell blocks, and inline code."""
    for code in all_blocks():
        for number, line in enumerate(code.text.splitlines()):
            typed = re.sub(r"^[$#] ", "", line) if code.language == "console" else line
            if code.language == "sh" or (code.language == "console" and typed != line):
                yield Code(code.page, code.line + number, code.language, typed, inline=False)
    yield from all_inline()


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(_INLINE.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    made: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        made.append(f"{slug}-{made.count(slug)}" if slug in made else slug)
    return set(made)


def section(page: Path, heading: str) -> str:
    """The text below one heading, as far as the next of the same rank."""
    text = text_of(page)
    begin = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert begin is not None, f"{page.name} has no heading {heading!r}"
    rest = text[begin.end() :]
    end = re.search(rf"^#{{1,{len(begin.group(1))}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def first_cells(table: str) -> set[str]:
    """The names in the first column of the tables of a text: every word in backticks there."""
    cells = re.findall(r"^\| ((?:[^|\\\n]|\\.)*`(?:[^|\\\n]|\\.)*?) \|", table, re.MULTILINE)
    return {name for cell in cells for span in re.findall(r"`([^`]+)`", cell) for name in span.split()}
