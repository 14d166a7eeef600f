"""The price ladder of a position, to scale: where it would get out, where it stands, where it was opened.

Vertical, so that it fits a phone: prices upwards, each level a line with a mark of its own shape, and its words at the
right, moved apart where two levels lie close together and joined to their level by a thin line.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from position_monitor.charts.markup import Markup, element, joined
from position_monitor.charts.scale import Scale, is_drawable, scale_over

WIDTH: Final = 340
AXIS_X: Final = 30
LABEL_X: Final = 78
ROW: Final = 17
"""Height of one line of words."""
LEVELS_MAX: Final = 24
"""A ladder with more would be no picture; the first ones are drawn, and the rest is counted below."""


class LevelKind(StrEnum):
    """What a level is; each has a shape and a class of its own."""

    LIQUIDATION = "liquidation"
    BACKSTOP = "backstop"
    STOP = "stop"
    ENTRY = "entry"
    MARK = "mark"
    TARGET = "target"
    TARGET_WANTED = "target-wanted"
    """A rung that does not rest."""


_SHAPES: Final = {
    LevelKind.LIQUIDATION: "M-6,-6 L6,6 M-6,6 L6,-6",
    LevelKind.BACKSTOP: "M-6,-6 H6 V6 H-6 Z",
    LevelKind.STOP: "M-7,-5 H7 L0,7 Z",
    LevelKind.ENTRY: "M-7,0 H7",
    LevelKind.MARK: "M0,-7 L7,0 L0,7 L-7,0 Z",
    LevelKind.TARGET: "M-6,0 A6,6 0 1,0 6,0 A6,6 0 1,0 -6,0 Z",
    LevelKind.TARGET_WANTED: "M-6,0 A6,6 0 1,0 6,0 A6,6 0 1,0 -6,0 Z",
}


class Level(NamedTuple):
    """One price with its words: `stop 98,500 -1.50 % -1.00 R`."""

    kind: LevelKind
    price: Decimal
    words: str


def ladder(levels: Sequence[Level], *, title: str) -> Markup:
    """The picture. Levels without a finite price are left out; without any it says so in words."""
    drawn = sorted((one for one in levels if is_drawable(one.price)), key=lambda one: -one.price)
    if not drawn:
        return element("p", "No price of this position can be drawn.", class_="nothing")
    left_out, drawn = len(drawn) - LEVELS_MAX, drawn[:LEVELS_MAX]
    height = max(150, ROW * (len(drawn) + 1) + 14)
    scale = scale_over((one.price for one in drawn), height - 14, 14, margin=0.0)
    places = apart([scale.at(one.price) for one in drawn], ROW, 12, height - 12)
    rows = [_row(one, scale, place) for one, place in zip(drawn, places, strict=True)]
    axis = element("line", x1=AXIS_X, x2=AXIS_X, y1=8, y2=height - 8, class_="axis")
    words = "; ".join(one.words for one in drawn)
    heads = (element("title", title), element("desc", words), axis)
    picture = element(
        "svg",
        joined((*heads, _between(drawn, scale, LevelKind.ENTRY, LevelKind.MARK), *rows)),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        class_="chart ladder",
    )
    note = f"{left_out} more levels are not drawn." if left_out > 0 else None
    return joined((picture, element("p", note, class_="nothing") if note else None))


def _row(level: Level, scale: Scale, label_y: float) -> Markup:
    y = scale.at(level.price)
    return element(
        "g",
        element("path", d=f"M{AXIS_X + 9},{y} L{LABEL_X - 6},{label_y}", class_="lead"),
        element("path", d=_SHAPES[level.kind], transform=f"translate({AXIS_X},{y})", class_="sign"),
        element("text", level.words, x=LABEL_X, y=label_y + 4),
        class_=f"level {level.kind}",
    )


def _between(levels: Sequence[Level], scale: Scale, one: LevelKind, other: LevelKind) -> Markup | None:
    """A thick stretch of the axis between entry and mark: what is won or lost by now."""
    prices = {level.kind: level.price for level in levels}
    if one not in prices or other not in prices:
        return None
    ends = (scale.at(prices[one]), scale.at(prices[other]))
    return element("line", x1=AXIS_X, x2=AXIS_X, y1=min(ends), y2=max(ends), class_="stretch")


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places moved so far that each is `gap` below the one before, all between `low` and `high`.

    The room must hold them all: (n - 1) x gap <= high - low.
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap if moved else low))
    limit = high
    for number in range(len(moved) - 1, -1, -1):
        moved[number] = min(moved[number], limit)
        limit = moved[number] - gap
    return [round(place, 2) for place in moved]
