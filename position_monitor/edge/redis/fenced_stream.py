"""A stream that one daemon at a time appends to, and hashes replaced beside it. For telling only.

A write is one atomic, fenced step, as that of the state: a daemon that stands by changes nothing. What could not be
written is the caller's to write again; readers take the last revision, so a repeated write does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from loguru import logger
from redis.exceptions import ResponseError

from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, ScriptLine, connect
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.lease_states import HeldByOther, LeaseState, Owned, Stale
from position_monitor.edge.redis.scripts import PUBLISH_RECORDS

ENTRIES_PER_WRITE: Final = 50
STREAM_LENGTH: Final = 5_000
"""Entries kept of a stream, about."""

Hash = tuple[str, list[str]]
"""A key and its fields as HSET takes them."""


class FencedStream:
    """One stream of one account."""

    def __init__(self, url: str, *, keys: Keys, stream: str, owner: str, lease: Callable[[], LeaseState]) -> None:
        """`lease` says who may publish. Raises `ConfigError` for a bad URL; nothing is sent yet."""
        self._client: Any = connect(url)
        self._keys = keys
        self._stream = stream
        self._owner = owner
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
                entries = await self._client.xrange(self._stream, min=self._last_id, max=self._last_id, count=1)
            except ResponseError:  # a key of another kind stands there
                entries = []
        stop_if_cancelled()
        return bool(entries)

    async def append(self, texts: Sequence[str], hashes: Sequence[Hash]) -> bool:
        """Append entries, then replace the hashes. False: somebody else has the lease, and the rest is not written.

        Raises one of `REDIS_FAILURES`.
        """
        batches = [texts[start : start + ENTRIES_PER_WRITE] for start in range(0, len(texts), ENTRIES_PER_WRITE)]
        for number, batch in enumerate(batches or [[]]):
            is_last = number >= len(batches) - 1
            if not await self._send(batch, hashes if is_last else []):
                return False
        return True

    async def _send(self, batch: Sequence[str], hashes: Sequence[Hash]) -> bool:
        lease, keys = self._lease(), self._keys
        if isinstance(lease, (HeldByOther, Stale)):
            return False
        epoch = lease.epoch if isinstance(lease, Owned) else 0
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            answer = await self._line.run(
                keys=[keys.lease, keys.lease_epoch, self._stream],
                args=[self._owner, epoch, STREAM_LENGTH, json_text({"records": list(batch), "totals": list(hashes)})],
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
