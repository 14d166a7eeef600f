"""From a row of either order list to an order in the core's words: what it does, and for whom, is decided here, once.

The venue's own names go no further, but for `venue_facts`, which only `plan --json` and `explain --json` print.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from position_monitor.core.model import ids
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, WorkingType
from position_monitor.edge.venues.binance.rows import AlgoOrderRow, PlainOrderRow
from position_monitor.edge.venues.binance.sides import PositionSide, key_of, only_reduces
from position_monitor.edge.venues.binance.words import PURPOSES, plain_status, word_or


def plain_order(raw: Mapping[str, Any]) -> LiveOrder:
    """A row of the plain list; raises ValidationError."""
    row = PlainOrderRow.model_validate(raw)
    return LiveOrder(
        key=key_of(row.symbol, row.side, row.position_side),
        order_id=row.order_id,
        client_id=row.client_order_id,
        tag=ids.tag_of(row.client_order_id),
        purpose=_purpose(row.type, row.working_type),
        quantity=None if row.close_position else max(row.orig_qty - row.executed_qty, Decimal(0)),
        trigger_price=row.stop_price or None,
        limit_price=row.price or None,
        working_type=word_or(WorkingType.CONTRACT_PRICE, row.working_type),
        status=plain_status(row.status),
        executed_quantity=row.executed_qty,
        reduces=_only_reduces(row),
        hedged=row.position_side is not PositionSide.BOTH,
        conditional=False,
        caveat=_caveat(row),
        created_at_ms=row.time,
        updated_at_ms=row.update_time,
        venue_facts=_facts(row, "plain"),
        average_price=row.avg_price,
    )


def algo_order(raw: Mapping[str, Any]) -> LiveOrder:
    """A conditional order; raises ValidationError. A row equal to an earlier one gives the very same value again."""
    values = tuple(raw.values())
    try:
        return _algo_order(tuple(raw), values, tuple(map(type, values)))
    except TypeError:  # a value that cannot be looked up, such as a list
        return _algo_order.__wrapped__(tuple(raw), values, ())


@lru_cache(maxsize=1_024)
def _algo_order(names: tuple[str, ...], values: tuple[Any, ...], types: tuple[type, ...]) -> LiveOrder:
    """Read one row. `types` only tells values apart that are equal and are not the same in JSON, such as 1 and true."""
    row = AlgoOrderRow.model_validate(dict(zip(names, values, strict=True)))
    return LiveOrder(
        key=key_of(row.symbol, row.side, row.position_side),
        order_id=row.algo_id,
        client_id=row.client_algo_id,
        tag=ids.tag_of(row.client_algo_id),
        purpose=_purpose(row.order_type, row.working_type) if row.algo_type == "CONDITIONAL" else Purpose.OTHER,
        quantity=None if row.close_position else max(row.quantity - row.actual_qty, Decimal(0)),
        trigger_price=row.trigger_price or None,
        limit_price=row.price or None,
        working_type=word_or(WorkingType.CONTRACT_PRICE, row.working_type),
        status=word_or(OrderStatus.OTHER, row.algo_status),
        executed_quantity=row.actual_qty,
        reduces=_only_reduces(row),
        hedged=row.position_side is not PositionSide.BOTH,
        conditional=True,
        caveat=_caveat(row),
        created_at_ms=row.create_time,
        updated_at_ms=row.update_time,
        venue_facts=_facts(row, "algo"),
        average_price=row.actual_price,
    )


def _purpose(order_type: str, working_type: str) -> Purpose:
    """What the order does; of an unknown type, or armed by a price we do not know, it is OTHER and so foreign."""
    if working_type and working_type not in WorkingType._value2member_map_:
        return Purpose.OTHER
    return PURPOSES.get(order_type, Purpose.OTHER)


def _only_reduces(row: PlainOrderRow | AlgoOrderRow) -> bool:
    return only_reduces(row.side, row.position_side, reduce_only=row.reduce_only, close_position=row.close_position)


def _caveat(row: PlainOrderRow | AlgoOrderRow) -> str:
    """Why the venue may drop the order (`goodTillDate`) or withhold it (`priceProtect`), or empty."""
    if row.good_till_date:
        return "it expires"
    if row.price_protect:
        return "priceProtect lets the venue withhold it while mark and last price differ"
    return ""


def _facts(row: PlainOrderRow | AlgoOrderRow, order_list: str) -> tuple[tuple[str, str | bool | int], ...]:
    """What the core does not ask; `order_list` names the list it was read from."""
    return (
        ("order_list", order_list),
        ("side", row.side),
        ("position_side", row.position_side),
        ("reduce_only", row.reduce_only),
        ("price_protect", row.price_protect),
        ("good_till_ms", row.good_till_date),
    )
