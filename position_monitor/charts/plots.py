"""Histogram, scatter, step line and interval bar. Each is one picture with a title, axes in words, and a description
for those who hear it. Without values it says so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from position_monitor.charts.markup import Markup, element, path_data
from position_monitor.charts.scale import Number, Scale, finite, is_drawable, scale_over, short

WIDTH: Final = 360
HEIGHT: Final = 200
LEFT: Final = 44
RIGHT: Final = 350
TOP: Final = 12
BOTTOM: Final = 180
POINTS_MAX: Final = 3_000
"""Points of one picture; of more every n-th is drawn, and it is said."""


class Bar(NamedTuple):
    """One bar of a histogram: its words below and how many."""

    label: str
    height: int
    is_loss: bool


class Point(NamedTuple):
    """One point of a scatter."""

    x: Number
    y: Number
    is_loss: bool


def histogram(bars: Sequence[Bar], *, title: str, x_words: str) -> Markup:
    """Bars from 0; losses are hatched lines in another colour, so that they differ without colour too."""
    most = max((bar.height for bar in bars), default=0)
    if not most:
        return nothing(title)
    up = Scale(0, most, BOTTOM, TOP)
    wide = (RIGHT - LEFT) / len(bars)
    every = max(1, math.ceil(len(bars) / 8))
    parts: list[Markup | None] = [*_y_axis(up, whole=True)]
    for number, bar in enumerate(bars):
        x, top = LEFT + number * wide, up.at(bar.height)
        kind = "bar loss" if bar.is_loss else "bar win"
        hint = element("title", f"{bar.label}: {bar.height}")
        size = {"x": round(x + 1, 2), "y": top, "width": round(wide - 2, 2), "height": round(BOTTOM - top, 2)}
        parts.append(element("rect", hint, class_=kind, **size))
        if number % every == 0:
            parts.append(element("text", bar.label, x=round(x + wide / 2, 2), y=BOTTOM + 14, class_="middle"))
    words = ", ".join(f"{bar.label}: {bar.height}" for bar in bars if bar.height)
    return _picture(title, words, x_words, parts)


def scatter(points: Sequence[Point], *, title: str, x_words: str, y_words: str) -> Markup:
    """Points of two kinds: a disc for a win, a cross for a loss. Lines stand at zero."""
    drawn = [point for point in points if is_drawable(point.x) and is_drawable(point.y)]
    if not drawn:
        return nothing(title)
    every = math.ceil(len(drawn) / POINTS_MAX)
    across = scale_over([0, *(point.x for point in drawn)], LEFT, RIGHT)
    up = scale_over([0, *(point.y for point in drawn)], BOTTOM, TOP)
    parts: list[Markup | None] = [*_y_axis(up), *_x_axis(across), _zero(across, up)]
    for point in drawn[::every]:
        parts.append(_point(across.at(point.x), up.at(point.y), is_loss=point.is_loss))
    sample = f" (every {every}th point)" if every > 1 else ""
    desc = f"{len(drawn)} points; x {_span(point.x for point in drawn)}, y {_span(point.y for point in drawn)}"
    return _picture(title, desc, f"{x_words}, upwards {y_words}{sample}", parts)


def step_line(points: Sequence[tuple[Number, Number]], *, title: str, x_words: str, y_words: str) -> Markup:
    """A value that holds until the next one; points in ascending x."""
    drawn = [(x, y) for x, y in points if is_drawable(x) and is_drawable(y)]
    if not drawn:
        return nothing(title)
    every = math.ceil(len(drawn) / POINTS_MAX)
    shown = [*drawn[::every], drawn[-1]]
    across = scale_over((x for x, _ in drawn), LEFT, RIGHT, margin=0.0)
    up = scale_over([0, *(y for _, y in drawn)], BOTTOM, TOP)
    path = [f"M{across.at(shown[0][0])},{up.at(shown[0][1])}"]
    path += [f"H{across.at(x)} V{up.at(y)}" for x, y in shown[1:]]
    zero = element("line", x1=LEFT, x2=RIGHT, y1=up.at(0), y2=up.at(0), class_="zero")
    line = element("path", d=path_data(path), class_="line")
    ends = f"from {short(drawn[0][1])} to {short(drawn[-1][1])}, {_span(y for _, y in drawn)}"
    parts: list[Markup | None] = [*_y_axis(up), *_x_axis(across), zero, line]
    return _picture(title, ends, f"{x_words}, upwards {y_words}", parts)


class Span(NamedTuple):
    """One row of an interval bar: a mean with its bounds; infinite bounds are not known yet."""

    label: str
    mean: float
    low: float
    high: float


def intervals(spans: Sequence[Span], *, title: str, x_words: str) -> Markup:
    """Means as dots on bars from bound to bound, with a line at zero. A row without bounds is a dot and says so."""
    if not any(math.isfinite(span.mean) for span in spans):
        return nothing(title)
    row, top = 34, 8
    height = top + row * len(spans) + 22
    across = scale_over([0, *(value for span in spans for value in finite(span[1:]))], LEFT, RIGHT)
    bottom = top + row * len(spans)
    parts: list[Markup | None] = [*_x_axis(across, bottom)]
    zero = across.at(0)
    parts.append(element("line", x1=zero, x2=zero, y1=top, y2=bottom, class_="zero"))
    said = []
    for number, span in enumerate(spans):
        y = top + row * number + 24
        bounded = math.isfinite(span.low) and math.isfinite(span.high)
        bounds = f"{span.low:+.3f} to {span.high:+.3f}" if bounded else "bounds are not known yet"
        said.append(f"{span.label}: {span.mean:+.3f}, {bounds}")
        parts.append(element("text", said[-1], x=4, y=y - 10))
        if bounded:
            parts.append(element("path", d=_span_path(across.at(span.low), across.at(span.high), y), class_="span"))
        if math.isfinite(span.mean):
            parts.append(element("circle", cx=across.at(span.mean), cy=y, r=4, class_="dot"))
    return _picture(title, "; ".join(said), x_words, parts, height=height)


def _span_path(low: float, high: float, y: float) -> str:
    return f"M{low},{y - 5} V{y + 5} M{low},{y} H{high} M{high},{y - 5} V{y + 5}"


def nothing(title: str) -> Markup:
    """What stands where there is nothing to draw."""
    return element("p", f"{title}: nothing to draw yet.", class_="nothing")


def _picture(
    title: str,
    words: str,
    x_words: str,
    parts: Sequence[Markup | None],
    *,
    height: int = HEIGHT,
) -> Markup:
    """The words of the axes stand below as text, so that no screen cuts them."""
    heads = (element("title", title), element("desc", words))
    drawn = element("svg", *heads, *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", class_="chart plot")
    return element("figure", element("figcaption", title), drawn, element("p", x_words, class_="quiet"))


def _y_axis(up: Scale, *, whole: bool = False) -> list[Markup]:
    marks = [value for value in up.ticks() if not whole or value == int(value)]
    lines = [element("line", x1=LEFT, x2=RIGHT, y1=up.at(one), y2=up.at(one), class_="grid") for one in marks]
    return lines + [element("text", short(one), x=LEFT - 5, y=up.at(one) + 4, class_="end") for one in marks]


def _x_axis(across: Scale, bottom: float = BOTTOM) -> list[Markup]:
    line = element("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="axis")
    return [line, *(element("text", short(x), x=across.at(x), y=bottom + 14, class_="middle") for x in across.ticks())]


def _zero(across: Scale, up: Scale) -> Markup:
    x, y = across.at(0), up.at(0)
    return element("path", d=f"M{LEFT},{y} H{RIGHT} M{x},{TOP} V{BOTTOM}", class_="zero")


def _point(x: float, y: float, *, is_loss: bool) -> Markup:
    if is_loss:
        path = f"M{x - 3},{y - 3} L{x + 3},{y + 3} M{x - 3},{y + 3} L{x + 3},{y - 3}"
        return element("path", d=path, class_="point loss")
    return element("circle", cx=x, cy=y, r=3, class_="point win")


def _span(values: Iterable[Number]) -> str:
    drawn = finite(values)
    return f"between {short(min(drawn))} and {short(max(drawn))}"
