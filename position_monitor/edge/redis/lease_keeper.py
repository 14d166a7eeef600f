"""Asks for the lease as long as this daemon may have it, and leaves it to others when it should not (invariant 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final

from loguru import logger

from position_monitor.edge.background import sleep_or_wake, stop_if_cancelled
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.lease import Lease
from position_monitor.edge.redis.lease_states import LeaseState, Owned

ASK_PAUSE_S: Final = 1.0
"""How often a lease that is not ours is looked at."""
OBSERVES: Final = "protection.mode is observe"


class LeaseKeeper:
    """Renews one lease in the background."""

    def __init__(self, lease: Lease, clock: Clock, *, contend: bool, reading_within_s: float = inf) -> None:
        """`contend`: the configuration wants the lease. `reading_within_s`: how long a read of the positions counts."""
        self.lease = lease
        self.contend = contend
        self.reading_within_s = reading_within_s
        self._clock = clock
        self._read_at_s = clock.monotonic_s()
        """When the positions were last read; until the first read a daemon is taken for one that reads."""
        self._left = False
        """Whether the lease was left to others."""
        self._asking = asyncio.Lock()
        self._now = asyncio.Event()
        self._taken = asyncio.Event()

    def follow(self, *, contend: bool, reading_within_s: float) -> None:
        """The configuration was reloaded: the lease is asked for, or given up, at once."""
        self.contend, self.reading_within_s = contend, reading_within_s
        self.ask_now()

    def ask_now(self) -> None:
        """Something changed: the lease is asked for, or given up, at once."""
        self._now.set()

    async def taken(self) -> None:
        """Wait until the lease becomes ours: what waited for it can be done then."""
        await self._taken.wait()
        self._taken.clear()

    @property
    def left(self) -> bool:
        """Whether the lease was left to others, because the positions could not be read or the operator said so."""
        return self._left

    @property
    def reads(self) -> bool:
        """Whether this daemon read the positions lately; one that does not leaves the lease to others."""
        return self._clock.monotonic_s() - self._read_at_s <= self.reading_within_s

    def positions_read(self) -> None:
        """The positions were read just now."""
        self._read_at_s = self._clock.monotonic_s()

    def ask_if_left(self) -> None:
        """A lease that was left to others is asked for at once."""
        if self._left and self.contend:
            self._now.set()

    async def ask(self) -> LeaseState:
        """Take, renew or give up the lease, within a few seconds."""
        async with self._asking:
            before = self.lease.state()
            if not self.contend:
                await self._give_up(OBSERVES)
            elif not self.reads:
                await self._give_up("positions could not be read, so the lease is left to others")
            else:
                self._left = False
                await self.lease.renew()
            after = self.lease.state()
        stop_if_cancelled()
        if type(before) is type(after):
            return after
        if not self.contend:
            logger.bind(event="LeaseGivenUp").info("Lease: none ({}); nothing is written", OBSERVES)
        else:
            ours = isinstance(after, Owned)
            event = "LeaseTaken" if ours else "LeaseGivenUp" if self._left else "LeaseLost"
            logger.bind(event=event).log("INFO" if ours else "WARNING", "Lease: {}", after)
            if ours:
                self._taken.set()
        return after

    async def _give_up(self, reason: str) -> None:
        """Leave the lease to others, once; Redis is told only where the key may be ours."""
        if not self._left or self.lease.taken:
            self._left = True
            await self.lease.release(reason)

    async def run(self, listener: Callable[[LeaseState], None]) -> None:
        """Keep asking until cancelled; `listener` hears every answer."""
        while True:
            after = await self.ask()
            listener(after)
            pause_s = self.lease.renew_interval_s
            pause_s = pause_s if isinstance(after, Owned) else min(pause_s, ASK_PAUSE_S)
            await sleep_or_wake(self._clock, pause_s, self._now)
