"""A backtest as one self-contained page: headline and bound of every policy as an interval, pairs, and every chart."""

from __future__ import annotations

import math
from collections.abc import Iterable

from position_monitor.charts.markup import Markup, element
from position_monitor.charts.page import report_page
from position_monitor.charts.plots import Span, intervals
from position_monitor.charts.tables import facts, table
from position_monitor.cli.backtest_view import cautions, made_of
from position_monitor.cli.performance_page import moment
from position_monitor.cli.record_charts import charts, headline, tables
from position_monitor.core.backtest.result import BacktestResult, Figures


def backtest_page(result: BacktestResult) -> str:
    """Everything the command shows, and the charts a screen of characters cannot."""
    asked = result.asked
    warnings = [str(line) for line in cautions(result)] + [f"! {note}" for note in result.notes]
    judged = (
        (
            element("h2", f"{asked.name}, headline"),
            headline(asked.headline.summary),
            charts(asked.headline.summary, asked.records),
            *tables(asked.headline.summary),
        )
        if asked.headline.n
        else ()
    )
    return report_page(
        f"Backtest of {asked.name}",
        (
            *(element("p", str(line)) for line in made_of(result)),
            *(element("p", line, class_="warn") for line in warnings),
            element("h2", "Net R per position"),
            element("div", *_intervals(result), class_="charts"),
            _policies(result),
            _pairs(result),
            *_split(result),
            *judged,
            element("h2", "Made of"),
            facts((("Data", result.data_hash), ("Settings", result.settings_hash), ("Version", result.version))),
        ),
    )


def _intervals(result: BacktestResult) -> Iterable[Markup]:
    runs = [run for run in result.runs if run.headline.n]
    spans = [Span(run.name, run.headline.mean_r, run.headline.low_r, run.headline.high_r) for run in runs]
    yield intervals(spans, title="Headline, with its anytime 95 % interval", x_words="net R per position")
    pairs = [
        Span(f"less {one.other}", one.mean_r, one.mean_r - one.half_width_r, one.mean_r + one.half_width_r)
        for one in result.paired
        if one.n
    ]
    yield intervals(pairs, title=f"{result.asked.name} less another policy", x_words="net R per position, paired")
    bounds = [
        Span(run.name, run.headline.mean_r, *sorted((run.headline.mean_r, run.bound.mean_r)))
        for run in runs
        if run.bound.n
    ]
    yield intervals(bounds, title="Headline (dot) to bound", x_words="net R per position")


def _policies(result: BacktestResult) -> Markup:
    columns = ("Policy", "n", "Headline", "Bound", "95 % of headline", "Gross", "Won", "Ambiguous", "Not closed")
    rows = []
    for run in result.runs:
        one = run.headline
        decided = one.summary.wins + one.summary.losses
        won = f"{one.summary.wins * 100 / decided:.0f} %" if decided else "-"
        gross = f"{one.mean_gross_r:+.3f}" if one.n else "-"
        left = str(sum(count for _, count in run.censored))
        figures = (_r(one), _r(run.bound), _bounds(one.low_r, one.high_r), gross, won)
        rows.append((run.name, str(one.n), *figures, str(run.ambiguous), left))
    title = "Headline: adverse extreme first; bound: favourable extreme first"
    return table(title, columns, rows)


def _pairs(result: BacktestResult) -> Markup:
    rows = (
        (
            one.other,
            str(one.n),
            f"{one.mean_r:+.3f}",
            _bounds(one.mean_r - one.half_width_r, one.mean_r + one.half_width_r),
            f"{one.mean_pct:+.3f}",
        )
        for one in result.paired
    )
    title = f"{result.asked.name} less another policy, entry by entry"
    return table(title, ("Against", "n", "More, R", "95 %", "More, % of notional"), rows)


def _split(result: BacktestResult) -> Iterable[Markup]:
    if result.split_ms is not None:
        rows = (
            (name, *_half(before), *_half(after))
            for (name, before), (_, after) in zip(result.before, result.after, strict=True)
        )
        columns = ("Policy", "n before", "R before", "95 %", "n after", "R after", "95 %")
        yield table(f"Headline before and after {moment(result.split_ms)}", columns, rows)


def _half(one: Figures) -> tuple[str, str, str]:
    return str(one.n), _r(one), _bounds(one.low_r, one.high_r)


def _r(one: Figures) -> str:
    return f"{one.mean_r:+.3f}" if one.n else "-"


def _bounds(low: float, high: float) -> str:
    return f"{low:+.2f} to {high:+.2f}" if math.isfinite(low) and math.isfinite(high) else "two days are needed"
