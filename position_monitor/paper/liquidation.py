"""Margin calls and forced closing, judged at the mark price."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from position_monitor.paper.account import Position
from position_monitor.paper.amounts import round_to
from position_monitor.paper.events import margin_call
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import PlainOrder
from position_monitor.paper.world import World

CALL_AT = Decimal("0.80")  # maintenance / margin balance
CALL_AGAIN_BELOW = Decimal("0.70")
CROSS = "cross account"


class Liquidation:
    """Checks one symbol's isolated legs, and the cross account as a whole."""

    def __init__(self, world: World, matching: Matching) -> None:
        self._world = world
        self._matching = matching
        self._called: set[str] = set()
        self.forced: list[PlainOrder] = []

    def check(self, symbol: str) -> None:
        """After a price move or a fill of this symbol."""
        account = self._world.account
        if account.config_of(symbol).isolated:
            for leg in list(account.positions.get(symbol, {}).values()):
                if leg.amount:
                    self._check_isolated(leg)
            return
        if account.cross_maintenance <= 0:
            return
        balance = account.cross_wallet + account.cross_upnl
        if balance <= account.cross_maintenance:
            self._liquidate_cross()
        else:
            self._call(CROSS, account.cross_maintenance / balance, self._cross_legs)

    def _check_isolated(self, leg: Position) -> None:
        exposure = self._world.account.exposure(leg.symbol, leg.side)
        balance = leg.isolated_wallet + exposure.upnl
        if balance <= exposure.maintenance:
            self._force(leg, leg.entry - leg.isolated_wallet / leg.amount)
        else:
            self._call(f"{leg.symbol}:{leg.side}", exposure.maintenance / balance, lambda: [leg])

    def _cross_legs(self) -> list[Position]:
        account = self._world.account
        return [p for p in account.open_positions() if not account.config_of(p.symbol).isolated]

    def _liquidate_cross(self) -> None:
        """Close the worst losers until the account carries itself."""
        account = self._world.account
        losers = sorted(self._cross_legs(), key=lambda p: (account.exposure(p.symbol, p.side).upnl, p.symbol))
        for leg in losers:
            if account.cross_wallet + account.cross_upnl > account.cross_maintenance:
                return
            self._force(leg, None)

    def _force(self, leg: Position, bankruptcy: Decimal | None) -> None:
        """Close a leg at the mark, but no worse than its bankruptcy price."""
        world = self._world
        instrument = world.instruments[leg.symbol]
        price = world.market.mark(leg.symbol)
        if bankruptcy is not None:
            price = max(price, bankruptcy) if leg.amount > 0 else min(price, bankruptcy)
        price = max(instrument.tick, round_to(price, instrument.tick))
        for resting in world.plain.open_of(leg.symbol):
            self._matching.end(resting, "CANCELED", "CANCELED")
        order = PlainOrder(
            world.next_order_id(), f"autoclose-{world.now_ms}{world.random_text(6)}",
            leg.symbol, "SELL" if leg.amount > 0 else "BUY", leg.side, "LIQUIDATION",
            abs(leg.amount), price, "IOC", working_type="CONTRACT_PRICE",
            original_type="LIQUIDATION", origin="venue",
        )  # fmt: skip
        before = world.amounts(leg.symbol)
        self._matching.liquidate(order, price)
        self.forced.append(order)
        world.note(
            "liquidated", "venue", leg.symbol, before, side=order.side,
            position_side=order.position_side, order_id=order.order_id,
            client_id=order.client_id,
        )  # fmt: skip

    def _call(self, key: str, ratio: Decimal, find: Callable[[], list[Position]]) -> None:
        world = self._world
        if ratio < CALL_AGAIN_BELOW:
            self._called.discard(key)
        elif ratio >= CALL_AT and key not in self._called and (legs := find()):
            self._called.add(key)
            marked = [(leg, world.market.mark(leg.symbol)) for leg in legs]
            world.note("margin_call", "venue", legs[0].symbol, ratio=str(round(ratio, 4)))
            world.emit(margin_call(world.account, marked, world.now_ms))
