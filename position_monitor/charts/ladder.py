"""The price ladder of a position: where it would get out, where it stands, where it was opened.

To scale, but for a liquidation price far off. Vertical, so that it fits a phone: prices upwards, each level a line with
a mark of its own shape, and its words at the right, moved apart where two levels lie close together and joined to their
level by a thin line.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from position_monitor.charts.markup import Markup, element, joined
from position_monitor.charts.scale import Scale, is_drawable, scale_over

WIDTH: Final = 340
AXIS_X: Final = 18
LABEL_X: Final = 52
ROW: Final = 18
"""Height of one line of words."""
FAR: Final = 1
"""A liquidation price further beyond the other levels than this many times their span has a part of the axis that is
not to scale."""
GAP: Final = 34
"""Height of that part."""
CHARACTER: Final = 7.2
"""Width of one character of the words, about; words that would not fit are drawn narrower."""
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
    TO_COME = "to-come"
    """Where the stop goes later, or from where it follows."""


_SHAPES: Final = {
    LevelKind.LIQUIDATION: "M-6,-6 L6,6 M-6,6 L6,-6",
    LevelKind.BACKSTOP: "M-6,-6 H6 V6 H-6 Z",
    LevelKind.STOP: "M-7,-5 H7 L0,7 Z",
    LevelKind.ENTRY: "M-7,0 H7",
    LevelKind.MARK: "M0,-7 L7,0 L0,7 L-7,0 Z",
    LevelKind.TARGET: "M-6,0 A6,6 0 1,0 6,0 A6,6 0 1,0 -6,0 Z",
    LevelKind.TO_COME: "M-6,-4 L0,4 L6,-4",
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
    height = max(200, ROW * (len(drawn) + 1) + 14)
    scale, far = _scale(drawn, height)
    signs = [far if far is not None and one.kind is LevelKind.LIQUIDATION else scale.at(one.price) for one in drawn]
    places = apart(signs, ROW, 12, height - 12)
    rows = [_row(one, sign, place) for one, sign, place in zip(drawn, signs, places, strict=True)]
    axis = _axis(scale, far, height)
    words = "; ".join(one.words for one in drawn)
    heads = (element("title", title), element("desc", words), *axis)
    picture = element(
        "svg",
        joined((*heads, _between(drawn, scale, LevelKind.ENTRY, LevelKind.MARK), *rows)),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        class_="chart ladder",
    )
    notes = ["Dotted: not to scale."] if far is not None else []
    notes += [f"{left_out} more levels are not drawn."] if left_out > 0 else []
    return joined((picture, *(element("p", note, class_="nothing small") for note in notes)))


def _scale(drawn: Sequence[Level], height: float) -> tuple[Scale, float | None]:
    """The axis over all levels; one over the others, and where the liquidation price stands, where it lies far off.

    Otherwise everything between stop and target would be one thick dot beside a liquidation price ten times as far.
    """
    top, bottom = 14.0, height - 14.0
    near = [one.price for one in drawn if one.kind is not LevelKind.LIQUIDATION]
    far = [one.price for one in drawn if one.kind is LevelKind.LIQUIDATION]
    if len(near) > 1 and len(far) == 1:
        low, high = min(near), max(near)
        beyond = max(low - far[0], far[0] - high)
        if beyond > (high - low) * FAR:
            is_below = far[0] < low
            ends = (bottom - GAP, top) if is_below else (bottom, top + GAP)
            return scale_over(near, *ends, margin=0.0), bottom if is_below else top
    return scale_over((one.price for one in drawn), bottom, top, margin=0.0), None


def _axis(scale: Scale, far: float | None, height: float) -> list[Markup]:
    """The axis; dotted where it is not to scale."""
    if far is None:
        return [element("line", x1=AXIS_X, x2=AXIS_X, y1=8, y2=height - 8, class_="axis")]
    near = scale.start if far > scale.start else scale.end
    other = scale.end if far > scale.start else scale.start
    parts = ((near, far, "axis far"), (near, other, "axis"))
    return [element("line", x1=AXIS_X, x2=AXIS_X, y1=one, y2=two, class_=kind) for one, two, kind in parts]


def _row(level: Level, y: float, label_y: float) -> Markup:
    room = WIDTH - LABEL_X - 2
    is_long = len(level.words) * CHARACTER > room
    fit = {"textLength": room, "lengthAdjust": "spacingAndGlyphs"} if is_long else {}
    return element(
        "g",
        element("path", d=f"M{AXIS_X + 9},{y} L{LABEL_X - 6},{label_y}", class_="lead"),
        element("path", d=_SHAPES[level.kind], transform=f"translate({AXIS_X},{y})", class_="sign"),
        element("text", level.words, x=LABEL_X, y=label_y + 4, **fit),
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
