"""A real Valkey server, a server that never answers, a clock that obeys, and published values."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState, TakeProfitState
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.state import RedisState

NOW_MS = 1_780_000_000_000
PREFIX = "quantum:position_monitor"


class ManualClock:
    """Stands still until told. Sleeping gives the loop a turn and moves nothing."""

    def __init__(self) -> None:
        self.wall_ms = NOW_MS
        self.mono_s = 1000.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.mono_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.005)

    def advance(self, seconds: float) -> None:
        self.mono_s += seconds
        self.wall_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
async def redis(valkey: EmbeddedRedis) -> AsyncIterator[Redis]:
    """An empty server, looked at with a client that shares no code with what is tested."""
    client = Redis.from_url(valkey.url, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def hung_url() -> Iterator[str]:
    """A server that accepts and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in accepted:
        connection.close()


MakeState = Callable[..., RedisState]


@pytest.fixture
async def make_state(valkey: EmbeddedRedis, clock: ManualClock) -> AsyncIterator[MakeState]:
    """Publishers of the account `main`, closed at the end."""
    made: list[RedisState] = []

    def make(owner: str = "host-a:1:aaaa", **changes: Any) -> RedisState:
        settings: dict[str, Any] = {
            "prefix": PREFIX,
            "account": "main",
            "owner": owner,
            "clock": clock,
            "check_interval_s": 10,
            "lease_ttl_s": 20,
            "is_dead": lambda _: False,
            **changes,
        }
        state = RedisState(settings.pop("url", valkey.url), **settings)
        made.append(state)
        return state

    yield make
    for state in made:
        await state._client.aclose()


async def eventually(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """Wait until `condition()` (or what it awaits) is true, with a bound."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.005)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    return eventually


def account_state(**changes: Any) -> AccountState:
    values: dict[str, Any] = {
        "risk_status": RiskStatus.PROTECTED,
        "mode": "live",
        "positions": 1,
        "protected": 1,
        "coverage_pct": Decimal(100),
        "exposed_notional": Decimal(0),
        "unknown_notional": Decimal(0),
        "unread": (),
        "environment": "paper",
        "status_line": "🛡️ 1/1 protected (100%)",
        "reason": "",
        "exit_mode": "LEGACY",
        "conflicts": ('EXIT_MODE=LEGACY with "EXIT_BRAIN_V3_ENABLED=true"',),
        "ai_engine": "NO_SIGNAL",
        "circuit_breaker": "ACTIVE (read 4 s ago)",
        "observed_at_ms": NOW_MS - 50,
        "published_at_ms": NOW_MS,
        "cycle_ms": 12,
        "api_weight_1m": 85,
        "version": "0.1.0",
        "config_hash": "3f9a",
        "owner": "host-a:1:aaaa",
        "epoch": 0,
        "sequence": 1,
        **changes,
    }
    return AccountState(**values)


def position_state(symbol: str = "BTCUSDT", side: Side = Side.LONG, **changes: Any) -> PositionState:
    values: dict[str, Any] = {
        "key": PositionKey(symbol, side),
        "verdict": Verdict.PROTECTED,
        "reason": "",
        "since_ms": NOW_MS - 60_000,
        "quantity": Decimal("0.250"),
        "entry_price": Decimal("64120.0"),
        "mark_price": Decimal("64880.50"),
        "liquidation_price": None,
        "leverage": 10,
        "unrealized_pnl": Decimal("190.125"),
        "stop_price": Decimal("63158.2"),
        "stop_quantity": Decimal("0.250"),
        "cover_pct": Decimal(100),
        "stop_client_ids": ("qpm1s4k2", "qpm1s77a"),
        "backstop_price": Decimal("63158.2"),
        "take_profits": (
            TakeProfitState(1, Decimal("65081.8"), Decimal("0.075"), "qpm1t9x7", "hybrid", resting=True),
            TakeProfitState(2, Decimal("65723.0"), Decimal("0.175"), "", "hybrid", resting=False),
        ),
        "trailing": "off",
        "profile": "DEFAULT",
        "regime": "",
        "level_source": "hybrid",
        "worst_case_loss": Decimal("240.45"),
        "naked_ms": 0,
        "observed_at_ms": NOW_MS - 50,
        "conditions": {"StopCovered": "True", "BookInSync": "False"},
        **changes,
    }
    return PositionState(**values)


@pytest.fixture
def make_account() -> Callable[..., AccountState]:
    return account_state


@pytest.fixture
def make_position() -> Callable[..., PositionState]:
    return position_state
