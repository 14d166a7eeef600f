"""Reading `P:exits`: the last revision of each record. An entry that is not readable costs nothing but itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from position_monitor.core.performance.record import Record
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, connect
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


async def read_stream(client: Any, key: str) -> RecordStream:  # noqa: ANN401  redis-py types every answer as str or bytes
    """The newest entries, at most `ENTRIES_READ_MAX`. Raises one of `REDIS_FAILURES`."""
    last: dict[str, Record] = {}
    unreadable, newest_id, end = 0, "", "+"
    for _ in range(ENTRIES_READ_MAX // ENTRIES_PER_READ):
        entries = await _page(client, key, end)
        newest_id = newest_id or (entries[0][0] if entries else "")
        for _, fields in entries:
            try:
                record = read_record(fields["data"])
            except (DocumentUnreadable, KeyError):
                unreadable += 1
                continue
            other = last.get(record.record_id)
            if other is None or record.revision > other.revision:
                last[record.record_id] = record
        if len(entries) < ENTRIES_PER_READ:
            break
        end = f"({entries[-1][0]}"
    ordered = sorted(last.values(), key=lambda record: (record.closed_at_ms, record.record_id))
    return RecordStream(tuple(ordered), newest_id, unreadable)


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
    client = connect(url)
    try:
        return await read_stream(client, Keys(prefix, account).exits)
    except REDIS_FAILURES as fault:
        raise RedisUnreachable(in_words(url, fault)) from None
    finally:
        await client.aclose()
