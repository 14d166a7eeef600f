"""Invariant 16 from outside: nothing is closed at market where no price has passed a stop of ours."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.conduct import Answer
from tests.sim.truth import PREFIX, Key, is_own, side_of

TRIGGERS_MAX = 500

Prices = Callable[[str, int], list[Decimal]]
"""The prices of a symbol, marks and where they arm orders last prices too, in the time before a moment."""


class Witnesses:
    """Remembers where stops were tried, taken or not, and judges every closing order that was taken."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._tried: dict[Key, deque[Decimal]] = defaultdict(lambda: deque(maxlen=TRIGGERS_MAX))

    def entry(self, entry: Any) -> None:
        """One journal entry. A daemon that dies while it waits for the answer has its stop all the same."""
        detail = entry.detail
        if entry.kind == "order_accepted" and is_own(detail) and detail["type"] == "STOP_MARKET":
            key = (entry.symbol, side_of(detail["position_side"], detail["side"]))
            self._tried[key].append(Decimal(detail["trigger"]))

    def answer(self, answer: Answer, at_ms: int) -> list[str]:
        """A request of a daemon ended."""
        params = answer.params
        if answer.endpoint is Endpoint.PLACE_ALGO_ORDER and params["type"] == "STOP_MARKET":
            key = (params["symbol"], side_of(params.get("positionSide", "BOTH"), params["side"]))
            self._tried[key].append(Decimal(params["triggerPrice"]))
        if answer.endpoint is not Endpoint.PLACE_ORDER or answer.status != 200:
            return []
        name = str(params.get("newClientOrderId", ""))
        if not name.startswith(PREFIX):
            return []
        key = (params["symbol"], side_of(params.get("positionSide", "BOTH"), params["side"]))
        if self.passed(key, at_ms):
            return []
        return [f"INV-16: {key} was closed at market and no price has passed a stop of it: {name}"]

    def passed(self, key: Key, at_ms: int) -> bool:
        """Whether a price has passed a stop that was tried for the position."""
        way, prices = 1 if key[1] == "LONG" else -1, self._prices(key[0], at_ms)
        return any(way * (price - trigger) <= 0 for price in prices for trigger in self._tried[key])
