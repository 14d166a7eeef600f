"""Funding: every eight hours those who are on the crowded side pay the others, by size and mark.

A positive rate is paid by longs and received by shorts.  Each open leg is one row of `income`, without an execution.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.account import Position
from position_monitor.paper.amounts import CENT8
from position_monitor.paper.events import account_update
from position_monitor.paper.market_bodies import FUNDING_RATE, next_funding
from position_monitor.paper.matching import Matching
from position_monitor.paper.world import Income, World

MOST = Decimal("0.03")
"""The venue caps the rate of a contract; no contract's cap lies beyond this."""


class Funding:
    """Charges open positions."""

    def __init__(self, world: World, matching: Matching) -> None:
        self._world = world
        self._matching = matching

    def begin(self) -> None:
        """Charge at every funding time from now on."""
        self._world.schedule(next_funding(self._world.now_ms) - self._world.now_ms, self._due)

    def _due(self) -> None:
        self.charge(Decimal(FUNDING_RATE))
        self.begin()

    def charge(self, rate: Decimal, symbol: str | None = None) -> Decimal:
        """Charge every open position, or those of one symbol, at once; returns what the wallet received."""
        if not abs(rate) <= MOST:
            raise ValueError(f"rate was {rate}; at most {MOST} either way is allowed")
        if symbol is not None:
            self._world.instrument(symbol)
        legs = [leg for leg in self._world.account.open_positions() if symbol in (None, leg.symbol)]
        return sum((self._charge(leg, rate) for leg in legs), Decimal(0))

    def _charge(self, leg: Position, rate: Decimal) -> Decimal:
        world, account = self._world, self._world.account
        mark = world.market.mark(leg.symbol)
        amount = (-leg.amount * mark * rate).quantize(CENT8)
        if not amount:
            return amount
        isolated = account.config_of(leg.symbol).isolated
        account.receive(amount, leg if isolated else None)
        world.incomes.append(Income(world.next_trade_id(), leg.symbol, "FUNDING_FEE", amount, 0, world.now_ms))
        world.note("funding", "venue", leg.symbol, side=leg.side, amount=str(amount))
        world.emit(account_update(account, [leg] if isolated else [], mark, "FUNDING_FEE", world.now_ms))
        self._matching.touched[leg.symbol] = None
        return amount
