"""Waiting in background tasks, and ending them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from loguru import logger

from position_monitor.edge.clock import Clock

END_ATTEMPTS_MAX = 20
END_PAUSE_S = 0.25
RESTART_PAUSE_S = 1.0

Worker = Callable[[], Coroutine[None, None, None]]


async def sleep_or_wake(clock: Clock, seconds: float, wake: asyncio.Event) -> None:
    """Sleep `seconds` of `clock`, or less when `wake` is set; `wake` is clear afterwards."""
    waiting = (asyncio.create_task(clock.sleep(seconds)), asyncio.create_task(wake.wait()))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        wake.clear()


def stop_if_cancelled() -> None:
    """Raise `CancelledError` if this task was cancelled and something below lost that.

    `asyncio.wait_for` may do so before Python 3.12 when its result arrives in the same moment, and redis-py uses it for
    every command. The task itself still knows. A loop that calls this after each such command can always be ended.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end_tasks(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel until they are gone, bounded: redis-py can swallow a cancellation that meets it inside a command."""
    for _ in range(END_ATTEMPTS_MAX):
        pending = [task for task in tasks if not task.done()]
        if not pending:
            return
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=END_PAUSE_S)


async def keep_running(worker: Worker, clock: Clock) -> None:
    """Run a worker to its end. A defect in it must not end protection: it is reported, and the worker starts again."""
    while True:
        try:
            return await worker()
        except Exception:
            logger.exception("A background worker failed; it starts again in {:g} s", RESTART_PAUSE_S)
            await clock.sleep(RESTART_PAUSE_S)
