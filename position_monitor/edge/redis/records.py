"""Records of closed positions in Redis: `P:exits` (append-only) and the totals beside it. For telling only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from loguru import logger

from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fenced_stream import FencedStream, Hash
from position_monitor.edge.redis.lease_states import LeaseState
from position_monitor.edge.redis.record_documents import ALL, performance_fields, record_text
from position_monitor.edge.redis.record_stream import read_stream


class RedisRecords(FencedStream):
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
        keys = Keys(prefix, account)
        super().__init__(url, keys=keys, stream=keys.exits, owner=owner, lease=lease)
        self._account = account
        self._clock = clock

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
        return await self.append([record_text(record) for record in records], self._totals(totals))

    def _totals(self, totals: Mapping[str, Summary]) -> list[Hash]:
        now_ms = self._clock.now_ms()
        return [
            (
                self._keys.performance(profile),
                performance_fields(summary, account=self._account, profile=profile, updated_at_ms=now_ms),
            )
            for profile, summary in sorted(totals.items())
        ]


__all__ = ["ALL", "RedisRecords"]
