"""Waiting in background tasks."""

from __future__ import annotations

import asyncio

from position_monitor.edge.clock import Clock


async def sleep_or_wake(clock: Clock, seconds: float, wake: asyncio.Event) -> None:
    """Sleep `seconds` of `clock`, or less when `wake` is set; `wake` is clear afterwards."""
    waiting = (asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(wake.wait()))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        wake.clear()
