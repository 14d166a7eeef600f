"""Records in a real server: what stands in the keys, who may write, and what is there again after a flush."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from position_monitor import schemas
from position_monitor.core.performance.record import Origin, Record
from position_monitor.core.performance.summary import summary_of
from position_monitor.edge.redis.connection import address_of
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.lease_states import HeldByOther, Owned, Unavailable
from position_monitor.edge.redis.published_records import read_record
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.reader import RedisUnreachable
from position_monitor.edge.redis.record_documents import ALL, record_text
from position_monitor.edge.redis.record_stream import read_records
from position_monitor.edge.redis.records import RedisRecords
from tests.core.performance.test_record import vector
from tests.edge.redis.conftest import PREFIX

KEYS = Keys(PREFIX, "main")
OWNER = "host-a:1:aaaa"


@pytest.fixture
def lease() -> list[Any]:
    """Who has the lease; a test may change it."""
    return [Unavailable("nobody asked")]


@pytest.fixture
async def records(valkey: Any, redis: Any, clock: Any, lease: list[Any]) -> Iterator[RedisRecords]:
    made = RedisRecords(valkey.url, prefix=PREFIX, account="main", owner=OWNER, clock=clock, lease=lambda: lease[0])
    yield made
    await made.aclose()


def with_origin(record: Record) -> Record:
    return replace(record, origin=Origin("hybrid", "DEFAULT", None, "3f9a", "0.1.0"))


async def test_what_stands_in_redis_satisfies_the_shipped_schemas(redis: Any, records: RedisRecords) -> None:
    """A record with everything known, one with nothing known, and their totals."""
    whole, bare = with_origin(vector()), replace(vector(orders=()), epoch="0mb3k2xz", excursion=None, cover=None)
    assert await records.write([whole, bare], {ALL: summary_of([whole, bare]), "DEFAULT": summary_of([whole])})
    entries = [json.loads(fields["data"]) for _, fields in await redis.xrange(KEYS.exits)]
    assert [entry["record_id"] for entry in entries] == [whole.record_id, bare.record_id]
    for entry in entries:
        Draft202012Validator(schemas.load("record")).validate(entry)
    assert (entries[0]["net"], entries[0]["gross_r"], entries[0]["residual_realised"]) == (
        "119.691524", "1.209981", "0",
    )  # fmt: skip
    for profile, count in ((ALL, 2), ("DEFAULT", 1)):
        fields = await redis.hgetall(KEYS.performance(profile))
        document = json.loads(fields["doc"])
        Draft202012Validator(schemas.load("performance")).validate(document)
        assert (int(fields["count"]), document["count"], document["profile"]) == (count, count, profile)
    assert await redis.ttl(KEYS.exits) == -1, "records stay"


async def test_records_are_read_back_as_they_were_written(valkey: Any, records: RedisRecords) -> None:
    """To the digit in money and prices; ratios to the digit that is published."""
    written = with_origin(vector())
    await records.write([written], {ALL: summary_of([written])})
    [read] = (await read_records(valkey.url, prefix=PREFIX, account="main")).records
    assert read.money._replace(notes=()) == written.money
    assert read.risk == written.risk and read.fills[0] == written.fills[0]
    assert read.record_id == written.record_id and read.origin == written.origin
    assert record_text(read) == record_text(written)


async def test_the_last_revision_counts(records: RedisRecords) -> None:
    first = replace(vector(income=()), revision=1)
    await records.write([first, replace(vector(), revision=2)], {})
    await records.write([replace(first, revision=1)], {})  # a lost answer: written once more
    [record] = await records.written_before()
    assert (record.revision, record.final) == (2, True)


async def test_a_flush_is_noticed_and_an_empty_start_is_none(redis: Any, records: RedisRecords) -> None:
    assert await records.stands(), "nothing was written yet: nothing is lost"
    await records.write([vector()], {})
    assert await records.stands()
    await redis.flushall()
    assert not await records.stands()
    await records.write([vector()], {})
    assert await records.stands() and await redis.xlen(KEYS.exits) == 1


async def test_what_an_earlier_process_wrote_is_missed_as_well(redis: Any, records: RedisRecords) -> None:
    await redis.xadd(KEYS.exits, {"data": record_text(vector())})
    assert len(await records.written_before()) == 1
    await redis.delete(KEYS.exits)
    assert not await records.stands()


async def test_a_daemon_that_stands_by_writes_nothing(redis: Any, records: RedisRecords, lease: list[Any]) -> None:
    lease[0] = HeldByOther("host-b:2:bbbb", "")
    assert not records.may_write
    assert not await records.write([vector()], {ALL: summary_of([vector()])})
    assert await redis.keys("*") == []


@pytest.mark.parametrize("mine", [Unavailable("not asked"), Owned(3)])
async def test_the_lease_in_redis_decides_at_the_moment_of_writing(
    redis: Any, records: RedisRecords, lease: list[Any], mine: Any
) -> None:
    """We believe that we may, and another daemon took over since: fenced inside the same step."""
    lease[0] = mine
    await redis.set(KEYS.lease, "host-b:2:bbbb")
    await redis.set(KEYS.lease_epoch, "4")
    assert not await records.write([vector()], {ALL: summary_of([vector()])})
    assert not await redis.exists(KEYS.exits) and not await redis.exists(KEYS.performance(""))


@pytest.mark.parametrize("value", ["text", "list", "hash"])
async def test_a_key_of_another_kind_is_replaced(redis: Any, records: RedisRecords, value: str) -> None:
    for key in (KEYS.exits, KEYS.performance("")):
        match value:
            case "text":
                await redis.set(key, "x")
            case "list":
                await redis.rpush(key, "x")
            case "hash":
                await redis.hset(key, "x", "y")
    assert await records.written_before() == []
    assert await records.write([vector()], {ALL: summary_of([vector()])})
    assert await redis.xlen(KEYS.exits) == 1
    assert "x" not in await redis.hgetall(KEYS.performance(""))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"side": "UP"}, {"gross": "NaN"}, {"gross": "1e999"}, {"fills": []}, {"closed_at_ms": "soon"},
        {"fees_by_asset": 7}, {"status": "perhaps"}, {"revision": True}, {"net": None, "residual_fees": None},
    ],
)  # fmt: skip
async def test_an_entry_that_is_not_readable_costs_nothing_but_itself(
    redis: Any, valkey: Any, records: RedisRecords, change: dict[str, Any]
) -> None:
    spoiled = json.dumps(json.loads(record_text(vector())) | change)
    with pytest.raises(DocumentUnreadable):
        read_record(spoiled)
    for data in ("{", "[]", "7", spoiled, "[" * 100_000):
        await redis.xadd(KEYS.exits, {"data": data})
    await redis.xadd(KEYS.exits, {"other": "x"})
    await records.write([vector()], {})
    stream = await read_records(valkey.url, prefix=PREFIX, account="main")
    assert (len(stream.records), stream.unreadable) == (1, 6)


async def test_the_stream_is_bounded(redis: Any, records: RedisRecords, monkeypatch: Any) -> None:
    monkeypatch.setattr("position_monitor.edge.redis.fenced_stream.STREAM_LENGTH", 100)
    for number in range(40):
        await records.write([replace(vector(), epoch=f"{number:08d}") for _ in range(10)], {})
    assert await redis.xlen(KEYS.exits) <= 250, "the server trims whole nodes of its stream"


async def test_a_server_that_hangs_is_named_by_host_and_port(hung_url: str) -> None:
    with pytest.raises(RedisUnreachable, match=address_of(hung_url)):
        await read_records(hung_url, prefix=PREFIX, account="main")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:pass@10.0.0.1:6380/2", "10.0.0.1:6380"),
        ("redis://:p@ss@cache/0", "cache:6379"),
        ("unix:///run/redis.sock?db=1", "/run/redis.sock"),
        ("redis+sentinel://:secret@a:26379,b:26379/mymaster/0", "a:26379,b:26379"),
    ],
)
def test_an_address_is_told_without_the_password(url: str, address: str) -> None:
    assert address_of(url) == address
