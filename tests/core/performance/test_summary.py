"""Many records as one report, and the statistics it is made of (exits.md 4.12, 8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from position_monitor.core.performance.record import Record, RecordStatus
from position_monitor.core.performance.statistics import breakeven_win_rate, quantile, wilson
from position_monitor.core.performance.summary import R_EDGES, MoneyTotal, summary_of
from tests.core.performance.past import D
from tests.core.performance.test_record import vector


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(7, 10, "0.397", "0.892"), (18, 30, "0.423", "0.754"), (60, 100, "0.502", "0.691"), (0, 5, "0.000", "0.434")],
)
def test_wilson(hits: int, n: int, low: str, high: str) -> None:
    """Vector 4.12."""
    found = wilson(hits, n)
    assert found is not None
    assert (f"{found.low:.3f}", f"{found.high:.3f}") == (low, high)


def test_wilson_of_nothing_is_nothing() -> None:
    assert wilson(0, 0) is None


def test_quantiles_lie_between_neighbours() -> None:
    values = [D(1), D(2), D(3), D(10)]
    assert (quantile(values, D("0.5")), quantile(values, D("0.9")), quantile([], D("0.5"))) == (
        D("2.5"), D("7.9"), None,
    )  # fmt: skip


def test_breakeven_win_rate_is_where_the_mean_is_zero() -> None:
    rate = breakeven_win_rate([D(4), D(2), D(-1), D(-1), D(-1)])
    assert rate == D("0.25")
    assert rate * 3 - (1 - rate) * 1 == 0, "mean win 3, mean loss 1"
    assert breakeven_win_rate([D(1)]) is None


def loser() -> Record:
    record = vector()
    lost = record.money._replace(gross=D("-127.048"), fees=D(7), funding=D(0))
    fills = tuple(replace(fill, realised=-abs(fill.realised)) for fill in record.fills)
    return replace(record, money=lost, epoch="0mb3k2xb", fills=fills)


def test_the_rows_add_up_to_the_whole() -> None:
    records = [vector(), loser()]
    summary = summary_of(records)
    assert (summary.n, summary.wins, summary.losses, summary.provisional) == (2, 1, 1, 0)
    assert sum(row.total_r or D(0) for row in summary.reasons) == pytest.approx(summary.total_r)
    assert sum(row.net["USDT"] for row in summary.reasons) == summary.money["USDT"].net
    assert summary.money["USDT"].net == D("119.691524") + D("-134.048")
    assert sum(summary.histogram) == 2
    assert [row.reason for row in summary.reasons] == ["TP1", "TP2", "TRAIL"]


def test_one_position_by_reason_to_the_digit() -> None:
    """30 / 30 / 40 % of the vector: own profit, and the cost of 7.356476 by quantity."""
    summary = summary_of([vector()])
    net = {row.reason: row.net["USDT"] for row in summary.reasons}
    cost = D("7.356476")
    assert net == {
        "TP1": D("31.500") - cost * D("0.3"),
        "TP2": D("52.500") - cost * D("0.3"),
        "TRAIL": D("43.048") - cost * D("0.4"),
    }
    assert sum(net.values()) == D("119.691524")
    assert sum(row.total_r for row in summary.reasons if row.total_r) == pytest.approx(summary.total_r)
    assert [row.median_ms for row in summary.reasons] == [600_000, 1_200_000, 1_800_000]


def test_rungs_count_only_for_those_that_had_them() -> None:
    """Both had rung 1 and 2; a record whose ladder nobody remembers says nothing about rungs."""
    missed = loser()
    missed = replace(missed, fills=(missed.fills[0], missed.fills[-1]))
    forgotten = replace(vector(), epoch="0mb3k2xc", rungs=None)
    rows = summary_of([vector(), missed, forgotten]).rungs
    assert [(row.rung, row.hits, row.n) for row in rows] == [(1, 1, 2), (2, 1, 2)]
    assert rows[0].median_ms == 600_000


def test_slippage_by_role() -> None:
    rows = {row.role: row for row in summary_of([vector()]).slippage}
    assert set(rows) == {"take_profit", "working_stop"}
    assert f"{rows['working_stop'].worst_bps:.3f}" == "3.483"
    assert rows["working_stop"].cost == {"USDT": D("1.20") * D("0.8")}
    assert rows["take_profit"].cost == {"USDT": D(0)}


def test_assets_are_never_added_up_and_what_is_unknown_is_counted() -> None:
    other = vector()
    other = replace(other, epoch="0mb3k2xd", money=other.money._replace(asset="USDC", fees=None))
    money = summary_of([vector(), other]).money
    assert money["USDT"] == MoneyTotal(D("127.048"), D("6.936476"), D("-0.42"), D(0), D("119.691524"), 0, D(0))
    assert (money["USDC"].unknown, money["USDC"].net) == (1, 0)


def test_protection_and_histogram() -> None:
    unknown = replace(vector(), epoch="0mb3k2xe", cover=None, status=RecordStatus.PROVISIONAL)
    summary = summary_of([vector(), unknown])
    assert summary.provisional == 1
    row = summary.protection
    assert (row.n, row.unknown, row.never, row.median_ms, row.naked_ms) == (1, 1, 0, 250, 250)
    begin = R_EDGES.index(D("1.0"))
    assert summary.histogram[begin + 1] == 2, "1.1399 R lies between 1.0 and 1.5"


def test_nothing_is_a_report_as_well() -> None:
    summary = summary_of([])
    assert (summary.n, summary.win_rate, summary.mean_r, summary.reasons) == (0, None, None, ())
