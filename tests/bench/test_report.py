"""The bench's own arithmetic and what it writes."""

from __future__ import annotations

import json
import random
from xml.etree import ElementTree

import pytest

from tests.bench import __main__ as bench
from tests.bench import plot, report
from tests.bench.figures import Figure, Spread
from tests.bench.processes import BenchFailed

WHERE = {
    "command": "make bench",
    "date": "2026-01-02",
    "commit": "abc1234",
    "cores": 2,
    "cpu": "some",
    "memory_gib": 8,
    "python": "3.11.9",
    "system": "Linux 6.1",
    "load_1m": 0.1,
}


@pytest.mark.parametrize(
    ("samples", "median", "p99", "largest"),
    [
        ([7], 7, 7, 7),
        ([1, 2], 1, 2, 2),
        ([1, 2, 3], 2, 3, 3),
        (range(1, 101), 50, 99, 100),
        (range(1, 201), 100, 198, 200),
    ],
)
def test_ranks_are_samples_that_were_taken(samples, median, p99, largest):
    shuffled = random.Random(1).sample(list(samples), len(samples))
    assert Spread.of(shuffled) == Spread(len(shuffled), median, p99, largest)


def test_no_samples_are_no_figure():
    with pytest.raises(ValueError, match="no sample"):
        Spread.of([])


FIGURES = [
    Figure("row", "one", "1 ms", "<= 2 ms", True, {"median_ms": 1}),
    Figure("row", "two", "3 | 4 ms", "<= 2 ms", False, {"median_ms": 3}),
    Figure("other", "", "5 MiB", values={"rss_mib": 5}),
]


def test_the_page_gets_the_new_table_and_keeps_the_rest():
    page = f"# Title\n{report.BEGIN}\nold\n{report.END}\nrest\n"
    written = report.replaced(page, report.markdown(FIGURES, WHERE))
    assert written.startswith("# Title\n") and written.endswith(f"{report.END}\nrest\n")
    assert "old" not in written
    assert "| row | one | 1 ms | <= 2 ms | met |" in written
    assert "|  | two | 3 / 4 ms | <= 2 ms | MISSED |" in written
    assert report.replaced(written, report.markdown(FIGURES, WHERE)) == written
    with pytest.raises(ValueError, match="the page has no"):
        report.replaced("# Title", "table")


def test_the_json_names_row_case_bar_and_machine(tmp_path):
    report.write_json(tmp_path / "bench.json", FIGURES, WHERE)
    read = json.loads((tmp_path / "bench.json").read_text())
    assert read["machine"]["commit"] == "abc1234"
    assert read["figures"][0] == {"row": "row", "case": "one", "bar": "<= 2 ms", "met": True, "median_ms": 1}


def test_the_table_shows_every_figure(capsys):
    report.show(FIGURES, WHERE)
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("1 ms", "3 | 4 ms", "5 MiB", "met", "MISSED", "make bench"))


def test_the_plot_is_a_picture_of_its_points():
    points = [(7, 4.0), (50, 9.0), (1_000, 80.0)]
    panels = [plot.Panel("a < b", points, [(7, 5)]), plot.Panel("c", points, logarithmic=True)]
    root = ElementTree.fromstring(plot.svg(panels))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}circle")) == 6
    for panel in root.findall(f"./{space}g"):
        heights = [float(circle.get("cy", "")) for circle in panel.findall(f"{space}circle")]
        assert heights == sorted(heights, reverse=True)
    assert {"1,000", "a < b", "bar 5"} <= {text.text for text in root.iter(f"{space}text")}


@pytest.mark.parametrize(("value", "top"), [(0, 0), (0.9, 1), (1, 2), (35, 40), (74, 100), (900, 1_000), (950, 2_000)])
def test_axes_end_on_round_numbers(value, top):
    assert plot.nice(value) == pytest.approx(top, abs=1e-6)


def test_rows_are_chosen_by_name_and_unknown_ones_refused(capsys):
    assert bench.options(["--rows", "fills, cold"], ["fills", "cold", "quiet"]).rows == ["fills", "cold"]
    assert bench.options([], ["fills", "freqtrade"]).rows == ["fills", "freqtrade"]
    assert bench.options(["--quick"], ["fills", "freqtrade"]).rows == ["fills"]
    assert bench.options(["--quick", "--rows", "freqtrade"], ["fills", "freqtrade"]).rows == ["freqtrade"]
    with pytest.raises(SystemExit):
        bench.options(["--rows", "naps"], ["fills"])
    assert "no such row: naps" in capsys.readouterr().err


def test_a_case_that_cannot_be_measured_is_a_missed_bar_and_the_others_go_on(capsys):
    running = bench.Bench(quick=True)

    def broken():
        raise BenchFailed("the venue is gone")

    running.attempt("fill to stop", broken)
    running.attempt("row", lambda: FIGURES[:1])
    assert [figure.met for figure in running.figures] == [False, True]
    assert "the venue is gone" in running.figures[0].shown
    assert "MISSED" in capsys.readouterr().err
