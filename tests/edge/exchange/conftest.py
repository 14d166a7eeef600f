from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from position_monitor.core.decision import guard
from position_monitor.core.decision.guard import Approved
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from tests.edge.exchange.loopback_venue import API_KEY, API_SECRET, SERVER_MS, LoopbackVenue


class HandClock:
    """A clock that only moves when it is slept on or pushed."""

    def __init__(self, now_ms: int = SERVER_MS) -> None:
        self.wall_ms = float(now_ms)
        self.monotonic = 1000.0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return int(self.wall_ms)

    def monotonic_s(self) -> float:
        return self.monotonic

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall_ms += seconds * 1000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def approve() -> Callable[[Any], Approved[Any]]:
    """Tests of the edge send what they like: the guard's own checks are tested elsewhere."""
    return lambda action: Approved(action, guard._SEAL)


@pytest.fixture
async def loopback() -> AsyncIterator[LoopbackVenue]:
    server = LoopbackVenue()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def open_venue(clock: HandClock) -> AsyncIterator[Callable[..., BinanceUsdm]]:
    """Connect through real ccxt to an origin; everything is closed at the end of the test."""
    opened: list[BinanceUsdm] = []

    def _open(origin: str, *, timeout_s: float = 30.0, own_clock: Any = None) -> BinanceUsdm:
        venue = connect(
            environment="paper",
            rest_url=origin,
            api_key=API_KEY,
            api_secret=API_SECRET,
            timeout_s=timeout_s,
            clock=own_clock or clock,
        )
        opened.append(venue)
        return venue

    yield _open
    for venue in opened:
        await venue.aclose()


@pytest.fixture
def venue(open_venue: Callable[..., BinanceUsdm], loopback: LoopbackVenue) -> BinanceUsdm:
    return open_venue(loopback.origin)
