"""The record of a closed position as events: its result, and each fill of an order of ours with its own result."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from position_monitor.core.model import ids
from position_monitor.core.model.events import Detail, Event
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import Role
from position_monitor.core.model.rungs import rung_words
from position_monitor.core.performance.record import Record, RecordFill


def announce_record(record: Record, *, since_ms: int, now_ms: int) -> list[Event]:
    """The events of a record that is final.

    The fills of our orders come with it, for those that no stream and no read told of; whoever passes them on leaves
    out the others. Fills before `since_ms`, when this process began, are no news of it.
    """
    events = [_fill_of(record, fills) for fills in _by_order(record, since_ms)]
    return [*events, _result(record, now_ms, late=record.closed_at_ms < since_ms)]


def _result(record: Record, now_ms: int, *, late: bool) -> Event:
    """`late`: the position was closed before this process began."""
    money, in_r, last = record.money, record.net_r, record.fills[-1]
    details: dict[str, Detail] = {
        "record_id": record.record_id,
        "reason": record.reason,
        "client_id": last.client_id,
        "price": plain(record.exit_average),
        "quantity": plain(record.quantity_entered),
        "result_gross": plain(money.gross),
        "fees": None if money.fees is None else plain(money.fees),
        "result_net": None if money.net is None else plain(money.net),
        "net_r": None if in_r is None else plain(in_r.quantize(Decimal("0.0001"))),
        "asset": money.asset,
        "closed_at_ms": record.closed_at_ms,
        "late": late,
    }
    return _event("RecordFinal", now_ms, record, details)


def _by_order(record: Record, since_ms: int) -> list[list[RecordFill]]:
    """The exits of each stop and each take-profit of ours, in their order."""
    orders: dict[str, list[RecordFill]] = defaultdict(list)
    for fill in record.exits:
        tag = ids.tag_of(fill.client_id)
        if tag is not None and tag.role is not Role.CLOSE and fill.at_ms >= since_ms:
            orders[fill.client_id].append(fill)
    return list(orders.values())


def _fill_of(record: Record, fills: list[RecordFill]) -> Event:
    tag = ids.tag_of(fills[0].client_id)
    assert tag is not None, "Invariant: only fills of orders of ours are grouped"
    quantity = sum((fill.quantity for fill in fills), Decimal(0))
    price = sum((fill.quantity * fill.price for fill in fills), Decimal(0)) / quantity
    gross = sum((fill.realised for fill in fills), Decimal(0))
    settled = all(fill.fee_asset == record.money.asset for fill in fills)
    fees = sum((fill.fee for fill in fills), Decimal(0)) if settled else None
    target = tag.role is Role.TAKE_PROFIT
    details: dict[str, Detail] = {
        "client_id": fills[0].client_id,
        "order_id": fills[0].order_id,
        "role": str(tag.role),
        "rungs": rung_words(tag.rung) if target else "",
        "price": plain(fills[0].price if len(fills) == 1 else price.quantize(Decimal("0.00000001"))),
        "quantity": plain(quantity),
        "result_gross": plain(gross),
        "fees": None if fees is None else plain(fees),
        "result_net": None if fees is None else plain(gross - fees),
    }
    return _event("TakeProfitFilled" if target else "StopFired", fills[-1].at_ms, record, details)


def _event(kind: str, at_ms: int, record: Record, details: dict[str, Detail]) -> Event:
    return Event(kind, at_ms, record.key.symbol, str(record.key.side), details=details)
