"""The request budget of one IP and account, led by the venue's own `X-MBX-*` headers.

The venue allows 2,400 request weight a minute per IP (shared with every other program on the host), 300 orders in
10 s and 1,200 a minute per account, in windows aligned to its clock. Requests go in lanes, and the lanes of what
protects may use more of a minute than the others. Each lane has a ceiling for the weight of the whole minute, whoever
used it; what lies above the ceiling is the reserve of the lanes before it. So another program on the address may leave
nothing for sweeps, while positions and their stops still have room. There is no queue: each caller waits for the next
window, at most as long as its lane allows, or gets `RateLimited`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from position_monitor.edge.clock import VenueClock
from position_monitor.edge.http.rate_windows import WINDOW_GUARD_MS, GrowingPause, Window, header_count
from position_monitor.errors import RateLimited

FRONT_DOOR_PAUSE_S = 5.0
"""Silence after the venue's front turned a request away (403 without a code). It names no time, and one such page may
be an accident, so the pause begins short (stops may be missing) and doubles with each further one."""
FRONT_DOOR_PAUSE_MAX_S = 60.0
BAN_PAUSE_S = 30.0
"""Silence after a ban (418) that names no end one could believe, before one cheap request asks whether it is over. It
grows by half with each further one: the shortest ban that is documented lasts two minutes."""
BAN_PAUSE_MAX_S = 300.0
BAN_PAUSE_GROWTH = 1.5
PROBE_AGAIN_S = 5.0
"""When a question whether a ban is over got no answer at all, the next one comes after this."""
WEIGHT_1M = 2_400
COMMAND_LINE_WEIGHT_1M = 600
"""The minute's weight, whoever used it, from which the command line asks nothing more: a quarter. The rest is for the
daemon beside it, which in turn does not take so much for another program's."""
COMMAND_LINE_WAIT_S = 15.0
SHARE_USED_UP = "what is left of this minute's request weight belongs to the daemon: try again in the next minute"
"""What the command line says then."""


