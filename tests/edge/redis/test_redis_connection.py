"""Addresses, time-outs and Sentinel."""

from __future__ import annotations

import asyncio
import subprocess

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from position_monitor.edge.redis.connection import ScriptLine, connect
from position_monitor.edge.redis.embedded import _free_port, _server_binary
from position_monitor.errors import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter22@host/0",
        "hunter22",
        "",
        "redis+sentinel://u:hunter22@host:26379",
        "redis+sentinel://u:hunter22@host:x/mymaster",
        "redis+sentinel://u:hunter22@:1/mymaster",
        "redis+sentinel://u:hunter22@host:26379/mymaster/x",
    ],
)
def test_a_bad_address_is_refused_without_repeating_its_password(url):
    """Invariant 15."""
    with pytest.raises(ConfigError) as refused:
        connect(url)
    assert "hunter22" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


async def test_a_refused_port_fails_at_once(valkey):
    """redis-py retries for seconds by default."""
    client = connect(f"redis://127.0.0.1:{_free_port()}/0")
    with pytest.raises(Exception, match="Connect"):
        await client.ping()


@pytest.fixture
def sentinel_url(valkey, tmp_path):
    """A real Sentinel watching the embedded server."""
    port = _free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {valkey.port} 1\n"
        "sentinel down-after-milliseconds mymaster 1000\n"
    )
    process = subprocess.Popen([str(_server_binary()), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    yield f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/mymaster/0"
    process.kill()
    process.wait()


async def test_a_script_runs_through_sentinel(sentinel_url, redis):
    """On a connection of its own, which asks Sentinel as those of the client do."""
    client = connect(sentinel_url)
    line = ScriptLine(client, "return {KEYS[1], redis.call('SET', KEYS[1], ARGV[1])}")
    async with asyncio.timeout(30):
        while True:
            try:
                answer = await line.run(["k"], ["v"])
                break
            except (OSError, RedisConnectionError):
                await asyncio.sleep(0.05)  # Sentinel has not seen the master yet
    assert answer == ["k", "OK"]
    assert await redis.get("k") == "v"
    await line.aclose()
    await client.aclose()


async def test_the_master_is_found_through_sentinel(sentinel_url, redis):
    """The first Sentinel of the address is dead, the second knows the master."""
    client = connect(sentinel_url)
    async with asyncio.timeout(30):
        while True:
            try:
                assert await client.set("seen", "1")
                break
            except OSError:
                await asyncio.sleep(0.05)
            except Exception as fault:
                assert "master" in str(fault).lower()
                await asyncio.sleep(0.05)
    assert await redis.get("seen") == "1"
    await client.aclose()
