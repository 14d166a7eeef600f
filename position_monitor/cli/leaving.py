"""Ctrl-C for commands that go on until then.

The signal sets an event. To cancel what is under way instead is not enough: a client library that gives up a connection
at that moment swallows the cancellation, and the command would go on.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress


def leaving() -> asyncio.Event:
    """An event of the running loop that is set when the user presses Ctrl-C."""
    left = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, left.set)
    return left


async def pause(left: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until the user leaves; whether the user did."""
    with suppress(TimeoutError):
        await asyncio.wait_for(left.wait(), seconds)
    return left.is_set()
