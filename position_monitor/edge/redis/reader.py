"""Reading the published state of an account: for the command line, dashboards and tests. It decides nothing.

A missing key means UNKNOWN, never "fine": every read that finds nothing says None.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.redis.bounded_answers import AnswerTooLarge
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, SOCKET_TIMEOUT_S, connect_reading
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fault_words import in_words
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.published_text import harmless, parsed
from position_monitor.edge.redis.published_values import DocumentUnreadable, read_position, read_status
from position_monitor.errors import PositionMonitorError

FOLLOW_BLOCK_MS: Final = round(SOCKET_TIMEOUT_S * 1000 / 2)
"""A blocking read ends before the socket time-out would take it for a hung server."""
EVENTS_READ_MAX: Final = 1000
SET_CHANGED_MAX: Final = 3
"""How often the set of positions may change while it is read; after that what was read last is taken."""
MEMBERS_MAX: Final = 10_000
"""Positions of one account that are read; no venue lists a tenth of so many contracts."""
_OWN_MEMBERS: Final = frozenset({"schema", "id", "type", "at_ms", "account", "symbol", "side"})


class RedisUnreachable(PositionMonitorError):
    """Redis did not answer, so nothing is known."""


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """One fact from the event stream."""

    stream_id: str
    id: str
    type: str
    at_ms: int
    symbol: str
    side: str
    details: Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Published:
    """One consistent look at an account. None means UNKNOWN: the daemon was not heard within its expiry."""

    account: AccountState | None
    positions: Mapping[PositionKey, PositionState | None]
    lease_owner: str | None
    unreadable: Mapping[PositionKey, str] = field(default_factory=dict)
    """Positions whose state stands there and cannot be read, with the reason; they are None in `positions`."""

    @property
    def risk_status(self) -> RiskStatus:
        """What the daemon claims, UNKNOWN when it was not heard."""
        return self.account.risk_status if self.account is not None else RiskStatus.UNKNOWN


class RedisStateReader:
    """Reads one account. A method raises `RedisUnreachable` or `DocumentUnreadable` within a few seconds."""

    def __init__(self, url: str, *, prefix: str, account: str) -> None:
        """Raises `ConfigError` for a bad URL; nothing is sent yet."""
        self._client: Any = connect_reading(url)  # redis-py types every answer as str or bytes; ours are str
        self._url = url
        self._keys = Keys(prefix, account)
        self._listed: tuple[tuple[str, ...], list[PositionKey]] = ((), [])
        """The members of the set of positions as they were read last, and the same as keys in their order."""
        self._texts: dict[PositionKey, tuple[str, PositionState]] = {}
        """Documents as they were read last with their values: what still stands there is not read twice."""

    async def published(self) -> Published:
        """Status, positions and lease as of one moment. One that cannot be read hides no other (invariant 12)."""
        async with self._bounded():
            for _ in range(1 + SET_CHANGED_MAX):
                members, keys = self._listed
                count, still, status, owner, *documents = await self._together(members, keys)
                if _of_its_kind(count, self._keys.positions) == len(members) and (all(still) or not members):
                    break
                self._listed = await self._members(count)  # a position appeared or was closed since it was read last
        texts: dict[PositionKey, tuple[str, PositionState]] = {}
        unreadable: dict[PositionKey, str] = {}
        for key, doc in zip(keys, documents, strict=True):
            try:
                if doc:
                    texts[key] = self._read_once(key, _of_its_kind(doc, self._keys.position(key)))
            except DocumentUnreadable as problem:
                unreadable[key] = str(problem)
        self._texts = texts
        return Published(
            account=read_status(_of_its_kind(status, self._keys.status)) if status else None,
            positions={key: texts[key][1] if key in texts else None for key in keys},
            lease_owner=harmless(owner) if isinstance(owner, str) else None,
            unreadable=unreadable,
        )

    def _read_once(self, key: PositionKey, doc: str) -> tuple[str, PositionState]:
        before = self._texts.get(key)
        return before if before is not None and before[0] == doc else (doc, read_position(doc))

    async def _members(self, count: int) -> tuple[tuple[str, ...], list[PositionKey]]:
        """The members of the set of positions, and the same as keys. Raises `DocumentUnreadable`."""
        if count > MEMBERS_MAX:
            raise DocumentUnreadable(f"the set of positions has {count} members; expected at most {MEMBERS_MAX}")
        members = tuple(await self._client.smembers(self._keys.positions))
        return members, sorted(map(_position_key, members))

    async def _together(self, members: Sequence[str], keys: Sequence[PositionKey]) -> list[Any]:
        """How large the set of positions is and which of `members` are in it, status, lease, documents: in one step.

        The answer about a key of another kind is the failure, as a value, so that it hides no other.
        """
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.scard(self._keys.positions)
            pipeline.smismember(self._keys.positions, members or [""])
            pipeline.hgetall(self._keys.status)
            pipeline.get(self._keys.lease)
            for key in keys:
                pipeline.hget(self._keys.position(key), "doc")
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, RedisError) and not _is_of_another_kind(answer):
                raise answer
        return answers

    async def account(self) -> AccountState | None:
        """`P:status`; None is UNKNOWN."""
        async with self._bounded():
            fields = await self._client.hgetall(self._keys.status)
        return read_status(fields) if fields else None

    async def position(self, key: PositionKey) -> PositionState | None:
        """One position; None is UNKNOWN (or flat, when the account's own state says so)."""
        async with self._bounded():
            doc = await self._client.hget(self._keys.position(key), "doc")
        return read_position(doc) if doc else None

    async def totals(self) -> Mapping[str, Any] | None:
        """The document of `P:performance`, made harmless and not judged; None where there is none."""
        async with self._bounded():
            doc = await self._client.hget(self._keys.performance(""), "doc")
        if not doc:
            return None
        try:
            document = parsed(doc)
        except ValueError as fault:
            raise DocumentUnreadable(f"the totals are not readable: {type(fault).__name__}") from None
        return document if isinstance(document, dict) else None

    async def events(self, *, after: str = "-", count: int = 100) -> list[PublishedEvent]:
        """Events after the stream id `after`, oldest first; with the default the last `count` ones."""
        count = min(count, EVENTS_READ_MAX)
        async with self._bounded():
            if after == "-":
                entries = list(reversed(await self._client.xrevrange(self._keys.events, count=count)))
            else:
                entries = await self._client.xrange(self._keys.events, min=f"({after}", count=count)
        return [_event(stream_id, fields) for stream_id, fields in entries]

    async def follow(self, *, after: str = "$") -> AsyncIterator[PublishedEvent]:
        """Events as they come, for ever, after the stream id `after` (default: from now on)."""
        if after == "$":
            newest = await self.events(count=1)
            after = newest[0].stream_id if newest else "0-0"
        while True:
            async with self._bounded():
                reply: Any = await self._client.xread({self._keys.events: after}, count=100, block=FOLLOW_BLOCK_MS)
            stop_if_cancelled()
            for stream_id, fields in entries_of(reply):
                after = stream_id
                yield _event(stream_id, fields)

    async def close(self) -> None:
        """Disconnect."""
        async with self._bounded():
            await self._client.aclose()

    def _bounded(self) -> AbstractAsyncContextManager[None]:
        return bounded(self._url)


@asynccontextmanager
async def bounded(url: str) -> AsyncIterator[None]:
    """Whatever is asked of Redis in here ends within a few seconds, and its failure is one of ours, in words."""
    try:
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            yield
    except NoPermissionError as fault:
        raise RedisUnreachable(in_words(url, fault)) from None
    except ResponseError as fault:
        if _is_of_another_kind(fault):
            raise DocumentUnreadable(_another_kind("a key of the account")) from None
        raise RedisUnreachable(in_words(url, fault)) from None
    except AnswerTooLarge as fault:
        raise DocumentUnreadable(f"Redis holds more than is read of one account: {fault}") from None
    except REDIS_FAILURES as fault:
        raise RedisUnreachable(in_words(url, fault)) from None


def _is_of_another_kind(fault: RedisError) -> bool:
    return isinstance(fault, ResponseError) and "WRONGTYPE" in str(fault)


def _of_its_kind(answer: Any, key: str) -> Any:  # noqa: ANN401
    """The answer about one key. Raises `DocumentUnreadable` for a key of another kind."""
    if isinstance(answer, RedisError):
        raise DocumentUnreadable(_another_kind(f"key {key}"))
    return answer


def _another_kind(key: str) -> str:
    return f"{key} is of another kind than the daemon writes; delete it, and look who may write there"


def entries_of(reply: Any) -> list[tuple[str, dict[str, str]]]:  # noqa: ANN401
    """The entries of the only stream that was asked for by XREAD, in either version of the protocol."""
    if not reply:
        return []
    if isinstance(reply, dict):
        [entries] = reply.values()
        return list(entries[0]) if entries and isinstance(entries[0], list) else list(entries)
    return list(reply[0][1])


def _position_key(member: str) -> PositionKey:
    symbol, _, side = member.rpartition(":")
    try:
        if harmless(symbol) != symbol:
            raise ValueError
        return PositionKey(symbol, Side(side))
    except ValueError:
        raise DocumentUnreadable(f"the set of positions holds {harmless(member[:60])!r}") from None


def _event(stream_id: str, fields: Mapping[str, str]) -> PublishedEvent:
    try:
        data = parsed(fields["data"])
        return PublishedEvent(
            stream_id=stream_id,
            id=data["id"],
            type=data["type"],
            at_ms=int(data["at_ms"]),
            symbol=data["symbol"],
            side=data["side"],
            details={name: value for name, value in data.items() if name not in _OWN_MEMBERS},
        )
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise DocumentUnreadable(f"event {stream_id} is not readable: {type(fault).__name__}") from None
