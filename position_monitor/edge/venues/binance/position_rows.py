"""The position rows of one symbol: what is open, what is zero, and what of them could not be read.

A row that is malformed costs the verdict of its symbol, not the stop: side, size and some price are enough to place one
(invariant 3). So a row is read field by field where the strict model refuses it, and says itself what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import ValidationError

from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import SIDES, PositionKey, Side
from position_monitor.edge.venues.binance.exact_numbers import exact_decimal, whole_number
from position_monitor.edge.venues.binance.rows import (
    PositionRow,
    PositionSizeRow,
    readable_part,
    row_reason,
)
from position_monitor.edge.venues.binance.sides import PositionSide, leg_of

CONTRADICTION = "two rows contradict each other"


class SymbolRows(NamedTuple):
    """What the rows of one symbol say."""

    opened: tuple[Position, ...] = ()
    zeros: Mapping[PositionKey, int] = {}
    """The positions that a row said are zero, with the venue's time of their last change (0: not said)."""
    problem: str = ""
    """What could not be read, or empty."""


def symbol_rows(rows: Iterable[Mapping[str, Any]], account_hedged: bool | None, leverage: int | None) -> SymbolRows:
    """All rows of one symbol together. Nothing is called zero where anything about the symbol is in doubt."""
    by_side: dict[PositionSide, tuple[PositionSizeRow, Mapping[str, Any]]] = {}
    problem = ""
    for raw in rows:
        try:
            sized = _sized(raw)
        except ValidationError as error:
            problem = problem or row_reason(error)
            continue
        row = (sized, raw)
        earlier = by_side.setdefault(sized.position_side, row)
        if earlier is not row and earlier[1] != raw:
            problem = problem or CONTRADICTION
            by_side[sized.position_side] = _the_open_one(earlier, row)
    opened: list[Position] = []
    for sized, raw in by_side.values():
        if sized.position_amt == 0:
            continue
        position = _position(sized, raw, leverage)
        if isinstance(position, Position):
            opened.append(position)
        problem = problem or (position.unread if isinstance(position, Position) else position)
    if len(opened) > 1 and len({position.hedged for position in opened}) > 1:
        problem = problem or "one-way and hedge rows are open at once"
        opened = [position for position in opened if position.hedged == account_hedged]
    if problem:
        return SymbolRows(tuple(opened), {}, problem)
    zeros = _zeros(by_side, opened[0].hedged if opened else account_hedged)
    for position in opened:
        zeros.pop(position.key, None)
    return SymbolRows(tuple(opened), zeros)


def _sized(raw: Mapping[str, Any]) -> PositionSizeRow:
    """What must be readable of every row; raises ValidationError."""
    symbol, side, amount = raw.get("symbol"), raw.get("positionSide"), raw.get("positionAmt")
    # Values of other types may be equal without meaning the same, such as 1 and true.
    if type(symbol) is str and type(side) is str and type(amount) is str:
        return _size_stated(symbol, side, amount)
    return PositionSizeRow.model_validate(raw)


@lru_cache(maxsize=4_096)
def _size_stated(symbol: str, side: str, amount: str) -> PositionSizeRow:
    """Most rows say the same in every answer, and of many symbols that nothing is open."""
    return PositionSizeRow.model_validate({"symbol": symbol, "positionSide": side, "positionAmt": amount})


def _the_open_one(
    one: tuple[PositionSizeRow, Mapping[str, Any]], other: tuple[PositionSizeRow, Mapping[str, Any]]
) -> tuple[PositionSizeRow, Mapping[str, Any]]:
    """Of two rows that contradict each other the larger position, where both say that one is open on the same side.

    Where one of them says zero, or in one-way mode the other direction, nothing is known to be open.
    """
    product = one[0].position_amt * other[0].position_amt
    if product == 0 or (product < 0 and one[0].position_side is PositionSide.BOTH):
        return (one[0].model_copy(update={"position_amt": Decimal(0)}), one[1])
    return max(one, other, key=lambda row: abs(row[0].position_amt))


def _zeros(
    by_side: Mapping[PositionSide, tuple[PositionSizeRow, Mapping[str, Any]]], hedged: bool | None
) -> dict[PositionKey, int]:
    zeros: dict[PositionKey, int] = {}
    for side, (sized, raw) in by_side.items():
        leg = leg_of(side)
        if leg is None and hedged is False:
            # One net row speaks about both directions: what it does not hold is zero.
            at_ms = _time_of(raw)
            zeros |= {PositionKey(sized.symbol, one): at_ms for one in SIDES}
        elif leg is not None and hedged is not False and sized.position_amt == 0:
            zeros[PositionKey(sized.symbol, leg)] = _time_of(raw)
    return zeros


