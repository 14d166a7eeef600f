"""What is drawn: text stays text, levels lie where their prices are, and anything at all can be drawn or is said."""

from __future__ import annotations

import itertools
import math
import re
from decimal import Decimal
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.charts.ladder import ROW, Level, LevelKind, apart, ladder
from position_monitor.charts.markup import Markup, element, joined, path_data, raw, text
from position_monitor.charts.page import report_page
from position_monitor.charts.plots import BOTTOM, TOP, Bar, Point, Span, histogram, intervals, scatter, step_line
from position_monitor.charts.scale import scale_over
from position_monitor.charts.tables import facts, table
from position_monitor.charts.time_lines import POINTS_MAX, RIGHT, TimeLine, TimePoint, time_lines

D = Decimal
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "\x1b]0;x\x07\u202eabc",
    "</svg></style><b>",
    "&lt;i&gt;",
)


def svg(markup: str) -> ElementTree.Element:
    """The picture in a markup, as XML reads it."""
    [drawn] = re.findall(r"<svg.*?</svg>", markup, re.DOTALL)
    return ElementTree.fromstring(drawn)


def words(markup: str) -> list[str]:
    """The texts of a picture, from the top of the document."""
    return ["".join(one.itertext()) for one in svg(markup).iter("text")]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_text_stays_text_wherever_it_is_put(hostile: str) -> None:
    """In text, in an attribute, in a title, a table, a caption and a heading: no element and no attribute is made."""
    levels = [Level(LevelKind.ENTRY, D(10), hostile), Level(LevelKind.STOP, D(9), hostile)]
    page = report_page(
        hostile,
        (
            element("p", hostile, title=hostile),
            ladder(levels, title=hostile),
            histogram([Bar(hostile, 2, is_loss=True)], title=hostile, x_words=hostile),
            scatter([Point(1, 2, is_loss=False)], title=hostile, x_words=hostile, y_words=hostile),
            intervals([Span(hostile, 0.1, 0.0, 0.2)], title=hostile, x_words=hostile),
            time_lines(
                [TimeLine(hostile, "mark", [(0, 1)])], [TimePoint(hostile, 0, 1)], title=hostile, x_words=hostile
            ),
            table(hostile, (hostile,), ((hostile,),)),
            facts(((hostile, hostile),)),
            joined((hostile,)),
        ),
    )
    shown = Seen(page)
    assert not shown.tags & {"script", "img", "b", "i"}
    assert not {name for name in shown.attributes if name.startswith("on")}
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page)


