"""Reading `P:events` for people: pages, from a time on, and as events come. It outlives an entry that is no event.

An entry's id is the time of Redis at which it was written; `at_ms` in it is the daemon's time of the fact. A fact that
waited for Redis is therefore never written before its own time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from position_monitor.core.model.sides import Side
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.redis.connection import connect_reading
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.published_text import parsed
from position_monitor.edge.redis.reader import FOLLOW_BLOCK_MS, RedisUnreachable, bounded, entries_of

PAGE: Final = 1_000
ENTRIES_MAX: Final = 20_000
"""What is read of a stream at the most: twice what the daemon keeps there."""
TRIMMED_FROM: Final = 10_000
"""A stream of so many entries has lost its beginning (`MAXLEN`)."""
RECONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One entry of the stream."""

    stream_id: str
    type: str
    at_ms: int
    symbol: str
    side: str
    document: Mapping[str, Any]
    """Everything that stands in it, made harmless."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What the type adds to what every event has."""
        return {name: value for name, value in self.document.items() if name not in _OF_EVERY_EVENT}


_OF_EVERY_EVENT: Final = frozenset({"schema", "id", "type", "at_ms", "account", "symbol", "side"})


@dataclass(frozen=True, slots=True)
class StreamPart:
    """What was read of the stream, oldest first."""

    events: tuple[StreamedEvent, ...]
    unreadable: int
    """Entries that are no events and are left out."""
    begins_at_ms: int | None
    """When the oldest entry that Redis still has was written; None where there is none."""
    trimmed: bool
    """Whether earlier entries were there and are gone."""
    newest_id: str
    """Where whoever follows goes on."""


class EventStream:
    """The events of one account. A method raises `RedisUnreachable` or `DocumentUnreadable` within a few seconds."""

    def __init__(self, url: str, *, prefix: str, account: str) -> None:
        """Raises `ConfigError` for a bad URL; nothing is sent yet."""
        self._url = url
        self._client: Any = connect_reading(url)  # redis-py types every answer as str or bytes; ours are str
        self._key = Keys(prefix, account).events

    async def part(self, *, since_ms: int = 0) -> StreamPart:
        """Every event at or after `since_ms`, as far as Redis still has it."""
        events: list[StreamedEvent] = []
        unreadable, after, newest = 0, "", "0-0"
        start = f"{since_ms}-0" if since_ms else "-"
        for _ in range(ENTRIES_MAX // PAGE):
            async with bounded(self._url):
                page: Sequence[Any] = await self._client.xrange(self._key, min=after or start, count=PAGE)
            stop_if_cancelled()
            for stream_id, fields in page:
                newest, event = stream_id, event_of(stream_id, fields)
                unreadable += event is None
                if event is not None and event.at_ms >= since_ms:
                    events.append(event)
            if len(page) < PAGE:
                break
            after = f"({page[-1][0]}"
        oldest, length = await self._bounds()
        return StreamPart(
            events=tuple(events),
            unreadable=unreadable,
            begins_at_ms=_written_at_ms(oldest) if oldest else None,
            trimmed=length >= TRIMMED_FROM,
            newest_id=newest if newest != "0-0" else await self.newest_id(),
        )

    async def latest(self, count: int) -> tuple[tuple[StreamedEvent, ...], int]:
        """The newest `count` entries, oldest first, and how many of them are no events and are left out."""
        entries = await self.entries(count)
        readable = tuple(event for _, event in entries if event is not None)
        return readable, len(entries) - len(readable)

    async def entries(self, count: int, *, since_id: str = "-") -> list[tuple[str, StreamedEvent | None]]:
        """The newest `count` entries from `since_id` on, oldest first, with their ids; None for what is no event."""
        async with bounded(self._url):
            entries: Sequence[Any] = await self._client.xrevrange(self._key, min=since_id, count=min(count, PAGE))
        stop_if_cancelled()
        return [(stream_id, event_of(stream_id, fields)) for stream_id, fields in reversed(entries)]

    async def _bounds(self) -> tuple[str, int]:
        """The id of the oldest entry, empty where there is none, and how many there are."""
        async with bounded(self._url):
            first = await self._client.xrange(self._key, count=1)
            length: int = await self._client.xlen(self._key)
        return (str(first[0][0]) if first else ""), length

    async def newest_id(self) -> str:
        """The id of the newest entry, `0-0` where there is none."""
        async with bounded(self._url):
            last = await self._client.xrevrange(self._key, count=1)
        return str(last[0][0]) if last else "0-0"

    async def follow(self, after: str) -> AsyncGenerator[StreamedEvent | str]:
        """Events after the id `after` as they come, for ever.

        What keeps Redis from answering comes between them as text, once until it is something else; an empty text says
        that it answers again.
        """
        trouble, last_at_ms, shown = "", 0, deque[str](maxlen=PAGE)
        while True:
            try:
                if trouble and _ordinal(await self.newest_id()) < _ordinal(after):
                    after = f"{last_at_ms}-0"  # another server, which is behind or empty: by the time of the last fact
                async with bounded(self._url):
                    reply: Any = await self._client.xread({self._key: after}, count=100, block=FOLLOW_BLOCK_MS)
            except RedisUnreachable as fault:
                if str(fault) != trouble:
                    trouble = str(fault)
                    yield trouble
                await asyncio.sleep(RECONNECT_S)
                continue
            stop_if_cancelled()
            if trouble:
                trouble = ""
                yield trouble
            for stream_id, fields in entries_of(reply):
                after = stream_id
                event = event_of(stream_id, fields)
                if event is None or (name := str(event.document.get("id", stream_id))) in shown:
                    continue
                shown.append(name)
                last_at_ms = event.at_ms
                yield event

    async def close(self) -> None:
        """Disconnect."""
        async with bounded(self._url):
            await self._client.aclose()


def event_of(stream_id: str, fields: Mapping[str, str]) -> StreamedEvent | None:
    """The event of an entry; None for what is none."""
    try:
        document = parsed(fields["data"])
        side = str(document.get("side") or "")
        return StreamedEvent(
            stream_id=stream_id,
            type=str(document["type"]),
            at_ms=int(document["at_ms"]),
            symbol=str(document.get("symbol") or ""),
            side=side if side in tuple(Side) else "",
            document=document,
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _written_at_ms(stream_id: str) -> int:
    return int(stream_id.partition("-")[0])


def _ordinal(stream_id: str) -> tuple[int, int]:
    whole, _, part = stream_id.partition("-")
    return int(whole), int(part or 0)
