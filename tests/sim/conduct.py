"""What each daemon did at the venue's door: which answers it had been given before which writes.

The journal says what happened at the venue; this says what the daemon could have known. Together they tell a mistake
from bad luck: an order that somebody else cancelled after the daemon's last look is bad luck. A moment is the number of
the newest journal entry, so "before" and "after" are exact even within one millisecond.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.virtual_time import true_ms

TARGETS_GONE = "take-profits gone"
READS_BEFORE_RETIRING = 3
"""Two reads that show the replacement, and the one made just for the removal."""
READS_AGE_MAX_MS = 60_000
"""What was read before a gap this long (a suspended host) proves nothing about now."""
LEASE_SLACK_MS = 6_000
"""A request held up on its way longer than this is refused by its timestamp (recvWindow)."""
OWN_TTL_MS = 20_000
"""The usual lease time of the daemons of a run: an owner counts as alive only while it renews within it."""
RENEWED_BY_MS = 500
UNDER_WAY_MS = 6_000
"""A write may have been decided before the answer about the lease came."""


class Answer(NamedTuple):
    """How one request of a daemon ended, as the daemon sees it."""

    daemon: int
    endpoint: Endpoint
    params: Mapping[str, str]
    status: int
    """The HTTP status; 0 when no answer came."""
    body: object
    """As parsed; None when no answer came."""
    headers: Mapping[str, str]
    moment: int
    """The newest journal entry the answer can speak of."""


NO_ANSWER = 0


@dataclass
class Visitor:
    """One daemon as the venue saw it."""

    first: int | None = None
    """Moment of the first answer about positions that reached it."""
    first_ms: int = 0
    """The same in true ms; 0 before it."""
    positions: dict[str, int] = field(default_factory=dict)
    """symbol ("" for all) -> moment of the newest answer about positions that reached it."""
    orders: dict[str, deque[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=READS_BEFORE_RETIRING))
    )
    """symbol ("" for all) -> (moment, true ms) of the newest lists of conditional orders that reached it."""
    found: set[str] = field(default_factory=set)
    """Client ids that a query of their own showed."""
    wrote: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    """(symbol, side) -> moment of the last order it placed there, and when it was sent (loop time); `TARGETS_GONE` for
    take-profits it removed, and "" for every other write that had an effect."""
    tried: dict[str, tuple[int, int]] = field(default_factory=dict)
    """symbol -> (moment, true ms) of its last attempt to place a stop."""


@dataclass
class Lease:
    """What Redis told one daemon about the lease, and what follows for it (invariant 9)."""

    confirmed_ms: int = -1
    holder: str = ""
    """The other holder of the last answer; empty when that was another one."""
    expires_ms: int = -1
    """When what it was told runs out, by the last answer; -1: never."""
    alive_since_ms: int = -1
    """Since when every answer showed a live other owner; -1 when the last one did not."""
    given_up_ms: int = -1
    """When it gave the lease up; -1 since it was confirmed again."""
    alive_until_ms: int = -1
    """Until when that owner counts as alive: its lease expires by then, or must have been renewed."""

    def told(self, *, ours: bool, left_ms: int, holder: str, own_ttl_ms: int) -> None:
        now_ms = true_ms()
        if ours:
            self.confirmed_ms, self.alive_since_ms, self.holder, self.given_up_ms = now_ms, -1, "", -1
            return
        expires_ms = now_ms + left_ms if left_ms >= 0 else -1
        moved = holder == self.holder and expires_ms > self.expires_ms + RENEWED_BY_MS and self.expires_ms >= 0
        if 0 <= left_ms <= own_ttl_ms:
            until_ms = expires_ms
        elif moved:
            until_ms = now_ms + own_ttl_ms
        else:
            until_ms = self.alive_until_ms if holder == self.holder else -1
        if until_ms <= now_ms:
            self.alive_since_ms = -1
        elif self.alive_since_ms < 0 or self.alive_until_ms < now_ms or holder != self.holder:
            self.alive_since_ms = now_ms
        self.holder, self.expires_ms, self.alive_until_ms = holder, expires_ms, until_ms

    @property
    def beside_an_owner(self) -> bool:
        """Whether it knows of a live other owner now: what it was told has not run out."""
        return self.alive_since_ms >= 0 and true_ms() < self.alive_until_ms


class Conduct:
    """Notes who asked what, and answers questions about it."""

    def __init__(self, moment: Callable[[], int]) -> None:
        self.speaker: int | None = None
        """The daemon whose request is being handled now; None for everybody else and for late executions."""
        self.sent_s = 0.0
        """When that request was sent (loop time)."""
        self.visitors: dict[int, Visitor] = defaultdict(Visitor)
        self.background_ms = -1
        """When an answer about candles or records last reached a daemon."""
        self.leases: dict[str, Lease] = defaultdict(Lease)
        self.reads_age_ms = READS_AGE_MAX_MS
        self.own_ttl_ms = OWN_TTL_MS
        """The lease time of the daemons."""
        self.listeners: list[Callable[[Answer], None]] = []
        """Told how each request ended, at the moment the daemon learns it."""
        self.in_vain: dict[tuple[int, Endpoint], int] = {}
        """Daemon and call -> until when (true ms) it waits for an answer that will not come."""
        self._moment = moment

    # -- told by the transport and by Redis

    def enters(self, daemon: int, endpoint: Endpoint, params: Mapping[str, str], sent_s: float) -> int:
        """A request arrives; returns the moment its answer will speak of."""
        self.speaker, self.sent_s = daemon, sent_s
        if endpoint is Endpoint.PLACE_ALGO_ORDER and params.get("type") == "STOP_MARKET":
            self.visitors[daemon].tried[params["symbol"]] = (self._moment(), true_ms())
        return self._moment()

    def leaves(self) -> None:
        self.speaker = None

    def waits_in_vain(self, daemon: int, endpoint: Endpoint, seconds: float) -> None:
        """The daemon will wait so long for an answer that does not come."""
        self.in_vain[daemon, endpoint] = true_ms() + round(1000 * seconds)

    def ends(self, answer: Answer) -> None:
        """A request ended: with an answer of whatever kind, or without one."""
        for listener in self.listeners:
            listener(answer)
        if answer.status != NO_ANSWER:
            self._hears(answer.daemon, answer.endpoint, answer.params, answer.moment, answer.body)

    def _hears(self, daemon: int, endpoint: Endpoint, params: Mapping[str, str], moment: int, body: object) -> None:
        """An answer to a read reached the daemon."""
        if endpoint is Endpoint.QUERY_ALGO_ORDER and isinstance(body, dict) and "clientAlgoId" in body:
            self.visitors[daemon].found.add(str(body["clientAlgoId"]))
        if not isinstance(body, list):
            return
        visitor, symbol = self.visitors[daemon], params.get("symbol", "")
        if endpoint in (Endpoint.POSITIONS, Endpoint.POSITION_ROWS):
            visitor.positions[symbol] = max(moment, visitor.positions.get(symbol, 0))
            if visitor.first is None:
                visitor.first, visitor.first_ms = moment, true_ms()
        elif endpoint is Endpoint.OPEN_ALGO_ORDERS:
            visitor.orders[symbol].append((moment, true_ms()))
        elif endpoint.is_background:
            self.background_ms = true_ms()

    def told_of_lease(self, owner: str, *, ours: bool, left_ms: int, holder: str) -> None:
        self.leases[owner].told(ours=ours, left_ms=left_ms, holder=holder, own_ttl_ms=self.own_ttl_ms)

    def gave_up_lease(self, owner: str) -> None:
        lease = self.leases[owner]
        lease.given_up_ms = true_ms()
        lease.confirmed_ms = min(lease.confirmed_ms, true_ms() - self.own_ttl_ms)

    # -- asked by the checkers

    def saw(self, symbol: str) -> int:
        """Up to which moment the speaker knows a symbol: its positions and its conditional orders."""
        assert self.speaker is not None
        visitor = self.visitors[self.speaker]
        positions = max(visitor.positions.get(symbol, -1), visitor.positions.get("", -1))
        return min(positions, max((moment for moment, _ in self._lists(symbol)), default=-1))

    def seen_thrice(self, symbol: str) -> int:
        """The moment of the third newest recent list: what rested by then was seen by the speaker in three reads."""
        recent = sorted(moment for moment, at_ms in self._lists(symbol) if true_ms() - at_ms <= self.reads_age_ms)
        return recent[-READS_BEFORE_RETIRING] if len(recent) >= READS_BEFORE_RETIRING else -1

    def read_back(self, daemon: int, symbol: str, client_id: str, accepted: int) -> bool:
        """Whether an order accepted at that moment can be known to the daemon from an answer to a read."""
        visitor = self.visitors[daemon]
        lists = [*visitor.orders.get(symbol, ()), *visitor.orders.get("", ())]
        return client_id in visitor.found or any(moment >= accepted for moment, _ in lists)

    def tried_since(self, symbol: str, moment: int) -> bool:
        """Whether the speaker tried to place a stop since a moment, or so recently that it may wait for the outcome."""
        assert self.speaker is not None
        tried = self.visitors[self.speaker].tried.get(symbol)
        return tried is not None and (tried[0] >= moment or true_ms() - tried[1] <= self.reads_age_ms)

    @property
    def is_late(self) -> bool:
        """Whether the request was held up on its way for so long that a venue refuses it by its timestamp."""
        return (asyncio.get_running_loop().time() - self.sent_s) * 1000 > LEASE_SLACK_MS

    def is_owner(self, owner: str) -> bool:
        """Whether Redis confirmed the lease recently enough to remove, and to rest take-profits."""
        confirmed_ms = self.leases[owner].confirmed_ms
        return confirmed_ms >= 0 and true_ms() - confirmed_ms <= self.own_ttl_ms + LEASE_SLACK_MS

    def stands_by(self, owner: str) -> bool:
        """Whether the daemon has known for a while that a live other owner holds the lease, and that still holds."""
        lease = self.leases[owner]
        return lease.beside_an_owner and true_ms() - lease.alive_since_ms > UNDER_WAY_MS

    def _lists(self, symbol: str) -> list[tuple[int, int]]:
        assert self.speaker is not None
        orders = self.visitors[self.speaker].orders
        return [*orders.get(symbol, ()), *orders.get("", ())]
