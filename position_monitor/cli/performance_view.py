"""The report of `performance` on a screen: a few narrow tables and one histogram of block characters.

Every table fits 60 columns; a wider screen only adds the columns that are said to be optional. A cell that rests on
fewer than 30 values shows how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from position_monitor.cli.output import console
from position_monitor.cli.record_figures import bps, duration, in_r, interval, money, money_cells, pct, sample
from position_monitor.core.performance.aftermath import PREMATURE_R
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.statistics import median
from position_monitor.core.performance.summary import R_EDGES, Summary

WIDE = 80
"""Columns from which the optional ones are shown."""
BAR_MAX = 30
_BLOCKS = " ▏▎▍▌▋▊▉█"


def report(summary: Summary, records: Sequence[Record], width: int | None = None) -> list[RenderableType]:
    """Everything the command shows, for a screen of this width (default: the one that is there)."""
    columns = console().width if width is None else width
    wide = columns >= WIDE
    return [
        *_headline(summary, records),
        _reasons(summary, wide=wide),
        *_histogram(summary),
        *_rungs(summary),
        *_slippage(summary, wide=wide),
        *_protection(summary),
        *_money(summary),
    ]


def closed_positions(summary: Summary, records: Sequence[Record], width: int | None = None) -> list[RenderableType]:
    """The part of it that simulated positions have as well: nothing of it is about time or the venue's income."""
    columns = console().width if width is None else width
    wide = columns >= WIDE
    parts = [*_headline(summary, records), _reasons(summary, wide=wide), *_histogram(summary), *_rungs(summary)]
    return [*parts, *_slippage(summary, wide=wide), _money_table(summary)]


def _headline(summary: Summary, records: Sequence[Record]) -> Iterable[Text]:
    days = max(1, -(-(summary.last_closed_at_ms - summary.first_closed_at_ms) // 86_400_000))
    decided = summary.wins + summary.losses
    open_ended = f", {summary.provisional} provisional" if summary.provisional else ""
    yield Text(f"{summary.n} closed position{'s' if summary.n != 1 else ''} in {days} d{open_ended}", style="bold")
    if decided:
        won = f"{pct(Decimal(summary.wins) / decided)} won{sample(decided)}{interval(summary.win_rate)}"
        even = summary.breakeven_rate
        yield Text(f"{won}; breaks even at {'-' if even is None else pct(even)}")
    if summary.mean_r is not None:
        mean, total = in_r(summary.mean_r), in_r(summary.total_r)
        yield Text(f"mean {mean} R, total {total} R{sample(summary.measured_in_r)}")
    yield from _afterwards(records)
    waiting = [record for record in records if not record.final]
    for record in waiting[-3:]:
        yield Text(f"! {record.key} is provisional: {', '.join(record.notes)}", style="yellow")


def _afterwards(records: Sequence[Record]) -> Iterable[Text]:
    """What waiting had brought, of the records whose four hours have passed."""
    regrets = [record.regret_r for record in records if record.regret_r is not None]
    if regrets:
        premature = sum(record.premature is True for record in records)
        went_on = f"{premature} of {len(regrets)} went on by {PREMATURE_R} R or more within 4 h"
        yield Text(f"after the exit: {went_on}, median {in_r(median(regrets))} R")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def _reasons(summary: Summary, *, wide: bool) -> RenderableType:
    optional = ("Median time", "Slippage") if wide else ()
    table = _table("Why they were closed", ("Reason", "n", "Win %", "Mean R", "Total R", "Net", *optional))
    for row in summary.reasons:
        cells = [
            row.reason,
            str(row.n),
            pct(Decimal(row.wins) / row.n),
            in_r(row.mean_r),
            in_r(row.total_r),
            _amounts(row.net),
        ]
        if wide:
            cells += [duration(row.median_ms), bps(row.slippage_bps)]
        table.add_row(*cells)
    return table


def _histogram(summary: Summary) -> Iterable[Text]:
    """Net R by halves; rows without any are left out at both ends."""
    bars = summary.histogram
    filled = [place for place, count in enumerate(bars) if count]
    if not filled:
        return
    yield Text("Net R", style="bold")
    most = max(bars)
    for place in range(filled[0], filled[-1] + 1):
        low = f"{R_EDGES[place - 1]:+.1f}" if place else "below"
        yield Text(f"{low:>6} {_bar(bars[place], most)} {bars[place]}".rstrip())


def _bar(count: int, most: int) -> str:
    eighths = count * BAR_MAX * 8 // most
    return "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")


def _rungs(summary: Summary) -> Iterable[RenderableType]:
    if summary.rungs:
        table = _table("Rungs that were reached", ("Rung", "Reached", "Rate", "95 %", "Median time"))
        for row in summary.rungs:
            rate = pct(Decimal(row.hits) / row.n)
            between = interval(row.rate).strip(" ()")
            table.add_row(*(f"TP{row.rung}", f"{row.hits}/{row.n}", rate, between, duration(row.median_ms)))
        yield table


def _slippage(summary: Summary, *, wide: bool) -> Iterable[RenderableType]:
    if summary.slippage:
        table = _table("Slippage, basis points against us", ("Role", "n", "Median", "p90", "Worst", "Cost"))
        for row in summary.slippage:
            figures = (bps(row.median_bps), bps(row.p90_bps), bps(row.worst_bps))
            role = row.role if wide else row.role.replace("_", " ")
            table.add_row(role, str(row.n), *figures, _amounts(row.cost))
        yield table


def _protection(summary: Summary) -> Iterable[Text]:
    row = summary.protection
    yield Text("Protection", style="bold")
    yield Text(f"  time to protect: median {duration(row.median_ms)}, worst {duration(row.worst_ms)}{sample(row.n)}")
    naked = f"{duration(Decimal(row.naked_ms))} in all, {money(row.naked_notional_s)} notional-seconds"
    yield Text(f"  without full cover: {naked}")
    if row.never:
        yield Text(f"  never wholly covered: {row.never}", style="bold red")
    if row.unknown:
        yield Text(f"  not known: {row.unknown}")


def _money(summary: Summary) -> Iterable[RenderableType]:
    yield _money_table(summary)
    unknown = sum(total.unknown for total in summary.money.values())
    if unknown:
        yield Text(f"! fees or funding of {unknown} are not known: they are missing in the net", style="yellow")


def _money_table(summary: Summary) -> Table:
    table = _table("Money", ("Asset", "Gross", "Fees", "Funding", "Net", "Residual"))
    for asset, total in sorted(summary.money.items()):
        table.add_row(asset, *money_cells(total))
    return table


def _amounts(by_asset: Mapping[str, Decimal]) -> str:
    """On a narrow screen one amount stands without its asset where there is only one."""
    if len(by_asset) == 1:
        return money(next(iter(by_asset.values())))
    return " ".join(f"{money(amount)} {asset}" for asset, amount in sorted(by_asset.items())) or "-"
