"""Whether an id has named an order before: asked of the venue where our memory does not reach back (invariant 4)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from position_monitor.core.evidence.endings import may_have_named
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.errors import ExchangeFailure, Unreachable

ASKING_S = 1.0
"""How long an order waits for the answer; a stop is sent without one then."""
ASK_AGAIN_S = 5.0
"""A question that stayed unanswered is not put again within this time."""
IDS_KEPT = 4_000
"""Answers and failures remembered; beyond that the memory begins anew, which costs questions."""

Ref = tuple[str, str]
"""Symbol, client id."""


@dataclass(slots=True)
class EarlierOrders:
    """Asks, and remembers what was answered."""

    exchange: Exchange
    clock: Clock
    began_at_ms: int = field(default=0, init=False)
    """The venue's time at the first look: ids of positions that are older may have been used by an earlier process."""
    _unnamed: set[Ref] = field(default_factory=set, init=False)
    """Ids of which the venue said that no order has them."""
    _failed: dict[Ref, tuple[float, ExchangeFailure]] = field(default_factory=dict, init=False)
    """Questions that stayed unanswered: when (monotonic), and why."""

    def begin(self) -> None:
        """Called when a look begins: what is remembered reaches back to the first one."""
        self.began_at_ms = self.began_at_ms or self.exchange.venue_now_ms()

    def used(self, order: DesiredOrder) -> None:
        """An order is sent under its id."""
        self._unnamed.discard((order.symbol, order.client_id))

    async def of(self, order: DesiredOrder, belief: Belief | None) -> LiveOrder | ExchangeFailure | None:
        """The order that carries or carried this id; None where there was none, or nobody could have placed one."""
        ref = order.symbol, order.client_id
        if belief is None or not may_have_named(belief, order.client_id, self.began_at_ms):
            return None
        if ref in self._unnamed and order.client_id not in belief.vanished:
            return None
        failed = self._failed.get(ref)
        if failed is not None and self.clock.monotonic_s() - failed[0] < ASK_AGAIN_S:
            return failed[1]
        answer = await self._ask(order)
        if isinstance(answer, ExchangeFailure):
            if len(self._failed) >= IDS_KEPT:
                self._failed.clear()
            self._failed[ref] = self.clock.monotonic_s(), answer
        elif answer is None:
            if len(self._unnamed) >= IDS_KEPT:
                self._unnamed.clear()
            self._unnamed.add(ref)
        return answer

    async def _ask(self, order: DesiredOrder) -> LiveOrder | ExchangeFailure | None:
        patience_s = None if order.role is Role.TAKE_PROFIT else ASKING_S
        try:
            return await asyncio.wait_for(self.exchange.query_order(order.symbol, order.client_id), patience_s)
        except ExchangeFailure as failure:
            return failure
        except TimeoutError:
            return Unreachable(f"no answer about {order.client_id} within {ASKING_S:g} s")
