"""What happens to a conditional order when its price comes, and the faults around it.

NEW -> TRIGGERING -> TRIGGERED (the child is in the engine) -> FINISHED, or
REJECTED with a reason when the engine refuses the child.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.algo import AlgoService, algo_facts
from position_monitor.paper.algo_rules import LIMIT_TYPES, TRAILING, reached
from position_monitor.paper.amounts import ONE, round_to
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.filters import market_price_allowed
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from position_monitor.paper.world import World

REDUCE_ONLY_REASON = "Reduce Only reject"
PRICE_REASON = "The counterparty's best price does not meet the PERCENT_PRICE filter limit"


class Triggers:
    """Watches prices on behalf of resting conditional orders."""

    def __init__(self, world: World, service: AlgoService, matching: Matching) -> None:
        self._world = world
        self._service = service
        self._matching = matching
        self._children: dict[int, AlgoOrder] = {}

    def placed(self, order: AlgoOrder) -> None:
        """Arm the faults that strike a while after an order was accepted."""
        rule = self._world.faults.take(
            ("late_reject", "late_expire", "vanish"),
            symbol=order.symbol, path="algoOrder", method="POST", client_id=order.client_id,
        )  # fmt: skip
        if rule is None:
            return
        name = rule.name
        self._world.schedule(rule.delay_ms, lambda: self._strike(name, order))

    def _strike(self, name: str, order: AlgoOrder) -> None:
        if order.status != "NEW":
            return
        if name == "vanish":
            self.vanish(order)
        elif name == "late_reject":
            self._service.end(order, "REJECTED", "Internal reject", origin="venue")
        else:
            self._service.end(order, "EXPIRED", origin="venue")

    def vanish(self, order: AlgoOrder) -> None:
        """Remove an order without a trace and without an event."""
        self._world.algo.erase(order)
        order.status = "VANISHED"
        self._world.note("order_vanished", "venue", order.symbol, **algo_facts(order))

    def on_price(self, symbol: str) -> None:
        """Trigger what the new price has reached, oldest first."""
        for order in self._world.algo.open_of(symbol):
            if order.status == "NEW" and self._due(order):
                self._trigger(order)

    def _due(self, order: AlgoOrder) -> bool:
        if order.price_protect and self._spread_too_wide(order.symbol):
            return False
        if order.type == TRAILING:
            return self._trail(order)
        return reached(self._world, order)

    def _spread_too_wide(self, symbol: str) -> bool:
        market = self._world.market
        mark, last = market.mark(symbol), market.last(symbol)
        return abs(mark - last) > last * self._world.instruments[symbol].trigger_protect

    def _trail(self, order: AlgoOrder) -> bool:
        """Follow the extreme; true once the price has come back by the callback rate."""
        price = self._world.market.working_price(order.symbol, order.working_type)
        sells = order.side == "SELL"
        if not order.activated:
            target = order.activate_price or price
            if (price < target) if sells else (price > target):
                return False
            order.activated, order.extreme = True, price
            self._service.announce(order)
        order.extreme = max(order.extreme, price) if sells else min(order.extreme, price)
        rate = (order.callback_rate or Decimal(0)) / 100
        turn = order.extreme * (ONE - rate if sells else ONE + rate)
        order.trigger = round_to(turn, self._world.instruments[order.symbol].tick)
        self._world.revision += 1
        return price <= turn if sells else price >= turn

    def _trigger(self, order: AlgoOrder) -> None:
        world = self._world
        order.status = "TRIGGERING"
        order.triggered_ms = order.updated_ms = world.now_ms
        world.note("order_triggering", "venue", order.symbol, **algo_facts(order))
        self._service.announce(order)
        if world.faults.take(("stuck_triggering",), symbol=order.symbol, path="algoOrder",
                             client_id=order.client_id):  # fmt: skip
            return
        delay_ms = self._delay_ms(order)
        if delay_ms <= 0:
            self._forward(order, 0)
            return
        world.schedule(delay_ms - delay_ms // 2, lambda: self._forward(order, delay_ms // 2))

    def _delay_ms(self, order: AlgoOrder) -> int:
        """From the trigger to the fill: half of it TRIGGERING, half TRIGGERED with the child in the engine."""
        rule = self._world.faults.take(
            ("slow_trigger",), symbol=order.symbol, path="algoOrder", client_id=order.client_id
        )
        return self._world.trigger_delay_ms if rule is None else rule.delay_ms

    def _forward(self, order: AlgoOrder, fill_in_ms: int) -> None:
        """Hand the order to the matching engine, which sizes it by the position as it is now."""
        if order.status != "TRIGGERING":
            return
        child = self._child(order)
        reason = self._engine_reason(order, child)
        if reason:
            order.actual_type = child.type
            self._service.end(order, "REJECTED", reason, origin="venue")
            return
        self._send(order, child, fill_in_ms)

    def _child(self, order: AlgoOrder) -> PlainOrder:
        world = self._world
        held = world.closable(order.symbol, order.position_side, order.side)
        quantity = held if order.close_position else order.quantity
        if world.reducing(order.position_side, order.side, order.reduce_only):
            quantity = min(quantity, held)
        limit = order.type in LIMIT_TYPES
        plain_tif = "GTC" if order.time_in_force == "GTE_GTC" else order.time_in_force
        return PlainOrder(
            world.next_order_id(), order.client_id, order.symbol, order.side,
            order.position_side, "LIMIT" if limit else "MARKET", quantity, order.price,
            plain_tif if limit else "GTC", order.reduce_only, order.close_position,
            self_trade=order.self_trade, good_till_ms=order.good_till_ms,
            working_type=order.working_type, original_type=order.type, origin="venue",
        )  # fmt: skip

    def _engine_reason(self, order: AlgoOrder, child: PlainOrder) -> str:
        """Why the engine refuses the child, empty if it does not."""
        world = self._world
        rule = world.faults.take(("child_rejected",), symbol=order.symbol, path="algoOrder", client_id=order.client_id)
        if rule is not None:
            return rule.message or REDUCE_ONLY_REASON
        if child.quantity <= 0:
            return REDUCE_ONLY_REASON
        best = self._matching.best(child.symbol, child.side)
        try:
            self._matching.check_margin(child, child.price or best)
        except VenueRefusal as refused:
            return refused.message
        mark = world.market.mark(child.symbol)
        instrument = world.instruments[child.symbol]
        if child.type == "MARKET" and not market_price_allowed(instrument, child.side, best, mark):
            return PRICE_REASON
        return ""

    def _send(self, order: AlgoOrder, child: PlainOrder, fill_in_ms: int) -> None:
        world = self._world
        order.status, order.actual_order_id = "TRIGGERED", child.order_id
        order.actual_type = child.type
        world.note("order_triggered", "venue", order.symbol, **algo_facts(order))
        self._service.announce(order)
        self._matching.accept(child)
        self._children[child.order_id] = order
        if fill_in_ms > 0:
            world.schedule(fill_in_ms, lambda: self._fill(order, child))
        else:
            self._fill(order, child)

    def _fill(self, order: AlgoOrder, child: PlainOrder) -> None:
        if not child.open:
            return
        rule = self._world.faults.take(
            ("child_partial",), symbol=order.symbol, path="algoOrder", client_id=order.client_id
        )
        if child.type == "MARKET" or self._matching.crosses(child):
            self._matching.take(child, Decimal(rule.fraction) if rule else None)
        elif child.time_in_force in ("IOC", "FOK"):
            self._matching.end(child, "EXPIRED", "EXPIRED")
        self.finish_children()

    def finish_children(self) -> None:
        """FINISHED for every triggered order whose child has left the engine."""
        for child_id, order in list(self._children.items()):
            child = self._world.plain.by_id(child_id)
            if child is not None and child.open:
                continue
            del self._children[child_id]
            if child is not None:
                order.actual_price, order.actual_quantity = child.average, child.executed
            self._service.end(order, "FINISHED", origin="venue")
