"""Hearing operators against a real Valkey: what is in force, who answers, what garbage costs (DESIGN 5, P:control)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from loguru import logger

from position_monitor.core.model.control import EVERY_SYMBOL, ControlRequest, ControlType
from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.redis.control_stream import ControlStream, ask
from position_monitor.edge.redis.documents import event_data
from position_monitor.edge.redis.reader import RedisUnreachable
from position_monitor.service.control import OperatorControl, Right

from .conftest import PREFIX

KEY = f"{PREFIX}:main:control"
EVENTS = f"{PREFIX}:main:events"
LONG = PositionKey("BTCUSDT", Side.LONG)
HOUR_MS = 3_600_000


class Daemon:
    """What hears operators, with what it told."""

    def __init__(self, url, clock, *, epoch=1, answers=True):
        self.clock, self.epoch, self.answers = clock, epoch, answers
        self.events: list[Event] = []
        self.wakes = 0
        self.operator = OperatorControl(
            stream=ControlStream(url, prefix=PREFIX, account="main"),
            clock=clock,
            right=lambda: Right(self.answers, self.epoch if self.answers else 0),
            is_listed=lambda symbol: symbol.endswith("USDT"),
            tell=self.events.append,
            wake=self.woken,
        )

    def woken(self):
        self.wakes += 1

    async def looks(self, count=1):
        for _ in range(count):
            await self.operator.look()

    @property
    def told(self):
        return [(event.type, event.details["request_id"], event.details["text"]) for event in self.events]

    async def publish(self, redis):
        """Its events reach Redis."""
        for number, event in enumerate(self.events):
            await redis.xadd(EVENTS, {"data": event_data(event, "main", event_id=f"x-{number}")})


@pytest.fixture
def journal() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO", format="{message}")
    yield lines
    logger.remove(sink)


@pytest.fixture
async def daemons(valkey, clock):
    made: list[Daemon] = []

    def make(**facts):
        made.append(Daemon(facts.pop("url", valkey.url), clock, **facts))
        return made[-1]

    yield make
    for one in made:
        await one.operator.stream.aclose()


def written(clock, **changes):
    now_ms = clock.now_ms()
    plain = {"id": "r-1", "type": "pause", "symbol": "BTCUSDT", "until_ms": now_ms + HOUR_MS}
    return {**plain, "reason": "maintenance", "by": "ana", "at_ms": now_ms, **changes}


async def put(redis, clock, *, arrived_ms=None, **changes):
    entry_id = "*" if arrived_ms is None else f"{arrived_ms}-*"
    return await redis.xadd(KEY, {"data": json.dumps(written(clock, **changes))}, id=entry_id)


async def test_a_request_is_heard_answered_once_and_ends(redis, clock, daemons, journal):
    daemon = daemons()
    await daemon.looks()
    await put(redis, clock)
    await daemon.looks(3)
    assert daemon.told == [("ControlAccepted", "r-1", "")]
    assert daemon.wakes >= 1
    assert daemon.operator.now().pause_of(LONG) is not None
    clock.advance(3_000 + 1)
    await daemon.looks(2)
    clock.advance(600)
    assert daemon.operator.now().in_force == ()
    said = [line.split(":")[0] for line in journal]
    assert [line.split(" ")[0] for line in said] == ["⏸️", "⏳", "▶️"], said


async def test_a_replay_is_refused_and_the_first_stays(redis, clock, daemons):
    daemon = daemons()
    await put(redis, clock)
    await daemon.looks()
    await put(redis, clock, until_ms=clock.now_ms() + 5 * HOUR_MS)
    await daemon.looks()
    assert [row[0] for row in daemon.told] == ["ControlAccepted", "ControlRefused"]
    assert daemon.told[1][2].startswith("replayed")
    assert daemon.operator.now().pause_of(LONG).until_ms == clock.now_ms() + HOUR_MS


async def test_a_daemon_that_starts_knows_what_is_in_force_and_answers_nobody_twice(redis, clock, daemons):
    first = daemons()
    await put(redis, clock, arrived_ms=clock.now_ms())
    await put(redis, clock, arrived_ms=clock.now_ms(), id="r-2", type="hold")
    await first.looks()
    await first.publish(redis)
    clock.advance(120)
    second = daemons(epoch=2)
    await put(redis, clock, arrived_ms=clock.now_ms(), id="r-3", type="hold", symbol="ETHUSDT")
    await second.looks(2)
    assert {one.id for one in second.operator.now().in_force} == {"r-1", "r-2", "r-3"}
    assert [row[1] for row in second.told] == ["r-3"], "only what nobody has answered yet"


async def test_what_was_refused_when_it_came_is_not_accepted_by_a_later_start(redis, clock, daemons):
    """An entry is judged as of the moment Redis took it: a request from the future stays refused."""
    await put(redis, clock, arrived_ms=clock.now_ms(), id="usual")
    early = written(clock, id="future", at_ms=clock.now_ms() + 120_000, until_ms=clock.now_ms() + HOUR_MS)
    await redis.xadd(KEY, {"data": json.dumps(early)}, id=f"{clock.now_ms()}-*")
    clock.advance(600)
    daemon = daemons()
    await daemon.looks()
    assert [one.id for one in daemon.operator.now().in_force] == ["usual"]


async def test_only_the_owner_answers_and_a_new_owner_answers_what_the_old_one_left(redis, clock, daemons):
    owner, standby = daemons(), daemons(answers=False)
    await owner.looks()
    await standby.looks()
    await put(redis, clock)
    await owner.looks()
    await standby.looks(3)
    await owner.publish(redis)
    assert standby.told == []
    assert standby.operator.now() == owner.operator.now()
    await put(redis, clock, id="r-2", symbol="ETHUSDT")
    await standby.looks()
    standby.answers, standby.epoch = True, 2
    await standby.looks()
    assert [row[1] for row in standby.told] == ["r-2"]


@pytest.mark.parametrize("value", ["text", "list", "set", "hash"])
async def test_a_key_of_another_kind_costs_nothing(redis, clock, daemons, value):
    daemon = daemons()
    await put(redis, clock)
    await daemon.looks()
    await redis.delete(KEY)
    await {
        "text": lambda: redis.set(KEY, "x" * 100_000),
        "list": lambda: redis.rpush(KEY, "x"),
        "set": lambda: redis.sadd(KEY, "x"),
        "hash": lambda: redis.hset(KEY, "data", "{}"),
    }[value]()
    await daemon.looks(3)
    assert daemon.operator.now().pause_of(LONG) is not None, "what is in force stays"
    await redis.delete(KEY)
    await daemon.looks()
    await put(redis, clock, id="r-2", type="resume")
    await daemon.looks(2)
    assert daemon.operator.now().in_force == ()


async def test_garbage_is_bounded_and_told_as_such(redis, clock, daemons, journal):
    daemon = daemons()
    await daemon.looks()
    for data in ("", "x", "[]", "{", '{"id": 1}', "y" * 1_000_000, "\udcff".encode("utf-8", "surrogateescape")):
        await redis.xadd(KEY, {"data": data})
    await redis.xadd(KEY, {"no": "data"})
    for number in range(200):
        await redis.xadd(KEY, {"data": json.dumps({"id": f"g-{number}", "type": "\x1b[2Jstop"})})
    await put(redis, clock, id="good")
    await daemon.looks(8)
    refused = [row for row in daemon.told if row[0] == "ControlRefused"]
    assert len(refused) == 20, "a flood is told in part"
    assert all(row[2].startswith("malformed") for row in refused)
    assert ("ControlAccepted", "good", "") in daemon.told
    assert not any("\x1b" in line for line in journal)


async def test_a_flushed_stream_that_begins_anew_is_heard(redis, clock, daemons):
    daemon = daemons()
    await redis.xadd(KEY, {"data": "x"}, id="99999999999999-1")
    await daemon.looks()
    await redis.flushall()
    await put(redis, clock)
    await daemon.looks(12)
    assert ("ControlAccepted", "r-1", "") in daemon.told


async def test_without_redis_what_is_in_force_stays_until_it_ends(clock, daemons, hung_url, journal):
    daemon = daemons(url="redis://127.0.0.1:1/0")
    assert not await daemon.operator.look()
    assert not await daemon.operator.look()
    assert daemon.operator.now().in_force == ()
    assert sum("not heard" in line for line in journal) == 1, "said once"


async def test_a_request_that_nobody_answers_is_not_heard(redis, clock, valkey):
    request = ControlRequest("r-1", ControlType.PAUSE, EVERY_SYMBOL, None, clock.now_ms() + HOUR_MS, "x", "ana", 1)

    class Short:
        def __init__(self):
            self.mono_s = 0.0

        def now_ms(self):
            return clock.now_ms()

        def monotonic_s(self):
            return self.mono_s

        async def sleep(self, seconds):
            self.mono_s += seconds

    places = {"prefix": PREFIX, "account": "main", "within_s": 1.0, "clock": Short()}
    assert await ask(valkey.url, request, **places) is None
    assert await redis.xlen(KEY) == 1
    with pytest.raises(RedisUnreachable, match=r"127\.0\.0\.1:1 did not take"):
        await ask("redis://:secret@127.0.0.1:1/0", request, **places)
    await redis.delete(KEY)
    await redis.set(KEY, "x")
    with pytest.raises(RedisUnreachable, match="WRONGTYPE"):
        await ask(valkey.url, request, **places)
