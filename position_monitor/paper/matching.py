"""Executions: how plain orders rest, fill, expire, and what they do to the position.

Liquidity is unlimited at one bid (the last price) and one ask (a tick above).
Event order of a fill: TRADE_LITE, ACCOUNT_UPDATE, ORDER_TRADE_UPDATE.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from position_monitor.paper.account import MAKER_FEE, TAKER_FEE
from position_monitor.paper.amounts import CENT8, ZERO, floor_to, plain
from position_monitor.paper.errors import refusal
from position_monitor.paper.events import Execution, account_update, order_update, trade_lite
from position_monitor.paper.orders import PlainOrder
from position_monitor.paper.world import Income, Trade, World


class Matching:
    """The matching engine over a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.touched: dict[str, None] = {}  # ordered: the order decides event order

    def best(self, symbol: str, side: str) -> Decimal:
        """The counterparty's best price for this side."""
        market = self._world.market
        return market.ask(symbol) if side == "BUY" else market.bid(symbol)

    def crosses(self, order: PlainOrder) -> bool:
        """Whether a limit order would trade at once."""
        best = self.best(order.symbol, order.side)
        return order.price >= best if order.side == "BUY" else order.price <= best

    def check_margin(self, order: PlainOrder, price: Decimal) -> None:
        """-2027 and -2019 for the part of an order that opens or grows a position."""
        world = self._world
        held = world.closable(order.symbol, order.position_side, order.side)
        opening = order.quantity - held
        if world.reducing(order.position_side, order.side, order.reduce_only) or opening <= 0:
            return
        leverage = world.account.config_of(order.symbol).leverage
        amount = abs(world.account.amount(order.symbol, order.position_side))
        after = (amount + opening if not held else opening) * price
        if after > world.instruments[order.symbol].max_notional_at(leverage):
            raise refusal(-2027)
        needed = opening * price / leverage + opening * price * TAKER_FEE
        if needed > world.account.available(self.order_margin()):
            raise refusal(-2019)

    def order_margin(self, orders: Iterable[PlainOrder] | None = None) -> Decimal:
        """Initial margin held by resting orders (these, or the live ones) that would open or grow."""
        world, total = self._world, ZERO
        for order in world.plain.open_all() if orders is None else orders:
            if not world.reducing(order.position_side, order.side, order.reduce_only):
                leverage = world.account.config_of(order.symbol).leverage
                total += order.remaining * order.price / leverage
        return total

    def accept(self, order: PlainOrder) -> None:
        """File a validated order, announce it, and let it trade if it can."""
        world = self._world
        order.created_ms = order.updated_ms = world.now_ms
        world.plain.add(order)
        world.note("order_accepted", order.origin, order.symbol, **order_facts(order))
        world.emit(order_update(order, "NEW", world.now_ms, None))
        if order.good_till_ms:
            delay = order.good_till_ms - world.now_ms
            world.schedule(delay, lambda: self.end(order, "EXPIRED", "EXPIRED"))

    def take(self, order: PlainOrder, part: Decimal | None = None) -> None:
        """Execute against the counterparty; what a market or IOC order leaves over expires."""
        self._execute(order, self.best(order.symbol, order.side), maker=False, part=part)
        if order.open and (order.type != "LIMIT" or order.time_in_force in ("IOC", "FOK")):
            self.end(order, "EXPIRED", "EXPIRED")

    def fill_resting(self, symbol: str) -> None:
        """Limit orders the new price has reached."""
        for order in self._world.plain.open_of(symbol):
            if order.type == "LIMIT" and order.open and self.crosses(order):
                self._execute(order, order.price, maker=True, part=self._thin_part(order))

    def _thin_part(self, order: PlainOrder) -> Decimal | None:
        """How much of what is left the partial-fills fault lets a price move execute."""
        rule = self._world.faults.take(("partial_fills",), symbol=order.symbol, client_id=order.client_id)
        return None if rule is None else Decimal(rule.fraction)

    def fill_part(self, order: PlainOrder, quantity: Decimal) -> None:
        """Execute some of a resting limit order at its price, as a thin book would."""
        if not 0 < quantity <= order.remaining:
            raise ValueError(f"quantity was {quantity}; more than 0 and at most {order.remaining} is allowed")
        self._execute(order, order.price, maker=True, most=quantity)

    def _execute(
        self,
        order: PlainOrder,
        price: Decimal,
        *,
        maker: bool,
        part: Decimal | None = None,
        most: Decimal | None = None,
    ) -> None:
        world = self._world
        quantity = order.remaining if most is None else most
        if world.reducing(order.position_side, order.side, order.reduce_only):
            held = world.closable(order.symbol, order.position_side, order.side)
            quantity = min(quantity, held)
        if part is not None:
            step = world.instruments[order.symbol].step
            quantity = min(quantity, max(step, floor_to(quantity * part, step)))
        if quantity <= 0:
            self.end(order, "EXPIRED", "EXPIRED")
            return
        self._book(order, quantity, price, maker, "TRADE")

    def _book(self, order: PlainOrder, quantity: Decimal, price: Decimal, maker: bool, kind: str) -> None:
        world, account = self._world, self._world.account
        before = world.amounts(order.symbol)
        fee = (quantity * price * (MAKER_FEE if maker else TAKER_FEE)).quantize(CENT8)
        change = quantity if order.side == "BUY" else -quantity
        realized = account.fill(order.symbol, order.position_side, change, price, fee, world.now_ms)
        order.executed += quantity
        order.quote += quantity * price
        order.updated_ms = world.now_ms
        order.status = "FILLED" if order.remaining <= 0 else "PARTIALLY_FILLED"
        if order.status == "FILLED":
            world.plain.close(order)
        done = Execution(world.next_trade_id(), quantity, price, fee, realized, maker)
        self._record(order, done)
        world.note(
            "filled", order.origin, order.symbol, before,
            **order_facts(order), last_quantity=plain(quantity), last_price=plain(price),
        )  # fmt: skip
        self._announce(order, done, kind)
        self.touched[order.symbol] = None

    def _announce(self, order: PlainOrder, done: Execution, kind: str) -> None:
        world, account = self._world, self._world.account
        if kind == "TRADE":
            world.emit(trade_lite(order, done, world.now_ms))
        leg = account.position(order.symbol, order.position_side)
        mark = world.market.mark(order.symbol)
        world.emit(account_update(account, [leg], mark, "ORDER", world.now_ms))
        world.emit(order_update(order, kind, world.now_ms, done))

    def _record(self, order: PlainOrder, done: Execution) -> None:
        world = self._world
        world.trades.append(
            Trade(done.trade_id, order.order_id, order.symbol, order.side, order.position_side,
                  done.price, done.quantity, done.fee, done.realized, done.maker, world.now_ms)
        )  # fmt: skip
        for kind, amount in (("REALIZED_PNL", done.realized), ("COMMISSION", -done.fee)):
            if amount:
                world.incomes.append(
                    Income(world.next_trade_id(), order.symbol, kind, amount, done.trade_id,
                           world.now_ms)
                )  # fmt: skip

    def liquidate(self, order: PlainOrder, price: Decimal) -> None:
        """The forced close: no TRADE_LITE, execution type CALCULATED."""
        self.accept(order)
        self._book(order, order.quantity, price, False, "CALCULATED")

    def end(self, order: PlainOrder, status: str, kind: str) -> None:
        """Cancel or expire an open order."""
        world = self._world
        if not order.open:
            return
        order.status = status
        order.updated_ms = world.now_ms
        world.plain.close(order)
        world.note(f"order_{status.lower()}", order.origin, order.symbol, **order_facts(order))
        world.emit(order_update(order, kind, world.now_ms, None))

    def expire_reducers(self, symbol: str) -> None:
        """Reduce-only orders whose position is gone die with it."""
        world = self._world
        for order in world.plain.open_of(symbol):
            if world.reducing(order.position_side, order.side, order.reduce_only) and (
                not world.closable(symbol, order.position_side, order.side)
            ):
                self.end(order, "EXPIRED", "EXPIRED")


def order_facts(order: PlainOrder) -> dict[str, Any]:
    """What the journal says about a plain order."""
    return {
        "order_kind": "plain", "order_id": order.order_id, "client_id": order.client_id,
        "side": order.side, "position_side": order.position_side, "type": order.type,
        "quantity": plain(order.quantity), "price": plain(order.price),
        "reduce_only": order.reduce_only, "close_position": order.close_position,
        "status": order.status, "executed": plain(order.executed),
    }  # fmt: skip
