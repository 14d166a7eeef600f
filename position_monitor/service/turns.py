"""When the next cycle begins: at its turn, when something wakes the loop, and never too soon after the last one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, field

from position_monitor.edge.clock import Clock

DEAF_LOOK_S = 10.0
"""The longest time between two looks while the user stream does not deliver: what happens then is told by nobody."""
YOUNG_OBJECTS_MAX = 20_000
"""Objects made and not freed since the last garbage collection, before the next. A cycle of 200 positions makes about
10,000, which the next cycle replaces; with Python's own 700 it was looked through about fourteen times."""


@dataclass(slots=True)
class Turns:
    """The waiting between cycles."""

    clock: Clock
    events_delivered: Callable[[], bool]
    """Whether the user stream would wake the loop."""
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _began_s: float = field(default=float("-inf"), init=False)
    """When the last cycle began."""

    @property
    def ended(self) -> bool:
        """Whether there is no further cycle."""
        return self._stop.is_set()

    def begin(self) -> None:
        """A cycle begins; what woke the loop before it is looked at in it."""
        self._wake.clear()
        self._began_s = self.clock.monotonic_s()

    def wake(self) -> None:
        """Let the next cycle begin as soon as it may."""
        self._wake.set()

    def end(self) -> None:
        """Let no further cycle begin."""
        self._stop.set()
        self._wake.set()

    async def until_ended(self) -> None:
        """Wait until there is no further cycle."""
        await self._stop.wait()

    async def pause(self, interval_s: float, least_s: float) -> None:
        """Wait until `interval_s` after the beginning of the last cycle, or for an event, then at least `least_s`."""
        keep_what_is_loaded()
        await self._wait_for_turn(self._began_s + interval_s)
        if not self.ended:
            await self._wait(self._began_s + least_s, self._stop)

    async def _wait_for_turn(self, turn_s: float) -> None:
        """An interval longer than `DEAF_LOOK_S` relies on events: while none can come, nothing is awaited so long."""
        look_s = self._began_s + DEAF_LOOK_S
        while look_s < turn_s:
            await self._wait(look_s, self._wake)
            if self._wake.is_set() or not self.events_delivered():
                return
            look_s += DEAF_LOOK_S
        await self._wait(turn_s, self._wake)

    async def _wait(self, until_s: float, event: asyncio.Event) -> None:
        """Sleep until a moment, or until the event is set."""
        seconds = until_s - self.clock.monotonic_s()
        if seconds <= 0 or event.is_set():
            return
        sleeper = asyncio.ensure_future(self.clock.sleep(seconds))
        waker = asyncio.ensure_future(event.wait())
        await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeper, waker):
            task.cancel()


def keep_what_is_loaded() -> None:
    """Switch the garbage collector on, where the start had switched it off, with all that is loaded out of its sight.

    That stays until the end. A full collection would walk through every class of every library.
    """
    if not gc.isenabled():
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS_MAX)
        gc.enable()
