"""Where records are kept, in memory: what every process of a stage reads back and appends to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from position_monitor.config import Config
from position_monitor.core.model.events import Event
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import Summary
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.lease_states import HeldByOther, Stale
from position_monitor.edge.redis.state import RedisState
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.service.records.keeping import RecordKeeper
from position_monitor.service.records.shelf import RecordShelf
from position_monitor.service.records.watching import PositionWatch


class KeptRecords:
    """The stream of records of one account."""

    def __init__(self) -> None:
        self.entries: list[Record] = []

    @property
    def last(self) -> dict[str, Record]:
        """The last revision of each record."""
        return {record.record_id: record for record in self.entries}

    @property
    def only(self) -> Record:
        """The one record that there is."""
        [record] = self.last.values()
        return record

    def flush(self) -> None:
        """Nothing is left."""
        self.entries.clear()

    def keeper(
        self, exchange: BinanceUsdm, clock: Clock, config: Callable[[], Config], store: RedisState
    ) -> Callable[[Callable[[Event], None]], RecordKeeper]:
        """Makes the keeper of one process, as `service/process.py` does."""

        def open_keeper(tell: Callable[[Event], None]) -> RecordKeeper:
            shelf = RecordShelf(_Line(self, store), clock)  # type: ignore[arg-type]
            return RecordKeeper(
                watch=PositionWatch(),
                exchange=exchange,
                history=exchange.history,
                shelf=shelf,
                clock=clock,
                config=config,
                tell=tell,
            )

        return open_keeper


class _Line:
    """What one process sees of it."""

    def __init__(self, kept: KeptRecords, store: RedisState) -> None:
        self._kept, self._store = kept, store
        self._wrote = False

    @property
    def may_write(self) -> bool:
        return not isinstance(self._store.lease_state(), (HeldByOther, Stale))

    async def written_before(self) -> list[Record]:
        return list(self._kept.last.values())

    async def stands(self) -> bool:
        return bool(self._kept.entries) or not self._wrote

    async def write(self, records: Iterable[Record], totals: Mapping[str, Summary]) -> bool:
        del totals
        if not self.may_write:
            return False
        self._kept.entries += records
        self._wrote = bool(self._kept.entries)
        return True
