"""Published records back to values. Whatever stands in the stream, one failure tells that it is not readable."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.cover_time import CoverTime
from position_monitor.core.performance.excursion import Excursion
from position_monitor.core.performance.money_of_life import Money
from position_monitor.core.performance.record import Origin, Record, RecordFill, RecordStatus
from position_monitor.core.performance.risk import Risk
from position_monitor.edge.redis.published_text import figure, parsed
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.record_documents import RECORD_SCHEMA


def read_record(text: str) -> Record:
    """An entry of `P:exits` as a value; unknown members are ignored. Raises `DocumentUnreadable`."""
    try:
        found = parsed(text)
        if found["schema"] != RECORD_SCHEMA:
            raise ValueError("another schema")
        record = _record(found)
        if not record.exits:
            raise ValueError("nothing was closed")
        return record
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation, IndexError) as fault:
        raise DocumentUnreadable(f"a record is not readable: {type(fault).__name__}") from None


def _record(found: Mapping[str, Any]) -> Record:
    return Record(
        account=str(found["account"]),
        key=PositionKey(str(found["symbol"]), Side(found["side"])),
        epoch=str(found["epoch"]),
        revision=_whole(found["revision"]),
        status=RecordStatus(found["status"]),
        opened_at_ms=_whole(found["opened_at_ms"]),
        closed_at_ms=_whole(found["closed_at_ms"]),
        quantity_peak=_required(found["quantity_peak"]),
        quantity_entered=_required(found["quantity_entered"]),
        entry_average=_required(found["entry_average"]),
        exit_average=_required(found["exit_average"]),
        fills=tuple(_fill(one) for one in found["fills"]),
        money=_money(found),
        risk=Risk(_optional(found["first_stop"]), _optional(found["risk"])),
        excursion=_excursion(found),
        marks_from=str(found["marks_from"]),
        cover=_cover(found),
        origin=Origin(*(_text(found[name]) for name in Origin._fields)),
        rungs=None if found["rungs"] is None else tuple(map(_whole, found["rungs"])),
        order_epochs=tuple(map(str, found["order_epochs"])),
        notes=tuple(map(str, found["notes"])),
    )


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**16:
        raise ValueError("not a whole number of a sane size")
    return value


def _required(text: object) -> Decimal:
    value = figure(text)
    if not value.is_finite():
        raise ValueError("a number is missing")
    return value


def _optional(text: object) -> Decimal | None:
    return None if text is None else _required(text)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _by_asset(found: Mapping[str, Any]) -> dict[str, Decimal]:
    return {str(asset): _required(amount) for asset, amount in found.items()}


def _money(found: Mapping[str, Any]) -> Money:
    return Money(
        asset=str(found["settle_asset"]),
        gross=_required(found["gross"]),
        fees=_optional(found["fees"]),
        fees_by_asset=_by_asset(found["fees_by_asset"]),
        funding=_optional(found["funding"]),
        clearance=_required(found["clearance"]),
        residual_realised=_required(found["residual_realised"]),
        residual_fees=_by_asset(found["residual_fees"]),
        notes=(),
    )


def _excursion(found: Mapping[str, Any]) -> Excursion | None:
    if found["best_price"] is None:
        return None
    return Excursion(
        best_price=_required(found["best_price"]),
        best_at_ms=_whole(found["best_at_ms"]),
        worst_price=_required(found["worst_price"]),
        worst_at_ms=_whole(found["worst_at_ms"]),
        favourable=_required(found["favourable"]),
        adverse=_required(found["adverse"]),
        efficiency=_optional(found["efficiency"]),
        given_back=_required(found["given_back"]),
    )


def _cover(found: Mapping[str, Any]) -> CoverTime | None:
    if found["naked_ms"] is None:
        return None
    to_protect = found["time_to_protect_ms"]
    return CoverTime(
        time_to_protect_ms=None if to_protect is None else _whole(to_protect),
        naked_ms=_whole(found["naked_ms"]),
        naked_notional_s=_required(found["naked_notional_s"]),
        worst_cover_pct=_required(found["worst_cover_pct"]),
    )


def _fill(found: Mapping[str, Any]) -> RecordFill:
    return RecordFill(
        at_ms=_whole(found["at_ms"]),
        opens=bool(found["opens"]),
        price=_required(found["price"]),
        quantity=_required(found["quantity"]),
        fee=_required(found["fee"]),
        fee_asset=str(found["fee_asset"]),
        realised=_required(found["realised"]),
        role=str(found["role"]),
        rungs=tuple(map(_whole, found["rungs"])),
        reason=str(found["reason"]),
        trigger=_optional(found["trigger"]),
        slippage_bps=_optional(found["slippage_bps"]),
        slippage_cost=_optional(found["slippage_cost"]),
        maker=bool(found["maker"]),
        order_id=str(found["order_id"]),
        client_id=str(found["client_id"]),
        source=_text(found["source"]),
        trades=_whole(found["trades"]),
    )
