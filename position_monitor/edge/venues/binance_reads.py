"""From the venue's lists to positions and orders. One malformed row costs its symbol, never the others (D8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError

from position_monitor.core.model import (
    LiveOrder,
    OrderKind,
    OrderList,
    OrderStatus,
    Position,
    PositionKey,
    PositionSide,
    Side,
    WorkingType,
)
from position_monitor.core.observation import OrdersRead, PositionsRead
from position_monitor.edge.venues.binance_rows import (
    AlgoOrderRow,
    PlainOrderRow,
    PositionRow,
    PositionSizeRow,
    exact_decimal,
    list_of_rows,
    row_reason,
    row_symbol,
)
from position_monitor.edge.venues.transport import Endpoint

_CONTRADICTION = "two rows contradict each other"


def positions_from(
    endpoint: Endpoint,
    body: object,
    *,
    hedged: bool,
    leverages: Mapping[str, int],
    began_at_ms: int,
    symbol: str | None = None,
) -> PositionsRead:
    """Read a `positionRisk` list (v3 or v2); raises Unreadable.

    `hedged` is the account's mode as last read. Rows decide where they can: an open LONG or SHORT row means hedge
    mode, an open BOTH row one-way mode.
    """
    positions: list[Position] = []
    zero_keys: set[PositionKey] = set()
    unreadable: dict[str, str] = {}
    for name, rows in _by_symbol(endpoint, body, symbol).items():
        try:
            one = _moved_position(rows[0], leverages.get(name)) if len(rows) == 1 else None
            opened, zeros = one or _symbol_positions(rows, hedged, leverages.get(name))
        except ValidationError as error:
            unreadable[name] = row_reason(error)
        except ValueError as error:
            unreadable[name] = str(error)
        else:
            positions.extend(opened)
            zero_keys.update(zeros)
    if positions:
        hedged = any(position.hedged for position in positions)
    ordered = tuple(sorted(positions, key=lambda position: (position.symbol, position.side)))
    return PositionsRead(ordered, frozenset(zero_keys), unreadable, hedged, began_at_ms, symbol)


def orders_from(plain: object, algo: object, *, began_at_ms: int, symbol: str | None = None) -> OrdersRead:
    """Read both open-order lists into one answer; raises Unreadable when either is not the documented list."""
    orders: list[LiveOrder] = []
    unreadable: dict[str, str] = {}
    lists = ((Endpoint.OPEN_ORDERS, plain, plain_order), (Endpoint.OPEN_ALGO_ORDERS, algo, algo_order))
    for endpoint, body, read_row in lists:
        for name, rows in _by_symbol(endpoint, body, symbol).items():
            try:
                found = _without_duplicates([read_row(row) for row in rows])
            except ValidationError as error:
                unreadable[name] = row_reason(error)
            except ValueError as error:
                unreadable[name] = str(error)
            else:
                orders.extend(found)
    readable = (order for order in orders if order.symbol not in unreadable)
    ordered = tuple(sorted(readable, key=lambda order: (order.symbol, order.order_list, order.order_id)))
    return OrdersRead(ordered, unreadable, began_at_ms, symbol)


def plain_order(raw: Mapping[str, Any]) -> LiveOrder:
    """A row of the plain list; raises ValidationError."""
    row = PlainOrderRow.model_validate(raw)
    working_type = _known(WorkingType, row.working_type, WorkingType.CONTRACT_PRICE)
    kind = _kind(row.type, row.working_type)
    return LiveOrder(
        symbol=row.symbol,
        order_id=row.order_id,
        client_id=row.client_order_id,
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


def _symbol_positions(
    rows: Iterable[Mapping[str, Any]], account_hedged: bool, leverage: int | None
) -> tuple[list[Position], set[PositionKey]]:
    """All rows of one symbol together; raises ValueError when they contradict each other."""
    by_side: dict[PositionSide, tuple[PositionSizeRow, Mapping[str, Any]]] = {}
    for raw in rows:
        sized = PositionSizeRow.model_validate(raw)
        earlier = by_side.setdefault(sized.position_side, (sized, raw))
        if earlier[1] != raw:
            raise ValueError(_CONTRADICTION)
    opened = [_position(raw, leverage) for sized, raw in by_side.values() if sized.position_amt != 0]
    if len({position.hedged for position in opened}) > 1:
        raise ValueError("one-way and hedge rows are open at once")
    hedged = opened[0].hedged if opened else account_hedged
    zeros: set[PositionKey] = set()
    for side, (sized, _) in by_side.items():
        if side is PositionSide.BOTH and not hedged:
            # One net row speaks about both directions: what it does not hold is zero.
            zeros.update(PositionKey(sized.symbol, one) for one in Side)
        elif side is not PositionSide.BOTH and hedged and sized.position_amt == 0:
            zeros.add(PositionKey(sized.symbol, Side(side.value)))
    return opened, zeros - {position.key for position in opened}


def _moved_position(raw: Mapping[str, Any], leverage: int | None) -> tuple[list[Position], set[PositionKey]] | None:
    """The only row of a symbol that is the one of an earlier answer but for what moves with the price.

    None when it is not, or when anything about it is unusual: then it is read as any other row is.
    """
    stated = raw.get("leverage")
    plain = (raw.get("symbol"), raw.get("positionSide"), raw.get("positionAmt"), raw.get("entryPrice"))
    updated = raw.get("updateTime")
    # Only these types, because values of others may be equal without meaning the same, such as 1 and true.
    if set(map(type, plain)) != {str} or type(updated) is not int:
        return None
    if stated is not None and type(stated) is not str:
        return None
    try:
        same, zeros = _standing_part(*plain, updated, stated)
        mark = exact_decimal(raw.get("markPrice"))
        pnl = exact_decimal(raw.get("unRealizedProfit"))
        liquidation = exact_decimal(raw.get("liquidationPrice"))
    except ValueError:
        return None
    if mark <= 0:
        return None
    moved = Position(
        symbol=same.symbol,
        side=same.side,
        quantity=same.quantity,
        entry_price=same.entry_price,
        mark_price=mark,
        liquidation_price=liquidation if liquidation > 0 else None,
        unrealized_pnl=pnl,
        leverage=leverage if same.leverage is None else same.leverage,
        hedged=same.hedged,
        updated_at_ms=same.updated_at_ms,
    )
    return [moved], zeros


@lru_cache(maxsize=1_024)
def _standing_part(
    symbol: str, side: str, amount: str, entry: str, updated: int, leverage: str | None
) -> tuple[Position, set[PositionKey]]:
    """What of an open row does not move with the price, read by the rules for every row; raises ValueError."""
    raw = {"symbol": symbol, "positionSide": side, "positionAmt": amount, "entryPrice": entry, "updateTime": updated}
    raw |= {"leverage": leverage, "markPrice": "1", "unRealizedProfit": "0", "liquidationPrice": "0"}
    opened, zeros = _symbol_positions([raw], False, None)
    if not opened:
        raise ValueError("not open")
    return opened[0], zeros


def _position(raw: Mapping[str, Any], leverage: int | None) -> Position:
    """An open row; raises ValidationError, or ValueError when side and sign disagree.

    A SHORT leg is documented with a negative amount; a positive one is taken as well, because `positionSide` leaves no
    doubt and the alternative is a position without a stop (invariant 14).
    """
    row = PositionRow.model_validate(raw)
    hedged = row.position_side is not PositionSide.BOTH
    side = Side.LONG if row.position_amt > 0 else Side.SHORT
    if row.position_side is PositionSide.LONG and row.position_amt < 0:
        raise ValueError("positionAmt was negative in a LONG row")
    if hedged:
        side = Side(row.position_side.value)
    return Position(
        symbol=row.symbol,
        side=side,
        quantity=abs(row.position_amt),
        entry_price=row.entry_price,
        mark_price=row.mark_price,
        liquidation_price=row.liquidation_price if row.liquidation_price > 0 else None,
        unrealized_pnl=row.un_realized_profit,
        leverage=leverage if row.leverage is None else row.leverage,
        hedged=hedged,
        updated_at_ms=row.update_time,
    )


def _without_duplicates(orders: list[LiveOrder]) -> list[LiveOrder]:
    """The same order twice counts once; the same id with other content is a contradiction (ValueError)."""
    by_id: dict[str, LiveOrder] = {}
    for order in orders:
        if by_id.setdefault(order.order_id, order) != order:
            raise ValueError(_CONTRADICTION)
    return list(by_id.values())


E = TypeVar("E", bound=StrEnum)


def _known(words: type[E], word: str, otherwise: E) -> E:
    return words(word) if word in words._value2member_map_ else otherwise


def _kind(order_type: str, working_type: str) -> OrderKind:
    """The order's kind; an unknown type, or one armed by a price we do not know, is OTHER and so foreign."""
    if working_type and working_type not in WorkingType._value2member_map_:
        return OrderKind.OTHER
    return _known(OrderKind, order_type, OrderKind.OTHER)
