"""What a viewer of the page sees, over real HTTP and a real Valkey."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from position_monitor import schemas
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.publication.state import ExitPlan, PlannedLock, PlannedTrail, TakeProfitState
from position_monitor.dashboard.board import LOOK_EVERY_S
from position_monitor.dashboard.server import VIEWERS_MAX
from position_monitor.dashboard.watching import LOOK_TIMEOUT_S, AccountWatch
from position_monitor.edge.redis.embedded import EmbeddedRedis
from tests.dashboard.conftest import Page, Publisher, eventually, naked, page_of, several
from tests.edge.redis.conftest import position_state


class Parsed(HTMLParser):
    """What a browser makes of a page: elements, attributes, rows in order, and the words that are read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.rows: list[str] = []
        self.words = ""
        self._row = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._row = self._row or (tag == "tr" and any(name == "id" for name, _ in attrs))
        if tag == "tr" and self._row:
            self.rows.append("")

    def handle_endtag(self, tag: str) -> None:
        self._row = self._row and tag != "tr"

    def handle_data(self, data: str) -> None:
        self.words += data + " "
        if self._row:
            self.rows[-1] += data + " "


async def seen(page: Page) -> Parsed:
    """The page after a look that began after this was asked."""
    await page.board.look()
    status, text = await page.get()
    assert status == 200
    return Parsed(text)


@pytest.mark.parametrize("count", [0, 7, 40, 200])
async def test_every_position_is_in_the_table_and_drawn(page: Page, daemon: Publisher, count: int) -> None:
    await daemon.positions(several(count))
    await daemon.status(positions=count, protected=count)
    shown = await seen(page)
    assert len(shown.rows) == count
    assert shown.tags.count("article") == count
    assert "PROTECTED" in shown.words
    assert f"{count} of {count}" in shown.words


async def test_the_figures_of_a_position(page: Page, daemon: Publisher) -> None:
    """Distances in percent of the mark and in R, seen from the position; what is published of it."""
    state = position_state(
        entry_price=Decimal(100),
        mark_price=Decimal(102),
        stop_price=Decimal(101),
        backstop_price=Decimal(98),
        liquidation_price=Decimal(80),
        profile="TREND",
        regime="HIGH_VOL",
        level_source="ratchet",
        naked_ms=2_500,
        policy="brain",
    )
    await daemon.positions([state])
    await daemon.status()
    shown = await seen(page)
    [row] = shown.rows
    for words in ("BTCUSDT LONG", "-0.98 %", "+0.50 R", "100 %", "240.45", "2.5 s", "brain"):
        assert words in row, words
    for words in (
        *("stop 101  -0.98 %  +0.50 R", "backstop 98  -3.92 %  -1.00 R", "liquidation 80  -21.57 %  -10.00 R"),
        *("entry 100", "mark 102  +1.00 R", "TP2", "TP3 (not resting)", "TREND", "HIGH_VOL", "ratchet"),
    ):
        assert words in shown.words, words


async def test_what_comes_next_is_on_the_ladder_and_in_words(page: Page, daemon: Publisher) -> None:
    """The nearest lock that waits and where the trail begins; R is that of the plan."""
    locks = tuple(PlannedLock(Decimal(price), rung, None) for rung, price in ((1, "100.5"), (2, "103"), (3, "105")))
    plan = ExitPlan(Decimal(98), Decimal(2), 1, 0, (PlannedTrail(Decimal("102.5"), Decimal("1.50"), None),), locks)
    state = position_state(
        entry_price=Decimal(100),
        mark_price=Decimal(102),
        stop_price=Decimal("100.5"),
        backstop_price=None,
        trailing="1.5 % waiting",
        plan=plan,
    )
    await daemon.positions([state])
    await daemon.status()
    shown = await seen(page)
    assert "stop after TP2 103  +0.98 %  +1.50 R" in shown.words
    assert "trails from 102.5  +0.49 %  +1.25 R" in shown.words
    own = Parsed((await page.get("/position", params={"account": "main", "symbol": "BTCUSDT", "side": "LONG"}))[1])
    assert "After TP2 the stop goes to 103 at least." in own.words
    assert "After TP1" not in own.words
    assert "From the mark 102.5 on it trails 1.5 % behind the mark." in own.words
    await daemon.positions([replace(state, trailing="1.5 % active")])
    assert "trails from" not in (await seen(page)).words


