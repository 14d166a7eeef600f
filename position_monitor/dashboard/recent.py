"""The newest events of an account: what was read once is not read again, and what cannot be read hides nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from position_monitor.edge.redis.event_stream import EventStream, StreamedEvent
from position_monitor.errors import PositionMonitorError

AGAIN_AFTER_S: Final = 5.0
"""How long to wait after events that took too long: they may be larger than what can be read in a look."""


class RecentEvents:
    """The last entries of a stream. An entry never changes under its id."""

    def __init__(self, stream: EventStream, count: int, *, within_s: float, steady_s: Callable[[], float]) -> None:
        """`count` entries are kept; a read that takes longer than `within_s` is given up."""
        self._stream = stream
        self._count = count
        self._within_s = within_s
        self._steady_s = steady_s
        self._entries: list[tuple[str, StreamedEvent | None]] = []
        self._shown: tuple[StreamedEvent, ...] = ()
        self._trouble = ""
        self._again_s = float("-inf")

    async def newest(self) -> tuple[tuple[StreamedEvent, ...], int, str]:
        """The events, oldest first; how many entries among them are none; why they cannot be read. Never raises."""
        if self._steady_s() >= self._again_s:
            try:
                async with asyncio.timeout(self._within_s):
                    await self._read()
                self._trouble = ""
            except TimeoutError:
                self._lose("the events could not be read in time")
                self._again_s = self._steady_s() + AGAIN_AFTER_S
            except PositionMonitorError as fault:
                self._lose(str(fault))
        return self._shown, len(self._entries) - len(self._shown), self._trouble

    async def _read(self) -> None:
        """From the newest entry of the last time on; everything where that is gone or too many came since."""
        if self._entries:
            newest_id = self._entries[-1][0]
            came = await self._stream.entries(self._count, since_id=newest_id)
            if came and came[0][0] == newest_id:
                if came[1:]:
                    self._keep([*self._entries, *came[1:]])
                return
        self._keep(await self._stream.entries(self._count))

    def _keep(self, entries: list[tuple[str, StreamedEvent | None]]) -> None:
        self._entries = entries[-self._count :]
        shown = tuple(event for _, event in self._entries if event is not None)
        self._shown = shown if shown != self._shown else self._shown

    def _lose(self, why: str) -> None:
        self._entries, self._shown, self._trouble = [], (), why
