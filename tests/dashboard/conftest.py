"""A real Valkey, what a daemon would publish in it, and the page served from it over real HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState, TakeProfitState
from position_monitor.dashboard.access import Access
from position_monitor.dashboard.board import Board
from position_monitor.dashboard.server import serving
from position_monitor.dashboard.watching import AccountWatch
from position_monitor.edge.redis.documents import position_document, position_fields, status_fields
from position_monitor.edge.redis.embedded import EmbeddedRedis
from tests.edge.redis.conftest import account_state, position_state

PREFIX = "quantum:position_monitor"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Publisher:
    """Writes to Redis what a daemon publishes, and whatever else stands in a test."""

    def __init__(self, client: Redis, account: str = "main") -> None:
        self.client: Any = client
        self.p = f"{PREFIX}:{account}"
        self.account = account
        self.sequence = 0

    async def status(self, **changes: Any) -> None:
        self.sequence += 1
        at_ms = now_ms()
        state: AccountState = account_state(
            **{"observed_at_ms": at_ms - 50, "published_at_ms": at_ms, "sequence": self.sequence} | changes
        )
        await self.client.hset(f"{self.p}:status", mapping=status_fields(state, owner="host-a:1:aaaa", epoch=1))
        await self.client.expire(f"{self.p}:status", 600)

    async def positions(self, states: Sequence[PositionState]) -> None:
        await self.client.delete(f"{self.p}:positions")
        async with self.client.pipeline() as pipeline:
            for state in states:
                fields = position_fields(position_document(state, self.account, published_at_ms=now_ms()))
                pairs = dict(zip(fields[::2], fields[1::2], strict=True))
                pipeline.hset(f"{self.p}:position:{state.key}", mapping=pairs)
                pipeline.sadd(f"{self.p}:positions", str(state.key))
            await pipeline.execute()

    async def event(self, **fields: Any) -> None:
        data = {"schema": 1, "id": "x", "type": "StopPlaced", "at_ms": now_ms(), "account": self.account}
        data |= {"symbol": "BTCUSDT", "side": "LONG", **fields}
        await self.client.xadd(f"{self.p}:events", {"data": json.dumps(data)})


def several(count: int) -> list[PositionState]:
    """Positions of both sides with prices of many sizes."""
    states = []
    for number in range(count):
        entry, side = Decimal(number * number + 1) / 7, Side.SHORT if number % 2 else Side.LONG
        sign = 1 if side is Side.LONG else -1
        entry = round(entry, 6)
        states.append(
            position_state(
                f"COIN{number}USDT",
                side,
                entry_price=entry,
                mark_price=round(entry * (100 + sign) / 100, 6),
                stop_price=round(entry * (100 - sign) / 100, 6),
                backstop_price=round(entry * (100 - 2 * sign) / 100, 6),
                liquidation_price=round(entry * (100 - 12 * sign) / 100, 6),
                take_profits=(
                    TakeProfitState(
                        rung=0,
                        trigger_price=round(entry * (100 + 3 * sign) / 100, 6),
                        quantity=Decimal("0.1"),
                        client_id="qpm1",
                        source="hybrid",
                        resting=True,
                    ),
                ),
            )
        )
    return states


def naked(symbol: str = "NAKEDUSDT") -> PositionState:
    return position_state(
        symbol,
        verdict=Verdict.NAKED,
        reason="no stop rests",
        stop_price=None,
        backstop_price=None,
        cover_pct=Decimal(0),
        stop_quantity=Decimal(0),
        stop_client_ids=(),
        take_profits=(),
        worst_case_loss=None,
    )


@pytest.fixture(scope="package")
def valkey() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
async def redis(valkey: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def daemon(redis: Redis) -> Publisher:
    return Publisher(redis)


class Page:
    """What a viewer sees."""

    def __init__(self, session: aiohttp.ClientSession, port: int, board: Board) -> None:
        self.session, self.port, self.board = session, port, board
        self.url = f"http://127.0.0.1:{port}"

    async def get(self, path: str = "/", **options: Any) -> tuple[int, str]:
        async with self.session.get(self.url + path, **options) as answer:
            return answer.status, await answer.text()

    async def state(self) -> Any:
        return json.loads((await self.get("/api/state"))[1])


@asynccontextmanager
async def page_of(
    url: str,
    *accounts: str,
    token: str | None = None,
    steady_s: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Page]:
    """The page of these accounts (`main`), on a machine that may have no time for it now."""
    watches = [
        AccountWatch(url, prefix=PREFIX, account=name, old_after_s=600, look_timeout_s=20, steady_s=steady_s)
        for name in accounts or ("main",)
    ]
    board = Board(watches)
    async with (
        serving(board, Access("127.0.0.1", token), host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession(read_bufsize=2**23) as session,
    ):
        yield Page(session, port, board)


@pytest.fixture
async def page(valkey: EmbeddedRedis, redis: Redis) -> AsyncIterator[Page]:
    async with page_of(valkey.url) as served:
        yield served


async def eventually(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """Wait until what `condition()` awaits is true, with a bound."""
    async with asyncio.timeout(timeout_s):
        while True:
            if value := await condition():
                return value
            await asyncio.sleep(0.02)


__all__ = ["PositionKey", "RiskStatus"]


@pytest.fixture
async def hung() -> AsyncIterator[str]:
    """A server that accepts and never answers."""
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    ended.set()
    server.close()
