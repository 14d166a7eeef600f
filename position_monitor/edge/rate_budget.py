"""The request budget of one IP and account, led by the venue's own `X-MBX-*` headers.

The venue allows 2,400 request weight a minute per IP (shared with every other program on the host), 300 orders in
10 s and 1,200 a minute per account, in windows aligned to its clock. Three lanes share that, and what protects comes
first: READ may not touch what writes need, OTHER_WRITE (take-profits, cancels) may not touch the reserve of STOP.
Nobody queues behind anybody: each caller waits at most its lane's bound for the next window, else gets `RateLimited`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from position_monitor.edge.clock import VenueClock
from position_monitor.errors import RateLimited

WINDOW_GUARD_MS = 50
"""A window is taken as begun this much late, so a small clock error never counts an order into the next window."""
FRONT_DOOR_PAUSE_S = 5.0
"""Silence after the venue's front turned a request away (403 without a code). It names no time, and one such page may
be an accident, so the pause begins short (stops may be missing) and doubles with each further one."""
FRONT_DOOR_PAUSE_MAX_S = 60.0
_HEADER_DIGITS_MAX = 6
_ORDER_COUNT_CODE = -1015


class Lane(StrEnum):
    """Who is asking."""

    READ = "read"
    STOP = "stop"
    """Stops, emergency closes and the queries that settle whether a stop rests."""
    OTHER_WRITE = "other_write"


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The venue's limits and how much of them each lane leaves to those above it."""

    weight_1m: int = 2400
    orders_10s: int = 300
    orders_1m: int = 1200
    weight_reserve_writes: int = 300
    """Weight per minute that READ leaves free."""
    weight_reserve_stop: int = 150
    """Weight per minute that READ and OTHER_WRITE leave free."""
    orders_reserve_stop_10s: int = 60
    orders_reserve_stop_1m: int = 240
    wait_max_s: Mapping[Lane, float] = field(
        default_factory=lambda: {Lane.READ: 2.0, Lane.STOP: 10.5, Lane.OTHER_WRITE: 3.0}
    )

    def __post_init__(self) -> None:
        if not 0 <= self.weight_reserve_stop <= self.weight_reserve_writes < self.weight_1m:
            raise ValueError("weight reserves must nest inside weight_1m")
        if not (self.orders_reserve_stop_10s < self.orders_10s and self.orders_reserve_stop_1m < self.orders_1m):
            raise ValueError("order reserves must be smaller than the limits")

    def weight_ceilings(self) -> dict[Lane, int]:
        """Highest weight of a minute each lane may reach."""
        reserve = {Lane.READ: self.weight_reserve_writes, Lane.OTHER_WRITE: self.weight_reserve_stop, Lane.STOP: 0}
        return {lane: self.weight_1m - kept for lane, kept in reserve.items()}


