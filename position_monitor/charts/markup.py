"""Markup that is escaped by construction: a child that is no `Markup` is text, whatever stands in it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

TEXT_LENGTH_MAX: Final = 1_000
"""Characters of one text on a page; what is longer ends with an ellipsis."""
_HARMFUL: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, invisible and directional marks, private use, halves of pairs, line separators."""
_PATH: Final = re.compile(r"[-+.,0-9eMLHV ]*")
_VOID: Final = frozenset({"meta", "link", "input", "br", "hr"})


class Markup(str):
    """Text that is markup already. Only `element` and `joined` make it; `raw` is for constants of this program."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Anything as harmless, escaped and bounded text; quotes too, so that it can stand in an attribute."""
    plain = str(value)[: TEXT_LENGTH_MAX + 1]
    if len(plain) > TEXT_LENGTH_MAX:
        plain = plain[:TEXT_LENGTH_MAX] + "…"
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(char for char in plain if unicodedata.category(char) not in _HARMFUL)
    return Markup(html.escape(plain, quote=True))


def raw(constant: str) -> Markup:
    """A constant of this program that is markup. Never for a value that came from outside."""
    return Markup(constant)


def path_data(steps: Iterable[str]) -> Markup:
    """The data of a drawn path, however long: numbers and the letters of its commands, else nothing."""
    data = " ".join(steps)
    return Markup(data if _PATH.fullmatch(data) else "")


def joined(children: Iterable[Markup | str | None]) -> Markup:
    """Children side by side; None is nothing."""
    return Markup("".join(one if isinstance(one, Markup) else text(one) for one in children if one is not None))


def element(tag: str, /, *children: Markup | str | None, **attributes: object) -> Markup:
    """One element. `class_` is `class`, an underscore inside a name is a hyphen; None leaves an attribute out.

    `True` is an attribute without a value. A hyphen in a name of SVG that has capitals (`viewBox`) is not needed.
    """
    parts = [tag]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        shown = value if isinstance(value, Markup) else text(value)
        parts.append(label if value is True else f'{label}="{shown}"')
    opening = " ".join(parts)
    if tag in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{joined(children)}</{tag}>")
