"""Reading `P:exits`: the last revision of each record. An entry that is not readable costs nothing but itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from redis.exceptions import ResponseError

from position_monitor.core.performance.record import Record
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, connect_reading
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fault_words import in_words
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.published_records import read_record
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.reader import RedisUnreachable

ENTRIES_READ_MAX: Final = 5_000
ENTRIES_PER_READ: Final = 200


@dataclass(frozen=True, slots=True)
class RecordStream:
    """What stands in the stream."""

    records: tuple[Record, ...]
    """The last revision of each, oldest first."""
    newest_id: str
    """The id of the newest entry; empty where there is none."""
    unreadable: int
    """Entries that are left out."""


class Revised(Protocol):
    """What stands in a stream again with each revision."""

    @property
    def record_id(self) -> str:
        """The same in every revision."""
        ...

    @property
    def revision(self) -> int:
        """The highest one counts."""
        ...

    @property
    def closed_at_ms(self) -> int:
        """By what they are ordered."""
        ...


One = TypeVar("One", bound=Revised)


class Revisions(NamedTuple, Generic[One]):
    """The newest part of a stream."""

    last: tuple[One, ...]
    """The last revision of each, oldest first."""
    newest_id: str
    """The id of the newest entry; empty where there is none."""
    unreadable: int
    """Entries that are left out."""


async def read_stream(client: Any, key: str) -> RecordStream:  # noqa: ANN401  redis-py types every answer as str or bytes
    """The newest entries, at most `ENTRIES_READ_MAX`. Raises one of `REDIS_FAILURES`."""
    newest = await last_revisions(client, key, read_record, ENTRIES_READ_MAX)
    return RecordStream(newest.last, newest.newest_id, newest.unreadable)


async def last_revisions(
    client: Any,  # noqa: ANN401
    key: str,
    read: Callable[[str], One],
    entries_max: int,
) -> Revisions[One]:
    """The last revision of each of the newest `entries_max` entries, and of up to one page more.

    `read` raises `DocumentUnreadable` for an entry that is none: it costs nothing but itself. Raises one of
    `REDIS_FAILURES`.
    """
    last: dict[str, One] = {}
    unreadable, newest_id, end = 0, "", "+"
    for _ in range(-(-entries_max // ENTRIES_PER_READ)):
        entries = await _page(client, key, end)
        newest_id = newest_id or (entries[0][0] if entries else "")
        for _, fields in entries:
            try:
                one = read(fields["data"])
            except (DocumentUnreadable, KeyError):
                unreadable += 1
                continue
            other = last.get(one.record_id)
            if other is None or one.revision > other.revision:
                last[one.record_id] = one
        if len(entries) < ENTRIES_PER_READ:
            break
        end = f"({entries[-1][0]}"
    ordered = sorted(last.values(), key=lambda one: (one.closed_at_ms, one.record_id))
    return Revisions(tuple(ordered), newest_id, unreadable)


async def _page(client: Any, key: str, end: str) -> list[Any]:  # noqa: ANN401
    async with asyncio.timeout(OPERATION_TIMEOUT_S):
        try:
            entries = await client.xrevrange(key, max=end, count=ENTRIES_PER_READ)
        except ResponseError:  # a key of another kind stands there: nothing of ours
            entries = []
    stop_if_cancelled()
    return list(entries)


async def read_records(url: str, *, prefix: str, account: str) -> RecordStream:
    """The records of an account, over a connection of its own. Raises `ConfigError` and `RedisUnreachable`."""
    client = connect_reading(url)
    try:
        return await read_stream(client, Keys(prefix, account).exits)
    except REDIS_FAILURES as fault:
        raise RedisUnreachable(in_words(url, fault)) from None
    finally:
        await client.aclose()
