"""Pairs of live and shadow results in a real server, and the books that a next process takes up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from position_monitor import schemas
from position_monitor.core.model.settings import Policy
from position_monitor.core.shadow.following import begun_beside, ended, heard, looked, record_ref
from position_monitor.core.shadow.pair import Censored
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.followed_documents import Grounds, followed_text, key_of, read_followed
from position_monitor.edge.redis.lease_states import HeldByOther, Unavailable
from position_monitor.edge.redis.pair_documents import pair_text, read_pair
from position_monitor.edge.redis.pairs import FollowedNow, RedisPairs, read_pairs
from position_monitor.edge.redis.published_values import DocumentUnreadable
from tests.core.build import ACCOUNT, BRAIN, HYBRID, INSTRUMENT, OPENED_MS, D, settings
from tests.core.shadow.books import entered, look
from tests.core.shadow.samples import censored, sample
from tests.edge.redis.conftest import PREFIX

KEYS = Keys(PREFIX, "main")


@pytest.fixture
def lease() -> list[Any]:
    """Who has the lease; a test may change it."""
    return [Unavailable("nobody asked")]


@pytest.fixture
async def store(valkey: Any, lease: list[Any]) -> Iterator[RedisPairs]:
    made = RedisPairs(valkey.url, prefix=PREFIX, account="main", owner="host-a:1:aaaa", lease=lambda: lease[0])
    yield made
    await made.aclose()


def followed(policy: Policy = BRAIN) -> Any:
    """A position with some of its ladder taken, in the middle of its life."""
    book = entered(HYBRID)
    one = begun_beside(book.entry._replace(settings=settings(policy)), book.entry, look(), "abc")
    one = heard(one, D("101.6"), OPENED_MS + 1_000)
    return looked(one, D(10), D(100), look("101.6", OPENED_MS + 1_000))


def grounds(**changes: Any) -> Grounds:
    """What the next process has."""
    now = Grounds(ACCOUNT, "abc", INSTRUMENT, settings(BRAIN), settings(HYBRID))
    return now._replace(**changes)


async def test_what_stands_in_redis_satisfies_the_shipped_schema(redis: Any, valkey: Any, store: RedisPairs) -> None:
    records, pairs = sample(4)
    pairs = [*pairs[:2], *censored(pairs[2:3]), pairs[3]._replace(risk=None)]
    assert await store.write(pairs, [followed()], 1)
    for _, fields in await redis.xrange(KEYS.shadow_exits):
        Draft202012Validator(schemas.load("pair")).validate(json.loads(fields["data"]))
    stream = await read_pairs(valkey.url, prefix=PREFIX, account="main")
    assert list(stream.pairs) == sorted(pairs, key=lambda pair: pair.closed_at_ms)
    assert (await store.written_before()) == list(stream.pairs)
    assert len(records) == 4


async def test_the_last_revision_counts_and_garbage_costs_nothing_but_itself(
    redis: Any, valkey: Any, store: RedisPairs
) -> None:
    [pair] = sample(1)[1]
    await store.write([pair, pair._replace(revision=2, gap_ms=7)], [], 1)
    spoiled = json.loads(pair_text(pair)) | {"notional": "NaN"}
    for data in ("{", "[]", "7", json.dumps(spoiled), "[" * 100_000):
        await redis.xadd(KEYS.shadow_exits, {"data": data})
        with pytest.raises(DocumentUnreadable):
            read_pair(data)
    await redis.xadd(KEYS.shadow_exits, {"other": "x"})
    stream = await read_pairs(valkey.url, prefix=PREFIX, account="main")
    assert ([one.gap_ms for one in stream.pairs], stream.unreadable) == ([7], 6)


async def test_a_daemon_that_stands_by_writes_nothing(redis: Any, store: RedisPairs, lease: list[Any]) -> None:
    lease[0] = HeldByOther("host-b:2:bbbb", "")
    assert not await store.write(sample(1)[1], [followed()], 1)
    assert await redis.keys("*") == []


async def test_a_flush_is_noticed(redis: Any, store: RedisPairs) -> None:
    await store.write(sample(1)[1], [], 1)
    assert await store.stands()
    await redis.flushall()
    assert not await store.stands()


async def test_the_stream_is_bounded(redis: Any, store: RedisPairs, monkeypatch: Any) -> None:
    monkeypatch.setattr("position_monitor.edge.redis.fenced_stream.STREAM_LENGTH", 100)
    for _ in range(8):
        await store.write(sample(50)[1], [], 1)
    assert await redis.xlen(KEYS.shadow_exits) <= 250, "the server trims whole nodes of its stream"


async def test_what_is_followed_is_taken_up_as_it_was(store: RedisPairs) -> None:
    one = followed()
    await store.write([], [one], 1)
    [text] = await store.followed_before()
    assert key_of(text) == one.key
    assert read_followed(text, grounds()) == one
    await store.write([], [], 2)
    assert await store.followed_before() == []


async def test_what_is_followed_is_counted_for_a_reader(redis: Any, valkey: Any, store: RedisPairs) -> None:
    """Open ones, and closed ones whose books go on; nothing is said where nobody wrote it, or something else."""

    async def read() -> FollowedNow | None:
        return (await read_pairs(valkey.url, prefix=PREFIX, account="main")).followed

    assert await read() is None
    one = followed()
    await store.write([], [one, ended(one._replace(epoch="later"), OPENED_MS + 2_000)], 7)
    assert await read() == FollowedNow(open=1, outliving=1, written_at_ms=7)
    await redis.hset(KEYS.shadow_following, "BTCUSDT:LONG:x", "{")
    assert await read() is None


@pytest.mark.parametrize(
    "changes",
    [{"settings_hash": "other"}, {"own": settings(Policy.STATIC)}, {"shadow": settings(Policy.DYNAMIC)}],
)
def test_other_settings_censor_what_is_taken_up(changes: dict[str, Any]) -> None:
    assert read_followed(followed_text(followed()), grounds(**changes)).censored is Censored.SETTINGS


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("schema", 2), ("side", "UP"), ("price", "-1"), ("price", "NaN"), ("epoch", None), ("own", 7)),
        *(("censored", "perhaps"), ("at_ms", "soon"), ("quantity", "0"), ("shadow", {})),
    ],
)
def test_a_book_that_is_not_readable_is_lost_and_nothing_else(member: str, value: Any) -> None:
    spoiled = json.loads(followed_text(ended(followed(), OPENED_MS + 2_000))) | {member: value}
    if member == "epoch":
        del spoiled["epoch"]
    with pytest.raises(DocumentUnreadable):
        read_followed(json.dumps(spoiled), grounds())


async def test_a_key_of_another_kind_is_replaced(redis: Any, store: RedisPairs) -> None:
    await redis.set(KEYS.shadow_exits, "x")
    await redis.set(KEYS.shadow_following, "x")
    assert await store.followed_before() == []
    one = followed()
    assert await store.write(sample(1)[1], [one], 1)
    assert set(await redis.hgetall(KEYS.shadow_following)) == {"written_at_ms", record_ref(one)}
