"""Waiting in background tasks, and ending them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from loguru import logger

from position_monitor.edge.clock import Clock

END_ATTEMPTS_MAX = 20
END_PAUSE_S = 0.25
RESTART_PAUSE_S = 1.0

Worker = Callable[[], Coroutine[None, None, None]]


async def first_done(waiting: Collection[asyncio.Future[Any]], within_s: float | None = None) -> None:
    """Wait until one of them is done, and no longer than `within_s`.

    As `asyncio.wait` does it for the first one, without the sets of what is done and what is not: nobody needs them.
    """
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    timer = None if within_s is None else loop.call_later(within_s, let_go, over)

    def done(_: asyncio.Future[Any]) -> None:
        let_go(over)

    for future in waiting:
        future.add_done_callback(done)
    try:
        await over
    finally:
        if timer is not None:
            timer.cancel()
        for future in waiting:
            future.remove_done_callback(done)


def let_go(over: asyncio.Future[None]) -> None:
    """Wake who waits for this, once."""
    if not over.done():
        over.set_result(None)


async def sleep_or_wake(clock: Clock, seconds: float, wake: asyncio.Event) -> None:
    """Sleep `seconds` of `clock`, or less when `wake` is set; `wake` is clear afterwards."""
    waiting = (asyncio.create_task(clock.sleep(seconds)), asyncio.create_task(wake.wait()))
    try:
        await first_done(waiting)
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