class _Window:
    """A counter that starts again at each multiple of its length of the venue's clock."""

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.index = 0
        self.used = 0
        """The larger of what we sent and what the venue reported."""
        self.own = 0
        """What we sent."""
        self.reported = 0

    def roll(self, venue_ms: int) -> None:
        """Start again when the venue's clock has entered another window."""
        index = (venue_ms - WINDOW_GUARD_MS) // self.length_ms
        if index != self.index:
            self.index, self.used, self.own, self.reported = index, 0, 0, 0

    def add(self, amount: int) -> None:
        self.used += amount
        self.own += amount

    def report(self, value: int) -> None:
        """Take the venue's own count in. One far below an earlier one means that its window began after ours."""
        if 2 * value < self.reported:
            self.reported, self.used = value, max(value, self.own)
            return
        self.reported = max(self.reported, value)
        self.used = max(self.used, value)

    def wait_ms(self, venue_ms: int, amount: int, ceiling: int) -> int:
        """0 when `amount` fits now, else the time until the next window."""
        if amount == 0 or self.used + amount <= ceiling:
            return 0
        return (self.index + 1) * self.length_ms + WINDOW_GUARD_MS - venue_ms


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to send one request: which windows it was counted in."""

    windows: tuple[int, int, int]


class RateBudget:
    """Accounting for one account and IP. Raises `RateLimited` instead of sending what the venue would punish."""

    def __init__(self, clock: VenueClock, limits: BudgetLimits | None = None) -> None:
        self.clock = clock
        self._limits = limits or BudgetLimits()
        self._weight_ceilings = self._limits.weight_ceilings()
        self._weight = _Window(60_000)
        self._orders_10s = _Window(10_000)
        self._orders_1m = _Window(60_000)
        self._same_from_ms = self._same_until_ms = 0
        """From when until when, by the venue's clock, no window begins or ends."""
        self._blocked_until_s = -math.inf
        self._orders_blocked_until_s = -math.inf
        self._front_door_pause_s = 0.0
        self._said = ""
        """Why the venue wants silence."""

    @property
    def api_weight_1m(self) -> int:
        """Request weight of the running minute: what the venue reported, or our own count where that is larger."""
        self._roll()
        return self._weight.used

    @property
    def foreign_weight_1m(self) -> int:
        """Weight of the running minute that somebody else on this IP used (at least)."""
        self._roll()
        return max(0, self._weight.reported - self._weight.own)

    async def acquire(self, lane: Lane, *, weight: int, orders: int = 0) -> Ticket:
        """Wait (bounded by the lane) until the request may be sent, and count it; raises `RateLimited`."""
        local, deadline_s = self.clock.local, None
        while (wait_s := self._wait_s(lane, weight, orders)) > 0:
            now_s = local.monotonic_s()
            deadline_s = now_s + self._limits.wait_max_s[lane] if deadline_s is None else deadline_s
            if now_s + wait_s > deadline_s:
                retry_at_ms = local.now_ms() + math.ceil(wait_s * 1000)
                raise RateLimited(self._why(lane, orders, retry_at_ms), retry_at_ms=retry_at_ms)
            await local.sleep(wait_s)
        return self._take(weight, orders)

    def observe(self, ticket: Ticket, headers: Mapping[str, str]) -> None:
        """Learn from the headers of the reply to `ticket`; a reply from an earlier window teaches nothing."""
        self._roll()
        windows = (self._weight, self._orders_10s, self._orders_1m)
        names = ("x-mbx-used-weight-1m", "x-mbx-order-count-10s", "x-mbx-order-count-1m")
        for window, sent_in, name in zip(windows, ticket.windows, names, strict=True):
            value = _header_count(headers.get(name))
            if value is not None and window.index == sent_in:
                window.report(value)

    def block(self, failure: RateLimited) -> None:
        """Send nothing before `failure.retry_at_ms`: on no lane after 429/418, no orders after -1015."""
        local = self.clock.local
        now_s = local.monotonic_s()
        until_s = now_s + (failure.retry_at_ms - local.now_ms()) / 1000
        if failure.http_status == 403:
            if now_s < self._blocked_until_s:
                return  # it was under way when the first one came back
            self._front_door_pause_s = min(
                max(2 * self._front_door_pause_s, FRONT_DOOR_PAUSE_S), FRONT_DOOR_PAUSE_MAX_S
            )
            until_s = now_s + self._front_door_pause_s
        self._said = f"HTTP {failure.http_status}" + (f", {failure.code}" if failure.code is not None else "")
        if failure.code == _ORDER_COUNT_CODE:
            self._orders_blocked_until_s = max(self._orders_blocked_until_s, until_s)
        else:
            self._blocked_until_s = max(self._blocked_until_s, until_s)

    def answered(self) -> None:
        """The venue gave a usable answer: its front lets us in."""
        self._front_door_pause_s = 0.0

    def _why(self, lane: Lane, orders: int, retry_at_ms: int) -> str:
        """A sentence that stays the same while the cause does: it becomes the account's reason."""
        now_s = self.clock.local.monotonic_s()
        if now_s < max(self._blocked_until_s, self._orders_blocked_until_s if orders else -math.inf):
            until = time.strftime("%H:%M:%S", time.gmtime(math.ceil(retry_at_ms / 1000)))
            return f"no request before {until} UTC: the venue answered {self._said}"
        return f"request budget of the {lane} lane is used up"

    def _roll(self) -> int:
        venue_ms = self.clock.now_ms()
        if not self._same_from_ms <= venue_ms < self._same_until_ms:
            for window in (self._weight, self._orders_10s, self._orders_1m):
                window.roll(venue_ms)
            # Every window ends where one of the shortest does.
            shortest_ms = self._orders_10s.length_ms
            self._same_from_ms = self._orders_10s.index * shortest_ms + WINDOW_GUARD_MS
            self._same_until_ms = self._same_from_ms + shortest_ms
        return venue_ms

    def _wait_s(self, lane: Lane, weight: int, orders: int) -> float:
        venue_ms = self._roll()
        wait_ms, until_s = self._weight.wait_ms(venue_ms, weight, self._weight_ceilings[lane]), self._blocked_until_s
        if orders:
            limits = self._limits
            reserve_10s = 0 if lane is Lane.STOP else limits.orders_reserve_stop_10s
            reserve_1m = 0 if lane is Lane.STOP else limits.orders_reserve_stop_1m
            wait_ms = max(
                wait_ms,
                self._orders_10s.wait_ms(venue_ms, orders, limits.orders_10s - reserve_10s),
                self._orders_1m.wait_ms(venue_ms, orders, limits.orders_1m - reserve_1m),
            )
            until_s = max(until_s, self._orders_blocked_until_s)
        if until_s == -math.inf:
            return wait_ms / 1000
        return max(wait_ms / 1000, until_s - self.clock.local.monotonic_s())

    def _take(self, weight: int, orders: int) -> Ticket:
        self._weight.add(weight)
        self._orders_10s.add(orders)
        self._orders_1m.add(orders)
        return Ticket((self._weight.index, self._orders_10s.index, self._orders_1m.index))


def _header_count(text: str | None) -> int | None:
    """A counter header as an integer; None when absent or nonsense."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _HEADER_DIGITS_MAX:
        return None
    return int(text)
