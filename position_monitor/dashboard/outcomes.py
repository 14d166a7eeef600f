"""What came of closed positions, read again when something new stands there: beside the looks, never in their way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from position_monitor.core.model.sides import PositionKey
from position_monitor.edge.redis.outcome_reader import NO_OUTCOMES, OutcomeReader
from position_monitor.errors import PositionMonitorError

LOOK_EVERY_S: Final = 5.0
IDLE_FACTOR: Final = 50
"""After a read of so long nothing is read for this many times as long: at most 2 % of a core, whatever stands there."""


class OutcomeWatch:
    """One account. Nothing here raises; where nothing can be read there is nothing to show."""

    def __init__(self, reader: OutcomeReader, *, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._steady_s = steady_s
        self._ids = ("", "")
        self._next_s = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.newest = NO_OUTCOMES

    def refresh(self) -> None:
        """Begin to read, where that is due and nobody reads."""
        if self._steady_s() >= self._next_s and (self._task is None or self._task.done()):
            self._next_s = self._steady_s() + LOOK_EVERY_S
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        began_s = time.monotonic()
        try:
            ids = await self._reader.newest_ids()
            if ids != self._ids:
                self.newest = await self._reader.outcomes(any_pairs=bool(ids[1]))
                self._ids = ids
        except Exception:  # whatever stands there: what was read before is not shown for ever
            self.newest, self._ids = NO_OUTCOMES, ("", "")
        took_s = time.monotonic() - began_s
        self._next_s = max(self._next_s, self._steady_s() + IDLE_FACTOR * took_s)

    async def shadow_book(self, key: PositionKey) -> Mapping[str, Any] | None:
        """What the policy in shadow wants for a position, as it is published; None where nothing is, or is readable."""
        try:
            return await self._reader.shadow_book(key)
        except PositionMonitorError:
            return None

    async def close(self) -> None:
        """Stop reading and disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._reader.close()
