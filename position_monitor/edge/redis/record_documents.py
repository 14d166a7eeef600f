"""Records of closed positions as JSON, and their totals as the fields of a hash (docs/redis.md). Pure.

Numbers are plain strings, times ms UTC, unknown is null. `schemas/record.schema.json` and `performance.schema.json`
describe both; `published_records.py` reads them back.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from position_monitor.core.model.money import plain
from position_monitor.core.performance.cover_time import CoverTime
from position_monitor.core.performance.excursion import Excursion
from position_monitor.core.performance.money_of_life import Money
from position_monitor.core.performance.record import Record, RecordFill
from position_monitor.core.performance.summary import R_EDGES, MoneyTotal, ReasonRow, SlippageRow, Summary
from position_monitor.edge.redis.documents import decimal_text
from position_monitor.edge.redis.json_text import json_text

RECORD_SCHEMA: Final = 1
RATIO_DIGITS: Final = Decimal("0.000001")
"""To which digit R, basis points and shares are published; money and prices are published as they are."""
ALL: Final = ""
"""The name of the totals of every profile."""


def record_text(record: Record) -> str:
    """The `data` field of an entry of `P:exits`."""
    return json_text(record_document(record))


def record_document(record: Record) -> dict[str, Any]:
    """A record as a JSON object."""
    return {
        "schema": RECORD_SCHEMA,
        "record_id": record.record_id,
        "revision": record.revision,
        "status": record.status.value,
        "account": record.account,
        "symbol": record.key.symbol,
        "side": record.key.side.value,
        "epoch": record.epoch,
        "opened_at_ms": record.opened_at_ms,
        "closed_at_ms": record.closed_at_ms,
        "quantity_peak": _number(record.quantity_peak),
        "quantity_entered": _number(record.quantity_entered),
        "entry_average": _number(record.entry_average),
        "exit_average": _number(record.exit_average),
        "reason": record.reason,
        "level_source": record.level_source,
        **_money_document(record.money),
        "first_stop": _number(record.risk.first_stop),
        "risk": _number(record.risk.money),
        "gross_r": _ratio(record.gross_r),
        "net_r": _ratio(record.net_r),
        "mfe_r": _ratio(record.mfe_r),
        "mae_r": _ratio(record.mae_r),
        **_excursion_document(record.excursion),
        "after_best_price": _number(record.after.best_price) if record.after else None,
        "after_best_at_ms": record.after.best_at_ms if record.after else None,
        "regret_r": _ratio(record.regret_r),
        "premature": record.premature,
        "marks_from": record.marks_from,
        **_cover_document(record.cover),
        **record.origin._asdict(),
        "rungs": None if record.rungs is None else list(record.rungs),
        "order_epochs": list(record.order_epochs),
        "notes": list(record.notes),
        "fills": [_fill_document(fill) for fill in record.fills],
    }


def _number(value: Decimal | None) -> str | None:
    """A number without trailing zeros, which sums of many digits collect."""
    return plain(value) if value is not None and decimal_text(value) else None


def _ratio(value: Decimal | None) -> str | None:
    return None if value is None else _number(value.quantize(RATIO_DIGITS))


def _money_document(money: Money) -> dict[str, Any]:
    return {
        "settle_asset": money.asset,
        "gross": _number(money.gross),
        "fees": _number(money.fees),
        "fees_by_asset": {asset: _number(amount) for asset, amount in sorted(money.fees_by_asset.items())},
        "funding": _number(money.funding),
        "clearance": _number(money.clearance),
        "net": _number(money.net),
        "residual_realised": _number(money.residual_realised),
        "residual_fees": {asset: _number(amount) for asset, amount in sorted(money.residual_fees.items())},
    }


def _excursion_document(excursion: Excursion | None) -> dict[str, Any]:
    return {
        "best_price": _number(excursion.best_price) if excursion else None,
        "best_at_ms": excursion.best_at_ms if excursion else None,
        "worst_price": _number(excursion.worst_price) if excursion else None,
        "worst_at_ms": excursion.worst_at_ms if excursion else None,
        "favourable": _number(excursion.favourable) if excursion else None,
        "adverse": _number(excursion.adverse) if excursion else None,
        "efficiency": _ratio(excursion.efficiency) if excursion else None,
        "given_back": _number(excursion.given_back) if excursion else None,
    }


def _cover_document(cover: CoverTime | None) -> dict[str, Any]:
    return {
        "time_to_protect_ms": cover.time_to_protect_ms if cover else None,
        "naked_ms": cover.naked_ms if cover else None,
        "naked_notional_s": _ratio(cover.naked_notional_s) if cover else None,
        "worst_cover_pct": _ratio(cover.worst_cover_pct) if cover else None,
    }


def _fill_document(fill: RecordFill) -> dict[str, Any]:
    return {
        "at_ms": fill.at_ms,
        "opens": fill.opens,
        "price": _number(fill.price),
        "quantity": _number(fill.quantity),
        "fee": _number(fill.fee),
        "fee_asset": fill.fee_asset,
        "realised": _number(fill.realised),
        "role": str(fill.role),
        "rungs": list(fill.rungs),
        "reason": fill.reason,
        "trigger": _number(fill.trigger),
        "slippage_bps": _ratio(fill.slippage_bps),
        "slippage_cost": _number(fill.slippage_cost),
        "maker": fill.maker,
        "order_id": fill.order_id,
        "client_id": fill.client_id,
        "source": fill.source,
        "trades": fill.trades,
    }


def performance_fields(summary: Summary, *, account: str, profile: str, updated_at_ms: int) -> list[str]:
    """The fields of `P:performance` as HSET takes them: the document flat, and itself as `doc`."""
    document = performance_document(summary, account=account, profile=profile, updated_at_ms=updated_at_ms)
    fields: list[str] = []
    for name, value in document.items():
        fields += (name, value if isinstance(value, str) else "" if value is None else json_text(value))
    return [*fields, "doc", json_text(document)]


def performance_document(summary: Summary, *, account: str, profile: str, updated_at_ms: int) -> dict[str, Any]:
    """The totals over records; `profile` is empty for all of them."""
    protection, rate = summary.protection, summary.win_rate
    return {
        "schema": RECORD_SCHEMA,
        "account": account,
        "profile": profile,
        "count": summary.n,
        "provisional": summary.provisional,
        "wins": summary.wins,
        "losses": summary.losses,
        "win_rate_low": _ratio(rate.low) if rate else None,
        "win_rate_high": _ratio(rate.high) if rate else None,
        "breakeven_win_rate": _ratio(summary.breakeven_rate),
        "mean_r": _ratio(summary.mean_r),
        "total_r": _ratio(summary.total_r),
        "measured_in_r": summary.measured_in_r,
        "money": {asset: _total_document(total) for asset, total in sorted(summary.money.items())},
        "by_reason": [_reason_document(row) for row in summary.reasons],
        "histogram": [
            {"from_r": None if edge is None else str(edge), "count": count}
            for edge, count in zip((None, *R_EDGES), summary.histogram, strict=True)
        ],
        "slippage": [_slippage_document(row) for row in summary.slippage],
        "time_to_protect_ms": _ratio(protection.median_ms),
        "naked_ms": protection.naked_ms,
        "naked_notional_s": _ratio(protection.naked_notional_s),
        "never_covered": protection.never,
        "first_closed_at_ms": summary.first_closed_at_ms,
        "last_closed_at_ms": summary.last_closed_at_ms,
        "updated_at_ms": updated_at_ms,
    }


def _reason_document(row: ReasonRow) -> dict[str, Any]:
    return {
        "reason": row.reason,
        "count": row.n,
        "wins": row.wins,
        "mean_r": _ratio(row.mean_r),
        "total_r": _ratio(row.total_r),
        "net": {asset: _number(amount) for asset, amount in sorted(row.net.items())},
        "median_ms": _ratio(row.median_ms),
        "slippage_bps": _ratio(row.slippage_bps),
    }


def _slippage_document(row: SlippageRow) -> dict[str, Any]:
    return {
        "role": row.role,
        "count": row.n,
        "median_bps": _ratio(row.median_bps),
        "p90_bps": _ratio(row.p90_bps),
        "worst_bps": _ratio(row.worst_bps),
    }


def _total_document(total: MoneyTotal) -> dict[str, Any]:
    return {name: value if isinstance(value, int) else _number(value) for name, value in total._asdict().items()}
