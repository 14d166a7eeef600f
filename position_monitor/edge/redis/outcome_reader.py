"""What came of closed positions, and what the policy in shadow wants and would have earned: for the page.

It reads the same streams with the same functions as `performance` and `shadow-report`, and gives only what is shown of
them, so that thousands of records cost a page no memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from position_monitor.core.model.sides import PositionKey
from position_monitor.core.performance.record import Record
from position_monitor.edge.redis.connection import connect_reading
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fault_words import in_words
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.published_records import read_record
from position_monitor.edge.redis.published_text import harmless, parsed
from position_monitor.edge.redis.reader import RedisUnreachable, bounded
from position_monitor.edge.redis.record_stream import last_revisions

RECORD_ENTRIES_MAX: Final = 600
"""Entries of `P:exits` that are read; a record is two or three of them."""


class ClosedPosition(NamedTuple):
    """One closed position as it is shown. None: not known."""

    key: PositionKey
    closed_at_ms: int
    reason: str
    is_final: bool
    net_r: Decimal | None
    mfe_r: Decimal | None
    mae_r: Decimal | None


class ShadowAgainstLive(NamedTuple):
    """The comparison of `shadow-report`, in its one word."""

    word: str
    """NOT ENOUGH, NO DIFFERENCE SEEN, BETTER, WORSE, WORSE TAIL or BIASED RULER."""
    live_policy: str
    shadow_policy: str
    n: int
    days: int
    mean_r: float
    """What the shadow has more, per position."""
    low_r: float | None
    """The anytime interval; None while there are fewer than two days."""
    high_r: float | None
    last_closed_at_ms: int


class Outcomes(NamedTuple):
    """What there is to show."""

    closed: tuple[ClosedPosition, ...] = ()
    """Oldest first."""
    unreadable: int = 0
    shadow: ShadowAgainstLive | None = None
    """None: there is no pair."""


NO_OUTCOMES: Final = Outcomes()


class OutcomeReader:
    """Reads one account. A method raises `RedisUnreachable` or `DocumentUnreadable`."""

    def __init__(self, url: str, *, prefix: str, account: str) -> None:
        """Raises `ConfigError` for a bad URL; nothing is sent yet."""
        self._client: Any = connect_reading(url)  # redis-py types every answer as str or bytes; ours are str
        self._url = url
        self._keys = Keys(prefix, account)

    async def newest_ids(self) -> tuple[str, str]:
        """The newest entry of `P:exits` and of `P:shadow_exits`, empty where there is none: whether to read again."""
        async with bounded(self._url):
            records = await self._client.xrevrange(self._keys.exits, count=1)
            pairs = await self._client.xrevrange(self._keys.shadow_exits, count=1)
        return _id_of(records), _id_of(pairs)

    async def outcomes(self, *, any_pairs: bool) -> Outcomes:
        """The newest closed positions, and the comparison over every pair there is."""
        try:
            newest = await last_revisions(self._client, self._keys.exits, read_record, RECORD_ENTRIES_MAX)
            shadow = await self._shadow() if any_pairs else None
        except REDIS_FAILURES as fault:
            raise RedisUnreachable(in_words(self._url, fault)) from None
        return Outcomes(tuple(_shown(record) for record in newest.last), newest.unreadable, shadow)

    async def _shadow(self) -> ShadowAgainstLive | None:
        # What reads pairs is 1.4 MiB of program, and few accounts have any.
        from position_monitor.core.shadow.report import report_of
        from position_monitor.edge.redis.pairs import pairs_of

        stream = await pairs_of(self._client, self._keys)
        made = report_of(stream.pairs, ())
        if made is None:
            return None
        verdict = made.verdict
        return ShadowAgainstLive(
            word=str(made.word),
            live_policy=harmless(made.live_policy),
            shadow_policy=harmless(made.shadow_policy),
            n=verdict.n,
            days=verdict.days,
            mean_r=verdict.mean,
            low_r=verdict.low if math.isfinite(verdict.low) else None,
            high_r=verdict.high if math.isfinite(verdict.high) else None,
            last_closed_at_ms=made.last_ms,
        )

    async def shadow_book(self, key: PositionKey) -> Mapping[str, Any] | None:
        """The document of `P:shadow:SYMBOL:SIDE`, made harmless and not judged; None where there is none."""
        async with bounded(self._url):
            doc = await self._client.hget(f"{self._keys.shadow_prefix}{key}", "doc")
        try:
            document = parsed(doc) if doc else None
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    async def close(self) -> None:
        """Disconnect."""
        async with bounded(self._url):
            await self._client.aclose()


def _shown(record: Record) -> ClosedPosition:
    return ClosedPosition(
        key=record.key,
        closed_at_ms=record.closed_at_ms,
        reason=harmless(record.reason),
        is_final=record.final,
        net_r=record.net_r,
        mfe_r=record.mfe_r,
        mae_r=record.mae_r,
    )


def _id_of(entries: Any) -> str:  # noqa: ANN401
    return str(entries[0][0]) if entries else ""
