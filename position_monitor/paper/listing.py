"""Contracts come, stop, are settled and go, as the venue announces now and then.

What a state refuses is in `trading.check_status`; the states are those of the venue's contract status, and BREAK.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.paper.account import Position
from position_monitor.paper.algo import AlgoService
from position_monitor.paper.amounts import round_to
from position_monitor.paper.instruments import Instrument, make_instrument
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import PlainOrder
from position_monitor.paper.trading import CLOSING_ONLY, ENDED
from position_monitor.paper.world import World

MATCHING = frozenset({"TRADING"}) | CLOSING_ONLY
"""States in which orders are matched and triggered."""
STATES = MATCHING | ENDED | {"BREAK"}


class Listing:
    """The set of contracts and their states."""

    def __init__(self, world: World, matching: Matching, algos: AlgoService) -> None:
        self._world = world
        self._matching = matching
        self._algos = algos

    def change(self, symbol: str, **changes: Decimal | str | int) -> Instrument:
        """Other filters, or another status; unknown fields are a ValueError."""
        before = self._world.instrument(symbol)
        if unknown := set(changes) - set(Instrument.__slots__):
            raise ValueError(f"unknown instrument fields {sorted(unknown)}")
        changed = replace(before, **changes)  # type: ignore[arg-type]
        self._world.instruments[symbol] = changed
        self._world.note("filters_changed", "venue", symbol, fields=sorted(changes))
        return changed

    def add(
        self,
        symbol: str,
        price: str,
        tick: str,
        step: str,
        *,
        status: str = "TRADING",
        max_qty: str = "1000000",
        market_max_qty: str = "100000",
        **settings: Any,  # noqa: ANN401 - settings of make_instrument
    ) -> Instrument:
        """A new contract, or one that was delisted before."""
        world = self._world
        if symbol in world.listed():
            raise ValueError(f"{symbol} is listed already")
        made = make_instrument(symbol, price, tick, step, max_qty=max_qty, market_max_qty=market_max_qty, **settings)
        world.instruments[symbol] = replace(made, status=_state(status))
        world.delisted.discard(symbol)
        world.market.restart(symbol, made.reference_price, world.now_ms)
        world.note("listed", "venue", symbol, status=status)
        return world.instruments[symbol]

    def set_status(self, symbol: str, status: str) -> Instrument:
        """Only the state changes: orders and positions stay as they are."""
        return self.change(symbol, status=_state(status))

    def settle(self, symbol: str, price: Decimal | None = None) -> None:
        """Expire every order, close every position at the mark (or this price), and end in CLOSE."""
        world = self._world
        self.set_status(symbol, "SETTLING")
        if price is not None:
            world.market.set_price(symbol, world.now_ms, price, price)
            world.account.revalue(symbol)
        for resting in world.plain.open_of(symbol):
            self._matching.end(resting, "EXPIRED", "EXPIRED")
        for order in world.algo.open_of(symbol):
            self._algos.end(order, "EXPIRED", origin="venue")
        for leg in list(world.account.positions.get(symbol, {}).values()):
            if leg.amount:
                self._close(leg)
        self.set_status(symbol, "CLOSE")

    def _close(self, leg: Position) -> None:
        """The venue's own closing order, named as its pages say."""
        world = self._world
        instrument = world.instruments[leg.symbol]
        price = max(instrument.tick, round_to(world.market.mark(leg.symbol), instrument.tick))
        order = PlainOrder(
            world.next_order_id(), f"settlement_autoclose-{world.now_ms}{world.random_text(6)}"[:36],
            leg.symbol, "SELL" if leg.amount > 0 else "BUY", leg.side, "MARKET", abs(leg.amount), price,
            "GTC", original_type="MARKET", origin="venue",
        )  # fmt: skip
        self._matching.liquidate(order, price)

    def delist(self, symbol: str) -> None:
        """Take a contract without positions off the list."""
        world = self._world
        world.instrument(symbol)
        if any(leg.amount for leg in world.account.positions.get(symbol, {}).values()):
            raise ValueError(f"{symbol} still has a position; settle it first")
        if world.instruments[symbol].status in MATCHING:
            self.set_status(symbol, "CLOSE")
        world.delisted.add(symbol)
        world.note("delisted", "venue", symbol)


def _state(status: str) -> str:
    if status not in STATES:
        raise ValueError(f"status was {status!r}; allowed: {', '.join(sorted(STATES))}")
    return status
