"""Tables: a heading row, cells to the right where they are numbers, and a frame that scrolls on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from position_monitor.charts.markup import Markup, element


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Markup | str]], *, words: int = 1) -> Markup:
    """The first `words` columns are words, the others numbers. Without a row there is one that says so."""
    head = element("tr", *(_head(name, number=place >= words) for place, name in enumerate(columns)))
    body = [element("tr", *(_cell(cell, place, words) for place, cell in enumerate(row))) for row in rows]
    if not body:
        body = [element("tr", element("td", "none", colspan=len(columns), class_="nothing"))]
    whole = element("table", element("caption", title), element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=title)


def _head(name: str, *, number: bool) -> Markup:
    return element("th", name, scope="col", class_="number" if number else None)


def _cell(cell: Markup | str, place: int, words: int) -> Markup:
    if place == 0:
        return element("th", cell, scope="row")
    return element("td", cell, class_="number" if place >= words else None)


def facts(pairs: Iterable[tuple[str, Markup | str]]) -> Markup:
    """Names with values, as a definition list."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs))
