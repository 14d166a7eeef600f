"""From the venue's lists to positions and orders. One malformed row costs its symbol, never the others (D8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError

from position_monitor.core.model import ids
from position_monitor.core.model.orders import LiveOrder, OrderKind, OrderList, OrderStatus, WorkingType
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import OrdersRead, PositionsRead
from position_monitor.edge.venues.binance.position_rows import CONTRADICTION, moved_position, symbol_rows
from position_monitor.edge.venues.binance.rows import AlgoOrderRow, PlainOrderRow, list_of_rows, row_reason, row_symbol
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import ExchangeFailure


def positions_from(
    endpoint: Endpoint,
    body: object,
    *,
    hedged: bool | None,
    leverages: Mapping[str, int],
    began_at_ms: int,
    symbol: str | None = None,
) -> PositionsRead:
    """Read a `positionRisk` list (v3 or v2); raises Unreadable.

    `hedged` is the account's mode as last read, None where it never was. Rows decide where they can: an open LONG or
    SHORT row means hedge mode, an open BOTH row one-way mode. A symbol with a malformed row is named in `unreadable`;
    what of it is open beyond doubt is listed all the same, because its stop needs nothing else (invariant 3).
    """
    positions: list[Position] = []
    zeros: dict[PositionKey, int] = {}
    unreadable: dict[str, str] = {}
    groups = _by_symbol(endpoint, body, symbol)
    hedged = hedged if hedged is not None else _mode_shown(groups.values())
    for name, rows in groups.items():
        moved = moved_position(rows[0], leverages.get(name)) if len(rows) == 1 else None
        read = moved or symbol_rows(rows, hedged, leverages.get(name))
        positions.extend(read.opened)
        zeros.update(read.zeros)
        if read.problem:
            unreadable[name] = read.problem
    if positions:
        hedged = any(position.hedged for position in positions)
    ordered = tuple(sorted(positions, key=lambda position: (position.symbol, position.side)))
    return PositionsRead(ordered, frozenset(zeros), unreadable, bool(hedged), began_at_ms, symbol, zeros)


def _mode_shown(groups: Iterable[list[Mapping[str, Any]]]) -> bool | None:
    """The position mode that the open rows of an account show; None where none is open, or where they disagree."""
    shown: set[bool] = set()
    for rows in groups:
        shown.update(position.hedged for position in symbol_rows(rows, None, None).opened)
    return shown.pop() if len(shown) == 1 else None


def orders_from(
    plain: object, algo: object, *, began_at_ms: int, symbol: str | None = None, plain_unread: str = ""
) -> OrdersRead:
    """Read both open-order lists into one answer; raises Unreadable when that of conditional orders is not one.

    A symbol with a malformed row is named in `unreadable`, and its other rows are listed all the same. `plain_unread`
    says why there is no plain list (then `plain` is empty); in the answer it says so too where that list is not one.
    """
    orders: list[LiveOrder] = []
    unreadable: dict[str, str] = {}
    lists = ((Endpoint.OPEN_ORDERS, plain, plain_order), (Endpoint.OPEN_ALGO_ORDERS, algo, algo_order))
    for endpoint, body, read_row in lists:
        try:
            groups = _by_symbol(endpoint, body, symbol)
        except ExchangeFailure as failure:
            if endpoint is Endpoint.OPEN_ALGO_ORDERS:
                raise
            plain_unread = str(failure)
            continue
        for name, rows in groups.items():
            readable, problem = _order_rows(rows, read_row)
            orders.extend(readable)
            if problem:
                unreadable[name] = problem
    ordered = tuple(sorted(orders, key=lambda order: (order.symbol, order.order_list, order.order_id)))
    return OrdersRead(ordered, unreadable, began_at_ms, symbol, plain_unread)


def _order_rows(
    rows: Iterable[Mapping[str, Any]], read_row: Callable[[Mapping[str, Any]], LiveOrder]
) -> tuple[list[LiveOrder], str]:
    """The rows of one symbol that can be read, and what is wrong with the first other one.

    The same order twice counts once; the same id with other content is a contradiction, and neither counts.
    """
    by_id: dict[str, LiveOrder] = {}
    contradicted: set[str] = set()
    problem = ""
    for row in rows:
        try:
            order = read_row(row)
        except ValidationError as error:
            problem = problem or row_reason(error)
            continue
        except ValueError as error:
            problem = problem or str(error)
            continue
        if by_id.setdefault(order.order_id, order) != order:
            contradicted.add(order.order_id)
            problem = problem or CONTRADICTION
    return [order for order_id, order in by_id.items() if order_id not in contradicted], problem


def plain_order(raw: Mapping[str, Any]) -> LiveOrder:
    """A row of the plain list; raises ValidationError."""
    row = PlainOrderRow.model_validate(raw)
    working_type = _known(WorkingType, row.working_type, WorkingType.CONTRACT_PRICE)
    kind = _kind(row.type, row.working_type)
    return LiveOrder(
        symbol=row.symbol,
        order_id=row.order_id,
        client_id=row.client_order_id,
        tag=ids.tag_of(row.client_order_id),
        order_list=OrderList.PLAIN,
        kind=kind,
        side=row.side,
        position_side=row.position_side,
        quantity=max(row.orig_qty - row.executed_qty, Decimal(0)),
        close_all=row.close_position,
        reduce_only=row.reduce_only,
        trigger_price=row.stop_price or None,
        price=row.price or None,
        working_type=working_type,
        price_protect=row.price_protect,
        status=_known(OrderStatus, row.status, OrderStatus.OTHER),
        executed_quantity=row.executed_qty,
        good_till_ms=row.good_till_date,
        created_at_ms=row.time,
        updated_at_ms=row.update_time,
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
    kind = _kind(row.order_type, row.working_type) if row.algo_type == "CONDITIONAL" else OrderKind.OTHER
    return LiveOrder(
        symbol=row.symbol,
        order_id=row.algo_id,
        client_id=row.client_algo_id,
        tag=ids.tag_of(row.client_algo_id),
        order_list=OrderList.ALGO,
        kind=kind,
        side=row.side,
        position_side=row.position_side,
        quantity=Decimal(0) if row.close_position else max(row.quantity - row.actual_qty, Decimal(0)),
        close_all=row.close_position,
        reduce_only=row.reduce_only,
        trigger_price=row.trigger_price or None,
        price=row.price or None,
        working_type=_known(WorkingType, row.working_type, WorkingType.CONTRACT_PRICE),
        price_protect=row.price_protect,
        status=_known(OrderStatus, row.algo_status, OrderStatus.OTHER),
        executed_quantity=row.actual_qty,
        good_till_ms=row.good_till_date,
        created_at_ms=row.create_time,
        updated_at_ms=row.update_time,
    )


def _by_symbol(endpoint: Endpoint, body: object, asked: str | None) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in list_of_rows(endpoint, body):
        groups.setdefault(row_symbol(endpoint, row, asked), []).append(row)
    return groups


E = TypeVar("E", bound=StrEnum)


def _known(words: type[E], word: str, otherwise: E) -> E:
    return words(word) if word in words._value2member_map_ else otherwise


def _kind(order_type: str, working_type: str) -> OrderKind:
    """The order's kind; an unknown type, or one armed by a price we do not know, is OTHER and so foreign."""
    if working_type and working_type not in WorkingType._value2member_map_:
        return OrderKind.OTHER
    return _known(OrderKind, order_type, OrderKind.OTHER)