class Seen(HTMLParser):
    """The elements and attributes that a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_only_markup_is_not_escaped() -> None:
    assert (
        element("p", "a<b", raw("<br>"), None, class_="x", hidden=True, lang=None)
        == '<p class="x" hidden>a&lt;b<br></p>'
    )
    assert isinstance(text("a"), Markup)
    assert len(text("x" * 10_000_000)) < 1_100


def test_a_page_stands_alone() -> None:
    """No script, no outside reference, no style attribute that its own policy would refuse."""
    page = report_page("t", [element("p", "x")])
    assert "script" not in page.lower().replace("script-src", "")
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert " style=" not in page
    assert "default-src 'none'" in page.replace("&#x27;", "'")


def test_levels_lie_where_their_prices_are() -> None:
    """Distances on the picture are in proportion to those of the prices; the highest price is on top."""
    prices = (D(90), D(95), D(100), D(110))
    kinds = (LevelKind.LIQUIDATION, LevelKind.STOP, LevelKind.ENTRY, LevelKind.TARGET)
    levels = [Level(kind, price, f"{kind} {price}") for kind, price in zip(kinds, prices, strict=True)]
    drawn = svg(ladder(levels, title="BTCUSDT"))
    y = {
        group.get("class", "").split()[-1]: float(group.find("path[2]").get("transform").split(",")[1].strip(")"))  # type: ignore[union-attr]
        for group in drawn.iter("g")
    }
    assert y["target"] < y["entry"] < y["stop"] < y["liquidation"]
    assert (y["entry"] - y["target"]) / (y["stop"] - y["entry"]) == pytest.approx(2, abs=0.01)
    assert words(ladder(levels, title="x")) == ["target 110", "entry 100", "stop 95", "liquidation 90"]


def places(markup: str) -> dict[str, float]:
    """By the kind of a level: where its sign stands."""
    found = {}
    for group in svg(markup).iter("g"):
        sign = group.find("path[2]")
        assert sign is not None
        found[group.get("class", "").split()[-1]] = float(sign.get("transform", "").split(",")[1].strip(")"))
    return found


@pytest.mark.parametrize(("liquidation", "sign"), [("40", 1), ("160", -1)])
def test_a_liquidation_price_far_off_leaves_room_for_the_rest(liquidation: str, sign: int) -> None:
    """The others are to scale over nearly all of the height; the part of the axis beyond is dotted, and it is said."""
    kinds = (LevelKind.STOP, LevelKind.ENTRY, LevelKind.TARGET)
    prices = (D(100) - sign, D(100), D(100) + 2 * sign)
    levels = [Level(kind, price, str(kind)) for kind, price in zip(kinds, prices, strict=True)]
    drawn = ladder([*levels, Level(LevelKind.LIQUIDATION, D(liquidation), "liquidation")], title="x")
    y = places(drawn)
    assert (y["liquidation"] - y["stop"]) * sign > 0
    assert (y["entry"] - y["target"]) / (y["stop"] - y["entry"]) == pytest.approx(2, abs=0.02)
    assert abs(y["stop"] - y["target"]) > 100
    assert "not to scale" in drawn
    assert 'class="axis far"' in drawn
    near = ladder([*levels, Level(LevelKind.LIQUIDATION, D(100) - 3 * sign, "liquidation")], title="x")
    assert "not to scale" not in near


def test_words_that_would_not_fit_are_drawn_narrower() -> None:
    [long] = svg(ladder([Level(LevelKind.MARK, D(1), "TP2 (not resting) " + "9" * 40)], title="x")).iter("text")
    [short_one] = svg(ladder([Level(LevelKind.MARK, D(1), "mark 1")], title="x")).iter("text")
    assert float(long.get("textLength", "0")) + float(long.get("x", "0")) <= 340
    assert short_one.get("textLength") is None


def test_a_ladder_without_a_price_says_so() -> None:
    levels = [Level(LevelKind.MARK, D("NaN"), "mark"), Level(LevelKind.STOP, D("Infinity"), "stop")]
    assert "No price" in ladder(levels, title="x")
    many = [Level(LevelKind.TARGET, D(number), f"rung {number}") for number in range(1, 60)]
    assert "35 more levels are not drawn" in ladder(many, title="x")


@given(st.lists(st.floats(12, 400), min_size=1, max_size=20).map(sorted))
def test_labels_never_overlap_and_stay_inside(places: list[float]) -> None:
    moved = apart(places, ROW, 12, 12 + ROW * 24)
    assert all(12 <= place <= 12 + ROW * 24 for place in moved)
    assert all(after - before >= ROW - 0.02 for before, after in itertools.pairwise(moved))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6))
def test_any_values_are_drawn_or_it_is_said(values: list[float]) -> None:
    """Whatever numbers come: well-formed pictures with finite places."""
    points = [Point(value, -value, value < 0) for value in values]
    pictures = [
        scatter(points, title="t", x_words="x", y_words="y"),
        step_line(list(enumerate(values)), title="t", x_words="x", y_words="y"),
        intervals([Span("a", value, value - 1, value + 1) for value in values], title="t", x_words="x"),
        ladder([Level(LevelKind.MARK, D(str(value)), "m") for value in values], title="t"),
        ladder([Level(list(LevelKind)[place], D(str(value)), "m") for place, value in enumerate(values)], title="t"),
        time_lines(
            [
                TimeLine("a", "stop", list(enumerate(values))),
                TimeLine("b", "mark", list(enumerate(values)), holds=False),
            ],
            [TimePoint("p", 0, value) for value in values],
            title="t",
            x_words="x",
        ),
    ]
    for picture in pictures:
        ElementTree.fromstring(f"<div>{picture}</div>")
        drawn = "".join(re.findall(r'(?: d| points| cx| y)="[^"]*"', picture)).lower()
        assert "nan" not in drawn
        assert "inf" not in drawn


def test_bars_are_as_high_as_their_counts() -> None:
    bars = [Bar("-1.0", 2, is_loss=True), Bar("+0.0", 4, is_loss=False), Bar("+0.5", 0, is_loss=False)]
    rects = [float(one.get("height", "0")) for one in svg(histogram(bars, title="t", x_words="x")).iter("rect")]
    assert rects[1] == pytest.approx(2 * rects[0])
    assert rects[2] == 0
    assert "nothing to draw yet" in histogram([], title="t", x_words="x")


@pytest.mark.parametrize("count", [2, 200, 2_900])
def test_a_line_reaches_its_last_point(count: int) -> None:
    """However many points it has: a path is no text that is cut."""
    drawn = svg(step_line([(x, x) for x in range(count)], title="t", x_words="x", y_words="y"))
    [path] = [one.get("d", "") for one in drawn.iter("path") if one.get("class") == "line"]
    assert path.count("H") >= count - 1
    assert path.split()[-1] == f"V{scale_over([0, count - 1], BOTTOM, TOP).at(count - 1)}"


def test_a_path_is_nothing_but_numbers_and_commands() -> None:
    assert path_data(["M1,2", "H-3.5 V1e-05"]) == "M1,2 H-3.5 V1e-05"
    assert path_data(["M1,2", '"><script>']) == ""
    assert path_data(["Mnan,inf"]) == ""


def test_losses_differ_by_shape() -> None:
    """Never by colour alone."""
    drawn = svg(scatter([Point(1, 1, is_loss=False), Point(1, -1, is_loss=True)], title="t", x_words="x", y_words="y"))
    assert [one.tag for one in drawn if (one.get("class") or "").startswith("point")] == ["circle", "path"]


def test_bounds_that_are_not_known_are_words() -> None:
    picture = intervals([Span("hybrid", 0.1, -math.inf, math.inf)], title="t", x_words="x")
    assert "hybrid: +0.100, bounds are not known yet" in words(picture)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1e-9, 2e-9), (-5e8, 7e8), (99_999.5, 100_000.5), (3, 3)])
def test_an_axis_has_a_few_round_marks_inside(low: float, high: float) -> None:
    scale = scale_over([low, high], 0, 100)
    marks = scale.ticks()
    assert 1 <= len(marks) <= 7
    assert all(scale.low - 1e-9 <= mark <= scale.high + 1e-9 for mark in marks)


def test_a_price_over_time_holds_until_the_next_one_and_breaks_where_there_was_none() -> None:
    nan = math.nan
    stop = TimeLine("stop", "stop", [(-4, 10), (-3, 12), (-2, nan), (-1, 12), (0, 12)])
    mark = TimeLine("mark", "mark", [(-4, 13), (-2, 14), (0, 13)], holds=False)
    drawn = svg(time_lines([stop, mark], [TimePoint("filled", -3, 13)], title="t", x_words="hours"))
    paths = {one.get("class"): one.get("d", "") for one in drawn.iter("path")}
    assert paths["over stop"].count("M") == 2
    assert paths["over stop"].count("V") == 2
    assert paths["over mark"].count("L") == 2
    assert [one.tag for one in drawn.iter("circle")] == ["circle"]
    named = [one.text for one in drawn.iter("text") if one.text in ("stop", "mark")]
    assert sorted(map(str, named)) == ["mark", "stop"]
    assert "stop from 10 to 12" in str(drawn.findtext("desc"))


def test_a_long_past_is_drawn_with_a_bounded_number_of_points() -> None:
    line = TimeLine("mark", "mark", [(x, x % 7) for x in range(50_000)], holds=False)
    [path] = [one.get("d", "") for one in svg(time_lines([line], [], title="t", x_words="x")).iter("path")]
    assert POINTS_MAX // 2 < path.count("L") <= POINTS_MAX + 1
    assert float(path.rpartition("L")[2].split(",")[0]) == RIGHT
