"""Order records and their indexes: plain orders of the engine, conditional (algo) orders."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from position_monitor.paper.amounts import ZERO

HISTORY_KEPT = 20_000
CONDITIONAL_TYPES = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
STOP_KINDS = frozenset({"STOP", "STOP_MARKET"})
TAKE_PROFIT_KINDS = frozenset({"TAKE_PROFIT", "TAKE_PROFIT_MARKET"})
OPEN_ALGO = frozenset({"NEW", "TRIGGERING", "TRIGGERED"})


@dataclass(slots=True)
class PlainOrder:
    """An order of the matching engine (LIMIT, MARKET, LIQUIDATION)."""

    order_id: int
    client_id: str
    symbol: str
    side: str
    position_side: str
    type: str
    quantity: Decimal
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    price_match: str = "NONE"
    self_trade: str = "EXPIRE_MAKER"
    good_till_ms: int = 0
    working_type: str = "CONTRACT_PRICE"
    original_type: str = ""
    origin: str = "api"
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    created_ms: int = 0
    updated_ms: int = 0
    reason: str = ""

    @property
    def open(self) -> bool:
        """Resting in the book."""
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def remaining(self) -> Decimal:
        """Quantity not executed yet."""
        return self.quantity - self.executed

    @property
    def average(self) -> Decimal:
        """Average execution price, zero before the first execution."""
        return self.quote / self.executed if self.executed else ZERO

    @property
    def number(self) -> int:
        """The id the index files it under."""
        return self.order_id


@dataclass(slots=True)
class AlgoOrder:
    """A conditional order of the algo service."""

    algo_id: int
    client_id: str
    symbol: str
    side: str
    position_side: str
    type: str
    quantity: Decimal
    trigger: Decimal
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    working_type: str = "CONTRACT_PRICE"
    price_match: str = "NONE"
    self_trade: str = "EXPIRE_MAKER"
    close_position: bool = False
    price_protect: bool = False
    reduce_only: bool = False
    activate_price: Decimal | None = None
    callback_rate: Decimal | None = None
    activated: bool = False
    extreme: Decimal = ZERO
    good_till_ms: int = 0
    origin: str = "api"
    status: str = "NEW"
    created_ms: int = 0
    updated_ms: int = 0
    triggered_ms: int = 0
    actual_order_id: int = 0
    actual_price: Decimal = ZERO
    actual_quantity: Decimal = ZERO
    actual_type: str = ""
    reason: str = ""
    row: tuple[tuple[Any, ...], dict[str, Any]] | None = field(default=None, compare=False, repr=False)
    """How it was listed last, after all that the row depends on and that may change."""

    @property
    def open(self) -> bool:
        """Listed among the open algo orders (only NEW protects)."""
        return self.status in OPEN_ALGO

    @property
    def rises(self) -> bool:
        """True when it triggers at or above its trigger price, False when at or below."""
        buys = self.side == "BUY"
        return not buys if self.type in TAKE_PROFIT_KINDS else buys

    @property
    def number(self) -> int:
        """The id the index files it under."""
        return self.algo_id


changing_of: Callable[[AlgoOrder], tuple[Any, ...]] = attrgetter(
    "status", "position_side", "trigger", "activated", "updated_ms", "triggered_ms", "actual_order_id", "actual_price",
    "actual_quantity", "actual_type",
)  # fmt: skip
"""What is listed of a conditional order and changes after it was accepted."""


class Filed(Protocol):
    """What an index needs of an order."""

    symbol: str
    client_id: str

    @property
    def open(self) -> bool:
        """Whether it is open."""

    @property
    def number(self) -> int:
        """Its id."""


OrderT = TypeVar("OrderT", PlainOrder, AlgoOrder)


class OrderBook(Generic[OrderT]):
    """Orders by id, by open client id, by symbol.  Closed ones are kept up to a bound."""

    def __init__(self) -> None:
        self._all: OrderedDict[int, OrderT] = OrderedDict()
        self._open: dict[str, dict[int, OrderT]] = {}
        self._clients: dict[str, dict[str, int]] = {}
        self._closed: OrderedDict[int, None] = OrderedDict()
        self.open_count = 0

    def add(self, order: OrderT) -> None:
        """File a new open order."""
        self._all[order.number] = order
        self._open.setdefault(order.symbol, {})[order.number] = order
        self._clients.setdefault(order.client_id, {})[order.symbol] = order.number
        self.open_count += 1

    def close(self, order: OrderT) -> None:
        """Move an order that reached its end to the history."""
        if self._open.get(order.symbol, {}).pop(order.number, None) is None:
            return
        self.open_count -= 1
        self._closed[order.number] = None
        while len(self._closed) > HISTORY_KEPT:
            self._forget(self._closed.popitem(last=False)[0])

    def erase(self, order: OrderT) -> None:
        """Remove every trace (the fault of a silently vanished order)."""
        self.close(order)
        self._closed.pop(order.number, None)
        self._forget(order.number)

    def _forget(self, number: int) -> None:
        order = self._all.pop(number, None)
        by_symbol = self._clients.get(order.client_id) if order else None
        if order is not None and by_symbol and by_symbol.get(order.symbol) == number:
            del by_symbol[order.symbol]
            if not by_symbol:
                del self._clients[order.client_id]

    def by_id(self, number: int) -> OrderT | None:
        """Any known order by id."""
        return self._all.get(number)

    def by_client(self, client_id: str, symbol: str | None) -> OrderT | None:
        """The newest order of a client id; without a symbol, of any symbol."""
        by_symbol = self._clients.get(client_id)
        if not by_symbol:
            return None
        number = max(by_symbol.values()) if symbol is None else by_symbol.get(symbol)
        return self._all.get(number) if number is not None else None

    def open_client(self, client_id: str, symbol: str | None) -> OrderT | None:
        """The open order of a client id, of one symbol or of any."""
        for number in self._clients.get(client_id, {}).values():
            order = self._all.get(number)
            if order is not None and order.open and symbol in (None, order.symbol):
                return order
        return None

    def open_of(self, symbol: str) -> list[OrderT]:
        """Open orders of a symbol, oldest first."""
        return list(self._open.get(symbol, {}).values())

    def open_all(self) -> list[OrderT]:
        """All open orders, by symbol then age."""
        return [order for symbol in sorted(self._open) for order in self._open[symbol].values()]

    def history_of(self, symbol: str | None) -> list[OrderT]:
        """Open and closed orders of a symbol (or all), oldest first."""
        return [o for o in self._all.values() if symbol is None or o.symbol == symbol]


def copied(order: OrderT) -> OrderT:
    """An independent copy of an order record; `dataclasses.replace` takes several times as long."""
    kind: Any = type(order)
    copy: OrderT = kind(*values_of(kind)(order))
    return copy


@cache
def values_of(kind: Any) -> attrgetter[tuple[Any, ...]]:  # noqa: ANN401 - a class of records
    """Reads all that a record says at once, in the order in which it is made of it."""
    return attrgetter(*[one.name for one in fields(kind) if one.compare])
