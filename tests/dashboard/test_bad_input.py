"""Whatever stands in Redis: the page is answered, what can be read is shown, and what cannot is UNKNOWN."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.redis.bounded_answers import VALUE_BYTES_MAX
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.event_stream import EventStream
from position_monitor.edge.redis.reader import MEMBERS_MAX
from tests.dashboard.conftest import PREFIX, Page, Publisher, eventually, page_of, several
from tests.edge.redis.conftest import position_state

KINDS = ("string", "list", "set", "zset", "hash", "stream")
KEYS = {"status": "hash", "positions": "set", "position:COIN0USDT:LONG": "hash", "events": "stream"}
KEYS |= {"lease": "string", "performance": "hash"}


async def put(client: Any, key: str, kind: str) -> None:
    """A value of this kind that no daemon wrote."""
    await client.delete(key)
    match kind:
        case "string":
            await client.set(key, "\x1b[2J<b>")
        case "list":
            await client.rpush(key, "a")
        case "set":
            await client.sadd(key, "a:b:c")
        case "zset":
            await client.zadd(key, {"a": 1})
        case "hash":
            await client.hset(key, "doc", "{")
        case "stream":
            await client.xadd(key, {"a": "b"})


async def account_of(page: Page) -> tuple[dict[str, Any], str]:
    """`/api/state` of the first account and the page, after a look that began now."""
    await page.board.look()
    status, text = await page.get()
    assert status == 200
    return (await page.state())["accounts"][0], text


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_of_every_other_kind(valkey: EmbeddedRedis, daemon: Publisher, key: str) -> None:
    """Nothing is shown as the last value, and only the positions' own set and the status hide the others."""
    await daemon.event()
    for kind in KINDS:
        await daemon.positions(several(2))
        await daemon.status()
        async with page_of(valkey.url) as page:
            account, _ = await account_of(page)
            assert account["risk_status"] == "PROTECTED"
            await put(daemon.client, f"{daemon.p}:{key}", kind)
            for watch in page.board.watches:
                watch._totals_read_s = float("-inf")
            account, text = await account_of(page)
            assert (await page.get("/position?account=main&symbol=COIN0USDT&side=LONG"))[0] == 200
            assert (await page.get("/api/events"))[0] == 200
        hides_all = key in ("status", "positions")
        assert account["risk_status"] == ("UNKNOWN" if hides_all else "PROTECTED"), kind
        verdicts = {one["symbol"]: one["verdict"] for one in account["positions"]}
        assert hides_all or verdicts["COIN1USDT"] == "PROTECTED"
        if hides_all or key.startswith("position:"):
            assert verdicts["COIN0USDT"] == "UNKNOWN", kind
        if kind not in (KEYS[key], "hash" if key == "performance" else ""):
            assert key in ("lease", "events") or "UNKNOWN" in text
            assert key != "events" or "UNKNOWN: a key of the account is of another kind" in text
        await daemon.client.delete(f"{daemon.p}:{key}")


async def test_bytes_that_are_no_text_and_numbers_that_are_none(page: Page, daemon: Publisher) -> None:
    """Each hides its own position only."""
    states = several(4)
    await daemon.positions(states)
    await daemon.status()
    await daemon.client.hset(f"{daemon.p}:status", "reason", b"\xff\xfe<b>\x00")
    for state, change in (
        (states[0], {"entry_price": "sNaN"}),
        (states[1], {"take_profits": [rung_of(1), rung_of("1"), rung_of([])]}),
        (states[2], {"conditions": {"a": {"b": []}}, "leverage": {}, "trailing": 5}),
    ):
        key = f"{daemon.p}:position:{state.key}"
        await daemon.client.hset(key, "doc", json.dumps(json.loads(await daemon.client.hget(key, "doc")) | change))
    account, text = await account_of(page)
    assert account["risk_status"] == "PROTECTED"
    assert {one["symbol"]: one["verdict"] for one in account["positions"]}["COIN3USDT"] == "PROTECTED"
    assert text.count("<article") == 4
    assert "<b>" not in text
    query = "/position?account=main&symbol=COIN2USDT&side=LONG"
    assert (await page.get(query))[0] == 200


def rung_of(number: Any) -> dict[str, Any]:
    """A rung as it stands in a document."""
    return {
        "rung": number,
        "trigger_price": "1.5",
        "quantity": "0.1",
        "client_id": "qpm1",
        "source": "hybrid",
        "resting": True,
    }


