"""A backtest on a screen: what it is made of, headline and bound of every policy, pairs, and the first one's report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from position_monitor.cli.performance_view import closed_positions
from position_monitor.core.backtest.result import (
    CONDITIONAL_ORDERS_MAX,
    ORDERS_EACH_MAX,
    WIDE_R,
    BacktestResult,
    CandleFacts,
    Figures,
    PolicyResult,
)
from position_monitor.core.model.money import plain
from position_monitor.core.performance.statistics import SMALL_SAMPLE


def rendered(result: BacktestResult) -> Iterator[RenderableType]:
    """Everything the command shows."""
    yield from made_of(result)
    yield _policies(result)
    yield from cautions(result)
    yield _pairs(result)
    if result.split_ms is not None:
        yield _split(result)
    if result.asked.headline.n:
        yield Text(f"\n{result.asked.name}, headline", style="bold")
        yield from closed_positions(result.asked.headline.summary, result.asked.records)


def made_of(result: BacktestResult) -> Iterator[Text]:
    """Candles, costs, margin and tries, in lines."""
    for facts in result.candles:
        yield Text(_candles(facts), style="bold")
        rules = facts.instrument
        derived = f" ({' and '.join(facts.derived)} by the decimals of the files)" if facts.derived else ""
        yield Text(f"  tick {plain(rules.tick)}, step {plain(rules.step)}{derived}")
    costs = result.costs
    slippage = ", ".join(f"{role} {plain(bps)}" for role, bps in costs.slippage_bps.items())
    yield Text(
        f"fees {plain(costs.fee_pct)} % (limit {plain(costs.maker_fee_pct)} %), slippage in bps: {slippage or 'none'}, "
        f"funding {'from the file' if result.funding else f'{plain(costs.funding_bps)} bps against the position'}"
    )
    for funding in result.funding:
        yield Text(
            f"  funding of {funding.symbol}: {funding.rates:,} rates, {_day(funding.first_ms)} to "
            f"{_day(funding.last_ms)}, mean {funding.mean_bps:+.2f} bps; above zero the longs pay"
        )
    margin = "never liquidated" if result.margin is None else f"leverage {plain(result.margin.leverage)}"
    yield Text(f"{result.entries} entries, {margin}; {result.rate_candles_s:,.0f} candles/s walked")
    if result.tries is not None:
        tries = result.tries
        yield Text(
            f"try {tries.number} on these data, {tries.settings} different settings; "
            f"the best of so many worthless ones would show {tries.best_by_luck_r:+.2f} R by luck"
        )


def _candles(facts: CandleFacts) -> str:
    gaps = f", {facts.missing} missing in {facts.gaps} places" if facts.gaps else ""
    return (
        f"{facts.symbol}: {facts.candles:,} {facts.prices} candles of {_interval(facts.interval_ms)}, "
        f"{_day(facts.first_ms)} to {_day(facts.last_ms)}{gaps}"
    )


def _interval(interval_ms: int) -> str:
    seconds = interval_ms / 1000
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _policies(result: BacktestResult) -> Table:
    table = _table(
        "Net R per position: headline (adverse extreme first) to bound (favourable first)",
        ("Policy", "n", "Headline", "Bound", "95 % of headline", "Win %", "Ambiguous", "Not closed"),
    )
    for run in result.runs:
        one = run.headline
        decided = one.summary.wins + one.summary.losses
        won = f"{one.summary.wins * 100 / decided:.0f}" if decided else "-"
        table.add_row(
            *(run.name, _n(one.n), _r(one), _r(run.bound), _bounds(one.low_r, one.high_r), won),
            *(str(run.ambiguous), str(sum(count for _, count in run.censored))),
        )
    return table


def cautions(result: BacktestResult) -> Iterator[Text]:
    """What a reader of the figures must not overlook, in lines."""
    for run in result.runs:
        if run.width_r > WIDE_R:
            text = f"! {run.name}: headline and bound lie {run.width_r:.2f} R apart: finer candles are needed"
            yield Text(text, style="yellow")
    asked = result.asked
    if not asked.headline.n:
        yield Text("! no position was closed before the candles end: there is nothing to judge", style="yellow")
    elif asked.headline.n < SMALL_SAMPLE:
        yield Text(f"! {asked.headline.n} positions say little: at least {SMALL_SAMPLE} are needed", style="yellow")
    for text in _of_positions(asked):
        yield Text(f"! {text}", style="yellow")
    tries = result.tries
    if tries is not None and tries.settings > 1 and 0 < asked.headline.mean_r <= tries.best_by_luck_r:
        yield Text("! the headline is no better than luck among so many settings", style="yellow")


def _of_positions(run: PolicyResult) -> Iterator[str]:
    """What is not right with some of them."""
    for ended, count in run.censored:
        yield f"{count} in no figure: {ended} while they were open"
    if run.unfunded:
        yield f"{run.unfunded} lived longer than 8 h where the file has no rate of funding: nothing was paid there"
    if late := _late(run):
        yield f"{late} began later than one candle after their entry: candles are missing there"
    if run.open_at_once * ORDERS_EACH_MAX > CONDITIONAL_ORDERS_MAX:
        yield (
            f"up to {run.open_at_once} were open at once: an account has {CONDITIONAL_ORDERS_MAX} conditional orders, "
            "and the daemon would have rested shorter ladders"
        )


def _late(run: PolicyResult) -> int:
    intervals = [one.late_ms for one in run.positions]
    usual = sorted(intervals)[len(intervals) // 2] if intervals else 0
    return sum(late > max(usual, 60_000) * 2 for late in intervals)


def _pairs(result: BacktestResult) -> Table:
    columns = ("Against", "n", "More, R", "95 %", "More, % of notional")
    table = _table(f"{result.asked.name} less another policy, entry by entry", columns)
    for one in result.paired:
        low, high = one.mean_r - one.half_width_r, one.mean_r + one.half_width_r
        mean = f"{one.mean_r:+.3f}" if one.n else "-"
        table.add_row(one.other, _n(one.n), mean, _bounds(low, high), f"{one.mean_pct:+.3f}" if one.n else "-")
    return table


def _split(result: BacktestResult) -> Table:
    table = _table(
        f"Headline before and after {_day(result.split_ms or 0)}",
        ("Policy", "n before", "R before", "95 %", "n after", "R after", "95 %"),
    )
    for (name, before), (_, after) in zip(result.before, result.after, strict=True):
        cells = [name]
        for one in (before, after):
            cells += [_n(one.n), _r(one), _bounds(one.low_r, one.high_r)]
        table.add_row(*cells)
    return table


def _r(one: Figures) -> str:
    return f"{one.mean_r:+.3f}" if one.n else "-"


def _n(count: int) -> str:
    return str(count)


def _bounds(low: float, high: float) -> str:
    return f"{low:+.2f} to {high:+.2f}" if math.isfinite(low) and math.isfinite(high) else "two days are needed"


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table
