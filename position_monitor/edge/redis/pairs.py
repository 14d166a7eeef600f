"""Pairs of live and shadow results in Redis (`P:shadow_exits`), and the books that are being followed, for the process
after this one (`P:shadow_following`). For telling only: nothing that decides reads either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from redis.exceptions import ResponseError

from position_monitor.core.shadow.following import Followed, record_ref
from position_monitor.core.shadow.pair import Pair
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, connect_reading
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fault_words import in_words
from position_monitor.edge.redis.fenced_stream import STREAM_LENGTH, FencedStream
from position_monitor.edge.redis.followed_documents import followed_text, has_ended
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.lease_states import LeaseState
from position_monitor.edge.redis.pair_documents import pair_text, read_pair
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.reader import RedisUnreachable
from position_monitor.edge.redis.record_stream import ENTRIES_PER_READ, last_revisions

FOLLOWED_READ_MAX: Final = 1_000
_WRITTEN_AT: Final = "written_at_ms"


class RedisPairs(FencedStream):
    """Writes the pairs of one account."""

    def __init__(self, url: str, *, prefix: str, account: str, owner: str, lease: Callable[[], LeaseState]) -> None:
        """`lease` says who may publish. Raises `ConfigError` for a bad URL; nothing is sent yet."""
        keys = Keys(prefix, account)
        super().__init__(url, keys=keys, stream=keys.shadow_exits, owner=owner, lease=lease)

    async def written_before(self) -> list[Pair]:
        """The last revision of each pair that stands in the stream, oldest first. Raises one of `REDIS_FAILURES`."""
        stream = await _read(self._client, self._stream)
        self._last_id = stream.newest_id
        return list(stream.pairs)

    async def followed_before(self) -> list[str]:
        """The books that the process before this one followed, as JSON. Raises one of `REDIS_FAILURES`."""
        fields = await _following(self._client, self._keys)
        return [text for name, text in sorted(fields.items()) if name != _WRITTEN_AT][:FOLLOWED_READ_MAX]

    async def write(self, pairs: Sequence[Pair], followed: Sequence[Followed], now_ms: int) -> bool:
        """Append pairs and replace what is followed. False: somebody else has the lease.

        Raises one of `REDIS_FAILURES`.
        """
        fields = [_WRITTEN_AT, str(now_ms)]
        for one in followed:
            fields += (record_ref(one), followed_text(one))
        return await self.append([pair_text(pair) for pair in pairs], [(self._keys.shadow_following, fields)])


class FollowedNow(NamedTuple):
    """What the daemon follows, as it last wrote it: no result yet."""

    open: int
    """Positions that are open."""
    outliving: int
    """Positions that are closed, and books of theirs not over."""
    written_at_ms: int
    """When that was so."""


@dataclass(frozen=True, slots=True)
class PairStream:
    """What stands in the stream, and what will."""

    pairs: tuple[Pair, ...]
    """The last revision of each, oldest first."""
    unreadable: int
    newest_id: str = ""
    """The id of the newest entry; empty where there is none."""
    followed: FollowedNow | None = None
    """None: not read, or nobody ever wrote it."""


async def read_pairs(url: str, *, prefix: str, account: str) -> PairStream:
    """The pairs of an account, over a connection of its own. Raises `ConfigError` and `RedisUnreachable`."""
    client, keys = connect_reading(url), Keys(prefix, account)
    try:
        stream = await pairs_of(client, keys)
        return replace(stream, followed=_followed_now(await _following(client, keys)))
    except REDIS_FAILURES as fault:
        raise RedisUnreachable(in_words(url, fault)) from None
    finally:
        await client.aclose()


async def pairs_of(client: Any, keys: Keys) -> PairStream:  # noqa: ANN401
    """The same over a connection that is there. Raises one of `REDIS_FAILURES`."""
    return await _read(client, keys.shadow_exits)


async def _following(client: Any, keys: Keys) -> Mapping[str, str]:  # noqa: ANN401  redis-py's answers have no type
    async with asyncio.timeout(OPERATION_TIMEOUT_S):
        try:
            fields: Mapping[str, str] = await client.hgetall(keys.shadow_following)
        except ResponseError:  # a key of another kind stands there
            fields = {}
    stop_if_cancelled()
    return fields


def _followed_now(fields: Mapping[str, str]) -> FollowedNow | None:
    """None for what no daemon writes."""
    try:
        written_at_ms = int(fields[_WRITTEN_AT])
        over = [has_ended(text) for name, text in fields.items() if name != _WRITTEN_AT]
    except (KeyError, ValueError, DocumentUnreadable):
        return None
    return FollowedNow(over.count(False), over.count(True), written_at_ms)


async def _read(client: Any, key: str) -> PairStream:  # noqa: ANN401  redis-py types every answer as str or bytes
    """Everything that stands there: Redis trims a stream a little later than it says."""
    newest = await last_revisions(client, key, read_pair, STREAM_LENGTH + ENTRIES_PER_READ)
    return PairStream(newest.last, newest.unreadable, newest.newest_id)
