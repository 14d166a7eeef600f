"""Request weight and order counts in fixed windows, as the venue's headers show them.

2,400 weight per minute, 1,200 orders per minute, 300 orders per 10 s.  Going on
after a 429 leads to a 418 ban that doubles each time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from position_monitor.paper.errors import VenueRefusal, refusal

WEIGHT_LIMIT = 2_400
ORDERS_10S_LIMIT = 300
ORDERS_1M_LIMIT = 1_200
IGNORED_BEFORE_BAN = 20
FIRST_BAN_MS = 120_000
LONGEST_BAN_MS = 3 * 86_400_000


class Window:
    """A counter that starts anew every `span_ms`."""

    def __init__(self, span_ms: int) -> None:
        self.span_ms = span_ms
        self._window = -1
        self._used = 0

    def used(self, now_ms: int) -> int:
        """Count in the current window."""
        window = now_ms // self.span_ms
        if window != self._window:
            self._window, self._used = window, 0
        return self._used

    def add(self, now_ms: int, amount: int) -> None:
        """Count something."""
        self._used = self.used(now_ms) + amount

    def left_ms(self, now_ms: int) -> int:
        """Time until the next window."""
        return self.span_ms - now_ms % self.span_ms


@dataclass(slots=True)
class EndpointUsage:
    """What one endpoint was asked so far; times are the engine's, ms UTC."""

    requests: int = 0
    weight: int = 0
    orders: int = 0
    first_at_ms: int = 0
    last_at_ms: int = 0


@dataclass(slots=True)
class Usage:
    """Totals since the start, for whoever measures clients.  Not part of the venue."""

    endpoints: dict[str, EndpointUsage] = field(default_factory=dict)
    limited: int = 0  # answers 429 and 418

    def add(self, now_ms: int, endpoint: str, weight: int, orders: int) -> None:
        """Count a request that was let in, e.g. `GET /fapi/v1/time`."""
        found = self.endpoints.get(endpoint)
        if found is None:
            found = self.endpoints[endpoint] = EndpointUsage(first_at_ms=now_ms)
        found.requests += 1
        found.weight += weight
        found.orders += orders
        found.last_at_ms = now_ms

    def body(self) -> dict[str, Any]:
        """The JSON object."""
        total = sum(one.weight for one in self.endpoints.values())
        endpoints = {name: asdict(one) for name, one in sorted(self.endpoints.items())}
        return {"weight": total, "limited": self.limited, "endpoints": endpoints}


class RateLimiter:
    """The budgets of the one client address the paper exchange knows."""

    def __init__(self) -> None:
        self.weight = Window(60_000)
        self.orders_10s = Window(10_000)
        self.orders_1m = Window(60_000)
        self._ignored = 0
        self._banned_until_ms = 0
        self._bans = 0
        self.retry_after_s = 0
        self.neighbour_weight = 0
        """What another program on the same address spends as soon as a minute begins."""
        self._neighbour_minute = -1

    def _neighbour_spends(self, now_ms: int) -> None:
        minute = now_ms // self.weight.span_ms
        if minute != self._neighbour_minute:
            self._neighbour_minute = minute
            self.weight.add(now_ms, min(self.neighbour_weight, WEIGHT_LIMIT - self.weight.used(now_ms)))

    def charge(self, now_ms: int, weight: int, orders: int) -> None:
        """Count a request, or refuse it: 418 while banned, 429 over a budget."""
        if now_ms < self._banned_until_ms:
            raise self._still_banned(now_ms)
        if self.neighbour_weight:
            self._neighbour_spends(now_ms)
        if self.weight.used(now_ms) + weight > WEIGHT_LIMIT:
            raise self._too_many(now_ms, -1003, self.weight)
        if orders:
            for window, limit in (
                (self.orders_10s, ORDERS_10S_LIMIT), (self.orders_1m, ORDERS_1M_LIMIT),
            ):  # fmt: skip
                if window.used(now_ms) + orders > limit:
                    raise self._too_many(now_ms, -1015, window)
        self._ignored = 0
        self.weight.add(now_ms, weight)
        if orders:
            self.orders_10s.add(now_ms, orders)
            self.orders_1m.add(now_ms, orders)

    def _still_banned(self, now_ms: int) -> VenueRefusal:
        self.retry_after_s = (self._banned_until_ms - now_ms + 999) // 1000
        return banned(self._banned_until_ms)

    def _too_many(self, now_ms: int, code: int, window: Window) -> VenueRefusal:
        self._ignored += 1
        self.retry_after_s = (window.left_ms(now_ms) + 999) // 1000
        if self._ignored > IGNORED_BEFORE_BAN:
            length = min(LONGEST_BAN_MS, FIRST_BAN_MS << self._bans)
            self._bans += 1
            self._ignored = 0
            self._banned_until_ms = now_ms + length
            self.retry_after_s = length // 1000
            return banned(self._banned_until_ms)
        return refusal(code)

    def weight_header(self, now_ms: int) -> dict[str, str]:
        """`X-MBX-USED-WEIGHT-1M`, on every reply."""
        return {"X-MBX-USED-WEIGHT-1M": str(self.weight.used(now_ms))}

    def order_headers(self, now_ms: int) -> dict[str, str]:
        """`X-MBX-ORDER-COUNT-*`, on accepted order writes."""
        return {
            "X-MBX-ORDER-COUNT-10S": str(self.orders_10s.used(now_ms)),
            "X-MBX-ORDER-COUNT-1M": str(self.orders_1m.used(now_ms)),
        }


def banned(until_ms: int) -> VenueRefusal:
    """HTTP 418 with the time the ban ends."""
    text = (
        f"Way too many requests; IP banned until {until_ms}. Please use the websocket for live updates to avoid bans."
    )
    return VenueRefusal(-1003, text, 418)
