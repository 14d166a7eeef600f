"""Messages of Binance's user stream as events. Nothing here raises, and no text of a message goes anywhere.

Unknown keys are normal, because the venue adds some. A message that is not JSON, not an object, or of an unknown type
is counted and ignored. A known event that is malformed is counted too, and still wakes the symbol it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pydantic import Field

from position_monitor.core.model import ids
from position_monitor.core.model.orders import OrderStatus, Purpose
from position_monitor.core.observation.stream_events import (
    AlgoEvent,
    ConfigEvent,
    MarginCallEvent,
    OrderEvent,
    PositionEvent,
    StreamEvent,
    SymbolTouched,
)
from position_monitor.edge.venues.binance.exact_numbers import whole_number
from position_monitor.edge.venues.binance.rows import (
    AmountToTell,
    Flag,
    Number,
    OptionalAmount,
    OrderId,
    OrderSideField,
    PositionSideField,
    Row,
    SymbolId,
    Text,
    Whole,
)
from position_monitor.edge.venues.binance.sides import PositionSide, key_of, leg_of, only_reduces
from position_monitor.edge.venues.binance.words import PURPOSES, plain_status, word_or
from position_monitor.edge.venues.transport import parse_json
from position_monitor.errors import ConfigError

_ORIGINS: Final = {"live": "wss://fstream.binance.com", "demo": "wss://fstream.binancefuture.com"}
PARTS_MAX: Final = 2_000
"""Rows believed of one message; more is garbage (invariant 10)."""
WORDS_MAX: Final = 200
"""Characters kept of a reason in the venue's words."""
_SYMBOL: Final = re.compile(r"[^\s\x00-\x1f]{1,40}")
_UNUSED: Final = frozenset({"TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE"})
"""Documented events that say nothing the others do not."""


