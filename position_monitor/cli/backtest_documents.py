"""A backtest as JSON and as rows for a spreadsheet; the names are described in docs/backtest.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from position_monitor.core.backtest.result import BacktestResult, Figures, Paired, PolicyResult, Simulated

COLUMNS = (
    *("policy", "line", "symbol", "side", "quantity", "opened_at_ms", "entry_price", "late_ms", "move_pct"),
    *("ended", "closed_at_ms", "reason", "exit_price", "net", "net_r", "gross_r", "mfe_r", "mae_r", "fees", "funding"),
    *("bound_reason", "bound_net_r", "ambiguous"),
)


def document(result: BacktestResult) -> dict[str, Any]:
    """Everything, with the policy that was asked for at the top level."""
    asked = result.asked
    return {
        "schema": 1,
        **_policy(asked),
        "tries": None if result.tries is None else result.tries._asdict(),
        "rate_candles_s": round(result.rate_candles_s),
        "candles_walked": result.candles_walked,
        "positions": [dict(zip(COLUMNS[1:], row[1:], strict=True)) for row in _rows(asked)],
        "beside": {run.name: _policy(run) for run in result.runs[1:]},
        "paired": [_paired(one) for one in result.paired],
        "split_ms": result.split_ms,
        "before": {name: figures(one) for name, one in result.before},
        "after": {name: figures(one) for name, one in result.after},
        "entries": result.entries,
        "candles": [facts._asdict() for facts in result.candles],
        "costs": result.costs._asdict(),
        "funding": [one._asdict() for one in result.funding],
        "margin": None if result.margin is None else result.margin._asdict(),
        "data_hash": result.data_hash,
        "settings_hash": result.settings_hash,
        "version": result.version,
        "notes": result.notes,
    }


def _policy(run: PolicyResult) -> dict[str, Any]:
    return {
        "policy": run.name,
        "headline": figures(run.headline),
        "bound": figures(run.bound),
        "width_r": _number(run.width_r),
        "ambiguous": run.ambiguous,
        "censored": {str(ended): count for ended, count in run.censored},
        "looks": run.looks,
        "unfunded": run.unfunded,
        "open_at_once": run.open_at_once,
    }


def figures(one: Figures) -> dict[str, Any]:
    """The figures of one list of positions; null where a number is not known yet."""
    summary = one.summary
    return {
        "n": one.n,
        "days": one.days,
        "mean_r": _number(one.mean_r),
        "mean_gross_r": _number(one.mean_gross_r),
        "total_r": _number(one.total_r),
        "error_r": _number(one.error_r),
        "low_r": _number(one.low_r),
        "high_r": _number(one.high_r),
        "wins": summary.wins,
        "losses": summary.losses,
        "breakeven_rate": summary.breakeven_rate,
        "reasons": [row._asdict() for row in summary.reasons],
        "money": {asset: total._asdict() for asset, total in summary.money.items()},
    }


def _paired(one: Paired) -> dict[str, Any]:
    return {
        "other": one.other,
        "n": one.n,
        "days": one.days,
        "mean_r": _number(one.mean_r),
        "mean_pct": _number(one.mean_pct),
        "low_r": _number(one.mean_r - one.half_width_r),
        "high_r": _number(one.mean_r + one.half_width_r),
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def table_rows(result: BacktestResult) -> Iterator[tuple[object, ...]]:
    """The heading, and one row a position and policy."""
    yield COLUMNS
    for run in result.runs:
        yield from (tuple("" if cell is None else cell for cell in row) for row in _rows(run))


def _rows(run: PolicyResult) -> Iterator[tuple[object, ...]]:
    return (_row(run.name, one) for one in run.positions)


def _row(name: str, one: Simulated) -> tuple[object, ...]:
    entry, made, bound = one.entry, one.headline, one.bound
    opened = (one.opened_ms, one.entry_price, one.late_ms, round(one.move_pct, 6))
    left: tuple[object, ...] = (None,) * 10
    if made is not None:
        money, exit_price = made.money, round(made.exit_average, 12).normalize()
        in_r = (made.net_r, made.gross_r, made.mfe_r, made.mae_r)
        shown = tuple(None if value is None else round(value, 6) for value in in_r)
        left = (made.closed_at_ms, made.reason, exit_price, money.net, *shown, money.fees, money.funding)
    net_r = None if bound is None or bound.net_r is None else round(bound.net_r, 6)
    reason = None if bound is None else bound.reason
    start = (name, entry.line, entry.symbol, str(entry.side), entry.quantity, *opened)
    return (*start, str(one.ended), *left, reason, net_r, one.ambiguous)
