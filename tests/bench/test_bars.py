"""What each row of the bench is judged by: met at the bar, missed just beyond it."""

from __future__ import annotations

import pytest

from position_monitor.edge.venues.binance.reads import orders_from, positions_from
from position_monitor.edge.venues.transport import Endpoint, parse_json
from tests.bench import (
    cold_start,
    fill_to_stop,
    freqtrade_peer,
    full_memory,
    page,
    planner,
    quiet_cost,
    quiet_figures,
    readiness,
)
from tests.bench.exposure import Exposure
from tests.bench.figures import Spread


def waited(cause, lasted_ms):
    return Exposure("X", cause, 1_000, None if lasted_ms is None else 1_000 + lasted_ms)


@pytest.mark.parametrize(
    ("lasted_ms", "never", "limited", "met"),
    [(26, False, 0, True), (27, False, 0, False), (26, True, 0, False), (26, False, 1, False)],
)
def test_fills_are_judged_against_bare_requests_without_the_latency_of_the_venue(lasted_ms, never, limited, met):
    """The bare request takes 2 ms beyond the 20 ms of the venue, so 6 ms are allowed."""
    found = [waited("opened", lasted_ms) for _ in range(100)] + [waited("grown", 0), waited("flipped", 26)]
    found += [waited("opened", None)] if never else []
    figure = fill_to_stop.figure(found, 7, 20, 100.0, limited, [22.0])
    assert figure.met is met
    assert (figure.values["samples"], figure.values["median_ms"]) == (101, lasted_ms - 20)
    assert figure.values["grown_covered_at_once"] == 1
    assert figure.values["median_ratio"] == (lasted_ms - 20) / 2


def test_one_slow_fill_in_a_hundred_is_beyond_the_99th_percentile_and_two_are_not():
    quick, asked_ms = [waited("opened", 25) for _ in range(99)], [22.0]
    assert fill_to_stop.figure([*quick, waited("opened", 900)], 7, 20, 0, 0, asked_ms).met is True
    two = [*quick, waited("opened", 900), waited("opened", 900)]
    assert fill_to_stop.figure(two, 7, 20, 0, 0, asked_ms).met is False


@pytest.mark.parametrize(("slowest_ms", "met"), [(220, True), (221, False)])
def test_the_99th_percentile_of_fills_is_held_against_that_of_the_bare_requests(slowest_ms, met):
    """The slowest bare request takes 50 ms beyond the latency."""
    found = [*(waited("opened", 22) for _ in range(9)), waited("opened", slowest_ms)]
    assert fill_to_stop.figure(found, 7, 20, 0, 0, [*([22.0] * 9), 70.0]).met is met


