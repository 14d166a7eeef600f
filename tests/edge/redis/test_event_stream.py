"""Events for people: from a time on, past an entry that is none, and on through a Redis that goes and comes back."""

from __future__ import annotations

import asyncio
import json

import pytest
from redis.asyncio import Redis

from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.event_stream import EventStream, StreamedEvent
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.reader import RedisUnreachable

KEY = "quantum:position_monitor:main:events"


@pytest.fixture
async def stream(valkey, redis):
    stream = EventStream(valkey.url, prefix="quantum:position_monitor", account="main")
    yield stream
    await stream.close()


def entry(at_ms: int, kind: str = "StopPlaced", **more: object) -> dict[str, str]:
    document = {"schema": 1, "id": f"e-{at_ms}", "type": kind, "at_ms": at_ms, "account": "main"}
    return {"data": json.dumps(document | {"symbol": "BTCUSDT", "side": "LONG"} | more)}


async def test_a_part_begins_where_it_is_asked_to_and_leaves_out_what_is_no_event(stream, redis):
    for at_ms in (1_000, 2_000, 3_000):
        await redis.xadd(KEY, entry(at_ms, price=None), id=f"{at_ms}-0")
    await redis.xadd(KEY, {"data": '["no"]'}, id="3500-0")
    await redis.xadd(KEY, {"other": "x"}, id="3600-0")
    await redis.xadd(KEY, entry(500), id="4000-0")  # it waited for Redis: written after its time
    part = await stream.part(since_ms=2_000)
    assert [event.at_ms for event in part.events] == [2_000, 3_000]
    assert part.events[0].details == {"price": None}
    assert (part.unreadable, part.begins_at_ms, part.trimmed, part.newest_id) == (2, 1_000, False, "4000-0")


async def test_more_than_a_page_is_read_and_a_full_stream_has_lost_its_beginning(stream, redis):
    async with redis.pipeline() as pipeline:
        for number in range(10_000):
            pipeline.xadd(KEY, entry(number + 1), id=f"{number + 1}-0")
        await pipeline.execute()
    part = await stream.part()
    assert len(part.events) == 10_000 and part.trimmed and part.newest_id == "10000-0"
    assert (await stream.part(since_ms=99_999)).newest_id == "10000-0"


async def test_an_empty_stream_and_one_of_another_kind(stream, redis):
    part = await stream.part()
    assert (part.events, part.begins_at_ms, part.newest_id) == ((), None, "0-0")
    await redis.rpush(KEY, "a")
    with pytest.raises(DocumentUnreadable, match="of another kind"):
        await stream.part()


async def test_a_redis_that_does_not_answer_is_named(hung_url):
    stream = EventStream(hung_url, prefix="quantum:position_monitor", account="main")
    with pytest.raises(RedisUnreachable, match=r"Redis at 127\.0\.0\.1:\d+ did not answer: nothing came within 1 s"):
        await stream.part()


async def test_following_outlives_a_restart_of_redis():
    """It is said once that Redis is away, once that it is back, and nothing that came after is lost."""
    server = EmbeddedRedis()
    server.start()
    port = server.port
    stream = EventStream(server.url, prefix="quantum:position_monitor", account="main")
    following = stream.follow("0-0")
    client = Redis.from_url(server.url)
    await client.xadd(KEY, entry(1), id="9000000000000-0")
    async with asyncio.timeout(60):
        assert (await anext(following)).at_ms == 1
        await client.aclose()
        server.stop()
        assert "did not answer" in await anext(following)
        server = EmbeddedRedis(port)
        server.start()
        try:
            client = Redis.from_url(server.url)
            await client.xadd(KEY, entry(2))  # an empty server, whose ids are smaller than the last that was read
            items = [await anext(following)]
            while not isinstance(items[-1], StreamedEvent):
                items.append(await anext(following))
            await client.aclose()
        finally:
            await following.aclose()
            server.stop()
    said = [item for item in items if isinstance(item, str)]
    assert said[-1] == "" and len(said) == len(set(said)) and items[-1].at_ms == 2
