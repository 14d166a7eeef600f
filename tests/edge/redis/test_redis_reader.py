"""Reading back what was published: typed values, and None wherever nothing is known."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.reader import RedisStateReader, RedisUnreachable
from position_monitor.edge.redis.state import Owned, Unavailable

DOCS = Path(__file__).parents[3] / "docs"
P = "quantum:position_monitor:main"
BTC = PositionKey("BTCUSDT", Side.LONG)


@pytest.fixture
async def reader(valkey, redis):
    reader = RedisStateReader(valkey.url, prefix="quantum:position_monitor", account="main")
    yield reader
    await reader.close()


async def test_what_was_published_is_read_back_equal(reader, make_state, make_account, make_position):
    """Nothing is lost or rounded on the way through Redis."""
    state = make_state()
    await state.renew_lease()
    state.publish(make_account(epoch=1), [make_position(), make_position("ETHUSDT", Side.SHORT)])
    await state.write_once()
    found = await reader.published()
    assert found.account == make_account(epoch=1)
    assert found.positions == {
        BTC: make_position(),
        PositionKey("ETHUSDT", Side.SHORT): make_position("ETHUSDT", Side.SHORT),
    }
    assert found.risk_status is RiskStatus.PROTECTED
    assert found.lease_owner == "host-a:1:aaaa"
    assert await reader.position(BTC) == make_position()
    assert await reader.account() == make_account(epoch=1)


async def test_a_missing_key_is_unknown(reader, redis, make_state, make_account, make_position):
    """R8: a dead daemon leaves nothing that reads as protected."""
    found = await reader.published()
    assert (found.account, found.positions, found.lease_owner) == (None, {}, None)
    assert found.risk_status is RiskStatus.UNKNOWN
    assert await reader.account() is None
    assert await reader.position(BTC) is None
    state = make_state()
    state.publish(make_account(), [make_position()])
    await state.write_once()
    await redis.delete(f"{P}:position:BTCUSDT:LONG")
    assert (await reader.published()).positions == {BTC: None}


async def test_a_newer_schema_is_refused_and_new_fields_are_ignored(
    reader, redis, make_state, make_account, make_position
):
    """Additive changes keep the schema number; a higher one is not guessed at."""
    state = make_state()
    state.publish(make_account(), [make_position()])
    await state.write_once()
    await redis.hset(f"{P}:status", "added_later", "1")
    assert await reader.account() == make_account()
    await redis.hset(f"{P}:status", "schema", "2")
    with pytest.raises(DocumentUnreadable, match="schema was '2'"):
        await reader.account()


@pytest.mark.parametrize("doc", ["", "{", "{}", "[]", '{"schema": 1}', "null"])
async def test_garbage_is_unreadable_rather_than_a_position(reader, redis, doc):
    """Somebody else wrote there."""
    await redis.hset(f"{P}:position:BTCUSDT:LONG", "doc", doc)
    if doc == "":
        assert await reader.position(BTC) is None
        return
    with pytest.raises(DocumentUnreadable):
        await reader.position(BTC)


async def test_a_member_that_is_no_position_is_unreadable(reader, redis):
    """The set holds SYMBOL:SIDE and nothing else."""
    await redis.sadd(f"{P}:positions", "BTCUSDT")
    with pytest.raises(DocumentUnreadable):
        await reader.published()


async def test_events_are_read_in_order_and_from_where_one_stopped(reader, make_state, make_account):
    """The tail first, then everything after an id."""
    state = make_state()
    state.publish(make_account(), (), [Event("StopPlaced", n, "BTCUSDT", "LONG", {"n": n}) for n in range(5)])
    await state.write_once()
    tail = await reader.events(count=2)
    assert [event.at_ms for event in tail] == [3, 4]
    assert tail[0].details == {"n": 3}
    first = (await reader.events(count=5))[0]
    assert [event.at_ms for event in await reader.events(after=first.stream_id)] == [1, 2, 3, 4]


async def test_following_yields_events_as_they_come(reader, make_state, make_account):
    """What happened before is not repeated; silence longer than a blocking read is fine."""
    state = make_state()
    state.publish(make_account(), (), [Event("StopPlaced", 1)])
    await state.write_once()
    following = reader.follow()
    waiting = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.7)  # longer than one blocking read
    state.publish(make_account(), (), [Event("StopReadBack", 2), Event("StopRetired", 3)])
    await state.write_once()
    async with asyncio.timeout(30):
        assert (await waiting).type == "StopReadBack"
        assert (await anext(following)).type == "StopRetired"
    await following.aclose()


async def test_an_event_that_is_no_event_is_unreadable(reader, redis):
    """Foreign entries are reported with their stream id."""
    await redis.xadd(f"{P}:events", {"data": json.dumps(["no"])})
    with pytest.raises(DocumentUnreadable, match="event"):
        await reader.events()


async def test_a_redis_that_does_not_answer_is_unreachable(hung_url):
    """Unknown is not the same as flat."""
    reader = RedisStateReader(hung_url, prefix="quantum:position_monitor", account="main")
    with pytest.raises(RedisUnreachable):
        await reader.published()


async def test_the_documented_user_is_allowed_everything_the_daemon_needs(valkey, redis, make_state, make_account):
    """The ACL line of docs/redis.md: its keys and no dangerous commands (R10)."""
    line = re.search(r"`ACL SETUSER monitor on >\.\.\. (.+?)`", (DOCS / "redis.md").read_text())
    await redis.execute_command("ACL", "SETUSER", "monitor", "reset", "on", ">hunter22", *line[1].split())
    url = valkey.url.replace("://", "://monitor:hunter22@")
    state = make_state(url=url)
    assert await state.renew_lease() == Owned(1)
    state.publish(make_account(), (), [Event("StopPlaced", 1)])
    assert await state.write_once()
    limited = RedisStateReader(url, prefix="quantum:position_monitor", account="main")
    assert (await limited.published()).risk_status is RiskStatus.PROTECTED
    assert len(await limited.events()) == 1
    await limited.close()
    foreign = make_state(url=url, prefix="somebody:else")
    assert isinstance(await foreign.renew_lease(), Unavailable)
    await redis.execute_command("ACL", "DELUSER", "monitor")


async def test_every_published_field_is_documented(reader, redis, make_state, make_account, make_position):
    """docs/redis.md is the contract: no field without its line."""
    state = make_state()
    state.publish(make_account(), [make_position()])
    await state.write_once()
    text = (DOCS / "redis.md").read_text()
    fields = [*await redis.hkeys(f"{P}:status"), *await redis.hkeys(f"{P}:position:BTCUSDT:LONG")]
    assert [name for name in fields if not re.search(rf"\b{name}\b", text)] == []


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eDETCETORP\u2066\x9b31m\r\nok"


async def test_what_a_terminal_would_obey_is_taken_out(reader, redis, make_state, make_account, make_position):
    """Row 6.7: whoever may write a key must not be able to clear a screen or to hide a line."""
    state = make_state()
    state.publish(make_account(reason=HOSTILE, conflicts=(HOSTILE,)), [make_position(reason=HOSTILE)], [])
    await state.write_once()
    await redis.hset(f"{P}:status", "status_line", HOSTILE)
    await redis.set(f"{P}:lease", HOSTILE)
    found = await reader.published()
    texts = [found.account.status_line, found.account.reason, *found.account.conflicts, found.lease_owner]
    texts += [position.reason for position in found.positions.values()]
    assert all(text.isprintable() and text.endswith("ok") for text in texts), texts


BROKEN_DOCUMENTS = {
    "brackets": "[" * 200_000,
    "half": '{"schema": 1, "symbol": "BTCUSDT"',
    "a list": "[1, 2]",
    "a number": "7",
    "absurd figure": '{"schema": 1, "quantity": "1e999999999"}',
    "ten megabytes": '"' + "x" * 10_000_000 + '"',
}


@pytest.mark.parametrize("document", BROKEN_DOCUMENTS.values(), ids=BROKEN_DOCUMENTS)
async def test_a_broken_document_is_one_clear_line(reader, redis, make_state, make_account, make_position, document):
    state = make_state()
    state.publish(make_account(), [make_position(), make_position("ETHUSDT")])
    await state.write_once()
    await redis.hset(f"{P}:position:BTCUSDT:LONG", "doc", document)
    published = await reader.published()
    text = published.unreadable[BTC]
    assert "not readable" in text and len(text) < 700 and text.isprintable()
    assert published.positions == {BTC: None, PositionKey("ETHUSDT", Side.LONG): make_position("ETHUSDT")}


@pytest.mark.parametrize("key", ["status", "positions"])
async def test_a_key_of_another_kind_is_one_clear_line(reader, redis, make_state, make_account, make_position, key):
    state = make_state()
    state.publish(make_account(), [make_position()])
    await state.write_once()
    await redis.delete(f"{P}:{key}")
    await redis.rpush(f"{P}:{key}", "a", "list")
    with pytest.raises(DocumentUnreadable, match="of another kind"):
        await reader.published()
