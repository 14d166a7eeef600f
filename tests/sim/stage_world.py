"""The world around the daemons of a stage: what a trader, a human or the venue does, and how things stand.

How things stand is what rests at the venue, what its journal says and what Redis was told; never what was called.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from position_monitor.paper.amounts import round_to
from position_monitor.paper.engine import Engine
from position_monitor.paper.faults import Fault
from position_monitor.paper.journal import Entry
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from tests.sim.redis_model import RedisModel
from tests.sim.virtual_time import true_ms

PREFIX = "qpm"
ZERO = Decimal(0)


class StageWorld:
    """One account at the venue in memory, and the Redis its daemons publish to."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.world = engine.world
        self.redis = RedisModel()

    # -- the world acts

    def trade(self, action: str, symbol: str, side: str | None = None, quantity: str | None = None) -> None:
        """The trader opens, adds, reduces, closes or flips at market."""
        self.engine.advance_to(true_ms())
        self.engine.trade(action, symbol, side, Decimal(quantity) if quantity else None)

    def price(self, symbol: str, mark: object) -> None:
        """Put mark and last price."""
        self.engine.advance_to(true_ms())
        tick = self.world.instruments[symbol].tick
        exact = Decimal(str(mark))
        self.engine.set_price(symbol, exact, max(tick, round_to(exact, tick)))

    def fault(self, name: str, **settings: Any) -> Fault:
        """Switch a fault of the venue or the network on."""
        return self.engine.add_fault(name, **settings)

    def heal(self) -> None:
        """Every fault off."""
        self.engine.remove_fault()

    def foreign_stop(
        self, symbol: str, side: str, trigger: object, quantity: str | None = None, *, kind: str = "STOP_MARKET"
    ) -> AlgoOrder:
        """The user's own conditional order; close-all without a quantity."""
        self.engine.advance_to(true_ms())
        hedge = self.world.account.hedge
        params = {
            "algoType": "CONDITIONAL",
            "symbol": symbol,
            "side": "SELL" if side == "LONG" else "BUY",
            "positionSide": side if hedge else "BOTH",
            "type": kind,
            "triggerPrice": str(trigger),
            "workingType": "MARK_PRICE",
        }
        if quantity is None:
            params["closePosition"] = "true"
        else:
            params["quantity"] = quantity
            params |= {} if hedge else {"reduceOnly": "true"}
        return self.engine.place_algo(params, origin="foreign")

    def foreign_limit(self, symbol: str, side: str, price: object, quantity: str) -> PlainOrder:
        """The user's own resting limit order that reduces a position."""
        self.engine.advance_to(true_ms())
        hedge = self.world.account.hedge
        params = {"symbol": symbol, "side": "SELL" if side == "LONG" else "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        params |= {"quantity": quantity, "price": str(price), "positionSide": side if hedge else "BOTH"}
        params |= {} if hedge else {"reduceOnly": "true"}
        return self.engine.place_order(params, origin="foreign")

    def cancel_by_hand(self, order: AlgoOrder | PlainOrder) -> None:
        """A human cancels an order, whosever it is."""
        self.engine.advance_to(true_ms())
        if isinstance(order, PlainOrder):
            self.engine.cancel_order({"symbol": order.symbol, "orderId": str(order.order_id)}, origin="foreign")
        else:
            self.engine.cancel_algo({"algoId": str(order.algo_id)}, origin="foreign")

    # -- looking

    def resting(self, symbol: str | None = None, side: str | None = None) -> list[AlgoOrder]:
        """Conditional orders in status NEW, of one position or all."""
        exit_side = {"LONG": "SELL", "SHORT": "BUY", None: None}[side]
        return [
            order
            for order in self.world.algo.open_all()
            if order.status == "NEW"
            and symbol in (None, order.symbol)
            and (exit_side is None or order.side == exit_side)
            and (side is None or order.position_side in ("BOTH", side))
        ]

    def own(self, symbol: str | None = None, side: str | None = None, role: str = "bwt") -> list[AlgoOrder]:
        """Orders of ours that rest; `role` is any of b (backstop), w (working stop), t (take-profit)."""
        rows = self.resting(symbol, side)
        return [order for order in rows if order.client_id.startswith(PREFIX) and order.client_id[4] in role]

    def stops(self, symbol: str, side: str) -> list[AlgoOrder]:
        """Backstop and working stops of one position."""
        return self.own(symbol, side, "bw")

    def targets(self, symbol: str, side: str) -> list[AlgoOrder]:
        """The conditional rungs of one position."""
        return self.own(symbol, side, "t")

    def limit_rungs(self, symbol: str | None = None, side: str | None = None) -> list[PlainOrder]:
        """The rungs that rest as limit orders, nearest first, of one position or all."""
        exit_side = {"LONG": "SELL", "SHORT": "BUY", None: None}[side]
        rungs = [
            order
            for order in self.world.plain.open_all()
            if order.client_id.startswith(PREFIX)
            and symbol in (None, order.symbol)
            and exit_side in (None, order.side)
            and (side is None or order.position_side in ("BOTH", side))
        ]
        return sorted(rungs, key=lambda order: order.price if order.side == "SELL" else -order.price)

    def size(self, symbol: str, side: str) -> Decimal:
        """How large a position is now, 0 when there is none."""
        leg = side if self.world.account.hedge else "BOTH"
        amount = self.world.account.amount(symbol, leg)
        return max(ZERO, amount) if side == "LONG" else max(ZERO, -amount)

    def open_keys(self) -> list[tuple[str, str]]:
        """Every open position."""
        legs = self.world.account.open_positions()
        return [(leg.symbol, "LONG" if leg.amount > 0 else "SHORT") for leg in legs]

    def entries(self, kind: str = "", symbol: str | None = None, *, ours: bool = False) -> list[Entry]:
        """Journal entries of a kind (or all), of one symbol, only those about orders of ours."""
        return [
            entry
            for entry in self.world.journal.after(0)
            if kind in ("", entry.kind)
            and symbol in (None, entry.symbol)
            and (not ours or str(entry.detail.get("client_id", "")).startswith(PREFIX))
        ]

    def status(self) -> dict[str, str]:
        """The published state of the account; empty when there is none."""
        return self.redis.get("q:main:status") or {}

    def published(self, symbol: str, side: str) -> dict[str, str]:
        """The published state of one position; empty when there is none."""
        return self.redis.get(f"q:main:position:{symbol}:{side}") or {}

    def verdict(self, symbol: str, side: str) -> str:
        return self.published(symbol, side).get("verdict", "")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Published events of a type."""
        return [event for text in self.redis.events if (event := json.loads(text))["type"] == kind]

    def book(self) -> Counter[tuple[object, ...]]:
        """The content of every order of ours, whatever its epoch: equal books are equally good."""
        return Counter(
            (o.symbol, o.client_id[4:6], o.side, o.position_side, o.trigger, o.quantity, o.close_position)
            for o in self.own()
        ) + Counter(
            (o.symbol, o.client_id[4:6], o.side, o.position_side, o.price, o.remaining, "LIMIT")
            for o in self.limit_rungs()
        )