def accepted(sequence, at_ms, symbol, kind, *, became="order_accepted"):
    return {
        "sequence": sequence,
        "at_ms": at_ms,
        "kind": became,
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
    assert cold_start.figure([cold_start.Attempt(start, 0, 0)], 2, 0).met is False


def test_a_refused_take_profit_before_the_last_stop_was_sent_before_it():
    journal = [
        accepted(1, 100, "A", "STOP_MARKET"),
        accepted(2, 110, "A", "TAKE_PROFIT_MARKET", became="order_refused"),
        accepted(3, 120, "B", "STOP_MARKET"),
    ]
    start = cold_start.Start.of(journal, 90)
    assert (start.stops_first, start.refused, start.targets) == (False, 1, 0)


@pytest.mark.parametrize(("arrived_at_ms", "stops_first"), [(160, True), (159, False)])
def test_a_take_profit_under_way_when_the_last_stop_was_accepted_was_sent_before_it(arrived_at_ms, stops_first):
    """Of a round trip of 80 ms an order is 40 ms on its way."""
    journal = [accepted(1, 120, "A", "STOP_MARKET"), accepted(2, arrived_at_ms, "A", "TAKE_PROFIT_MARKET")]
    assert cold_start.Start.of(journal, 90, 80).stops_first is stops_first


@pytest.mark.parametrize(("took_ms", "limited", "met"), [(4_216, 0, True), (4_217, 0, False), (100, 1, False)])
def test_a_cold_start_is_judged_by_the_order_budget(took_ms, limited, met):
    """100 orders at 30 a second and two round trips of 20 ms, and a quarter more: 4,216.7 ms."""
    start = cold_start.Start(100, 0, 0, 0, took_ms, took_ms, True)
    assert cold_start.figure([cold_start.Attempt(start, 0, limited)], 100, 20).met is met


@pytest.mark.parametrize(
    ("took_ms", "stops", "met"),
    [((100, 200, 9_000), 100, True), ((100, 9_000, 9_000), 100, False), ((1, 1), 99, False)],
)
def test_of_several_cold_starts_the_median_counts_and_no_position_may_be_left_out_of_any(took_ms, stops, met):
    starts = [cold_start.Start(100, 0, 0, 0, ms, ms, True) for ms in took_ms]
    starts += [cold_start.Start(stops, 0, 0, 0, 1, 1, True)] if stops < 100 else []
    assert cold_start.figure([cold_start.Attempt(start, 0, 0) for start in starts], 100, 20).met is met


def cost(positions, *turns_ms, **changes):
    measured = {
        "seconds": 120.0, "cycles": 12, "cycle_cpu_ms": 4.0, "least_cpu_ms": 3.0, "most_cpu_ms": 5.0,
        "turns_cpu_ms": turns_ms, "bare_cpu_ms": (), "bare_idle_cpu_ms": 0.0, "all_cpu_ms": 9.0, "between_cpu_ms": 0.5,
        "weight_1m": 288.0, "rss_mib": 100.0, "pss_mib": 90.0, "wrote": 0, "stops_accepted_s": 1.0, "cap": 200,
    }  # fmt: skip
    return quiet_cost.Cost(positions=positions, **{**measured, **changes})


@pytest.mark.parametrize(
    ("measured", "marks"),
    [
        (cost(50, 9.0), [True, None, None]),
        (cost(50, 9.0, weight_1m=288.1), [False, None, None]),
        (cost(7, 4.0, rss_mib=300.0), [None, None, None]),
        (cost(7, 6.0, bare_cpu_ms=(0.5,)), [None, True, None]),
        (cost(7, 6.1, bare_cpu_ms=(0.5,)), [None, False, None]),
        (cost(200, 60.0), [None, None, True]),
        (cost(200, 60.0, rss_mib=100.1), [None, None, False]),
        (cost(1_000, 400.0, cap=1_000, rss_mib=130.0), [None, None, True]),
        (cost(1_000, 400.0, cap=1_000, rss_mib=130.1), [None, None, False]),
    ],
)
def test_quiet_costs_are_judged_where_something_was_promised(measured, marks):
    assert [figure.met for figure in quiet_figures.figures([measured])] == marks


@pytest.mark.parametrize(
    ("at_200", "at_1000", "marks"),
    [(48.0, 336.0, (True, True)), (48.1, 336.0, (False, True)), (48, 337, (True, False))],
)
def test_growth_is_judged_between_accounts_of_the_same_run(at_200, at_1000, marks):
    costs = [cost(7, 4.0), cost(200, at_200), cost(1_000, at_1000)]
    judged = {figure.values["positions"]: figure.met for figure in quiet_figures.figures(costs)[3:6]}
    assert (judged[200], judged[1_000]) == marks


def test_an_account_that_never_rests_is_a_missed_bar():
    (figure,) = quiet_figures.unmeasured({1_000: "within 160 s this never became true"})
    assert (figure.case, figure.met) == ("1000 positions", False)
    assert "160 s" in figure.shown


def test_costs_are_compared_within_a_turn_and_the_median_turn_counts():
    """The machine becomes three times as slow from turn to turn; the growth is 10, 13 and 11 times."""
    ratios = quiet_figures.cpu_ratios([cost(7, 1.0, 3.0, 9.0), cost(200, 10.0, 39.0, 99.0)])
    assert ratios[200].measured == pytest.approx(11)
    assert ratios[200].met


@pytest.mark.parametrize(("ready_s", "latency_ms", "met"), [(1.5, 0, True), (1.6, 0, False), (1.6, 20, None)])
def test_a_start_is_judged_by_the_imports_just_before_it(ready_s, latency_ms, met):
    """Ratios of 1 and 3 besides: the median counts."""
    figure = readiness.figure([(2.0, 1.0), (ready_s, 1.0), (9.0, 1.0)], [2.0, 1.0, 3.0], 7, latency_ms)
    assert figure.met is met


@pytest.mark.parametrize(("decide_us", "met"), [(40.0, True), (40.1, False)])
def test_deciding_is_judged_by_parsing_the_same_rows(decide_us, met):
    rounds = [planner.Round(10, 10), planner.Round(decide_us, 10), planner.Round(900, 10)]
    assert planner.figure("some", rounds, bar=True).met is met
    assert planner.figure("some", rounds, bar=False).met is None


def test_the_rows_that_are_parsed_are_those_that_are_decided_from():
    """Read by the edge, the texts give the very positions and orders of the look."""
    observed, _, _ = look = planner.looks()[0]
    positions, orders = map(parse_json, planner.texts_of(look))
    levers = dict.fromkeys(observed, 5)
    read = positions_from(Endpoint.POSITIONS, positions, hedged=False, leverages=levers, began_at_ms=1)
    assert {one.symbol: (one,) for one in read.positions} == {name: seen.positions for name, seen in observed.items()}
    resting = orders_from([], orders, began_at_ms=1).orders
    facts_apart = sorted(order._replace(venue_facts=()) for order in resting)  # which decide nothing
    assert facts_apart == sorted(order for seen in observed.values() for order in seen.orders)
    assert {order.symbol for order in resting} == set(observed)


@pytest.mark.parametrize(
    ("ours_ms", "paced_s", "marks"),
    [(10.0, 5.0, [True, None]), (10.0, 4.9, [False, None]), (None, 5.0, [None, None]), (0.0, 0.5, [True, None])],
)
def test_freqtrade_is_judged_beside_our_own_fills_only(ours_ms, paced_s, marks):
    peer = freqtrade_peer.Peer(
        positions=9, paced=Spread.of([paced_s]), burst=Spread.of([1.0, 1.0]), weight_1m=1.0, cpu_ms_per_s=1.0,
        rss_mib=1.0, pss_mib=1.0, limited=0, seconds=1.0,
    )  # fmt: skip
    found = freqtrade_peer.figures(peer, "freqtrade", ours_ms)
    assert [figure.met for figure in found if figure.row.endswith("fill to stop")] == marks


def test_the_cpu_of_a_cycle_is_told_from_what_runs_all_the_time():
    """Cycles of 20 and 30 ms, and 3 ms a second besides."""
    found = [quiet_cost.Stretch(3, 0.020 + 3 * 0.003), quiet_cost.Stretch(3.1, 0.030 + 3.1 * 0.003)]
    between = [quiet_cost.Stretch(7, 0.020), quiet_cost.Stretch(7, 0.022)]
    cycles_s, besides = quiet_cost.per_cycle(found, between)
    assert (cycles_s, besides) == (pytest.approx([0.020, 0.030]), pytest.approx(0.003))


@pytest.mark.parametrize(("rss_mib", "met"), [(100.0, True), (100.1, False)])
def test_memory_with_everything_on_is_judged_at_two_hundred_positions(rss_mib, met):
    assert full_memory.figure(rss_mib, 80.0).met is met


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (page.paint_figure([page.Paint(ms, 10.0) for ms in (1, 300, 900)], 7, 50_000), True),
        (page.paint_figure([page.Paint(ms, 10.0) for ms in (1, 301, 302)], 7, 50_000), False),
        (page.cost_figure(60.0, 1.0, 2.0, 7), True),
        (page.cost_figure(60.1, 0.5, 2.0, 7), False),
        (page.cost_figure(50.0, 1.01, 2.0, 7), False),
        (page.cost_figure(50.0, 5.0, 9.0, 200), True),
        (page.delay_figure([(1_500.0, 70.0), (1_400.0, 80.0), (9_000.0, 75.0)], 7), True),
        (page.delay_figure([(1_501.0, 70.0)], 7), False),
        (page.reads_figure(10.0, 11.0, 7), True),
        (page.reads_figure(10.0, 11.1, 7), False),
        (page.fills_figure([20.0, 20.0], [25.0, 25.0, 400.0], 7), True),
        (page.fills_figure([20.0, 20.0], [26.0, 26.0], 7), False),
    ],
)
def test_the_page_is_judged_where_something_was_promised(figure, met):
    assert figure.met is met


def test_a_fill_counts_for_the_turn_in_which_it_was():
    lasted = [Exposure("X", "opened", at_ms, at_ms + 5) for at_ms in (10, 20, 30, 99)]
    spans = [(False, 0, 15), (True, 16, 29), (False, 30, 40)]
    assert len(page._within(lasted, spans, is_watched=False)) == 2
    assert len(page._within(lasted, spans, is_watched=True)) == 1