def _time_of(raw: Mapping[str, Any]) -> int:
    try:
        return whole_number(raw.get("updateTime", 0))
    except ValueError:
        return 0


def flat_rows(rows: Iterable[Mapping[str, Any]], account_hedged: bool | None) -> SymbolRows | None:
    """The rows of a symbol of which none is open: most of an account, and the same in answer after answer.

    None where one may be open, or when anything about them is unusual: then they are read as any other rows are.
    """
    stated: list[tuple[str, str, str, int]] = []
    for raw in rows:
        symbol, side, amount = raw.get("symbol"), raw.get("positionSide"), raw.get("positionAmt")
        updated = raw.get("updateTime")
        # Only these types, because values of others may be equal without meaning the same, such as 1 and true.
        if type(symbol) is not str or type(side) is not str or type(amount) is not str or type(updated) is not int:
            return None
        if amount.strip("-.0"):
            return None
        stated.append((symbol, side, amount, updated))
    return _flat_stated(tuple(stated), account_hedged)


@lru_cache(maxsize=4_096)
def _flat_stated(stated: tuple[tuple[str, str, str, int], ...], account_hedged: bool | None) -> SymbolRows | None:
    """What such rows say, read by the rules for every row; None where they are unusual."""
    if len({side for _, side, _, _ in stated}) < len(stated):
        return None  # whether two rows of one side contradict each other, all of what they say decides
    names = ("symbol", "positionSide", "positionAmt", "updateTime")
    read = symbol_rows([dict(zip(names, row, strict=True)) for row in stated], account_hedged, None)
    return None if read.opened or read.problem else read


def moved_position(raw: Mapping[str, Any], leverage: int | None) -> SymbolRows | None:
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
    if (standing := _standing_part(*plain, updated, stated)) is None:
        return None
    same, zeros = standing
    try:
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
    return SymbolRows((moved,), zeros)


@lru_cache(maxsize=1_024)
def _standing_part(
    symbol: str, side: str, amount: str, entry: str, updated: int, leverage: str | None
) -> tuple[Position, Mapping[PositionKey, int]] | None:
    """What of an open row does not move with the price, read by the rules for every row; None where it is unusual."""
    raw = {"symbol": symbol, "positionSide": side, "positionAmt": amount, "entryPrice": entry, "updateTime": updated}
    raw |= {"leverage": leverage, "markPrice": "1", "unRealizedProfit": "0", "liquidationPrice": "0"}
    read = symbol_rows([raw], False, None)
    if not read.opened or read.problem:
        return None
    return read.opened[0], read.zeros


def _position(sized: PositionSizeRow, raw: Mapping[str, Any], leverage: int | None) -> Position | str:
    """An open row, or why nothing can be placed on its word.

    A SHORT leg is documented with a negative amount; a positive one is taken as well, because `positionSide` leaves no
    doubt and the alternative is a position without a stop (invariant 14).
    """
    hedged = sized.position_side is not PositionSide.BOTH
    if sized.position_side is PositionSide.LONG and sized.position_amt < 0:
        return "positionAmt was negative in a LONG row"
    side = leg_of(sized.position_side) or (Side.LONG if sized.position_amt > 0 else Side.SHORT)
    try:
        row = PositionRow.model_validate(raw)
    except ValidationError as error:
        return _position_in_part(sized, raw, side, hedged=hedged, unread=row_reason(error))
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


def _position_in_part(
    sized: PositionSizeRow, raw: Mapping[str, Any], side: Side, *, hedged: bool, unread: str
) -> Position | str:
    """What a malformed row says of an open position. Its mark price may be 0: whoever asked knows other prices."""
    entry, liquidation = readable_part(raw, "entryPrice"), readable_part(raw, "liquidationPrice")
    return Position(
        symbol=sized.symbol,
        side=side,
        quantity=abs(sized.position_amt),
        entry_price=entry,
        mark_price=readable_part(raw, "markPrice"),
        liquidation_price=liquidation if liquidation > 0 else None,
        unrealized_pnl=Decimal(0),
        leverage=None,
        hedged=hedged,
        updated_at_ms=_time_of(raw),
        unread=unread,
    )
