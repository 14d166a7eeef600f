from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from loguru import logger

from position_monitor.core.observation.stream_events import StreamEvent
from position_monitor.edge.streams.user_stream import UserStream
from tests.edge.stream.stage import KeyOffice, StreamHost, WaitingClock

Runner = Callable[[Any], asyncio.Task[None]]


@pytest.fixture
def clock() -> WaitingClock:
    return WaitingClock()


@pytest.fixture
def keys() -> KeyOffice:
    return KeyOffice()


@pytest.fixture
async def host() -> AsyncIterator[StreamHost]:
    server = StreamHost()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Every line as written, tracebacks included, before anything redacts it."""
    lines: list[str] = []
    number = logger.add(lambda message: lines.append(str(message)), level="TRACE", backtrace=True, diagnose=True)
    yield lines
    logger.remove(number)


@pytest.fixture
async def running() -> AsyncIterator[Runner]:
    """Runs a stream in the background until the test is over; its run must end by cancellation alone."""
    tasks: list[asyncio.Task[None]] = []

    def run(stream: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(stream.run()))
        return tasks[-1]

    yield run
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


@pytest.fixture
def events() -> list[StreamEvent]:
    return []


@pytest.fixture
def start(
    host: StreamHost, keys: KeyOffice, clock: WaitingClock, events: list[StreamEvent], running: Runner
) -> Callable[..., UserStream]:
    """Makes a running user stream on the loopback host; it appends to `events` unless told otherwise."""

    def make(receive: Callable[[StreamEvent], None] = events.append, origin: str = "") -> UserStream:
        made = UserStream(keys, receive, origin=origin or host.origin, clock=clock)
        running(made)
        return made

    return make


@pytest.fixture
async def stream(start: Callable[..., UserStream]) -> UserStream:
    """A user stream that runs already."""
    return start()
