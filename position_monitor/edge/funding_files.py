"""Rates of funding from a CSV file, as the venue booked them.

The first line names the columns: `time,rate`, and `symbol` and `mark` where they are stated. `time` is epoch
milliseconds or ISO 8601 (UTC), `rate` a fraction of the notional. The names that Binance gives these columns in its
public data (`calc_time`, `last_funding_rate`) and in its answers (`fundingTime`, `fundingRate`, `markPrice`) are taken
as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from position_monitor.core.backtest.terms import FundingRate
from position_monitor.edge.csv_rows import Columns, above_zero, csv_rows, number_of, row_time_ms
from position_monitor.errors import BadInput

COLUMNS = Columns(
    required=("time", "rate"),
    optional=("symbol", "mark"),
    other_names={
        **dict.fromkeys(("calc_time", "fundingtime", "funding_time"), "time"),
        **dict.fromkeys(("last_funding_rate", "fundingrate", "funding_rate"), "rate"),
        **dict.fromkeys(("markprice", "mark_price"), "mark"),
    },
)
RATE_MAX = Decimal("0.05")
"""No venue books more at once: such a number is percent, or another column."""


def read_funding(path: Path, symbol: str | None) -> dict[str, tuple[FundingRate, ...]]:
    """The rates by symbol, rising in time. `symbol` is that of rows that name none; None: each must.

    Raises `BadInput` with the line of the first row that cannot be used, and for a file without any.
    """
    rates: dict[str, list[FundingRate]] = defaultdict(list)

    def add(text: Mapping[str, str], line: int) -> None:
        name = text.get("symbol", "").upper() or symbol
        if name is None:
            raise ValueError("no symbol, and there are several: a column symbol, or --funding SYMBOL=FILE, is needed")
        rate = _rate(text)
        before = rates[name][-1].at_ms if rates[name] else None
        if before is not None and rate.at_ms <= before:
            why = "comes twice" if rate.at_ms == before else f"comes after {before}: not in order"
            raise ValueError(f"the time {rate.at_ms} of {name} {why}")
        rates[name].append(rate)

    csv_rows(path, COLUMNS, add)
    if not rates:
        raise BadInput(f"{path}: holds no rate below the line that names the columns")
    return {name: tuple(listed) for name, listed in rates.items()}


def _rate(text: Mapping[str, str]) -> FundingRate:
    """One row. Raises `ValueError` with what is wrong with it."""
    at_ms, rate = row_time_ms(text["time"]), number_of("rate", text["rate"])
    if abs(rate) > RATE_MAX:
        raise ValueError(f"the rate was {text['rate']}: a fraction is expected, 0.0001 for one basis point")
    return FundingRate(at_ms, rate, above_zero("mark", text["mark"]) if text.get("mark") else None)
