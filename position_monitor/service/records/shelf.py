"""The records that are kept, and what of them Redis does not have yet. Redis away costs time, never a record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from loguru import logger

from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary, summary_of
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.records import ALL, RedisRecords

RECORDS_KEPT = 1_000
STANDS_EVERY_S = 30.0
"""How often Redis is asked whether what was written last is still there."""
REFUSED_PAUSE_S = 30.0
"""How long nothing is written after Redis said that somebody else publishes."""


@dataclass(slots=True)
class RecordShelf:
    """The last revision of each record, oldest first."""

    store: RedisRecords
    clock: Clock
    _records: dict[str, Record] = field(default_factory=dict, init=False)
    _unwritten: dict[str, Record] = field(default_factory=dict, init=False)
    _totals_due: bool = field(default=False, init=False)
    _read_back: bool = field(default=False, init=False)
    """Whether the stream was read since the start, or since this daemon last stood by."""
    _asked_s: float = field(default=float("-inf"), init=False)
    """When Redis was last asked whether what was written is still there."""
    _refused_s: float = field(default=float("-inf"), init=False)

    @property
    def records(self) -> tuple[Record, ...]:
        """What is kept, oldest first."""
        return tuple(self._records.values())

    def get(self, record_id: str) -> Record | None:
        """The last revision of a record."""
        return self._records.get(record_id)

    def keep(self, record: Record) -> None:
        """Take a new revision in; it is written at the next `write`."""
        self._records[record.record_id] = self._unwritten[record.record_id] = record
        self._totals_due = True
        while len(self._records) > RECORDS_KEPT:
            oldest = next(iter(self._records))
            del self._records[oldest]
            self._unwritten.pop(oldest, None)

    def stand_by(self) -> None:
        """Another daemon keeps the records; when this one takes over it begins with what stands in Redis."""
        self._unwritten.clear()
        self._read_back = False

    async def read_back(self) -> None:
        """Go on from what stands in Redis, once. While Redis is away what is made meanwhile is kept."""
        if self._read_back:
            return
        try:
            written = await self.store.written_before()
        except REDIS_FAILURES as fault:
            logger.debug("records wait for Redis: {}", type(fault).__name__)
            return
        self._read_back = True
        self._take_back(written)

    def _take_back(self, written: Sequence[Record]) -> None:
        """A final record stays as it is; one that was made again meanwhile rises above the old revision."""
        for old in written:
            new = self._records.get(old.record_id)
            if new is None or old.final:
                self._records[old.record_id] = old
                self._unwritten.pop(old.record_id, None)
            elif new.revision <= old.revision:
                self.keep(replace(new, revision=old.revision + 1))
        self._records = dict(sorted(self._records.items(), key=lambda item: item[1].closed_at_ms))
        self._totals_due = self._totals_due or bool(written)

    async def write(self) -> None:
        """Tell Redis what it does not have. Its failures are met again at the next turn."""
        now_s = self.clock.monotonic_s()
        if not self._read_back or now_s - self._refused_s < REFUSED_PAUSE_S:
            return
        try:
            await self._look_for_a_flush(now_s)
            if not (self._unwritten or self._totals_due):
                return
            batch = dict(self._unwritten)
            if await self.store.write(batch.values(), totals_of(self._records.values())):
                self._forget(batch)
            else:
                self._refused_s = now_s
        except REDIS_FAILURES as fault:
            logger.debug("records wait for Redis: {}", type(fault).__name__)

    async def _look_for_a_flush(self, now_s: float) -> None:
        """What stood in Redis and does not any more is written again (exits.md 12.7)."""
        if not self._records or now_s - self._asked_s < STANDS_EVERY_S:
            return
        if not await self.store.stands():
            logger.info("Redis has lost the records of closed positions: {} are written again", len(self._records))
            self._unwritten = {**self._records, **self._unwritten}
            self._totals_due = True
        self._asked_s = now_s

    def _forget(self, batch: dict[str, Record]) -> None:
        self._totals_due = False
        for record_id, record in batch.items():
            if self._unwritten.get(record_id) is record:
                del self._unwritten[record_id]


def totals_of(records: Iterable[Record]) -> dict[str, Summary]:
    """The totals of all records, and of each profile that is known."""
    by_profile: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_profile[ALL].append(record)
        if record.origin.profile:
            by_profile[record.origin.profile].append(record)
    return {profile: summary_of(some) for profile, some in by_profile.items()}
