"""The bench's own arithmetic and what it writes."""

from __future__ import annotations

import json
import random
from xml.etree import ElementTree

import pytest

from tests.bench import __main__ as bench
from tests.bench import cold_start, fill_to_stop, plot, quiet_cost, report
from tests.bench.exposure import Exposure
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


def waited(cause, lasted_ms):
    return Exposure("X", cause, 1_000, None if lasted_ms is None else 1_000 + lasted_ms)


@pytest.mark.parametrize(
    ("lasted_ms", "never", "limited", "met"),
    [(30, False, 0, True), (31, False, 0, False), (30, True, 0, False), (30, False, 1, False)],
)
def test_fills_are_judged_without_the_latency_of_the_venue(lasted_ms, never, limited, met):
    found = [waited("opened", lasted_ms) for _ in range(100)] + [waited("grown", 0), waited("flipped", 30)]
    found += [waited("opened", None)] if never else []
    figure = fill_to_stop.figure(found, 7, 20, 100.0, limited, [1.5])
    assert figure.met is met
    assert (figure.values["samples"], figure.values["median_ms"]) == (101, lasted_ms - 20)
    assert figure.values["grown_covered_at_once"] == 1


def test_one_slow_fill_in_a_hundred_is_beyond_the_99th_percentile_and_two_are_not():
    quick = [waited("opened", 25) for _ in range(99)]
    assert fill_to_stop.figure([*quick, waited("opened", 900)], 7, 20, 0, 0, [1.5]).met is True
    assert fill_to_stop.figure([*quick, waited("opened", 900), waited("opened", 900)], 7, 20, 0, 0, [1.5]).met is False


def accepted(sequence, at_ms, symbol, kind):
    return {
        "sequence": sequence,
        "at_ms": at_ms,
        "kind": "order_accepted",
        "origin": "api",
        "symbol": symbol,
        "detail": {"type": kind},
    }


def test_a_cold_start_ends_with_the_last_position_that_got_its_first_stop():
    journal = [
        accepted(1, 100, "A", "STOP_MARKET"),
        accepted(2, 150, "B", "STOP_MARKET"),
        accepted(3, 160, "A", "TAKE_PROFIT_MARKET"),
        accepted(4, 900, "A", "STOP_MARKET"),
    ]
    start = cold_start.Start.of(journal, 90)
    assert (start.stops, start.targets, start.last_stop_ms, start.last_order_ms) == (2, 1, 150, 900)
    assert start.stops_first


def test_a_take_profit_before_the_last_stop_misses_the_bar():
    journal = [
        accepted(1, 100, "A", "STOP_MARKET"),
        accepted(2, 110, "A", "TAKE_PROFIT_MARKET"),
        accepted(3, 120, "B", "STOP_MARKET"),
    ]
    start = cold_start.Start.of(journal, 90)
    assert not start.stops_first
    assert cold_start.figure(start, 2, 0, 0, 0).met is False


@pytest.mark.parametrize(("took_ms", "limited", "met"), [(4_216, 0, True), (4_217, 0, False), (100, 1, False)])
def test_a_cold_start_is_judged_by_the_order_budget(took_ms, limited, met):
    """100 orders at 30 a second and two round trips of 20 ms, and a quarter more: 4,216.7 ms."""
    start = cold_start.Start(100, 0, 0, 0, took_ms, took_ms, True)
    assert cold_start.figure(start, 100, 20, 0, limited).met is met


def cost(positions, **changes):
    measured = {
        "seconds": 120.0, "cycles": 12, "cycle_cpu_ms": 4.0, "least_cpu_ms": 3.0, "most_cpu_ms": 5.0,
        "all_cpu_ms": 9.0, "between_cpu_ms": 0.5,
        "weight_1m": 360.0, "rss_mib": 130.0, "pss_mib": 100.0, "wrote": 0, "stops_accepted_s": 1.0, "cap": 200,
    }  # fmt: skip
    return quiet_cost.Cost(positions=positions, **{**measured, **changes})


@pytest.mark.parametrize(
    ("measured", "marks"),
    [
        (cost(50), [True, None, True]),
        (cost(50, weight_1m=360.1), [False, None, True]),
        (cost(7), [None, True, True]),
        (cost(7, cycle_cpu_ms=5.1, rss_mib=130.1), [None, False, False]),
        (cost(200, cycle_cpu_ms=60.1), [None, False, True]),
        (cost(1_000, cap=1_000), [None, None, True]),
    ],
)
def test_quiet_costs_are_judged_where_something_was_promised(measured, marks):
    assert [figure.met for figure in quiet_cost.figures([measured])] == marks


def test_the_cpu_of_a_cycle_is_told_from_what_runs_all_the_time():
    """Cycles of 20 and 30 ms, and 3 ms a second besides."""
    found = [quiet_cost.Stretch(3, 0.020 + 3 * 0.003), quiet_cost.Stretch(3.1, 0.030 + 3.1 * 0.003)]
    between = [quiet_cost.Stretch(7, 0.020), quiet_cost.Stretch(7, 0.022)]
    cycles_s, besides = quiet_cost.per_cycle(found, between)
    assert (cycles_s, besides) == (pytest.approx([0.020, 0.030]), pytest.approx(0.003))


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
