"""Prices over time: several lines, each with its name at its end, and points where something happened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from position_monitor.charts.ladder import apart
from position_monitor.charts.markup import Markup, element, path_data
from position_monitor.charts.plots import nothing
from position_monitor.charts.scale import Scale, is_drawable, scale_over

WIDTH: Final = 360
HEIGHT: Final = 240
LEFT: Final = 58
RIGHT: Final = 282
TOP: Final = 12
BOTTOM: Final = 212
POINTS_MAX: Final = 1_000
"""Points of one line; of more every n-th is drawn."""


class TimeLine(NamedTuple):
    """One price over time. NaN: there was none; the line breaks there."""

    name: str
    kind: str
    """Its class: `mark`, `stop`, `backstop`, `entry`."""
    points: Sequence[tuple[float, float]]
    """In ascending time."""
    holds: bool = True
    """Whether a price holds until the next one; else it is joined to it."""


class TimePoint(NamedTuple):
    """Something that happened at a price."""

    name: str
    x: float
    y: float


def time_lines(lines: Sequence[TimeLine], points: Sequence[TimePoint], *, title: str, x_words: str) -> Markup:
    """The picture; times in the unit of `x_words`, the newest at the right."""
    points = [point for point in points if is_drawable(point.y)]
    xs = [x for line in lines for x, y in line.points if is_drawable(y)] + [point.x for point in points]
    ys = [y for line in lines for _, y in line.points if is_drawable(y)] + [point.y for point in points]
    if not ys:
        return nothing(title)
    across, up = scale_over(xs, LEFT, RIGHT, margin=0.0), scale_over(ys, BOTTOM, TOP)
    drawn = [line for line in lines if any(is_drawable(y) for _, y in line.points)]
    parts = [*_axes(across, up), *(_line(line, across, up) for line in drawn), *_names(drawn, up)]
    parts += [_point(point, across, up) for point in points]
    words = "; ".join(_said(line) for line in drawn)
    heads = (element("title", title), element("desc", words))
    picture = element("svg", *heads, *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="chart plot lines")
    return element("figure", element("figcaption", title), picture, element("p", x_words, class_="quiet"))


def _said(line: TimeLine) -> str:
    values = [y for _, y in line.points if is_drawable(y)]
    return f"{line.name} from {_price(values[0])} to {_price(values[-1])}"


def _axes(across: Scale, up: Scale) -> Iterable[Markup]:
    for y in up.ticks():
        yield element("line", x1=LEFT, x2=RIGHT, y1=up.at(y), y2=up.at(y), class_="grid")
        yield element("text", _price(y), x=LEFT - 5, y=up.at(y) + 4, class_="end")
    yield element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="axis")
    for x in across.ticks(4):
        yield element("text", f"{x:g}", x=across.at(x), y=BOTTOM + 15, class_="middle")


def _line(line: TimeLine, across: Scale, up: Scale) -> Markup:
    every = max(1, math.ceil(len(line.points) / POINTS_MAX))
    chosen = [*line.points[:-1:every], line.points[-1]]
    path: list[str] = []
    is_broken = True
    for x, y in chosen:
        if not is_drawable(y):
            if line.holds and not is_broken:
                path.append(f"H{across.at(x)}")
            is_broken = True
            continue
        here = (across.at(x), up.at(y))
        if is_broken:
            path.append(f"M{here[0]},{here[1]}")
        else:
            path.append(f"H{here[0]} V{here[1]}" if line.holds else f"L{here[0]},{here[1]}")
        is_broken = False
    return element("path", d=path_data(path), class_=f"over {line.kind}")


def _names(lines: Sequence[TimeLine], up: Scale) -> Iterable[Markup]:
    """Each name at the right, beside the last price of its line, moved apart."""
    ends = sorted((up.at(next(y for _, y in reversed(one.points) if is_drawable(y))), one.name) for one in lines)
    places = apart([place for place, _ in ends], 14, TOP, BOTTOM)
    for (_, name), place in zip(ends, places, strict=True):
        yield element("text", name, x=RIGHT + 6, y=place + 4)


def _point(point: TimePoint, across: Scale, up: Scale) -> Markup:
    hint = element("title", f"{point.name} {_price(point.y)}")
    return element("circle", hint, cx=across.at(point.x), cy=up.at(point.y), r=4, class_="point win")


def _price(value: float) -> str:
    """A price for an axis or a sentence: six digits, thousands separated."""
    text = f"{value:.6g}"
    return text if "e" in text or abs(value) < 1000 else f"{float(text):,.10g}"
