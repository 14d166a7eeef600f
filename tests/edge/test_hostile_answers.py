"""Answers that unpack to hundreds of megabytes, never end, or come a byte at a time (rows 5.4 and 5.5).

The servers are real. A client must give up by itself: the outer time-outs only end a test that has failed.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.decision import guard
from position_monitor.core.decision.guard import Approved
from position_monitor.edge.ai_engine import AdviceStatus, AiEngine, Question
from position_monitor.edge.backend import Backend
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import Ambiguous, ExchangeFailure
from tests.edge.exchange.loopback_venue import API_KEY, API_SECRET
from tests.edge.exchange.sample_actions import close_market
from tests.edge.hostile_server import KINDS, MIB, hostile

PEAK_MIB = {"venue": 24, "service": 4}
"""What an answer may cost at most: some times the largest body that is taken."""
GIVES_UP_WITHIN_S = 40.0


@pytest.fixture
def peak_mib() -> Iterator[Any]:
    tracemalloc.start()
    tracemalloc.reset_peak()
    yield lambda: tracemalloc.get_traced_memory()[1] / MIB
    tracemalloc.stop()


def venue_at(origin: str) -> BinanceUsdm:
    return connect(
        environment="paper", rest_url=origin, api_key=API_KEY, api_secret=API_SECRET, timeout_s=1.0, clock=SystemClock()
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hostile_answer_of_the_venue_costs_little_and_ends(kind: str, peak_mib: Any) -> None:
    """A read has failed; a write has an outcome that is not known, and is queried, never sent again blindly."""
    async with hostile(kind) as origin, asyncio.timeout(GIVES_UP_WITHIN_S):
        venue = venue_at(origin)
        with pytest.raises(ExchangeFailure):
            await venue.prepare()
        with pytest.raises(ExchangeFailure):
            await venue.read_orders("BTCUSDT")
        with pytest.raises(Ambiguous):
            await venue.close(Approved(close_market(), guard._SEAL))
        await venue.aclose()
    assert peak_mib() < PEAK_MIB["venue"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hostile_answer_of_a_service_costs_little_and_ends(kind: str, peak_mib: Any) -> None:
    async with hostile(kind) as origin, asyncio.timeout(GIVES_UP_WITHIN_S):
        engine = AiEngine(origin, SystemClock(), timeout_s=1.0)
        answer = await engine.fetch("BTCUSDT", Question(Decimal(1)))
        assert answer.status is AdviceStatus.DOWN and answer.reason
        await engine.close()
        backend = Backend(origin, SystemClock(), timeout_s=1.0)
        breaker = await backend.fetch_breaker()
        assert breaker.breaker is None and breaker.reason
        await backend.close()
    assert peak_mib() < PEAK_MIB["service"]
