"""The Redis users of docs/redis.md, as they stand there, on a real server: each may do its work and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from position_monitor.core.model.control import EVERY_SYMBOL, ControlRequest, ControlType
from position_monitor.core.model.events import Event
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.redis.control_stream import ControlStream, ask
from position_monitor.edge.redis.reader import RedisStateReader
from position_monitor.edge.redis.state import Owned

from .conftest import PREFIX

DOCUMENT = Path(__file__).parents[3] / "docs" / "redis.md"
P = f"{PREFIX}:main"
USERS = {"position-monitor": "DAEMON_PASSWORD", "operator": "OPERATOR_PASSWORD", "dashboards": "DASHBOARD_PASSWORD"}
REQUEST = ControlRequest("r-1", ControlType.PAUSE, EVERY_SYMBOL, None, 1_900_000_000_000, "a test", "ana", 1)


@pytest.fixture
async def users(redis, valkey):
    """user -> its URL, made with the very commands of the document."""
    lines = re.findall(r"^ACL SETUSER .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(lines) == len(USERS)
    for line in lines:
        await redis.execute_command(*line.split())
    place = valkey.url.removeprefix("redis://")
    yield {name: f"redis://{name}:{password}@{place}" for name, password in USERS.items()}
    await redis.execute_command("ACL", "DELUSER", *USERS)


@pytest.fixture
async def client_of(users):
    made = []

    def make(name):
        made.append(Redis.from_url(users[name], decode_responses=True))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


async def test_the_daemon_has_the_lease_publishes_and_hears(users, redis, make_state, make_account, make_position):
    state = make_state(url=users["position-monitor"])
    assert isinstance(await state.renew_lease(), Owned)
    state.publish(make_account(), [make_position()], [Event("PositionAppeared", 1, "BTCUSDT", "LONG")])
    assert await state.write_once(), state.health()
    assert await redis.exists(f"{P}:status", f"{P}:lease", f"{P}:events") == 3
    await redis.xadd(f"{P}:control", {"data": "{}"})
    stream = ControlStream(users["position-monitor"], prefix=PREFIX, account="main")
    assert len(await stream.read()) == 1
    assert await stream.answered() == frozenset()
    await stream.aclose()


@pytest.mark.parametrize("name", ["operator", "dashboards"])
async def test_readers_read_everything_and_write_no_state(users, client_of, make_state, make_account, name):
    state = make_state()
    state.publish(make_account(), [])
    await state.write_once()
    reader = RedisStateReader(users[name], prefix=PREFIX, account="main")
    assert (await reader.published()).account is not None
    assert await reader.events() == []
    await reader.close()
    client = client_of(name)
    for command in (
        ("HSET", f"{P}:status", "mode", "live"),
        ("SET", f"{P}:lease", "x"),
        ("DEL", f"{P}:lease"),
        ("XADD", f"{P}:events", "*", "data", "{}"),
        ("XTRIM", f"{P}:control", "MAXLEN", "0"),
        ("DEL", f"{P}:control"),
        ("EVAL", "return 1", "0"),
    ):
        with pytest.raises(NoPermissionError):
            await client.execute_command(*command)


async def test_an_operator_may_ask_and_a_dashboard_may_not(users, client_of, redis):
    places = {"prefix": PREFIX, "account": "main", "within_s": 0.0, "clock": SystemClock()}
    assert await ask(users["operator"], REQUEST, **places) is None
    assert await redis.xlen(f"{P}:control") == 1
    with pytest.raises(NoPermissionError):
        await client_of("dashboards").xadd(f"{P}:control", {"data": "{}"})
    assert await redis.xlen(f"{P}:control") == 1


@pytest.mark.parametrize("name", list(USERS))
async def test_nobody_reaches_other_accounts_nor_the_server(client_of, redis, name):
    await redis.set(f"{PREFIX}:other:lease", "x")
    client = client_of(name)
    for command in (
        ("GET", f"{PREFIX}:other:lease"),
        ("SET", "anything", "x"),
        ("FLUSHALL",),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("ACL", "SETUSER", name, "+@all"),
        ("SHUTDOWN", "NOSAVE"),
        ("KEYS", "*"),
    ):
        with pytest.raises(NoPermissionError):
            await client.execute_command(*command)
