"""Records of closed positions in Redis: `P:exits` (append-only) and the totals beside it. For telling only.

A write is one atomic, fenced step, as that of the state: a daemon that stands by changes nothing. What could not be
written is the caller's to write again; the last revision of a record counts, so a repeated write does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from loguru import logger
from redis.exceptions import ResponseError

from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, ScriptLine, connect
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.lease_states import HeldByOther, LeaseState, Owned, Stale
from position_monitor.edge.redis.record_documents import ALL, performance_fields, record_text
from position_monitor.edge.redis.record_stream import read_stream
from position_monitor.edge.redis.scripts import PUBLISH_RECORDS

EXITS_STREAM_LENGTH: Final = 5_000
"""Entries kept of `P:exits`, about: a record is two of them as a rule."""
RECORDS_PER_WRITE: Final = 50


class RedisRecords:
    """Writes the records of one account, and reads back what it wrote before a restart."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        account: str,
        owner: str,
        clock: Clock,
        lease: Callable[[], LeaseState],
    ) -> None:
        """`lease` says who may publish. Raises `ConfigError` for a bad URL; nothing is sent yet."""
        self._client: Any = connect(url)
        self._keys = Keys(prefix, account)
        self._account = account
        self._owner = owner
        self._clock = clock
        self._lease = lease
        self._line = ScriptLine(self._client, PUBLISH_RECORDS)
        self._last_id = ""
        """The newest entry that is known to have stood in the stream."""

    @property
    def may_write(self) -> bool:
        """Whether nobody else is known to publish for this account."""
        return not isinstance(self._lease(), (HeldByOther, Stale))

    async def stands(self) -> bool:
        """Whether what is known to have stood there last still does: False after a flush or a restore.

        Raises one of `REDIS_FAILURES`.
        """
        if not self._last_id:
            return True
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            try:
                entries = await self._client.xrange(self._keys.exits, min=self._last_id, max=self._last_id, count=1)
            except ResponseError:  # a key of another kind stands there
                entries = []
        stop_if_cancelled()
        return bool(entries)

    async def written_before(self) -> list[Record]:
        """The last revision of each record that stands in the stream, oldest first; unreadable entries are left out.

        Raises one of `REDIS_FAILURES`.
        """
        stream = await read_stream(self._client, self._keys.exits)
        self._last_id = stream.newest_id
        if stream.unreadable:
            logger.warning("{} entries of {} are not readable and are left out", stream.unreadable, self._keys.exits)
        return list(stream.records)

    async def write(self, records: Iterable[Record], totals: Mapping[str, Summary]) -> bool:
        """Append records and replace the totals (by profile; `ALL` for all). False: somebody else has the lease.

        Raises one of `REDIS_FAILURES`.
        """
        texts = [record_text(record) for record in records]
        batches = [texts[start : start + RECORDS_PER_WRITE] for start in range(0, len(texts), RECORDS_PER_WRITE)]
        for number, batch in enumerate(batches or [[]]):
            is_last = number >= len(batches) - 1
            if not await self._send(batch, self._totals(totals) if is_last else []):
                return False
        return True

    def _totals(self, totals: Mapping[str, Summary]) -> list[tuple[str, list[str]]]:
        now_ms = self._clock.now_ms()
        return [
            (
                self._keys.performance(profile),
                performance_fields(summary, account=self._account, profile=profile, updated_at_ms=now_ms),
            )
            for profile, summary in sorted(totals.items())
        ]

    async def _send(self, batch: list[str], totals: list[tuple[str, list[str]]]) -> bool:
        lease, keys = self._lease(), self._keys
        if isinstance(lease, (HeldByOther, Stale)):
            return False
        epoch = lease.epoch if isinstance(lease, Owned) else 0
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            answer = await self._line.run(
                keys=[keys.lease, keys.lease_epoch, keys.exits],
                args=[self._owner, epoch, EXITS_STREAM_LENGTH, json_text({"records": batch, "totals": totals})],
            )
        stop_if_cancelled()
        if answer[0] == 1 and answer[1]:
            self._last_id = str(answer[1])
        return bool(answer[0] == 1)

    async def aclose(self) -> None:
        """Disconnect."""
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT_S):
                await self._line.aclose()
                await self._client.aclose()
        except REDIS_FAILURES as fault:
            logger.debug("Redis was left without a goodbye: {}", type(fault).__name__)


__all__ = ["ALL", "RedisRecords"]
