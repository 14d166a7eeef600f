"""An asyncio loop whose time is made, not waited for: sleeping costs nothing and every run is the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

EPOCH_MS = 1_790_000_000_000


class Deadlock(RuntimeError):
    """Nothing is ready and nothing is scheduled: the program would wait for ever."""


class _Jump(selectors.BaseSelector):
    """A selector that never waits: it moves the time on by what the loop wanted to wait."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._map: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self._map[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return self._map[fileobj]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._map.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready and nothing is scheduled")
        self.now_s += max(0.0, timeout)
        return []

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._map


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.now_s


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class SimClock:
    """The daemon's clock: a wall clock that can be stepped, and a process that can be suspended."""

    def __init__(self) -> None:
        self.skew_ms = 0
        self.running = asyncio.Event()
        self.running.set()

    def now_ms(self) -> int:
        return true_ms() + self.skew_ms

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
        await self.running.wait()


def true_ms() -> int:
    """The venue's time, ms UTC."""
    return EPOCH_MS + round(asyncio.get_running_loop().time() * 1000)
