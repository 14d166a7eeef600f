"""From the venue's lists to positions and orders. One malformed row costs its symbol, never the others (D8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import OrdersRead, PositionsRead
from position_monitor.edge.venues.binance.order_rows import algo_order, plain_order
from position_monitor.edge.venues.binance.position_rows import CONTRADICTION, flat_rows, moved_position, symbol_rows
from position_monitor.edge.venues.binance.rows import list_of_rows, row_reason, row_symbol
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
        read = flat_rows(rows, hedged)
        if read is None and len(rows) == 1:
            read = moved_position(rows[0], leverages.get(name))
        if read is None:
            read = symbol_rows(rows, hedged, leverages.get(name))
        positions.extend(read.opened)
        zeros.update(read.zeros)
        if read.problem:
            unreadable[name] = read.problem
    if positions:
        hedged = any(position.hedged for position in positions)
    ordered = tuple(sorted(positions, key=lambda position: (position.symbol, position.side)))
    return PositionsRead(
        positions=ordered,
        zero_keys=frozenset(zeros),
        unreadable=unreadable,
        hedged=bool(hedged),
        began_at_ms=began_at_ms,
        symbol=symbol,
        zero_at_ms=zeros,
    )


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
    ordered = tuple(sorted(orders, key=lambda order: (order.symbol, not order.conditional, order.order_id)))
    return OrdersRead(
        orders=ordered, unreadable=unreadable, began_at_ms=began_at_ms, symbol=symbol, plain_unread=plain_unread
    )


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


def _by_symbol(endpoint: Endpoint, body: object, asked: str | None) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in list_of_rows(endpoint, body):
        groups.setdefault(row_symbol(endpoint, row, asked), []).append(row)
    return groups
