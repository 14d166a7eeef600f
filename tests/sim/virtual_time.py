"""An asyncio loop whose time is made, not waited for: sleeping costs nothing and every run is the same."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

EPOCH_MS = 1_790_000_000_000
CANCELLED_MAX = 500
"""Cancelled timers that may lie in the heap before they are cleared out."""


class Deadlock(RuntimeError):
    """Nothing is ready and nothing is scheduled: the program would wait for ever."""


class _NoFiles(selectors.BaseSelector):
    """A selector nobody asks: there are no sockets in virtual time."""

    def __init__(self) -> None:
        self._map: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self._map[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return self._map[fileobj]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._map.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[Any]:
        return []

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._map


class _Handle(asyncio.Handle):
    """A callback that is ready; made and cancelled without asking the loop whether it is being debugged."""

    def __init__(self, callback: Callable[..., Any], args: Any, loop: Any, context: Any) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop, self._callback, self._args = loop, callback, args
        self._cancelled, self._repr, self._source_traceback = False, None, None

    def cancel(self) -> None:
        self._cancelled, self._callback, self._args = True, None, None


class _Timer(_Handle, asyncio.TimerHandle):
    """A callback that will be ready at its time."""

    def __init__(self, when: float, callback: Callable[..., Any], args: Any, loop: Any, context: Any) -> None:
        super().__init__(callback, args, loop, context)
        self._when, self._scheduled = when, True

    def cancel(self) -> None:
        if not self._cancelled:
            self._loop._timer_handle_cancelled(self)
        super().cancel()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop: callbacks in the order in which they became ready, timers of one moment in the order of their making.

    It does what asyncio's own does, less what a run in virtual time has no use for (files, debugging, slow callbacks),
    because half of a run's steps are steps of the loop.
    """

    _ready: Any
    _stopping: bool

    def __init__(self) -> None:
        super().__init__(_NoFiles())
        self.now_s = 0.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._timer_number = 0
        self._cancelled = 0

    def time(self) -> float:
        return self.now_s

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._timer_number += 1
        heapq.heappush(self._timers, (when, self._timer_number, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._cancelled += 1
        if self._cancelled > CANCELLED_MAX:
            self._timers = [timer for timer in self._timers if not timer[2]._cancelled]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _run_once(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready and not self._stopping:
            while timers and timers[0][2]._cancelled:
                heapq.heappop(timers)
            if not timers:
                raise Deadlock("nothing is ready and nothing is scheduled")
            self.now_s = max(self.now_s, timers[0][0])
        now_s = self.now_s
        while timers and timers[0][0] <= now_s:
            timer = heapq.heappop(timers)[2]
            timer._scheduled = False
            if not timer._cancelled:
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


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
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            timer = loop.call_later(seconds, _wake, future)
            try:
                await future
            finally:
                timer.cancel()
        if not self.running.is_set():
            await self.running.wait()


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def true_ms() -> int:
    """The venue's time, ms UTC."""
    return EPOCH_MS + round(asyncio.get_running_loop().time() * 1000)
