"""Parts of one connection that live and end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from position_monitor.edge.clock import Clock

END_WITHIN_S: Final = 0.5
"""Seconds of real time that cancelled work may take to end."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a connection ended."""

    reason: str
    silent: bool = False
    """It was open and delivered nothing of what it should have."""
    planned: bool = False
    """Replaced in good health: no pause before the next one."""
    not_before_ms: int = 0
    """The venue asked not to be spoken to before (local clock, ms UTC)."""


Guard = Coroutine[Any, Any, Ended]
"""Runs as long as a connection does; when it returns or fails, the connection is replaced."""


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or TimeoutError after so many seconds of `clock`."""
    task, timer = asyncio.create_task(work), asyncio.create_task(clock.sleep(seconds))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        await end(task, timer)


async def first_of(*guards: Guard) -> Ended:
    """Run all; when the first one ends in whatever way, end the others and say why."""
    tasks = [asyncio.create_task(guard) for guard in guards]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        task = next(task for task in tasks if task.done())
        if task.cancelled():
            return Ended("a part of the connection was cancelled")
        fault = task.exception()
        return task.result() if fault is None else Ended(f"a part of the connection failed ({type(fault).__name__})")
    finally:
        await end(*tasks)


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait for it, but never long: a library may swallow a cancellation."""
    for task in tasks:
        task.cancel()
        task.add_done_callback(_forget)
    await asyncio.wait(tasks, timeout=END_WITHIN_S)


def _forget(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()
