"""The schedule of a look, rule by rule: times, costs and evidence in, reads out; no venue and no clock."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.model.traits import ReadCosts
from position_monitor.core.observation.reads import PositionsRead
from position_monitor.edge.reading import schedule
from position_monitor.edge.reading.schedule import FLAT_CHECKS_MAX, QUIET_ORDERS_S, SINGLES_MAX, SWEEP_PAUSE_S
from tests.core.build import LONG, OPENED_MS, position, seen_at

NOW_S = 10_000.0
COSTS = ReadCosts(positions=5, symbol_orders=2, all_orders=80, weight_1m=2_400)
AFTER_A_SWEEP_S = 80 * 60 / 315
"""How long quiet lists that need a sweep are left alone: 315 of 2,400 a minute are for them."""
NOTHING_FIRST = schedule.FirstReads(sweep_due=False, sweep_beside=False)


def names(count):
    return [f"S{n}USDT" for n in range(count)]


def moment(symbols=(), *, read_s_ago=0.0, swept_s_ago=0.0, costs=COSTS, **changes):
    """A quiet account: the stream delivers, and every list was read so long ago."""
    base = schedule.Moment(
        now_s=NOW_S,
        costs=costs,
        full_sweep_s=600.0,
        events_delivered=True,
        positions_answered=True,
        swept_at_s=NOW_S - swept_s_ago,
        sweep_failed_at_s=float("-inf"),
        orders_read_at_s=dict.fromkeys(symbols, NOW_S - read_s_ago),
    )
    return replace(base, **changes)


def nothing_happened(symbol):
    return False


# -- which lists are old


def test_without_the_stream_every_list_is_old():
    quiet = moment(names(5), events_delivered=False)
    assert schedule.old_lists(quiet, names(5)) == set(names(5))


@pytest.mark.parametrize(("read_s_ago", "old"), [(0, 0), (QUIET_ORDERS_S - 0.1, 0), (QUIET_ORDERS_S, 3)])
def test_a_quiet_list_is_old_after_its_time(read_s_ago, old):
    assert len(schedule.old_lists(moment(names(3), read_s_ago=read_s_ago), names(3))) == old


def test_a_list_that_was_never_read_is_old():
    assert schedule.old_lists(moment(names(2)), [*names(2), "NEWUSDT"]) == {"NEWUSDT"}


@pytest.mark.parametrize(("weight_1m", "wait_s"), [(2_400, AFTER_A_SWEEP_S), (1_200, 2 * AFTER_A_SWEEP_S)])
def test_lists_that_need_a_sweep_wait_for_what_the_venue_grants(weight_1m, wait_s):
    many, costs = names(SINGLES_MAX + 1), COSTS._replace(weight_1m=weight_1m)
    assert not schedule.old_lists(moment(many, read_s_ago=wait_s - 0.1, costs=costs), many)
    assert schedule.old_lists(moment(many, read_s_ago=wait_s + 0.1, costs=costs), many) == set(many)


# -- a sweep beside the positions


@pytest.mark.parametrize(
    ("given", "due"),
    [
        ({"swept_at_s": None}, True),
        ({"swept_s_ago": 600.0}, True),
        ({"swept_s_ago": 599.0}, False),
    ],
)
def test_a_sweep_is_due_when_the_last_one_is_long_ago(given, due):
    assert schedule.first_reads(moment(names(2), **given), names(2)) == (due, due)


def test_whoever_asks_for_a_sweep_gets_one():
    assert schedule.first_reads(moment(names(2)), names(2), sweep=True) == (True, True)


def test_while_the_positions_do_not_answer_a_sweep_waits_for_them():
    silent = moment(names(2), swept_at_s=None, positions_answered=False)
    assert schedule.first_reads(silent, names(2)) == (True, False)


@pytest.mark.parametrize(("count", "foreseen"), [(SINGLES_MAX, False), (SINGLES_MAX + 1, True)])
def test_a_sweep_that_age_alone_calls_for_goes_out_beside_the_positions(count, foreseen):
    old = moment(names(count), read_s_ago=20, swept_s_ago=20)
    assert schedule.first_reads(old, names(count)).sweep_beside is foreseen


# -- what is read once the positions are known


def test_where_something_happened_the_list_is_read_however_new_it_is():
    reads = schedule.order_reads(moment(names(9)), NOTHING_FIRST, names(9), lambda symbol: symbol == "S7USDT")
    assert reads == ({"S7USDT"}, False, 5 + 2)


def test_a_quiet_account_costs_its_positions_only():
    assert schedule.order_reads(moment(names(9)), NOTHING_FIRST, names(9), nothing_happened) == (set(), False, 5)


@pytest.mark.parametrize(("count", "sweep"), [(39, False), (40, True)])
def test_a_sweep_takes_the_place_of_as_many_reads_as_weigh_as_much(count, sweep):
    """40 symbols of 2 weigh what a sweep weighs; nothing is old here, so only what happened counts."""
    reads = schedule.order_reads(moment(names(count)), NOTHING_FIRST, names(count), lambda symbol: True)
    assert reads.sweep is sweep
    assert reads.weight == 5 + min(80, 2 * count)


def test_at_a_venue_where_sweeps_are_dear_there_are_none():
    costs = COSTS._replace(all_orders=4_000)
    reads = schedule.order_reads(moment(names(40), costs=costs), NOTHING_FIRST, names(40), lambda symbol: True)
    assert not reads.sweep


def test_a_sweep_for_quiet_lists_is_no_more_frequent_than_its_share():
    many = names(SINGLES_MAX + 1)
    for swept_s_ago, sweep in ((AFTER_A_SWEEP_S - 0.1, False), (AFTER_A_SWEEP_S + 0.1, True)):
        never_read = moment((), swept_s_ago=swept_s_ago)
        reads = schedule.order_reads(never_read, NOTHING_FIRST, many, nothing_happened)
        assert (reads.symbols, reads.sweep) == (set(many), sweep)


def test_a_sweep_that_went_out_beside_the_positions_is_not_tried_again():
    beside = schedule.FirstReads(sweep_due=True, sweep_beside=True)
    waited = schedule.FirstReads(sweep_due=True, sweep_beside=False)
    assert not schedule.order_reads(moment(), beside, names(100), lambda symbol: True).sweep
    assert schedule.order_reads(moment(), waited, names(1), nothing_happened).sweep


@pytest.mark.parametrize(("failed_s_ago", "may"), [(0, False), (SWEEP_PAUSE_S - 0.1, False), (SWEEP_PAUSE_S, True)])
def test_a_sweep_that_failed_is_not_tried_again_at_once(failed_s_ago, may):
    assert schedule.sweep_may_be_tried(moment(sweep_failed_at_s=NOW_S - failed_s_ago)) is may


# -- zero rows


def held(*symbols):
    evidence = Evidence()
    for symbol in symbols:
        evidence = after_read(evidence, seen_at([position(symbol=symbol)], symbol=symbol))
    return evidence


def listed(*symbols, zeros=None):
    zeros = zeros or {}
    rows = tuple(position(symbol=symbol) for symbol in symbols)
    return PositionsRead(rows, frozenset(zeros), {}, hedged=False, began_at_ms=0, zero_at_ms=zeros)


def test_zero_rows_are_asked_for_where_a_position_is_no_longer_listed():
    assert schedule.zero_rows(listed("AUSDT"), {"AUSDT", "BUSDT"}, held("AUSDT", "BUSDT")) == ["BUSDT"]


def test_a_symbol_that_matters_no_more_is_not_asked_for():
    assert schedule.zero_rows(listed(), {"AUSDT"}, held("AUSDT", "BUSDT")) == ["AUSDT"]


@pytest.mark.parametrize(("at_ms", "asked"), [(OPENED_MS - 1, ["AUSDT"]), (OPENED_MS + 1, [])])
def test_a_zero_row_in_the_list_is_enough_unless_it_is_older_than_the_position(at_ms, asked):
    key = position(LONG, symbol="AUSDT").key
    assert schedule.zero_rows(listed(zeros={key: at_ms}), {"AUSDT"}, held("AUSDT")) == asked


def test_zero_rows_are_asked_for_a_few_at_a_time():
    many = names(FLAT_CHECKS_MAX + 5)
    assert schedule.zero_rows(listed(), set(many), held(*many)) == sorted(many)[:FLAT_CHECKS_MAX]


# -- the shape


def test_the_schedule_is_pure():
    """It is handed every value: it waits for nothing, and asks no clock and no venue."""
    tree = ast.parse(Path(schedule.__file__).read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not imported
    assert not {module for module in modules if module.startswith("position_monitor.edge")}
    assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(tree))
