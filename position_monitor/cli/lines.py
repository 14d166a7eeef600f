"""Lines that fit a terminal: long text hangs below its beginning. Wide characters count two columns."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.text import Text


def hanging(text: str, width: int, indent: str = "  ") -> list[str]:
    """The words of the text in lines of at most `width` columns, from the second one on behind `indent`.

    A word that is wider than a line stands on one of its own. Blanks at the beginning of the text stay.
    """
    before = text[: len(text) - len(text.lstrip())]
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{indent if lines else before}{word}")
    return lines


def flowed(parts: Iterable[Text], between: str, width: int) -> list[Text]:
    """The parts behind each other in lines of at most `width` columns; none is broken."""
    lines: list[Text] = []
    for part in parts:
        if lines and cell_len(lines[-1].plain) + len(between) + cell_len(part.plain) <= width:
            lines[-1].append(between).append_text(part)
        else:
            lines.append(Text().append_text(part))
    return lines
