"""Adds to final records what the mark did after the exit, once its time has passed. Last in line for the budget."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from position_monitor.core.performance.aftermath import AFTER_MS, aftermath_of
from position_monitor.core.performance.record import Record
from position_monitor.edge.account_history import AccountHistory
from position_monitor.service.records.reading import WEEK_MS
from position_monitor.service.records.shelf import RecordShelf

MINUTE_MS = 60_000
AT_ONCE = 3
"""Records whose aftermath is read in one turn."""
TRIED_KEPT = 2_000


@dataclass(slots=True)
class AftermathReader:
    """Reads what came after. Remembers only what it asked in vain."""

    history: AccountHistory
    shelf: RecordShelf
    _tried: deque[str] = field(default_factory=lambda: deque(maxlen=TRIED_KEPT), init=False)

    async def read(self, now_ms: int) -> None:
        """Look at the marks after some of the records that lack it. Raises `ExchangeFailure`."""
        for record in [one for one in self.shelf.records if self._is_due(one, now_ms)][:AT_ONCE]:
            self._tried.append(record.record_id)
            since_ms = -(-record.closed_at_ms // MINUTE_MS) * MINUTE_MS
            until_ms = record.closed_at_ms + AFTER_MS - MINUTE_MS
            try:
                marks = await self.history.mark_range(record.key.symbol, since_ms=since_ms, until_ms=until_ms)
            except Exception:
                self._tried.remove(record.record_id)  # it was turned away: it is asked again
                raise
            if marks is not None:
                after = aftermath_of(marks, side=record.key.side, mean_exit=record.exit_average)
                self.shelf.keep(replace(record, after=after, revision=record.revision + 1))

    def _is_due(self, record: Record, now_ms: int) -> bool:
        """Whether its time has passed and its candles are still near enough to be worth asking for."""
        age_ms = now_ms - record.closed_at_ms
        return (
            record.final
            and record.after is None
            and AFTER_MS + MINUTE_MS <= age_ms <= WEEK_MS
            and record.record_id not in self._tried
        )
