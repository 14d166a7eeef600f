"""The human at the same account: market orders past the daemon, and the mode switch."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.amounts import ZERO
from position_monitor.paper.errors import refusal
from position_monitor.paper.filters import check_quantity
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from position_monitor.paper.world import World

ACTIONS = ("open", "add", "reduce", "close", "flip")
_LONG_WORDS = ("LONG", "BUY")


class Trader:
    """Executes what a trader would click.

    Closing ignores the reduce-only budget of resting orders: a human who meets
    -4118 cancels those by hand first, and tests want the outcome.
    """

    def __init__(self, world: World, matching: Matching) -> None:
        self._world = world
        self._matching = matching

    def act(self, action: str, symbol: str, side: str | None, quantity: Decimal | None) -> list[PlainOrder]:
        """One action; `side` (LONG/SHORT) may be left out where the position says it."""
        self._world.instrument(symbol)
        if action not in ACTIONS:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(ACTIONS)}")
        if quantity is not None and not (quantity.is_finite() and quantity > 0):
            raise ValueError(f"quantity was {quantity}; a number above 0 is expected")
        long = self._is_long(symbol, side)
        held = self._world.closable(symbol, self._leg(long), "SELL" if long else "BUY")
        if action in ("open", "add"):
            if quantity is None:
                raise ValueError("quantity is needed to open or add")
            return [self._send(symbol, long, long, quantity, reduce_only=False)]
        if not held:
            raise refusal(-2022)
        if action == "flip":
            closed = self._send(symbol, long, not long, held, reduce_only=True)
            opened = self._send(symbol, not long, not long, quantity or held, reduce_only=False)
            return [closed, opened]
        wanted = held if action == "close" or quantity is None else min(quantity, held)
        return [self._send(symbol, long, not long, wanted, reduce_only=True)]

    def _leg(self, long: bool) -> str:
        if not self._world.account.hedge:
            return "BOTH"
        return "LONG" if long else "SHORT"

    def _is_long(self, symbol: str, side: str | None) -> bool:
        if side is not None:
            if side.upper() not in ("LONG", "SHORT", "BUY", "SELL"):
                raise ValueError(f"side was {side!r}; LONG or SHORT is allowed")
            return side.upper() in _LONG_WORDS
        amounts = [
            leg.amount for leg in self._world.account.positions.get(symbol, {}).values()
            if leg.amount
        ]  # fmt: skip
        if len(amounts) > 1:
            raise ValueError("both legs are open: say which side")
        return not amounts or amounts[0] > 0

    def _send(self, symbol: str, long_leg: bool, buy: bool, quantity: Decimal, *, reduce_only: bool) -> PlainOrder:
        world = self._world
        instrument = world.instrument(symbol)
        if not reduce_only:
            check_quantity(instrument, quantity, market=True)
        order = PlainOrder(
            world.next_order_id(), "web_" + world.random_text(18), symbol,
            "BUY" if buy else "SELL", self._leg(long_leg), "MARKET", quantity,
            reduce_only=reduce_only and not world.account.hedge, origin="trader",
        )  # fmt: skip
        self._matching.check_margin(order, self._matching.best(symbol, order.side))
        self._matching.accept(order)
        self._matching.take(order)
        return order

    def convert_mode(self, hedge: bool) -> None:
        """Re-label positions and orders for the other mode without closing anything."""
        account = self._world.account
        account.hedge = hedge
        for symbol in sorted(account.positions):
            for side, leg in sorted(account.positions[symbol].items()):
                if leg.amount and (side == "BOTH") == hedge:
                    target = "BOTH" if not hedge else ("LONG" if leg.amount > 0 else "SHORT")
                    self._move(symbol, side, target)
        orders: list[PlainOrder | AlgoOrder] = [
            *self._world.plain.open_all(), *self._world.algo.open_all(),
        ]  # fmt: skip
        for order in orders:
            closing = "LONG" if order.side == "SELL" else "SHORT"
            order.position_side = closing if hedge else "BOTH"

    def _move(self, symbol: str, source: str, target: str) -> None:
        account = self._world.account
        leg, into = account.position(symbol, source), account.position(symbol, target)
        total = into.amount + leg.amount
        if total:
            into.entry = (into.entry * into.amount + leg.entry * leg.amount) / total
        into.amount, into.costs = total, into.costs + leg.costs
        into.isolated_wallet += leg.isolated_wallet
        into.updated_ms = self._world.now_ms
        leg.amount = leg.entry = leg.costs = leg.isolated_wallet = ZERO
        account.revalue(symbol)
