"""The world as the venue's journal tells it: positions, resting orders, what covers what. No planner code in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

PREFIX = "qpm"
ZERO = Decimal(0)

Key = tuple[str, str]
"""Symbol, LONG or SHORT."""
Order = dict[str, Any]


def side_of(position_side: str, order_side: str) -> str:
    """The position an exit order belongs to."""
    if position_side in ("LONG", "SHORT"):
        return position_side
    return "LONG" if order_side == "SELL" else "SHORT"


def is_stop(order: Order) -> bool:
    return order["type"] == "STOP_MARKET" and order["status"] == "NEW"


def is_own(order: Order) -> bool:
    return str(order["client_id"]).startswith(PREFIX)


def left_of(order: Order) -> Decimal:
    """What is not executed yet; only limit orders are executed in parts while they rest."""
    return Decimal(order["quantity"]) - (Decimal(order["executed"]) if order["type"] == "LIMIT" else ZERO)


def any_order(_: Order) -> bool:
    return True


def reducing(order: Order, key: Key) -> bool:
    """Whether an order can only make a position smaller: its symbol, its leg, the exit side, and no more than it holds.

    After a forced change to one-way mode, quantity stops made for a hedge leg are no longer reduce-only.
    """
    only = order["reduce_only"] or order["close_position"] or order["position_side"] != "BOTH"
    return (
        bool(only)
        and order["symbol"] == key[0]
        and side_of(order["position_side"], order["side"]) == key[1]
        and order["side"] == ("SELL" if key[1] == "LONG" else "BUY")
    )


@dataclass
class Truth:
    """Positions and orders after the last entry."""

    positions: dict[Key, Decimal] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    """Resting conditional orders by id."""
    plain: dict[int, Order] = field(default_factory=dict)

    def apply(self, entry: Any) -> None:
        """Take over one journal entry."""
        if "order_id" in entry.detail:
            self._order(entry)
        if entry.symbol:
            self._positions(entry)
        if entry.kind == "mode_changed":
            for order in [*self.orders.values(), *self.plain.values()]:
                order["position_side"] = side_of("BOTH", order["side"]) if entry.detail["hedge"] else "BOTH"

    def _order(self, entry: Any) -> None:
        detail = entry.detail
        book = self.orders if detail.get("order_kind") == "algo" else self.plain
        if detail.get("status") in ("NEW", "PARTIALLY_FILLED") and entry.kind != "order_vanished":
            since = book.get(detail["order_id"], {}).get("since", entry.sequence)
            book[detail["order_id"]] = {**detail, "symbol": entry.symbol, "since": since}
        else:
            book.pop(detail["order_id"], None)

    def _positions(self, entry: Any) -> None:
        for side in ("LONG", "SHORT"):
            self.positions.pop((entry.symbol, side), None)
        for leg, text in entry.position_after.items():
            amount = Decimal(text)
            side = leg if leg != "BOTH" else ("LONG" if amount > 0 else "SHORT")
            if amount:
                self.positions[(entry.symbol, side)] = abs(amount)

    def of_symbol(self, symbol: str) -> list[Key]:
        """The open positions of a symbol."""
        return [key for key in self.positions if key[0] == symbol]

    def covered(self, key: Key, counts: Callable[[Order], bool] = any_order) -> bool:
        """Whether resting stops that count cover the whole position right now."""
        return self.level(key, counts) is not None

    def level(self, key: Key, counts: Callable[[Order], bool] = any_order) -> Decimal | None:
        """The price by which stops will have closed the whole position; None when they do not cover it."""
        stops = self.stops_of(key)
        if counts is not any_order:
            stops = [order for order in stops if counts(order)]
        stops.sort(key=lambda order: Decimal(order["trigger"]), reverse=key[1] == "LONG")
        left = self.positions[key]
        for order in stops:
            left = ZERO if order["close_position"] else left - Decimal(order["quantity"])
            if left <= 0:
                return Decimal(order["trigger"])
        return None

    def stops_of(self, key: Key) -> list[Order]:
        """Resting stops, whoever placed them, that can only make a position smaller."""
        symbol = key[0]
        return [
            order
            for order in self.orders.values()
            if order["symbol"] == symbol and is_stop(order) and reducing(order, key)
        ]

    def own(self) -> list[Order]:
        """Our resting conditional orders."""
        return [order for order in self.orders.values() if is_own(order)]

    def target_quantity(self, key: Key, *, ours: bool) -> Decimal:
        """What resting take-profits (ours, or everybody else's) would close of a position."""
        total = ZERO
        for order in [*self.orders.values(), *self.plain.values()]:
            if order["symbol"] != key[0]:
                continue
            takes_profit = order["type"] in ("TAKE_PROFIT_MARKET", "TAKE_PROFIT", "LIMIT")
            if takes_profit and is_own(order) == ours and reducing(order, key):
                total += self.positions[key] if order["close_position"] else left_of(order)
        return total
