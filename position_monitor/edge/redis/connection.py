"""Connections to Redis or Valkey that fail fast: one second at most, no retries, no default back-off.

URLs: `redis://[user:password@]host:port/db`, `rediss://` for TLS, `unix:///path`, and for Sentinel
`redis+sentinel://[user:password@]host:port,host:port/service/db` (`rediss+sentinel://` for TLS).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from position_monitor.edge.redis.bounded_answers import BoundedAnswers
from position_monitor.errors import ConfigError

SOCKET_TIMEOUT_S: Final = 1.0
OPERATION_TIMEOUT_S: Final = 4.0
"""Ceiling of one exchange with Redis, asking several Sentinels included: a server that trickles bytes is cut off."""
CONNECTIONS_MAX: Final = 8
SENTINEL_PORT: Final = 26379
DEFAULT_PORT: Final = 6379


def connect(url: str) -> Redis:
    """A client for `url`; nothing is sent yet. Raises `ConfigError` without repeating the URL's password."""
    return _connect(url, _options())


def _connect(url: str, options: dict[str, Any]) -> Redis:
    if urlsplit(url).scheme in ("redis+sentinel", "rediss+sentinel"):
        return _connect_through_sentinel(url, options)
    try:
        return Redis.from_url(url, **options)
    except ValueError:
        raise ConfigError("redis.url is not a redis://, rediss://, unix:// or redis+sentinel:// address") from None


def connect_reading(url: str) -> Redis:
    """A client for who reads what anybody may have written: bounded, and no UTF-8 is no failure.

    Raises `ConfigError` as `connect` does.
    """
    return _connect(url, _options() | {"parser_class": BoundedAnswers, "encoding_errors": "replace"})


def address_of(url: str) -> str:
    """Where a URL leads, for messages: host and port, or the path of a socket; never user or password."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    if parts.scheme == "unix":
        return parts.path
    return place if ":" in place or not place else f"{place}:{DEFAULT_PORT}"


class ScriptLine:
    """A connection of its own for one script, made when it is first needed and again after any failure.

    A client takes a connection from its pool, minds retries and keeps statistics for every command; a daemon that sends
    one command every ten seconds spends more time on that than on the command. One caller at a time.
    """

    def __init__(self, client: Redis, script: str) -> None:
        pool: Any = client.connection_pool
        self._connection: Any = pool.make_connection()
        self._script = script
        self._digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str], args: Sequence[str | int]) -> list[Any]:
        """The answer of the script, which is a list; raises what redis-py raises."""
        connection = self._connection
        if connection.is_connected and await connection.can_read():
            await connection.disconnect()  # the server closed it since, or said something nobody asked for
        if not connection.is_connected:
            await connection.connect()
        try:
            return await self._ask("EVALSHA", self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return await self._ask("EVAL", self._script, len(keys), *keys, *args)

    async def _ask(self, *command: str | int) -> list[Any]:
        await self._connection.send_command(*command)
        answer: list[Any] = await self._connection.read_response()
        return answer

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "max_connections": CONNECTIONS_MAX,
    }


def _connect_through_sentinel(url: str, options: dict[str, Any]) -> Redis:
    """The master of the service named in `url`, looked up again whenever its connection is lost."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    try:
        sentinels = [_host_and_port(host) for host in hosts.split(",")]
        options = options | {"db": int(database or "0")}
    except ValueError:
        raise ConfigError("redis.url: a Sentinel address is redis+sentinel://host:port,host:port/service/db") from None
    if not service:
        raise ConfigError("redis.url: a Sentinel address names its service, redis+sentinel://host:port/service/db")
    if password:
        options |= {"password": unquote(password)}
    if user:
        options |= {"username": unquote(user)}
    if parts.scheme == "rediss+sentinel":
        options |= {"ssl": True}
    sentinel = Sentinel(sentinels, sentinel_kwargs=_options(), **options)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(service)
    return client


def _host_and_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    name, number = (host, int(port)) if separator else (text, SENTINEL_PORT)
    if not name or not 0 < number < 65536:
        raise ValueError(text)
    return name.strip("[]"), number
