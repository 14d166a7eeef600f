"""An asyncio loop whose time is made, not waited for: sleeping costs nothing and every run is the same."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Any

EPOCH_MS = 1_790_000_000_000
TIMERS_MAX = 500
"""Timers that may lie in the heap, beside twice those that are awaited, before cancelled ones are cleared out."""
_new = object.__new__
_Sleeper = asyncio.Future
"""What somebody who sleeps waits for. It lies among timers and callbacks itself, without a callback to wake it."""


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
    """A callback that is ready; made by the loop itself, and neither made nor cancelled with a look at whether the loop
    is being debugged."""

    __slots__ = ()
    _repr = _source_traceback = None
    _args: Any
    _callback: Any
    _context: Any

    def cancel(self) -> None:
        self._cancelled, self._callback, self._args = True, None, None


class _Timer(_Handle, asyncio.TimerHandle):
    """A callback that will be ready at its time."""

    __slots__ = ()
    _loop: Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop: callbacks in the order in which they became ready, timers of one moment in the order of their making.

    It does what asyncio's own does, less what a run in virtual time has no use for (files, debugging, slow callbacks),
    because half of a run's steps are steps of the loop.
    """

    get_debug = staticmethod(bool)
    """Always false; asked for every future that is made, so without a frame of its own."""
    _ready: Any
    _stopping: bool

    def __init__(self) -> None:
        super().__init__(_NoFiles())
        self.now_s = 0.0
        self.now_ms = EPOCH_MS
        """The venue's time, ms UTC."""
        self.create_future = partial(asyncio.Future, loop=self)  # type: ignore[method-assign]
        self._timers: list[tuple[float, int, _Timer | asyncio.Future[None]]] = []
        self._timer_number = 0
        self._timers_max = TIMERS_MAX

    def time(self) -> float:
        return self.now_s

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = _new(_Handle)
        handle._callback, handle._args, handle._cancelled = callback, args, False
        handle._context = copy_context() if context is None else context
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _new(_Timer)
        timer._callback, timer._args, timer._cancelled = callback, args, False
        timer._context = copy_context() if context is None else context
        timer._when, timer._loop = when, self
        self._timer_number += 1
        heappush(self._timers, (when, self._timer_number, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def sleeper(self, seconds: float) -> asyncio.Future[None]:
        """What is done after so many seconds; when it is cancelled, nothing is left to be taken back."""
        awaited: asyncio.Future[None] = _Sleeper(loop=self)
        self._timer_number += 1
        heappush(self._timers, (self.now_s + seconds, self._timer_number, awaited))
        return awaited

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def _run_once(self) -> None:
        """Run rounds until somebody stops the loop: what is ready now, then what became ready or due meanwhile."""
        global _loop
        _loop = self
        ready, timers = self._ready, self._timers
        while True:
            if not ready and not self._stopping:
                self._to_next_timer()
            now_s = self.now_s
            while timers and timers[0][0] <= now_s:
                ready.append(heappop(timers)[2])
            for _ in range(len(ready)):
                handle = ready.popleft()
                if handle.__class__ is _Sleeper:
                    if not handle.done():
                        handle.set_result(None)
                elif not handle._cancelled:
                    try:
                        handle._context.run(handle._callback, *handle._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as failure:
                        facts = {"message": f"failed: {handle!r}", "exception": failure, "handle": handle}
                        self.call_exception_handler(facts)
            if self._stopping:
                return

    def _to_next_timer(self) -> None:
        """Nothing is ready: time jumps to when something will be."""
        timers = self._timers
        if len(timers) > self._timers_max:
            timers[:] = [timer for timer in timers if not timer[2].cancelled()]
            heapify(timers)
            self._timers_max = TIMERS_MAX + 2 * len(timers)
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not timers:
            raise Deadlock("nothing is ready and nothing is scheduled")
        if timers[0][0] > self.now_s:
            self.now_s = timers[0][0]
            self.now_ms = EPOCH_MS + round(self.now_s * 1000)


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
        return _loop.now_ms + self.skew_ms

    def monotonic_s(self) -> float:
        return _loop.now_s

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await _loop.sleeper(seconds)
        else:
            await asyncio.sleep(0)
        if not self.running.is_set():
            await self.running.wait()


async def sleep(seconds: float) -> None:
    """`asyncio.sleep` in virtual time, without what it does for other loops."""
    if seconds > 0:
        await _loop.sleeper(seconds)
    else:
        await asyncio.sleep(0)


def true_ms() -> int:
    """The venue's time, ms UTC."""
    return _loop.now_ms


_loop: VirtualLoop
"""The one that runs. Asking asyncio for it costs a system call, and time is asked for thousands of times in a run."""
