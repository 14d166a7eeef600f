"""Published records back to values. Whatever stands in the stream, one failure tells that it is not readable."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.aftermath import Aftermath, aftermath_of
from position_monitor.core.performance.cover_time import CoverTime
from position_monitor.core.performance.excursion import Excursion
from position_monitor.core.performance.facts import range_of
from position_monitor.core.performance.money_of_life import Money
from position_monitor.core.performance.record import Origin, Record, RecordFill, RecordStatus
from position_monitor.core.performance.risk import Risk
from position_monitor.edge.redis.published_text import figure, parsed
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.record_documents import RECORD_SCHEMA


def read_record(text: str) -> Record:
    """An entry of `P:exits` as a value; unknown members are ignored. Raises `DocumentUnreadable`."""
    try:
        document = parsed(text)
        if document["schema"] != RECORD_SCHEMA:
            raise ValueError("another schema")
        record = _record(document)
        if not record.exits:
            raise ValueError("nothing was closed")
        return record
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation, IndexError) as fault:
        raise DocumentUnreadable(f"a record is not readable: {type(fault).__name__}") from None


def _record(document: Mapping[str, Any]) -> Record:
    return Record(
        account=str(document["account"]),
        key=PositionKey(str(document["symbol"]), Side(document["side"])),
        epoch=str(document["epoch"]),
        revision=_whole(document["revision"]),
        status=RecordStatus(document["status"]),
        opened_at_ms=_whole(document["opened_at_ms"]),
        closed_at_ms=_whole(document["closed_at_ms"]),
        quantity_peak=_required(document["quantity_peak"]),
        quantity_entered=_required(document["quantity_entered"]),
        entry_average=_required(document["entry_average"]),
        exit_average=_required(document["exit_average"]),
        fills=tuple(_fill(one) for one in document["fills"]),
        money=_money(document),
        risk=Risk(_optional(document["first_stop"]), _optional(document["risk"])),
        excursion=_excursion(document),
        marks_from=str(document["marks_from"]),
        cover=_cover(document),
        origin=Origin(*(_text(document[name]) for name in Origin._fields)),
        rungs=None if document["rungs"] is None else tuple(map(_whole, document["rungs"])),
        order_epochs=tuple(map(str, document["order_epochs"])),
        notes=tuple(map(str, document["notes"])),
        after=_after(document),
    )


def _after(document: Mapping[str, Any]) -> Aftermath | None:
    """What came after; absent in records of a program that did not look."""
    if document.get("after_best_price") is None:
        return None
    best, mean_exit = _required(document["after_best_price"]), _required(document["exit_average"])
    marks = range_of(best, _whole(document["after_best_at_ms"]))
    return aftermath_of(marks, side=Side(document["side"]), mean_exit=mean_exit)


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


def _by_asset(document: Mapping[str, Any]) -> dict[str, Decimal]:
    return {str(asset): _required(amount) for asset, amount in document.items()}


def _money(document: Mapping[str, Any]) -> Money:
    return Money(
        asset=str(document["settle_asset"]),
        gross=_required(document["gross"]),
        fees=_optional(document["fees"]),
        fees_by_asset=_by_asset(document["fees_by_asset"]),
        funding=_optional(document["funding"]),
        clearance=_required(document["clearance"]),
        residual_realised=_required(document["residual_realised"]),
        residual_fees=_by_asset(document["residual_fees"]),
        notes=(),
    )


def _excursion(document: Mapping[str, Any]) -> Excursion | None:
    if document["best_price"] is None:
        return None
    return Excursion(
        best_price=_required(document["best_price"]),
        best_at_ms=_whole(document["best_at_ms"]),
        worst_price=_required(document["worst_price"]),
        worst_at_ms=_whole(document["worst_at_ms"]),
        favourable=_required(document["favourable"]),
        adverse=_required(document["adverse"]),
        efficiency=_optional(document["efficiency"]),
        given_back=_required(document["given_back"]),
    )


def _cover(document: Mapping[str, Any]) -> CoverTime | None:
    if document["naked_ms"] is None:
        return None
    to_protect = document["time_to_protect_ms"]
    return CoverTime(
        time_to_protect_ms=None if to_protect is None else _whole(to_protect),
        naked_ms=_whole(document["naked_ms"]),
        naked_notional_s=_required(document["naked_notional_s"]),
        worst_cover_pct=_required(document["worst_cover_pct"]),
    )


def _fill(document: Mapping[str, Any]) -> RecordFill:
    return RecordFill(
        at_ms=_whole(document["at_ms"]),
        opens=bool(document["opens"]),
        price=_required(document["price"]),
        quantity=_required(document["quantity"]),
        fee=_required(document["fee"]),
        fee_asset=str(document["fee_asset"]),
        realised=_required(document["realised"]),
        role=str(document["role"]),
        rungs=tuple(map(_whole, document["rungs"])),
        reason=str(document["reason"]),
        trigger=_optional(document["trigger"]),
        slippage_bps=_optional(document["slippage_bps"]),
        slippage_cost=_optional(document["slippage_cost"]),
        maker=bool(document["maker"]),
        order_id=str(document["order_id"]),
        client_id=str(document["client_id"]),
        source=_text(document["source"]),
        trades=_whole(document["trades"]),
    )