def stream_origin(environment: str, override: str) -> str:
    """The origin of the streams without a path; `override` wins. Raises `ConfigError` when there is none."""
    origin = override.rstrip("/") or _ORIGINS.get(environment, "")
    if not origin:
        raise ConfigError(f"exchange.stream_url must be set when exchange.environment is {environment}")
    return origin


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What one message of the user stream said."""

    events: tuple[StreamEvent, ...] = ()
    documented: bool = False
    """Whether the venue said something it documents: proof that the stream delivers."""
    ignored: int = 0
    key_expired: bool = False
    """The listen key is gone; nothing more will come on this connection."""


class _PositionPart(Row):
    symbol: SymbolId = Field(alias="s")
    position_side: PositionSideField = Field(alias="ps")
    amount: Number = Field(alias="pa")
    entry_price: OptionalAmount = Field(alias="ep")


class _AlgoPart(Row):
    symbol: SymbolId = Field(alias="s")
    client_id: Text = Field("", alias="caid")
    order_id: OrderId = Field(alias="aid")
    status: Text = Field(alias="X")
    order_type: Text = Field("", alias="o")
    side: OrderSideField = Field(alias="S")
    position_side: PositionSideField = Field(alias="ps")
    trigger: OptionalAmount = Field(Decimal(0), alias="tp")
    quantity: OptionalAmount = Field(Decimal(0), alias="q")
    executed_quantity: OptionalAmount = Field(Decimal(0), alias="aq")
    average_price: AmountToTell = Field(Decimal(0), alias="ap")
    close_all: Flag = Field(alias="cp")
    reason: Text = Field("", alias="rm")


class _OrderPart(Row):
    symbol: SymbolId = Field(alias="s")
    client_id: Text = Field("", alias="c")
    order_id: OrderId = Field("", alias="i")
    order_type: Text = Field("", alias="o")
    price: OptionalAmount = Field(Decimal(0), alias="p")
    quantity: OptionalAmount = Field(Decimal(0), alias="q")
    status: Text = Field(alias="X")
    execution_type: Text = Field(alias="x")
    side: OrderSideField = Field(alias="S")
    position_side: PositionSideField = Field(alias="ps")
    last_price: OptionalAmount = Field(Decimal(0), alias="L")
    average_price: AmountToTell = Field(Decimal(0), alias="ap")
    filled: OptionalAmount = Field(Decimal(0), alias="z")
    reduce_only: Flag = Field(alias="R")


class _LeveragePart(Row):
    symbol: SymbolId = Field(alias="s")
    leverage: Whole = Field(alias="l")


class _AccountPart(Row):
    multi_assets: Flag = Field(alias="j")


def _symbol_in(part: object) -> str:
    """The symbol a part names, however malformed the rest is; empty when it names none."""
    symbol = part.get("s") if isinstance(part, Mapping) else None
    return symbol if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol) else ""


def _touched(symbol: str, reason: str) -> tuple[StreamEvent, ...]:
    return (SymbolTouched(symbol, reason),) if symbol else ()


def _positions(body: Mapping[str, Any]) -> UserMessage:
    account = body.get("a")
    parts = account.get("P", []) if isinstance(account, Mapping) else None
    if not isinstance(account, Mapping) or not isinstance(parts, list) or len(parts) > PARTS_MAX:
        return UserMessage(documented=True, ignored=1)
    reason = str(account.get("m", ""))[:WORDS_MAX]
    events: list[StreamEvent] = []
    ignored = 0
    for part in parts:
        try:
            at_ms = whole_number(body.get("T"))
            row = _PositionPart.model_validate(part)
            leg = leg_of(row.position_side)
            events.append(
                PositionEvent(
                    symbol=row.symbol,
                    leg=leg,
                    amount=row.amount,
                    entry_price=row.entry_price,
                    at_ms=at_ms,
                    reason=reason,
                )
            )
        except ValueError:  # a `ValidationError` is one
            ignored += 1
            events.extend(_touched(_symbol_in(part), "an unreadable position"))
    return UserMessage(tuple(events), documented=True, ignored=ignored)


def _algo(body: Mapping[str, Any]) -> UserMessage:
    part = body.get("o")
    try:
        at_ms = whole_number(body.get("T"))
        row = _AlgoPart.model_validate(part)
    except ValueError:
        return UserMessage(_touched(_symbol_in(part), "an unreadable conditional order"), documented=True, ignored=1)
    event = AlgoEvent(
        key=key_of(row.symbol, row.side, row.position_side),
        client_id=row.client_id,
        tag=ids.tag_of(row.client_id),
        order_id=row.order_id,
        status=word_or(OrderStatus.OTHER, row.status),
        purpose=PURPOSES.get(row.order_type, Purpose.OTHER),
        hedged=row.position_side is not PositionSide.BOTH,
        trigger=row.trigger or None,
        quantity=None if row.close_all else row.quantity,
        executed_quantity=row.executed_quantity,
        reason=row.reason[:WORDS_MAX],
        at_ms=at_ms,
        average_price=row.average_price,
    )
    return UserMessage((event,), documented=True)


def _order(body: Mapping[str, Any]) -> UserMessage:
    part = body.get("o")
    try:
        at_ms = whole_number(body.get("T"))
        row = _OrderPart.model_validate(part)
    except ValueError:
        return UserMessage(_touched(_symbol_in(part), "an unreadable order"), documented=True, ignored=1)
    event = OrderEvent(
        key=key_of(row.symbol, row.side, row.position_side),
        client_id=row.client_id,
        status=row.status[:WORDS_MAX],
        execution_type=row.execution_type[:WORDS_MAX],
        reduces=only_reduces(row.side, row.position_side, reduce_only=row.reduce_only),
        last_price=row.last_price,
        filled=row.filled,
        at_ms=at_ms,
    )
    if not ids.is_limit(row.client_id):
        return UserMessage((event,), documented=True)
    return UserMessage((event, _limit_rung(row, event)), documented=True)


def _limit_rung(row: _OrderPart, event: OrderEvent) -> AlgoEvent:
    """What became of a take-profit of ours that rests as a limit order: told like that of a conditional one."""
    return AlgoEvent(
        key=event.key,
        client_id=row.client_id,
        tag=ids.tag_of(row.client_id),
        order_id=row.order_id,
        status=plain_status(row.status),
        purpose=PURPOSES.get(row.order_type, Purpose.OTHER),
        hedged=row.position_side is not PositionSide.BOTH,
        trigger=row.price or None,
        quantity=row.quantity,
        executed_quantity=row.filled,
        reason="",
        at_ms=event.at_ms,
        average_price=row.average_price,
    )


def _config(body: Mapping[str, Any]) -> UserMessage:
    try:
        at_ms = whole_number(body.get("T"))
        if "ac" in body:
            row = _LeveragePart.model_validate(body["ac"])
            return UserMessage((ConfigEvent(row.symbol, row.leverage, None, at_ms),), documented=True)
        account = _AccountPart.model_validate(body.get("ai"))
    except ValueError:
        return UserMessage(_touched(_symbol_in(body.get("ac")), "an unreadable setting"), documented=True, ignored=1)
    return UserMessage((ConfigEvent("", None, account.multi_assets, at_ms),), documented=True)


def _margin_call(body: Mapping[str, Any]) -> UserMessage:
    parts, at_ms = body.get("p"), body.get("E")
    if not isinstance(parts, list) or len(parts) > PARTS_MAX:
        return UserMessage(documented=True, ignored=1)
    symbols = [symbol for part in parts if (symbol := _symbol_in(part))]
    event = MarginCallEvent(tuple(dict.fromkeys(symbols)), at_ms if isinstance(at_ms, int) else 0)
    return UserMessage((event,) if symbols else (), documented=True, ignored=len(parts) - len(symbols))


def _trigger_refused(body: Mapping[str, Any]) -> UserMessage:
    events = _touched(_symbol_in(body.get("or")), "a triggered order was refused")
    return UserMessage(events, documented=True, ignored=0 if events else 1)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], UserMessage]]] = {
    "ACCOUNT_UPDATE": _positions,
    "ALGO_UPDATE": _algo,
    "ORDER_TRADE_UPDATE": _order,
    "ACCOUNT_CONFIG_UPDATE": _config,
    "MARGIN_CALL": _margin_call,
    "CONDITIONAL_ORDER_TRIGGER_REJECT": _trigger_refused,
    "listenKeyExpired": lambda _: UserMessage(documented=True, key_expired=True),
}


def parse_user_message(text: str) -> UserMessage:
    """Read one message of the user stream."""
    body = parse_json(text)
    name = body.get("e") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(name, str):
        return UserMessage(ignored=1)
    if name in _UNUSED:
        return UserMessage(documented=True)
    reader = _READERS.get(name)
    return UserMessage(ignored=1) if reader is None else reader(body)