async def test_a_short_is_seen_from_its_own_side(page: Page, daemon: Publisher) -> None:
    [_, short] = several(2)
    await daemon.positions([short])
    await daemon.status()
    [row] = (await seen(page)).rows
    assert "-2.02 %" in row
    assert "-0.50 R" in row


async def test_the_worst_is_first(page: Page, daemon: Publisher) -> None:
    await daemon.positions([*several(3), naked()])
    await daemon.client.sadd(f"{daemon.p}:positions", "GONEUSDT:LONG")
    await daemon.status(risk_status=RiskStatus.CRITICAL, reason="NAKEDUSDT is naked")
    shown = await seen(page)
    assert [row.split()[0] for row in shown.rows[:2]] == ["NAKEDUSDT", "GONEUSDT"]
    assert "NAKED" in shown.rows[0]
    assert "no stop" in shown.rows[0]
    assert "UNKNOWN" in shown.rows[1]
    assert "CRITICAL" in shown.words


async def test_a_key_that_is_missing_is_unknown_and_never_the_last_value(page: Page, daemon: Publisher) -> None:
    await daemon.positions(several(2))
    await daemon.status()
    assert "✔  PROTECTED" in (await seen(page)).words
    await daemon.client.delete(f"{daemon.p}:status")
    shown = await seen(page)
    assert "nobody can say whether positions are protected" in shown.words
    assert "PROTECTED" not in shown.words
    assert len(shown.rows) == 2
    assert all("UNKNOWN" in row for row in shown.rows)
    await daemon.client.flushall()
    shown = await seen(page)
    assert len(shown.rows) == 2
    assert "2 positions were listed last" in shown.words


