"""Time, injected: stamps come from the wall clock, durations from the monotonic clock (fault C2)."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The only source of time for the edges. A simulator passes its own."""

    def now_ms(self) -> int:
        """Wall clock, ms UTC. May step; never subtract two of these to measure a duration."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back; the origin means nothing."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock."""
        ...


class SystemClock:
    """The clock of the host."""

    def now_ms(self) -> int:
        """Wall clock, ms UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds since some fixed point."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop."""
        await asyncio.sleep(seconds)


class VenueClock:
    """The venue's clock as seen from here: the local wall clock plus a measured offset.

    The offset becomes suspect when the local wall clock steps (NTP, a resumed virtual machine). That is seen by
    comparing how far the wall clock and the monotonic clock went since the measurement.
    """

    def __init__(self, clock: Clock) -> None:
        self.local = clock
        self.offset_ms = 0
        """Venue time minus local wall time. Beyond 500 ms either way an operator should look at the host's NTP."""
        self.measurements = 0
        self._measured_at_s = clock.monotonic_s()
        self._wall_minus_monotonic_ms = self._drift_origin_ms()

    def now_ms(self) -> int:
        """The venue's time, ms UTC: what signed requests are stamped with."""
        return self.local.now_ms() + self.offset_ms

    def set_offset(self, offset_ms: int) -> None:
        """Take over a fresh measurement."""
        self.offset_ms = offset_ms
        self.measurements += 1
        self._measured_at_s = self.local.monotonic_s()
        self._wall_minus_monotonic_ms = self._drift_origin_ms()

    @property
    def age_s(self) -> float:
        """Seconds since the last measurement."""
        return self.local.monotonic_s() - self._measured_at_s

    @property
    def stepped_ms(self) -> int:
        """How far the wall clock jumped against the monotonic clock since the measurement; about 0 when it did not."""
        return self._drift_origin_ms() - self._wall_minus_monotonic_ms

    def _drift_origin_ms(self) -> int:
        return self.local.now_ms() - round(self.local.monotonic_s() * 1000)
