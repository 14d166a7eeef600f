"""The algo service: placing, listing and cancelling conditional orders.

The rules of acceptance are in `algo_rules.py`, triggering is in `triggers.py`.
"""

from __future__ import annotations

from typing import Any

from position_monitor.paper.algo_rules import AlgoRules
from position_monitor.paper.amounts import parse_integer, plain
from position_monitor.paper.errors import VenueRefusal, refusal
from position_monitor.paper.events import algo_update
from position_monitor.paper.orders import AlgoOrder
from position_monitor.paper.parameters import Params, optional
from position_monitor.paper.world import World


class AlgoService:
    """Conditional orders before their trigger."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rules = AlgoRules(world)

    def place(self, params: Params, origin: str = "api") -> AlgoOrder:
        """POST /algoOrder: validate, then rest as NEW."""
        try:
            order = self._rules.validated(params, origin)
        except VenueRefusal as refused:
            self._world.note(
                "order_refused", origin, params.get("symbol", ""), order_kind="algo",
                client_id=params.get("clientAlgoId", ""), side=params.get("side", ""),
                type=params.get("type", ""), quantity=params.get("quantity", ""),
                trigger=params.get("triggerPrice", ""), code=refused.code,
                message=refused.message,
            )  # fmt: skip
            raise
        order.created_ms = order.updated_ms = self._world.now_ms
        self._world.algo.add(order)
        self._world.note("order_accepted", origin, order.symbol, **algo_facts(order))
        self.announce(order)
        if order.good_till_ms:
            delay = order.good_till_ms - self._world.now_ms
            self._world.schedule(delay, lambda: self._good_till_passed(order))
        return order

    def _good_till_passed(self, order: AlgoOrder) -> None:
        if order.status == "NEW":
            self.end(order, "EXPIRED", origin="venue")

    def announce(self, order: AlgoOrder) -> None:
        """Emit the order's current state."""
        instrument = self._world.instruments[order.symbol]
        self._world.emit(algo_update(order, instrument, self._world.now_ms))

    def find(self, params: Params) -> AlgoOrder | None:
        """The order of algoId or clientAlgoId; the symbol, if sent, must agree."""
        symbol = optional(params, "symbol")
        if symbol is not None:
            self._world.instrument(symbol)
        algo_id, client_id = optional(params, "algoId"), optional(params, "clientAlgoId")
        if algo_id is None and client_id is None:
            raise refusal(-1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!")
        if algo_id is None:
            return self._world.algo.by_client(client_id or "", symbol)
        found = self._world.algo.by_id(parse_integer("algoId", algo_id))
        return found if found is not None and symbol in (None, found.symbol) else None

    def cancel(self, params: Params, origin: str = "api") -> AlgoOrder:
        """DELETE /algoOrder: only NEW can be cancelled, all else is -2011."""
        order = self.find(params)
        if order is None or order.status != "NEW":
            self._world.note(
                "cancel_refused", origin, order.symbol if order else params.get("symbol", ""),
                order_kind="algo", code=-2011, client_id=params.get("clientAlgoId", ""),
                order_id=params.get("algoId", ""),
            )  # fmt: skip
            raise refusal(-2011)
        self.end(order, "CANCELED", origin=origin)
        return order

    def cancel_all(self, symbol: str) -> int:
        """DELETE /algoOpenOrders of a symbol; returns how many there were."""
        self._world.instrument(symbol)
        orders = [o for o in self._world.algo.open_of(symbol) if o.status == "NEW"]
        for order in orders:
            self.end(order, "CANCELED")
        return len(orders)

    def end(self, order: AlgoOrder, status: str, reason: str = "", origin: str | None = None) -> None:
        """Bring an open order to a final status and say so."""
        if not order.open:
            return
        order.status, order.reason = status, reason
        order.updated_ms = self._world.now_ms
        self._world.algo.close(order)
        self._world.note(f"order_{status.lower()}", origin or order.origin, order.symbol, **algo_facts(order))
        self.announce(order)

    def expire_bound(self, symbol: str) -> None:
        """GTE_GTC orders die when the position they would close is gone."""
        world = self._world
        for order in world.algo.open_of(symbol):
            if (
                order.status == "NEW"
                and order.time_in_force == "GTE_GTC"
                and not world.closable(symbol, order.position_side, order.side)
            ):
                self.end(order, "EXPIRED", origin="venue")


def algo_facts(order: AlgoOrder) -> dict[str, Any]:
    """What the journal says about a conditional order."""
    return {
        "order_kind": "algo", "order_id": order.algo_id, "client_id": order.client_id,
        "side": order.side, "position_side": order.position_side, "type": order.type,
        "quantity": plain(order.quantity), "trigger": plain(order.trigger),
        "price": plain(order.price), "working_type": order.working_type,
        "reduce_only": order.reduce_only, "close_position": order.close_position,
        "status": order.status, "reason": order.reason,
    }  # fmt: skip
