"""The figures of closed positions as texts, the same on a screen and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from position_monitor.cli.status_table import age, number
from position_monitor.core.performance.statistics import SMALL_SAMPLE, Interval
from position_monitor.core.performance.summary import MoneyTotal


def money_cells(total: MoneyTotal) -> tuple[str, ...]:
    """Gross, fees, funding, net and residual of one asset. The residual is 0 when the venue's income says the same, to
    the last digit."""
    figures = (total.gross, -total.fees, total.funding + total.clearance, total.net)
    return (*(money(value) for value in figures), number(total.residual) if total.residual else "0")


def sample(n: int) -> str:
    """How many, where they are few."""
    return f" (n = {n})" if n < SMALL_SAMPLE else ""


def interval(bounds: Interval | None) -> str:
    """A 95 % interval of a rate; empty where there is none."""
    return "" if bounds is None else f" ({bounds.low * 100:.0f}-{bounds.high * 100:.0f} %)"


def pct(fraction: Decimal) -> str:
    """A fraction of 1 in percent."""
    return f"{fraction * 100:.0f} %"


def in_r(value: Decimal | None) -> str:
    """An amount in R, with its sign."""
    return "-" if value is None else f"{value:+.2f}"


def bps(value: Decimal | None) -> str:
    """Basis points, with their sign."""
    return "-" if value is None else f"{value:+.1f}"


def duration(value: Decimal | None) -> str:
    """A time in milliseconds, for reading."""
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 1_000 else age(int(value))


def money(value: Decimal) -> str:
    """An amount to the hundredth."""
    return number(value.quantize(Decimal("0.01")))


def amounts(by_asset: Mapping[str, Decimal]) -> str:
    """Amounts with their assets."""
    return ", ".join(f"{money(amount)} {asset}" for asset, amount in sorted(by_asset.items())) or "-"