async def test_a_state_that_nobody_writes_again_is_unknown(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    """A key without expiry, as a restored dump has it, is believed for one limit at most."""
    clock_s = 1_000.0

    async def trouble(page: Page) -> tuple[str, str]:
        await page.board.look()
        account = (await page.state())["accounts"][0]
        return account["risk_status"], account["trouble"]

    await daemon.positions(several(1))
    await daemon.status(published_at_ms=1_000, observed_at_ms=900)
    async with page_of(valkey.url, steady_s=lambda: clock_s) as page:
        assert (await trouble(page))[0] == "UNKNOWN"
        await daemon.status()
        assert await trouble(page) == ("PROTECTED", "")
        clock_s += 599
        assert await trouble(page) == ("PROTECTED", "")
        clock_s += 2
        status, why = await trouble(page)
        assert status == "UNKNOWN"
        assert "it was not written for 601 s" in why
        await daemon.status()
        assert await trouble(page) == ("PROTECTED", "")


async def test_a_clock_that_is_off_is_said_and_believed(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    """A daemon whose clock is an hour ahead goes on writing: it is alive, and the page says that ages are wrong."""
    async with page_of(valkey.url) as page:
        for number in range(3):
            await daemon.status(published_at_ms=2_000_000_000_000 + number)
            await page.board.look()
        shown = await seen(page)
    assert "clock is" in shown.words
    assert "PROTECTED" in shown.words


async def test_a_stopped_daemon_says_so(page: Page, daemon: Publisher) -> None:
    await daemon.status(risk_status=RiskStatus.UNKNOWN, mode="stopped", reason="stopped by SIGTERM")
    words = (await seen(page)).words
    assert "The daemon was stopped: nobody watches these positions (stopped by SIGTERM)" in words


async def test_redis_gone_is_a_banner_and_back_is_back() -> None:
    with EmbeddedRedis() as server:
        async with page_of(server.url) as page:
            from redis.asyncio import Redis

            async with Redis.from_url(server.url, decode_responses=True) as client:
                daemon = Publisher(client)
                await daemon.positions(several(2))
                await daemon.status()
            await page.board.look()
            assert (await page.get("/healthz"))[0] == 200
            port = server.port
            server.stop()

            async def is_gone() -> bool:
                return "Redis does not answer" in (await page.get())[1]

            await eventually(is_gone)
            assert (await page.get("/healthz"))[0] == 503
            [first, second] = (await page.state())["accounts"][0]["positions"]
            assert {first["verdict"], second["verdict"]} == {"UNKNOWN"}
            with EmbeddedRedis(port) as again:
                async with Redis.from_url(again.url, decode_responses=True) as client:
                    await Publisher(client).status()

                    async def is_back() -> bool:
                        return (await page.state())["accounts"][0]["risk_status"] == "PROTECTED"

                    await eventually(is_back)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\u202e</textarea>"


async def test_whatever_stands_in_redis_is_text(page: Page, daemon: Publisher) -> None:
    """Markup and escapes in every field of everything: no element, no attribute, no control character is made of it."""
    client = daemon.client
    await daemon.positions([replace(one, reason=HOSTILE, trailing=HOSTILE, policy=HOSTILE) for one in several(2)])
    await daemon.status()
    for name in ("status_line", "reason", "mode", "ai_engine", "circuit_breaker", "owner", "version", "environment"):
        await client.hset(f"{daemon.p}:status", name, HOSTILE)
    await client.hset(f"{daemon.p}:status", "conflicts", json.dumps([HOSTILE]))
    await client.hset(f"{daemon.p}:status", "streams", json.dumps({HOSTILE: HOSTILE}))
    await client.sadd(f"{daemon.p}:positions", f"{HOSTILE.replace(chr(27), '').replace(chr(0x202E), '')}:LONG")
    await daemon.event(type=HOSTILE, symbol=HOSTILE, detail=HOSTILE, nested={HOSTILE: [HOSTILE]})
    totals = {
        "count": HOSTILE,
        "by_reason": [{"reason": HOSTILE, "count": {}}],
        "histogram": [{"from_r": HOSTILE, "count": 2}],
    }
    await client.hset(f"{daemon.p}:performance", "doc", json.dumps(totals))
    shown = await seen(page)
    assert shown.words.count("alert(1)") > 20
    assert shown.tags.count("script") == 1
    assert not {"img", "textarea", "iframe"} & set(shown.tags)
    assert not [name for name, _ in shown.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", shown.words)
    key = {"account": "main", "symbol": "COIN1USDT", "side": "SHORT"}
    own = Parsed((await page.get("/position", params=key))[1])
    assert own.tags.count("script") == 1
    assert not {"img", "textarea"} & set(own.tags)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reason", "x" * 10_000_000),
        ("coverage_pct", "1e999999"),
        ("positions", "[]"),
        ("streams", '["a"]'),
        ("exits", '{"requested":[]}'),
        ("unread", "[" * 50_000),
        ("schema", "99"),
    ],
)
async def test_a_status_that_cannot_be_read_is_unknown(page: Page, daemon: Publisher, name: str, value: str) -> None:
    await daemon.status()
    await daemon.client.hset(f"{daemon.p}:status", name, value)
    shown = await seen(page)
    assert "UNKNOWN: nobody can say" in shown.words
    assert len(shown.words) < 5_000


async def test_keys_of_another_kind_are_unknown(page: Page, daemon: Publisher) -> None:
    for name in ("status", "positions", "events", "performance"):
        await daemon.client.set(f"{daemon.p}:{name}", "x")
    assert "UNKNOWN: nobody can say" in (await seen(page)).words


@pytest.mark.parametrize("doc", ["", "{", "[]", "null", '{"schema":1}', "x" * 10_000_000, "half"])
async def test_one_position_that_cannot_be_read_hides_no_other(page: Page, daemon: Publisher, doc: str) -> None:
    await daemon.positions(several(2))
    await daemon.status()
    name = f"{daemon.p}:position:COIN0USDT:LONG"
    whole = await daemon.client.hget(name, "doc")
    await daemon.client.hset(name, "doc", whole[: len(whole) // 2] if doc == "half" else doc)
    rows = (await seen(page)).rows
    assert "UNKNOWN" in rows[0]
    assert "✔  PROTECTED" in rows[1]


@pytest.mark.parametrize("name", ["trailing", "regime", "since_ms", "conditions", "leverage", "naked_ms", "reason"])
@pytest.mark.parametrize("value", [None, [], {"a": [1]}, -1, 1e300, 10**40, True, "2026"])
async def test_members_of_a_wrong_type_break_nothing(page: Page, daemon: Publisher, name: str, value: Any) -> None:
    """The page, the JSON and the position's own page are answered; the position is there with or without a verdict."""
    [state] = several(1)
    await daemon.positions([state])
    await daemon.status()
    key = f"{daemon.p}:position:{state.key}"
    document = json.loads(await daemon.client.hget(key, "doc")) | {name: value}
    await daemon.client.hset(key, "doc", json.dumps(document))
    assert len((await seen(page)).rows) == 1
    assert len((await page.state())["accounts"][0]["positions"]) == 1
    query = {"account": "main", "symbol": state.key.symbol, "side": "LONG"}
    assert (await page.get("/position", params=query))[0] == 200


async def test_events_are_shown_newest_first_and_garbage_is_counted(page: Page, daemon: Publisher) -> None:
    await daemon.status()
    await daemon.event(type="StopPlaced", price="98.5")
    await daemon.client.xadd(f"{daemon.p}:events", {"data": "no json"})
    await daemon.client.xadd(f"{daemon.p}:events", {"other": "field"})
    await daemon.event(type="StopFired")
    words = (await seen(page)).words
    assert words.index("StopFired") < words.index("StopPlaced")
    assert "2 entries are not readable" in words


async def test_ids_of_orders_are_left_to_what_went_wrong(page: Page, daemon: Publisher) -> None:
    """Of an order that was placed its price is shown; of a refusal everything is."""
    placed = {"trigger_price": "98.5", "client_id": "qpmPLACED", "text": "order 4711"}
    await daemon.status()
    await daemon.event(type="StopPlaced", **placed)
    await daemon.event(type="WriteRefused", client_id="qpmREFUSED", text="would trigger at once", code=-2021)
    await daemon.event(type="ControlRefused", request_id="1-a", text="too long")
    words = (await seen(page)).words
    assert "trigger price 98.5" in words
    assert "qpmREFUSED" in words
    assert "-2021" in words
    assert "text would trigger at once" in words
    assert "text too long" in words
    assert "qpmPLACED" not in words
    assert "4711" not in words


async def test_a_rung_has_the_number_that_people_count(page: Page, daemon: Publisher) -> None:
    """The nearest is 1; merged rungs are named by all of them; the user's own has none."""
    rungs = [(0, False), (4, False), (-1, True)]
    states = tuple(
        TakeProfitState(number, Decimal(f"650{place}"), Decimal("0.1"), "qpm1", "hybrid", resting=True, foreign=foreign)
        for place, (number, foreign) in enumerate(rungs)
    )
    await daemon.positions([position_state(take_profits=states)])
    await daemon.status()
    words = (await seen(page)).words
    for words_of_one in ("TP1 6,500", "TP1+2 6,501", "foreign 6,502"):
        assert words_of_one in words
    assert "TP0" not in words
    own = (await page.get("/position", params={"account": "main", "symbol": "BTCUSDT", "side": "LONG"}))[1]
    assert "TP1+2: 40 % of it is taken at 6,501." in own
    assert own.count("somebody else") == 1


async def test_a_mark_is_shown_with_the_digits_one_can_trade_at(page: Page, daemon: Publisher) -> None:
    state = position_state(mark_price=Decimal("64880.50412311"), liquidation_price=Decimal("9230.84618531"))
    await daemon.positions([state])
    await daemon.status()
    words = (await seen(page)).words
    assert "mark 64,880.5 " in words
    assert "liquidation 9,230.846 " in words
    assert (await page.state())["accounts"][0]["positions"][0]["state"]["mark_price"] == "64880.50412311"


async def test_a_position_has_a_page_with_its_history(page: Page, daemon: Publisher) -> None:
    await daemon.positions(several(1))
    await daemon.status()
    for price in ("98", "98.5", "99"):
        await daemon.event(symbol="COIN0USDT", price=price)
    await daemon.event(symbol="OTHERUSDT", type="StopFired")
    await page.board.look()
    status, text = await page.get("/position", params={"account": "main", "symbol": "COIN0USDT", "side": "LONG"})
    assert status == 200
    assert text.count("<svg") == 2
    assert "98.5" in text
    assert "StopFired" not in text
    for query in ("", "?account=main", "?account=x&symbol=A&side=LONG", "?account=main&symbol=A&side=UP"):
        assert (await page.get(f"/position{query}"))[0] == 404


async def test_several_accounts_stand_side_by_side(valkey: EmbeddedRedis, daemon: Publisher) -> None:
    other = Publisher(daemon.client, "second")
    await daemon.positions(several(1))
    await daemon.status()
    await other.positions([naked()])
    await other.status(risk_status=RiskStatus.CRITICAL)
    async with page_of(valkey.url, "main", "second", "third") as page:
        shown = await seen(page)
        accounts = [(one["account"], one["risk_status"]) for one in (await page.state())["accounts"]]
    assert accounts == [("main", "PROTECTED"), ("second", "CRITICAL"), ("third", "UNKNOWN")]
    assert all(f"Account {name}" in shown.words for name in ("main", "second", "third"))


async def test_the_json_is_as_its_schema_says(page: Page, daemon: Publisher) -> None:
    await daemon.positions([*several(3), naked()])
    await daemon.status()
    await daemon.client.sadd(f"{daemon.p}:positions", "GONEUSDT:LONG")
    await daemon.event(nested={"a": 1.5})
    await page.board.look()
    state, events = await page.state(), json.loads((await page.get("/api/events"))[1])
    jsonschema.validate(state, schemas.load("dashboard_state"))
    jsonschema.validate(events, schemas.load("dashboard_events"))
    [account] = state["accounts"]
    assert [one["verdict"] for one in account["positions"][:2]] == ["NAKED", "UNKNOWN"]
    assert account["positions"][2]["state"]["stop_price"] == str(several(3)[2].stop_price)
    assert events["accounts"][0]["events"][0]["type"] == "StopPlaced"
    daemon_gone = await daemon.client.flushall()
    assert daemon_gone
    await page.board.look()
    jsonschema.validate(await page.state(), schemas.load("dashboard_state"))


async def message(answer: Any) -> Any:
    """The next server-sent event as JSON."""
    while True:
        line = (await asyncio.wait_for(answer.content.readline(), 30)).decode()
        assert line, "the stream ended"
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))


async def test_the_stream_sends_only_what_changed(page: Page, daemon: Publisher) -> None:
    await daemon.positions(several(3))
    await daemon.status()
    await page.board.look()
    number = re.search(r'data-frame="(\d+)"', (await page.get())[1])
    assert number is not None
    async with page.session.get(f"{page.url}/stream?frame={number[1]}") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert set(await message(answer)) == {"at_ms"}
        changed = replace(several(3)[1], mark_price=Decimal("0.28"))
        await daemon.positions([several(3)[0], changed, several(3)[2]])
        told = await message(answer)
        while "parts" not in told:
            told = await message(answer)
        assert all("COIN1USDT" in part for name, part in told["parts"].items() if name[0] in "rc")
        assert len(told["parts"]) <= 3
        assert "orders" not in told
        await daemon.positions(several(1))
        while "orders" not in (told := await message(answer)):
            continue
        assert [len(order) for order in told["orders"].values()] == [1, 1]
    async with page.session.get(f"{page.url}/stream", headers={"Last-Event-ID": "nonsense"}) as answer:
        assert len((await message(answer))["parts"]) == 7


async def test_fifty_viewers_and_one_that_never_reads(page: Page, daemon: Publisher, monkeypatch: Any) -> None:
    """Each of fifty is told; the one that takes nothing is let go; what waits for it is bounded."""
    monkeypatch.setattr("position_monitor.dashboard.http_server.WRITE_TIMEOUT_S", 3.0)
    await daemon.positions(several(200))
    await daemon.status()
    await page.board.look()
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", page.port))
    await loop.sock_sendall(deaf, b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")

    async def viewers() -> int:
        count: int = json.loads((await page.get("/healthz"))[1])["viewers"]
        return count

    async def is_there() -> bool:
        return await viewers() == 1

    await eventually(is_there)
    answers = [await page.session.get(f"{page.url}/stream") for _ in range(50)]
    first = await asyncio.gather(*(message(answer) for answer in answers))
    assert all(len(one["parts"]) == 405 for one in first)

    async def is_let_go() -> bool:
        return await viewers() == 50

    await eventually(is_let_go)
    second = await asyncio.gather(*(message(answer) for answer in answers))
    assert all("at_ms" in one for one in second)
    for answer in answers:
        answer.close()
    deaf.close()


async def test_one_viewer_too_many_is_told_so(page: Page, monkeypatch: Any) -> None:
    monkeypatch.setattr("position_monitor.dashboard.server.VIEWERS_MAX", 1)
    assert VIEWERS_MAX >= 50
    async with page.session.get(f"{page.url}/stream") as answer:
        await message(answer)
        assert (await page.get("/stream"))[0] == 503
        assert (await page.get("/"))[0] == 200


async def test_pauses_and_holds_are_shown_with_their_end(page: Page, daemon: Publisher) -> None:
    request = {"id": "1-a", "type": "hold", "symbol": "BTCUSDT", "side": "LONG", "until_ms": 1_900_000_000_000}
    request |= {"reason": "CPI at 14:30", "by": "ana", "at_ms": 1_700_000_000_000}
    await daemon.positions([position_state()])
    await daemon.status()
    await daemon.client.hset(f"{daemon.p}:status", "control", json.dumps([request]))
    key = f"{daemon.p}:position:BTCUSDT:LONG"
    document = json.loads(await daemon.client.hget(key, "doc")) | {"hold": request}
    await daemon.client.hset(key, "doc", json.dumps(document))
    words = re.sub(r"\s+", " ", (await seen(page)).words)
    assert words.count("hold of BTCUSDT:LONG until 03-17 17:46 UTC (in ") == 2
    assert words.count("by ana: CPI at 14:30") == 2


def test_the_bounds_say_it_within_three_seconds() -> None:
    """A look a second, given up in time; the page's own script falls silent no later."""
    assert LOOK_EVERY_S + LOOK_TIMEOUT_S < 3
    script = files("position_monitor.dashboard").joinpath("static/dashboard.js").read_text("utf-8")
    assert "const SILENT_MS = 3000;" in script


async def test_a_redis_that_hangs_is_a_banner(hung: str) -> None:
    """It accepts and never answers."""
    watch = AccountWatch(hung, prefix="p", account="main", old_after_s=35, look_timeout_s=0.2)
    view = await watch.look()
    assert (view.redis_answers, view.state, view.trouble) == (False, None, "Redis did not answer in time")
