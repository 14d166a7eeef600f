"""Closed positions as tables and charts of a page; `performance --html` and `backtest --report` share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from position_monitor.charts.markup import Markup, element, joined
from position_monitor.charts.plots import Bar, Point, histogram, scatter, step_line
from position_monitor.charts.tables import facts, table
from position_monitor.cli.record_figures import amounts, bps, duration, in_r, interval, money, money_cells, pct, sample
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import R_EDGES, Summary

_ZERO = Decimal(0)


def headline(summary: Summary) -> Markup:
    """How many, how many won, and what they were worth in R."""
    decided = summary.wins + summary.losses
    won = f"{pct(Decimal(summary.wins) / decided)} of {decided}{interval(summary.win_rate)}" if decided else "-"
    even = "-" if summary.breakeven_rate is None else pct(summary.breakeven_rate)
    return facts(
        (
            ("Closed positions", f"{summary.n} ({summary.provisional} provisional)"),
            ("Won", won),
            ("Breaks even at", even),
            ("Mean R, net", f"{in_r(summary.mean_r)}{sample(summary.measured_in_r)}"),
            ("Total R, net", in_r(summary.total_r)),
        )
    )


def charts(summary: Summary, records: Sequence[Record]) -> Markup:
    """R as a histogram, against the best and the worst mark, and as it added up."""
    drawn = (
        r_histogram(summary.histogram),
        scatter(points(records, best=True), title="MFE against R", x_words="best mark, R", y_words="net R"),
        scatter(points(records, best=False), title="MAE against R", x_words="worst mark, R", y_words="net R"),
        step_line(
            equity(records), title="Equity in R", x_words="closed positions, oldest first", y_words="total net R"
        ),
    )
    return element("div", joined(drawn), class_="charts")


def r_histogram(counts: Sequence[int]) -> Markup:
    """Net R by halves, without the empty bars at both ends."""
    filled = [place for place, count in enumerate(counts) if count]
    span = range(filled[0], filled[-1] + 1) if filled else range(0)
    bars = [
        Bar(
            f"{R_EDGES[place - 1]:+.1f}" if place else "below",
            counts[place],
            is_loss=place == 0 or R_EDGES[place - 1] < 0,
        )
        for place in span
    ]
    return histogram(bars, title="Net R of closed positions", x_words="net R, from; a hollow bar is a loss")


def points(records: Sequence[Record], *, best: bool) -> list[Point]:
    """MFE (or MAE) and net R of the records of which both are certain."""
    pairs = [(record.mfe_r if best else record.mae_r, record.net_r) for record in records]
    return [Point(mark, net, net < 0) for mark, net in pairs if mark is not None and net is not None]


def equity(records: Sequence[Record]) -> list[tuple[int, Decimal]]:
    """The running total of net R in the order of closing, from 0; records without R are left out."""
    total, line = _ZERO, [(0, _ZERO)]
    for record in sorted(records, key=lambda one: (one.closed_at_ms, one.record_id)):
        if record.net_r is not None:
            total += record.net_r
            line.append((len(line), total))
    return line if len(line) > 1 else []


def tables(summary: Summary) -> Iterable[Markup]:
    """Reasons, rungs, slippage and money."""
    return (_reasons(summary), _rungs(summary), _slippage(summary), _money(summary))


def _reasons(summary: Summary) -> Markup:
    return table(
        "Why they were closed",
        ("Reason", "n", "Win %", "Mean R", "Total R", "Net", "Median time", "Slippage, bps"),
        (
            (
                row.reason,
                str(row.n),
                pct(Decimal(row.wins) / row.n),
                in_r(row.mean_r),
                in_r(row.total_r),
                amounts(row.net),
                duration(row.median_ms),
                bps(row.slippage_bps),
            )
            for row in summary.reasons
        ),
    )


def _rungs(summary: Summary) -> Markup:
    return table(
        "Rungs that were reached",
        ("Rung", "Reached", "Rate", "95 %", "Median time"),
        (
            (
                f"TP{row.rung}",
                f"{row.hits}/{row.n}",
                pct(Decimal(row.hits) / row.n),
                interval(row.rate).strip(" ()"),
                duration(row.median_ms),
            )
            for row in summary.rungs
        ),
    )


def _slippage(summary: Summary) -> Markup:
    return table(
        "Slippage by role, basis points against us",
        ("Role", "n", "Median", "p90", "Worst", "Cost"),
        (
            (
                row.role.replace("_", " "),
                str(row.n),
                bps(row.median_bps),
                bps(row.p90_bps),
                bps(row.worst_bps),
                amounts(row.cost),
            )
            for row in summary.slippage
        ),
    )


def _money(summary: Summary) -> Markup:
    return table(
        "Money",
        ("Asset", "Gross", "Fees", "Funding", "Net", "Residual", "Not complete"),
        ((asset, *money_cells(total), str(total.unknown)) for asset, total in sorted(summary.money.items())),
    )


def protection(summary: Summary) -> Markup:
    """What protection cost in time, and what was not protected."""
    row = summary.protection
    return facts(
        (
            ("Time to protect, median", f"{duration(row.median_ms)}{sample(row.n)}"),
            ("Time to protect, worst", duration(row.worst_ms)),
            ("Without full cover, in all", duration(Decimal(row.naked_ms))),
            ("Notional x seconds without it", money(row.naked_notional_s)),
            ("Least cover", "-" if row.worst_cover_pct is None else f"{row.worst_cover_pct:.0f} %"),
            ("Never wholly covered", str(row.never)),
            ("Not certain of", str(row.unknown)),
        )
    )