async def test_ten_megabytes_anywhere_hide_only_themselves(page: Page, daemon: Publisher) -> None:
    large = "x" * 10_000_000
    await daemon.positions(several(3))
    await daemon.status()
    await daemon.event(type="StopPlaced")
    await daemon.client.hset(f"{daemon.p}:position:{several(3)[0].key}", "doc", large)
    await daemon.client.xadd(f"{daemon.p}:events", {"data": large})
    await daemon.client.set(f"{daemon.p}:lease", large)
    await daemon.client.hset(f"{daemon.p}:performance", "doc", large)
    account, text = await account_of(page)
    assert account["risk_status"] == "PROTECTED"
    assert [one["verdict"] for one in account["positions"]] == ["UNKNOWN", "PROTECTED", "PROTECTED"]
    assert "StopPlaced" in text
    assert "1 entries are not readable" in text
    assert len(text) < 100_000
    await daemon.client.hset(f"{daemon.p}:status", "reason", large)
    account, text = await account_of(page)
    assert account["risk_status"] == "UNKNOWN"


async def test_no_more_is_taken_of_one_value_than_its_bound(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    """What comes after it is read as it is."""
    from position_monitor.edge.redis.connection import connect_reading

    await daemon.client.mset({"large": "x" * 3_000_000, "after": "y\r\n$5\r\n"})
    client = connect_reading(valkey.url)
    async with client:
        large, after = await client.mget("large", "after")
        assert len(str(large)) <= VALUE_BYTES_MAX
        assert after == "y\r\n$5\r\n"
        assert await client.get("after") == after


async def test_more_positions_than_any_venue_has_are_unknown(page: Page, daemon: Publisher) -> None:
    await daemon.status()
    members = [f"A{number}USDT:LONG" for number in range(MEMBERS_MAX + 1)]
    await daemon.client.sadd(f"{daemon.p}:positions", *members)
    account, text = await account_of(page)
    assert account["risk_status"] == "UNKNOWN"
    assert f"the set of positions has {MEMBERS_MAX + 1} members" in text
    await daemon.client.delete(f"{daemon.p}:positions")
    assert (await account_of(page))[0]["risk_status"] == "PROTECTED"


async def test_a_thousand_positions(page: Page, daemon: Publisher) -> None:
    """All have a row; what is drawn of each does not change by itself."""
    [one] = several(1)
    await daemon.positions([one])
    document = await daemon.client.hget(f"{daemon.p}:position:{one.key}", "doc")
    async with daemon.client.pipeline() as pipeline:
        for number in range(1, 1_000):
            name = f"COIN{number}USDT"
            pipeline.hset(f"{daemon.p}:position:{name}:LONG", "doc", document.replace(one.key.symbol, name))
            pipeline.sadd(f"{daemon.p}:positions", f"{name}:LONG")
        await pipeline.execute()
    await daemon.status(positions=1_000, protected=1_000)

    async def all_have_a_row() -> bool:
        return (await account_of(page))[1].count("<tr id=") == 1_000

    async def nothing_is_sent() -> bool:
        before = page.board.frame
        await page.board.look()
        return json.loads(page.board.message(before).partition(b"data: ")[2]).keys() == {"at_ms"}

    await eventually(all_have_a_row)
    await eventually(nothing_is_sent)


async def test_a_look_that_fails_in_a_way_nobody_thought_of_is_unknown(
    page: Page, daemon: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch goes on."""
    await daemon.positions(several(1))
    await daemon.status()
    assert (await account_of(page))[0]["risk_status"] == "PROTECTED"
    with monkeypatch.context() as broken:
        broken.setattr("position_monitor.edge.redis.reader.read_status", lambda fields: 1 / 0)
        account, text = await account_of(page)
        assert account["risk_status"] == "UNKNOWN"
        assert "ZeroDivisionError" in text
    assert (await account_of(page))[0]["risk_status"] == "PROTECTED"


async def test_one_position_that_cannot_be_drawn_hides_no_other(
    page: Page, daemon: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = several(2)
    await daemon.positions(states)
    await daemon.status()
    drawn = "position_monitor.dashboard.position_parts.levels"

    def broken(state: Any) -> Any:
        return 1 / 0 if state.key == PositionKey("COIN0USDT", Side.LONG) else []

    monkeypatch.setattr(drawn, broken)
    _, text = await account_of(page)
    assert "it could not be shown (ZeroDivisionError)" in text
    assert "COIN1USDT" in text


async def test_a_page_of_an_earlier_process_is_sent_everything(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    """Its number names something else in the one that answers now."""
    await daemon.status()
    async with page_of(valkey.url) as first, page_of(valkey.url) as second:
        await second.board.look()
        assert first.board.frame.number != second.board.frame.number


async def test_events_are_read_once(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    """From the newest one on; everything again after the stream was emptied."""
    from position_monitor.dashboard.recent import RecentEvents

    stream = EventStream(valkey.url, prefix=PREFIX, account="main")
    recent = RecentEvents(stream, 3, within_s=20, steady_s=lambda: 0.0)
    assert await recent.newest() == ((), 0, "")
    for number in range(5):
        await daemon.event(type=f"Type{number}")
    first = await recent.newest()
    assert [event.type for event in first[0]] == ["Type2", "Type3", "Type4"]
    assert (await recent.newest())[0] is first[0]
    await daemon.client.xadd(f"{daemon.p}:events", {"data": "{"})
    events, unreadable, trouble = await recent.newest()
    assert ([event.type for event in events], unreadable, trouble) == (["Type3", "Type4"], 1, "")
    await daemon.client.delete(f"{daemon.p}:events")
    assert await recent.newest() == ((), 0, "")
    await stream.close()


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\u202e"
OF_OTHER_TYPES = (None, True, -1, 1e300, 10**40, "", HOSTILE, "9" * 3_000, [], [[HOSTILE]], {}, {HOSTILE: [HOSTILE]})


def values_within(document: Any) -> Iterator[tuple[dict[str, Any] | list[Any], Any]]:
    """Every place in a document: what holds it, and its name or number there."""
    pairs = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in list(pairs):
        yield document, name
        if isinstance(value, (dict, list)):
            yield from values_within(value)


def harmless(text: str) -> bool:
    """Whether no value became an element or kept a control character."""
    return (
        "<img" not in text and text.count("<script") == 1 and not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)
    )


async def test_every_value_of_a_position_replaced_by_others(page: Page, daemon: Publisher) -> None:
    """The position stays on the page, the other one stays protected, and the JSON is answered."""
    states = [position_state("AUSDT"), position_state("BUSDT")]
    await daemon.positions(states)
    await daemon.status()
    key = f"{daemon.p}:position:{states[0].key}"
    whole = await daemon.client.hget(key, "doc")
    count = sum(1 for _ in values_within(json.loads(whole)))
    assert count > 30
    for number in range(count):
        for other in OF_OTHER_TYPES[number % 4 :: 4]:
            document = json.loads(whole)
            holder, name = list(values_within(document))[number]
            holder[name] = other
            await daemon.client.hset(key, "doc", json.dumps(document))
            view = await page.board.watches[0].look()
            page.board._show((view,))
            text = "".join(page.board.frame.parts.values()) + "<script"
            assert harmless(text), (name, other)
            assert text.count("BUSDT LONG PROTECTED") == 1, (name, other)
            assert text.count("AUSDT LONG") >= 2
    assert (await page.get())[0] == 200


async def test_every_field_of_the_status_replaced_by_others(page: Page, daemon: Publisher) -> None:
    await daemon.status()
    fields = await daemon.client.hgetall(f"{daemon.p}:status")
    others = ("", HOSTILE, "-1", "1e999", "[]", "{}", "9" * 3_000, f'{{"a": "{"<b>" * 10}"}}', "[" * 9_000)
    for number, name in enumerate(fields):
        for other in others[number % 3 :: 3]:
            await daemon.client.hset(f"{daemon.p}:status", name, other)
            await page.board.look()
            assert harmless("".join(page.board.frame.parts.values()) + "<script"), (name, other)
        assert (await page.get())[0] == 200, name
        assert (await page.get("/api/state"))[0] == 200, name
        await daemon.client.hset(f"{daemon.p}:status", name, fields[name])
    assert (await account_of(page))[0]["risk_status"] == "PROTECTED"


async def test_a_look_that_does_not_end_leaves_no_last_value(page: Page, daemon: Publisher, monkeypatch: Any) -> None:
    """A client that loses its cancellation may keep a look for longer than it was given."""
    await daemon.positions(several(1))
    await daemon.status()
    assert (await account_of(page))[0]["risk_status"] == "PROTECTED"
    goes_on = asyncio.Event()
    [watch] = page.board.watches
    real = watch.look

    async def stuck() -> Any:
        await goes_on.wait()
        return await real()

    monkeypatch.setattr("position_monitor.dashboard.board.LATE_S", 0.2)
    monkeypatch.setattr(watch, "look", stuck)

    async def status_is(word: str) -> bool:
        account = (await page.state())["accounts"][0]
        return account["risk_status"] == word and account["positions"][0]["verdict"] == word

    await eventually(lambda: status_is("UNKNOWN"))
    goes_on.set()
    await eventually(lambda: status_is("PROTECTED"))