class Lane(StrEnum):
    """Who is asking, the most needed first."""

    STOP = "stop"
    """Stops, emergency closes, and the clock that signs them."""
    POSITIONS = "positions"
    """Reads of all positions, and the first lists of a symbol: only the venue's own limit stops them."""
    HELD = "held"
    """The order lists, zero rows and trading rules of a symbol that matters, and single orders of ours."""
    OTHER_WRITE = "other_write"
    """Take-profits and removals."""
    READ = "read"
    """What else is read: sweeps of every list, upkeep that is not needed now, keys of streams."""
    BACKGROUND = "background"
    """What no decision waits for: candles, records of what was closed. Never waits; is dropped first."""


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The venue's limits, and how much of a minute's weight each lane leaves to those before it."""

    weight_1m: int = WEIGHT_1M
    orders_10s: int = 300
    orders_1m: int = 1200
    weight_reserves: Mapping[Lane, int] = field(
        default_factory=lambda: {
            Lane.STOP: 0, Lane.POSITIONS: 10, Lane.HELD: 75, Lane.OTHER_WRITE: 150, Lane.READ: 300,
            Lane.BACKGROUND: 1200,
        }
    )  # fmt: skip
    background_weight_1m: int = 120
    """All that the background may use of a minute: 5 % of what the venue grants."""
    orders_reserve_stop_10s: int = 60
    orders_reserve_stop_1m: int = 240
    wait_max_s: Mapping[Lane, float] = field(
        default_factory=lambda: {
            Lane.STOP: 10.5, Lane.POSITIONS: 2.0, Lane.HELD: 2.0, Lane.OTHER_WRITE: 3.0, Lane.READ: 2.0,
            Lane.BACKGROUND: 0.0,
        }
    )  # fmt: skip

    def __post_init__(self) -> None:
        kept = [self.weight_reserves[lane] for lane in Lane]
        if kept != sorted(kept) or not 0 <= kept[0] <= kept[-1] < self.weight_1m:
            raise ValueError("weight reserves must nest inside weight_1m")
        if not (self.orders_reserve_stop_10s < self.orders_10s and self.orders_reserve_stop_1m < self.orders_1m):
            raise ValueError("order reserves must be smaller than the limits")

    @classmethod
    def of_command_line(cls) -> BudgetLimits:
        """What a look beside the daemon may use: every lane ends where its share of the minute does."""
        return cls(
            weight_1m=COMMAND_LINE_WEIGHT_1M,
            weight_reserves=dict.fromkeys(Lane, 0),
            wait_max_s=dict.fromkeys(Lane, COMMAND_LINE_WAIT_S),
        )

    def weight_ceilings(self) -> dict[Lane, int]:
        """Highest weight of a minute each lane may reach."""
        return {lane: self.weight_1m - kept for lane, kept in self.weight_reserves.items()}


class Ticket(NamedTuple):
    """Leave to send one request: which windows it was counted in."""

    windows: tuple[int, int, int]


class RateBudget:
    """Accounting for one account and IP. Raises `RateLimited` instead of sending what the venue would punish."""

    def __init__(self, clock: VenueClock, limits: BudgetLimits | None = None) -> None:
        self.clock = clock
        self._limits = limits or BudgetLimits()
        self._weight_ceilings = self._limits.weight_ceilings()
        self._weight = Window(60_000)
        self._background = Window(60_000)
        self._orders_10s = Window(10_000)
        self._orders_1m = Window(60_000)
        self._reported = {
            "x-mbx-used-weight-1m": (self._weight, 0),
            "x-mbx-order-count-10s": (self._orders_10s, 1),
            "x-mbx-order-count-1m": (self._orders_1m, 2),
        }
        """The headers of a reply, what each of them counts, and its place among a ticket's windows."""
        self._same_from_ms = self._same_until_ms = 0
        """From when until when, by the venue's clock, no window begins or ends."""
        self._blocked_until_s = -math.inf
        self._orders_blocked_until_s = -math.inf
        self._banned = False
        self._probing = False
        """Whether the one request that asks whether the ban is over is under way."""
        self._pauses = {
            403: GrowingPause(FRONT_DOOR_PAUSE_S, FRONT_DOOR_PAUSE_MAX_S, 2.0),
            418: GrowingPause(BAN_PAUSE_S, BAN_PAUSE_MAX_S, BAN_PAUSE_GROWTH),
        }
        """For answers that name no end, by HTTP status."""
        self._said = ""
        """Why the venue wants silence."""
        self.waits = 0
        """How many requests were not sent at once."""
        self.weight_by_lane = dict.fromkeys(Lane, 0)
        """Request weight that was sent since the start."""

    @property
    def api_weight_1m(self) -> int:
        """Request weight of the running minute: what the venue reported, or our own count where that is larger."""
        self._roll()
        return self._weight.used

    @property
    def own_weight_1m(self) -> int:
        """Weight of the running minute that we used ourselves."""
        self._roll()
        return self._weight.own

    @property
    def foreign_weight_1m(self) -> int:
        """Weight of the running minute that somebody else on this IP used (at least)."""
        self._roll()
        return max(0, self._weight.reported - self._weight.own)

    def has_room(self, lane: Lane, weight: int) -> bool:
        """Whether a lane could use this much now."""
        return self._wait_s(lane, weight, 0) <= 0

    @property
    def banned_until_ms(self) -> int:
        """When the venue is next asked whether its ban (418) is over, ms UTC of our clock; 0 when there is none."""
        if not self._banned:
            return 0
        local = self.clock.local
        return local.now_ms() + max(0, math.ceil((self._blocked_until_s - local.monotonic_s()) * 1000))

    @property
    def probe_is_due(self) -> bool:
        """Whether it is time to ask, by one cheap request, whether a ban is over."""
        return self._banned and self.clock.local.monotonic_s() >= self._blocked_until_s

    def probe(self) -> Ticket:
        """Leave for that one request; nobody else gets any until its answer."""
        self._probing = True
        self._blocked_until_s = self.clock.local.monotonic_s() + PROBE_AGAIN_S
        self._roll()
        return self._take(Lane.STOP, 1, 0)

    async def acquire(self, lane: Lane, *, weight: int, orders: int = 0) -> Ticket:
        """Wait (bounded by the lane) until the request may be sent, and count it; raises `RateLimited`."""
        local, deadline_s = self.clock.local, None
        while (wait_s := self._wait_s(lane, weight, orders)) > 0:
            now_s = local.monotonic_s()
            if deadline_s is None:
                self.waits, deadline_s = self.waits + 1, now_s + self._limits.wait_max_s[lane]
            if self._banned or now_s + wait_s > deadline_s:
                retry_at_ms = local.now_ms() + math.ceil(wait_s * 1000)
                raise RateLimited(self._why(lane, orders, retry_at_ms), retry_at_ms=retry_at_ms)
            await local.sleep(wait_s)
        return self._take(lane, weight, orders)

    def observe(self, ticket: Ticket, headers: Mapping[str, str]) -> None:
        """Learn from the headers of the reply to `ticket`; a reply from an earlier window teaches nothing.

        A window that ended and was not asked since is not rolled on: whatever it learns, it forgets when it is.
        """
        for name, text in headers.items():
            if (counter := self._reported.get(name)) is None:
                continue
            window, place = counter
            if window.index == ticket.windows[place] and (value := header_count(text)) is not None:
                window.report(value)

    def block(self, failure: RateLimited) -> None:
        """Send nothing before `failure.retry_at_ms`: on no lane, or no orders where only those are limited."""
        local = self.clock.local
        now_s = local.monotonic_s()
        until_s = now_s + (failure.retry_at_ms - local.now_ms()) / 1000
        self._said = f"HTTP {failure.http_status}" + (f", {failure.said}" if failure.said else "")
        ban, pause = failure.http_status == 418, self._pauses.get(failure.http_status or 0)
        if pause is not None and not failure.end_stated:
            until_s = pause.next(now_s)
        elif ban and self._probing:  # the end that was stated before was none
            until_s = max(until_s, self._pauses[418].next(now_s))
        if ban:
            self._banned, self._probing, self._blocked_until_s = True, False, until_s
        elif failure.orders_only:
            self._orders_blocked_until_s = max(self._orders_blocked_until_s, until_s)
        else:
            self._blocked_until_s = max(self._blocked_until_s, until_s)

    def answered(self) -> None:
        """The venue gave a usable answer: its front lets us in."""
        self._pauses[403].over()

    def ban_over(self) -> None:
        """The venue answered the one request of a ban."""
        self._banned, self._blocked_until_s = False, -math.inf
        self._pauses[418].over()

    def _why(self, lane: Lane, orders: int, retry_at_ms: int) -> str:
        """A sentence that stays the same while the cause does: it becomes the account's reason."""
        now_s = self.clock.local.monotonic_s()
        if now_s < max(self._blocked_until_s, self._orders_blocked_until_s if orders else -math.inf):
            until = time.strftime("%H:%M:%S", time.gmtime(math.ceil(retry_at_ms / 1000)))
            if self._banned:
                return f"the exchange has banned this address ({self._said}): nothing is asked before {until} UTC"
            return f"no request before {until} UTC: the venue answered {self._said}"
        if self._limits.weight_1m < WEIGHT_1M:
            return SHARE_USED_UP
        return f"request budget of the {lane} lane is used up"

    def _roll(self) -> int:
        venue_ms = self.clock.now_ms()
        if not self._same_from_ms <= venue_ms < self._same_until_ms:
            for window in (self._weight, self._background, self._orders_10s, self._orders_1m):
                window.roll(venue_ms)
            # Every window ends where one of the shortest does.
            shortest_ms = self._orders_10s.length_ms
            self._same_from_ms = self._orders_10s.index * shortest_ms + WINDOW_GUARD_MS
            self._same_until_ms = self._same_from_ms + shortest_ms
        return venue_ms

    def _wait_s(self, lane: Lane, weight: int, orders: int) -> float:
        venue_ms = self._roll()
        wait_ms, until_s = self._weight.wait_ms(venue_ms, weight, self._weight_ceilings[lane]), self._blocked_until_s
        if wait_ms and lane is Lane.HELD:
            wait_ms = self._weight.wait_ms(venue_ms, weight, self._held_ceiling(venue_ms))
        if lane is Lane.BACKGROUND:
            wait_ms = max(wait_ms, self._background.wait_ms(venue_ms, weight, self._limits.background_weight_1m))
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

    def _held_ceiling(self, venue_ms: int) -> int:
        """What HELD leaves are the reads of positions in the rest of the minute, so it may have more toward its end."""
        positions = self._limits.weight_reserves[Lane.POSITIONS]
        share = (60_000 - venue_ms % 60_000) / 60_000
        return self._limits.weight_1m - positions - round((self._limits.weight_reserves[Lane.HELD] - positions) * share)

    def _take(self, lane: Lane, weight: int, orders: int) -> Ticket:
        self._weight.add(weight)
        self.weight_by_lane[lane] += weight
        if lane is Lane.BACKGROUND:
            self._background.add(weight)
        if orders:
            self._orders_10s.add(orders)
            self._orders_1m.add(orders)
        return Ticket((self._weight.index, self._orders_10s.index, self._orders_1m.index))
