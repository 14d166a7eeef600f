"""Redis before first use: does it answer, how old is it, does it evict, may we write our keys, does a daemon speak?"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from position_monitor.config import Config
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, address_of, connect
from position_monitor.edge.redis.fault_words import conduct
from position_monitor.edge.redis.published_text import harmless
from position_monitor.preflight.findings import Finding, error, ok, unanswered, warning

VERSION_MIN: Final = (6, 2)
SLOW_MS: Final = 250
_WRITES: Final = """
redis.call('SET', KEYS[1], '1', 'PX', 2000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'a', '1')
redis.call('PEXPIRE', KEYS[1], 2000)
redis.call('DEL', KEYS[1])
redis.call('SADD', KEYS[1], 'a')
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[1], '*', 'data', '')
redis.call('DEL', KEYS[1])
return 1
"""
"""What the daemon's own scripts do, with a key of its own that is gone at the end."""


async def redis_findings(config: Config) -> list[Finding]:
    """Every finding about Redis; never raises for what it answers."""
    url = config.redis.url.get_secret_value()
    place, client = address_of(url), connect(url)
    try:
        try:
            reached = await _reached(client, place)
            if not reached.fine:
                return [reached]
            key = f"{config.redis.prefix}:{config.account}"
            return [
                reached,
                await _version(client),
                await _eviction(client),
                await _writing(client, key),
                await _daemon(client, key),
            ]
        except (RedisError, OSError, TimeoutError) as fault:
            return [_away(place, fault)]
    finally:
        await client.aclose()


async def _asked(client: Any, *command: str) -> Any:  # noqa: ANN401  redis-py has no narrower type
    async with asyncio.timeout(OPERATION_TIMEOUT_S):
        return await client.execute_command(*command)


async def _reached(client: Any, place: str) -> Finding:  # noqa: ANN401
    """Whether it answers at all, and lets us in."""
    began_s = time.monotonic()
    try:
        await _asked(client, "PING")
    except (AuthenticationError, AuthorizationError, NoPermissionError) as fault:
        words = f"Redis at {place} refuses user or password: {_said(fault)}"
        return error("redis (live)", words, "correct redis.url or REDIS_URL")
    except (RedisError, OSError, TimeoutError) as fault:
        return _away(place, fault)
    took_ms = (time.monotonic() - began_s) * 1000
    if took_ms > SLOW_MS:
        words = f"answers at {place}, after {took_ms:.0f} ms"
        return warning("redis (live)", words, "look at its load and at the network: claims will be late")
    return ok("redis (live)", f"answers at {place}")


def _away(place: str, fault: Exception) -> Finding:
    if isinstance(fault, ResponseError):
        return error("redis (live)", f"Redis at {place} answers with an error: {_said(fault)}", "look at its log")
    words = f"Redis at {place} {conduct(fault)}"
    advice = "start it, or correct redis.url or REDIS_URL: without it stops are placed, and nobody sees the state"
    return error("redis (live)", words, advice)


async def _version(client: Any) -> Finding:  # noqa: ANN401
    version = await _said_by_info(client, "server", "redis_version") or await _said_by_hello(client)
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", version)
    if numbers is None:
        return unanswered("redis version", "this user may not ask for it", "it must be 6.2 or newer, or Valkey")
    words = harmless(version)[:30]
    if (int(numbers[1]), int(numbers[2])) < VERSION_MIN:
        return error("redis version", f"{words}; 6.2 or newer is needed", "upgrade it, or use Valkey")
    return ok("redis version", words)


async def _eviction(client: Any) -> Finding:  # noqa: ANN401
    subject, wanted = "redis eviction", "redis-cli CONFIG SET maxmemory-policy noeviction, and in its file"
    policy = await _said_by_info(client, "memory", "maxmemory_policy") or await _said_by_config(client)
    if not policy:
        advice = "ask whoever runs it (it must be noeviction), or let this user ask: ACL SETUSER ... +info"
        return unanswered(subject, "this user may not ask for maxmemory-policy", advice)
    if policy != "noeviction":
        words = f"maxmemory-policy is {harmless(policy)[:30]}: lease and state may be evicted"
        return error(subject, words, wanted)
    return ok(subject, "maxmemory-policy is noeviction")


async def _writing(client: Any, key: str) -> Finding:  # noqa: ANN401
    """Whether our keys can be written, by the commands and in the way that the daemon writes them."""
    subject, probe = "redis writing", f"{key}:check"
    try:
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            await client.eval(_WRITES, 1, probe)
    except ReadOnlyError:
        return error(subject, "it is a read-only replica", "name the master in redis.url, or its Sentinels")
    except NoPermissionError as fault:
        return error(subject, f"its ACL does not allow it: {_said(fault)}", f"ACL SETUSER ... ~{key}:* +@all -@admin")
    except ResponseError as fault:
        words = _said(fault)
        if "READONLY" in words or "read only replica" in words:
            return error(subject, "it is a read-only replica", "name the master in redis.url, or its Sentinels")
        return error(subject, f"it refuses: {words}", "give it memory and disk; see its log")
    return ok(subject, f"keys {harmless(key)}:* can be written")


async def _daemon(client: Any, key: str) -> Finding:  # noqa: ANN401
    try:
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            line = await client.hget(f"{key}:status", "status_line")
    except ResponseError as fault:
        return warning("daemon", f"{harmless(key)}:status is no hash of ours: {_said(fault)}", "see who writes it")
    return ok("daemon", "not heard" if line is None else f"heard: {harmless(str(line))[:200]}")


async def _said_by_info(client: Any, section: str, name: str) -> str:  # noqa: ANN401
    try:
        answer = await _asked(client, "INFO", section)
    except ResponseError:
        return ""
    return str(answer.get(name, "")) if isinstance(answer, dict) else ""


async def _said_by_hello(client: Any) -> str:  # noqa: ANN401
    """The version as the greeting states it, which no ACL hides."""
    try:
        answer = await _asked(client, "HELLO")
    except ResponseError:
        return ""
    pairs = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=False))
    return str(pairs.get("version", ""))


async def _said_by_config(client: Any) -> str:  # noqa: ANN401
    try:
        answer = await _asked(client, "CONFIG GET", "maxmemory-policy")
    except ResponseError:
        return ""
    return str(answer.get("maxmemory-policy", "")) if isinstance(answer, dict) else ""


def _said(fault: Exception) -> str:
    return harmless(str(fault))[:120].rstrip(".")
