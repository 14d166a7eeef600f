"""What Redis holds after publishing, in every state of Redis and of the lease."""

from __future__ import annotations

import asyncio
import contextlib
import json
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from position_monitor import schemas
from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import Side
from position_monitor.core.model.verdicts import Verdict
from position_monitor.edge.redis import state as redis_state
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.state import HeldByOther, Owned, Unavailable

P = "quantum:position_monitor:main"
STATUS_FIELDS = set(
    """schema risk_status mode positions protected coverage_pct exposed_notional unprotected_notional
    unknown_notional unread environment status_line reason exit_mode
    conflicts ai_engine circuit_breaker streams observed_at_ms published_at_ms cycle_ms api_weight_1m version
    config_hash owner epoch sequence exits control""".split()  # noqa: SIM905
)
POSITION_FIELDS = set(
    """schema verdict reason since_ms quantity entry_price mark_price liquidation_price leverage unrealized_pnl
    stop_price stop_quantity cover_pct stop_client_ids backstop_price take_profits trailing profile regime level_source
    worst_case_loss naked_ms observed_at_ms policy market plan hold pause doc""".split()  # noqa: SIM905
)
APPEARED = Event("PositionAppeared", 1_780_000_000_000, "BTCUSDT", "LONG", {"quantity": "0.250", "attempt": 1})
ODD_VALUES = {
    "text": lambda redis, key: redis.set(key, "not what it should be"),
    "empty": lambda redis, key: redis.set(key, ""),
    "bytes": lambda redis, key: redis.set(key, b"\xff\xfe\x00"),
    "huge": lambda redis, key: redis.set(key, "x" * 10_000_000),
    "number": lambda redis, key: redis.set(key, "1e300"),
    "list": lambda redis, key: redis.rpush(key, "x", "y"),
    "set": lambda redis, key: redis.sadd(key, "x"),
    "hash": lambda redis, key: redis.hset(key, "config_hash", "x" * 1_000_000),
    "sorted": lambda redis, key: redis.zadd(key, {"x": 1}),
    "stream": lambda redis, key: redis.xadd(key, {"x": "y"}, id=f"{2**64 - 1}-{2**64 - 1}"),
}
"""What may stand in a key of ours, whoever put it there."""


async def until(condition):
    """Wait for what an awaitable says; the test fails after half a minute."""
    for _ in range(3_000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came")


async def published(redis, state, account, positions=(), events=()):
    state.publish(account, positions, events)
    assert await state.write_once()


async def test_the_contract_of_a_published_account(redis, make_state, make_account, make_position):
    """Every key of DESIGN 5 with its type, expiry and plain-string values."""
    state = make_state()
    assert await state.renew_lease() == Owned(1)
    await published(redis, state, make_account(), [make_position()], [APPEARED])

    status = await redis.hgetall(f"{P}:status")
    assert status["risk_status"] == "PROTECTED"
    assert status["coverage_pct"] == "100"
    assert json.loads(status["conflicts"]) == ['EXIT_MODE=LEGACY with "EXIT_BRAIN_V3_ENABLED=true"']
    assert (status["owner"], status["epoch"], status["schema"]) == ("host-a:1:aaaa", "1", "1")
    position = await redis.hgetall(f"{P}:position:BTCUSDT:LONG")
    assert position["quantity"] == "0.250"
    assert position["liquidation_price"] == ""
    assert json.loads(position["stop_client_ids"]) == ["qpm1s4k2", "qpm1s77a"]
    assert json.loads(position["take_profits"])[1]["resting"] is False
    assert json.loads(position["doc"])["conditions"] == {"BookInSync": "False", "StopCovered": "True"}
    assert await redis.smembers(f"{P}:positions") == {"BTCUSDT:LONG"}
    [(_, event)] = await redis.xrange(f"{P}:events")
    assert list(event) == ["data"]
    assert await redis.get(f"{P}:lease") == "host-a:1:aaaa"
    for key in (f"{P}:status", f"{P}:position:BTCUSDT:LONG", f"{P}:positions"):
        assert 29_000 < await redis.pttl(key) <= 30_000
    assert 19_000 < await redis.pttl(f"{P}:lease") <= 20_000
    assert await redis.pttl(f"{P}:events") == -1


async def test_published_values_satisfy_the_shipped_schemas(redis, make_state, make_account, make_position):
    """The schemas describe what Redis really holds, unknown numbers included."""
    state = make_state()
    unknown = make_position(
        "ETHUSDT",
        Side.SHORT,
        verdict=Verdict.UNKNOWN,
        quantity=Decimal("NaN"),
        leverage=None,
        stop_price=None,
        backstop_price=None,
        worst_case_loss=None,
        take_profits=(),
        stop_client_ids=(),
    )
    appeared = {"quantity": "0.250", "entry_price": None, "verdict": "NAKED", "flipped": False}
    events = [
        Event("PositionAppeared", 5, "BTCUSDT", "LONG", appeared),
        Event("LeaseLost", 5, details={"mode": "standby", "lease": "held by b:1"}),
    ]
    await published(redis, state, make_account(), [make_position(), unknown], events)

    def check(name, found):
        validator = Draft202012Validator(schemas.load(name))
        Draft202012Validator.check_schema(validator.schema)
        validator.validate(found)

    check("status", await redis.hgetall(f"{P}:status"))
    for member in await redis.smembers(f"{P}:positions"):
        check("position", json.loads(await redis.hget(f"{P}:position:{member}", "doc")))
    entries = await redis.xrange(f"{P}:events")
    assert len(entries) == 2
    for _, entry in entries:
        check("event", json.loads(entry["data"]))


async def test_every_field_of_the_contract_is_there(redis, make_state, make_account, make_position):
    """The field lists of DESIGN 5, word for word."""
    state = make_state()
    await published(redis, state, make_account(), [make_position()])
    assert set(await redis.hkeys(f"{P}:status")) == STATUS_FIELDS
    assert set(await redis.hkeys(f"{P}:position:BTCUSDT:LONG")) == POSITION_FIELDS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-8", "0.00000001"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("0E-10", "0"),
        ("0.250", "0.250"),
        ("-12.5", "-12.5"),
        ("NaN", ""),
        ("Infinity", ""),
        ("1E+999999", ""),
    ],
)
async def test_decimals_are_plain_strings(redis, make_state, make_account, make_position, value, text):
    """No exponent, no minus zero, and an absurd number is unknown rather than a megabyte of zeros."""
    state = make_state()
    await published(redis, state, make_account(), [make_position(mark_price=Decimal(value))])
    assert await redis.hget(f"{P}:position:BTCUSDT:LONG", "mark_price") == text


async def test_a_position_no_longer_present_is_removed_with_its_key(redis, make_state, make_account, make_position):
    """A closed position leaves neither a member nor a hash, and the last one leaves no set."""
    state = make_state()
    both = [make_position(), make_position("ETHUSDT", Side.SHORT)]
    await published(redis, state, make_account(), both)
    await published(redis, state, make_account(), both[1:])
    assert await redis.smembers(f"{P}:positions") == {"ETHUSDT:SHORT"}
    assert not await redis.exists(f"{P}:position:BTCUSDT:LONG")
    await published(redis, state, make_account(positions=0))
    assert await redis.keys(f"{P}:position*") == []


async def test_fields_of_an_older_version_do_not_linger(redis, make_state, make_account, make_position):
    """The state is replaced, not merged into what was there."""
    await redis.hset(f"{P}:position:BTCUSDT:LONG", "no_longer_written", "1")
    await published(redis, make_state(), make_account(), [make_position()])
    assert not await redis.hexists(f"{P}:position:BTCUSDT:LONG", "no_longer_written")


async def test_200_positions_in_one_step(redis, make_state, make_account, make_position):
    """The largest account the venue allows."""
    positions = [make_position(f"COIN{n}USDT") for n in range(200)]
    await published(redis, make_state(), make_account(), positions)
    assert await redis.scard(f"{P}:positions") == 200
    assert len(await redis.keys(f"{P}:position:*")) == 200


async def test_the_event_stream_is_capped(redis, make_state, make_account, monkeypatch):
    """Old events go; the cap is approximate, as documented."""
    monkeypatch.setattr(redis_state, "EVENT_STREAM_LENGTH", 100)
    state = make_state()
    for _ in range(5):
        state.publish(make_account(), (), [Event("StopPlaced", 1)] * 200)
        await state.write_once()
    assert await redis.xlen(f"{P}:events") <= 300


async def test_long_and_odd_texts_are_bounded(redis, make_state, make_account, make_position):
    """A lone surrogate or a novel from the exchange does not stop publishing."""
    odd = make_position(reason="x" * 5000, trailing="\udc80 é ✅")
    await published(
        redis, make_state(), make_account(), [odd], [Event("WriteAmbiguous", 1, details={"why": "y" * 9999})]
    )
    assert len(await redis.hget(f"{P}:position:BTCUSDT:LONG", "reason")) == 500
    assert await redis.hget(f"{P}:position:BTCUSDT:LONG", "trailing") == "? é ✅"
    [(_, event)] = await redis.xrange(f"{P}:events")
    assert len(json.loads(event["data"])["why"]) == 500


async def test_details_cannot_forge_the_fixed_members_of_an_event(redis, make_state, make_account):
    """Details are added to an event; they never replace its type or account."""
    await published(
        redis, make_state(), make_account(), (), [Event("StopPlaced", 7, details={"type": "Fake", "id": "1"})]
    )
    [(_, event)] = await redis.xrange(f"{P}:events")
    data = json.loads(event["data"])
    assert (data["type"], data["at_ms"], data["id"]) == ("StopPlaced", 7, "aaaa-1")


async def test_a_stale_owner_publishes_nothing_and_learns_so(redis, make_state, make_account, make_position):
    """Fencing: the lease went to another daemon while we still believed in ours (R3, R4)."""
    stale, fresh = make_state("host-a:1:aaaa"), make_state("host-b:2:bbbb")
    await stale.renew_lease()
    await redis.delete(f"{P}:lease")
    assert await fresh.renew_lease() == Owned(2)
    await published(redis, fresh, make_account(status_line="fresh"), [make_position()])

    assert stale.lease_state() == Owned(1)
    stale.publish(make_account(status_line="stale"), (), [APPEARED])
    assert not await stale.write_once()

    assert await redis.hget(f"{P}:status", "status_line") == "fresh"
    assert await redis.smembers(f"{P}:positions") == {"BTCUSDT:LONG"}
    assert await redis.xlen(f"{P}:events") == 0
    assert stale.lease_state() == HeldByOther("host-b:2:bbbb", "")
    assert stale.health().fenced


async def test_an_older_epoch_of_the_same_owner_is_fenced(redis, make_state, make_account):
    """The owner string alone is not enough: the epoch must be the newest."""
    state = make_state()
    await state.renew_lease()
    await redis.set(f"{P}:lease:epoch", 9)
    state.publish(make_account(), ())
    assert not await state.write_once()
    assert not await redis.exists(f"{P}:status")


async def test_without_a_lease_an_unheld_account_may_be_published(redis, make_state, make_account):
    """protection.mode = "observe" does not contend, publishes while nobody else does, and yields at once."""
    observer = make_state(contend=False)
    await published(redis, observer, make_account(mode="observe"))
    assert await redis.hget(f"{P}:status", "epoch") == "0"
    await make_state("host-b:2:bbbb").renew_lease()
    observer.publish(make_account(mode="observe", sequence=2), ())
    assert not await observer.write_once()
    assert await redis.hget(f"{P}:status", "sequence") == "1"


async def test_a_state_that_waited_gets_only_the_rest_of_its_life(redis, make_state, make_account, clock):
    """An old PROTECTED must not come back to life with a fresh expiry (R8)."""
    state = make_state()
    state.publish(make_account(), ())
    clock.advance(22)
    await state.write_once()
    assert await redis.pttl(f"{P}:status") <= 8_000
    await redis.flushall()
    state.publish(make_account(), ())
    clock.advance(31)
    assert await state.write_once()
    assert not await redis.exists(f"{P}:status")


async def test_the_wall_clock_ages_a_state_too(redis, make_state, make_account, clock):
    """The monotonic clock stands still while the machine is suspended (C3)."""
    state = make_state()
    state.publish(make_account(), ())
    clock.wall_ms += 60_000
    await state.write_once()
    assert not await redis.exists(f"{P}:status")


async def test_the_newest_state_wins_the_mailbox(redis, make_state, make_account):
    """States are not queued; events are."""
    state = make_state()
    for sequence in range(1, 6):
        state.publish(make_account(sequence=sequence), (), [Event("StopPlaced", sequence)])
    await state.write_once()
    assert await redis.hget(f"{P}:status", "sequence") == "5"
    times = [json.loads(entry["data"])["at_ms"] for _, entry in await redis.xrange(f"{P}:events")]
    assert times == [1, 2, 3, 4, 5]


async def test_the_oldest_events_are_dropped_and_counted(redis, make_state, make_account):
    """A long outage costs the oldest events, and says how many."""
    state = make_state()
    for start in range(0, 1200, 100):
        state.publish(make_account(), (), [Event("StopPlaced", start + n) for n in range(100)])
    assert state.health().events_dropped == 200
    while not await state.write_once():
        pass
    entries = await redis.xrange(f"{P}:events")
    assert json.loads(entries[0][1]["data"])["at_ms"] == 200
    assert len({json.loads(entry["data"])["id"] for _, entry in entries}) == len(entries) == 1000


async def test_a_script_the_server_forgot_is_loaded_again(redis, make_state, make_account):
    """EVALSHA falls back after SCRIPT FLUSH or a restart."""
    state = make_state()
    await published(redis, state, make_account())
    await redis.script_flush()
    await published(redis, state, make_account(sequence=2))
    assert await redis.hget(f"{P}:status", "sequence") == "2"


async def test_a_connection_the_server_closed_meanwhile_is_made_anew(redis, make_state, make_account):
    """A restarted Redis, or one that ends idle connections, costs no state and no warning."""
    state = make_state()
    await published(redis, state, make_account())
    for client in await redis.client_list():
        if int(client["id"]) != await redis.client_id():
            await redis.client_kill(client["addr"])
    await until(state._publish_line._connection.can_read)  # the end of a connection is an event like any other
    await published(redis, state, make_account(sequence=2))
    assert state.health().reachable
    assert await redis.hget(f"{P}:status", "sequence") == "2"


async def test_a_write_that_was_cut_short_leaves_no_answer_behind(redis, make_state, make_account):
    """The next write must not read the answer of the one before."""
    state = make_state()
    await published(redis, state, make_account())
    await redis.client_pause(60_000, all=False)  # who writes is not answered
    state.publish(make_account(sequence=2), ())
    writing = asyncio.create_task(state.write_once())

    async def somebody_waits():
        return any("b" in client["flags"] for client in await redis.client_list())

    await until(somebody_waits)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    await redis.client_unpause()
    await published(redis, state, make_account(sequence=3))
    assert await redis.hget(f"{P}:status", "sequence") == "3"


async def test_a_hung_redis_costs_the_caller_nothing(hung_url, make_state, make_account, make_position):
    """R2: the writer gives up within its time-out, and the lease says unavailable."""
    state = make_state(url=hung_url)
    state.publish(make_account(), [make_position()])  # not awaited: it cannot wait for Redis
    assert isinstance(state.lease_state(), Unavailable)
    async with asyncio.timeout(30):
        assert not await state.write_once()
    health = state.health()
    assert not health.reachable
    assert "Timeout" in health.last_error


async def test_redis_coming_back_gets_the_newest_state_at_once(make_state, make_account, eventually):
    """R1: nobody there at the start; everything there as soon as it answers, without a new publish."""
    with EmbeddedRedis() as reserved:
        port = reserved.port
    state = make_state(url=f"redis://127.0.0.1:{port}/0")
    running = asyncio.create_task(state.run())
    state.publish(make_account(sequence=1), (), [Event("StopPlaced", 1)])
    await eventually(lambda: state.health().last_error.startswith("ConnectionError"))
    state.publish(make_account(sequence=2), (), [Event("StopPlaced", 2)])
    with EmbeddedRedis(port) as server:
        reader = redis_state.connect(server.url)
        await eventually(lambda: state.health().published_at_ms)
        assert await reader.hget(f"{P}:status", "sequence") == "2"
        assert await reader.xlen(f"{P}:events") == 2
        await eventually(lambda: isinstance(state.lease_state(), Owned))
        await reader.aclose()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_standby_publishes_the_moment_it_gets_the_lease(redis, make_state, make_account, eventually):
    """Take-over: the holder stops cleanly, the waiting state of the standby appears."""
    holder, standby = make_state("host-a:1:aaaa"), make_state("host-b:2:bbbb")
    await holder.renew_lease()
    await published(redis, holder, make_account(status_line="holder"))
    running = asyncio.create_task(standby.run())
    standby.publish(make_account(status_line="standby"), ())
    await eventually(lambda: standby.health().fenced)
    # A refused publication knows the owner only; the next renewal knows its configuration as well.
    await eventually(lambda: standby.lease_state() == HeldByOther("host-a:1:aaaa", "3f9a"))
    assert await redis.hget(f"{P}:status", "status_line") == "holder"

    await holder.close()

    async def taken_over():
        return await redis.hget(f"{P}:status", "status_line") == "standby"

    await eventually(taken_over)
    assert standby.lease_state() == Owned(2)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_closing_writes_what_waits_and_releases_the_lease(redis, make_state, make_account):
    """A clean stop: the last words are published, and a standby need not wait."""
    state = make_state()
    await state.renew_lease()
    state.publish(make_account(status_line="stopping"), (), [Event("MonitorStopped", 1)])
    await state.close()
    assert await redis.hget(f"{P}:status", "status_line") == "stopping"
    assert await redis.xlen(f"{P}:events") == 1
    assert not await redis.exists(f"{P}:lease")


async def test_a_write_cut_short_by_the_stop_is_written_by_close(redis, make_state, make_account, monkeypatch):
    """The worker is cancelled in the middle of a write; the last state is not lost with it."""
    state = make_state()
    send, stuck = state._send, asyncio.Event()

    async def stuck_send(*_, **__):
        stuck.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(state, "_send", stuck_send)
    running = asyncio.create_task(state.run())
    state.publish(make_account(status_line="last words"), (), [Event("StopPlaced", 1)])
    await stuck.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    monkeypatch.setattr(state, "_send", send)
    await state.close()
    assert await redis.hget(f"{P}:status", "status_line") == "last words"
    assert await redis.xlen(f"{P}:events") == 1


@pytest.mark.parametrize("lossy", ["write", "renewal"])
async def test_a_cancellation_lost_inside_redis_py_still_ends_the_run(make_state, make_account, monkeypatch, lossy):
    """asyncio.wait_for of Python 3.11 may swallow one; SIGTERM must not wait for systemd's SIGKILL."""
    state, entered = make_state(), asyncio.Event()

    async def swallow(*_, **__):
        entered.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return [1, 1, 0]

    monkeypatch.setattr(*((state, "_send") if lossy == "write" else (state._lease, "_ask")), swallow)
    running = asyncio.create_task(state.run())
    state.publish(make_account(), ())
    await entered.wait()
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=30)
    assert done


async def test_closing_towards_a_hung_redis_is_bounded(hung_url, make_state, make_account):
    """SIGTERM must not wait for Redis."""
    state = make_state(url=hung_url)
    state.publish(make_account(), ())
    async with asyncio.timeout(redis_state.CLOSE_TIMEOUT_S + 30):
        await state.close()


async def test_a_value_that_cannot_be_written_does_not_end_publishing(redis, make_state, make_account, eventually):
    """Invariant 12: one bad state is lost with an error, the next one is written."""
    state = make_state()
    running = asyncio.create_task(state.run())
    state.publish(make_account(conflicts=(object(),)), ())
    await eventually(lambda: "AttributeError" in state.health().last_error)
    state.publish(make_account(sequence=2), ())
    await eventually(lambda: state.health().published_at_ms)
    assert await redis.hget(f"{P}:status", "sequence") == "2"
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("name", ["status", "positions", "position:BTCUSDT:LONG", "events"])
@pytest.mark.parametrize("kind", sorted(ODD_VALUES))
async def test_any_value_under_our_keys_is_replaced_by_the_state(
    redis, make_state, make_account, make_position, name, kind
):
    """Invariant 9: a wrong type, ten megabytes, a spoilt stream: the state and its events are written all the same."""
    state = make_state()
    await state.renew_lease()
    await ODD_VALUES[kind](redis, f"{P}:{name}")
    state.publish(make_account(), [make_position()], [APPEARED])
    assert await state.write_once(), state.health().last_error
    assert await redis.hget(f"{P}:status", "risk_status") == "PROTECTED"
    assert await redis.hget(f"{P}:position:BTCUSDT:LONG", "verdict") == "PROTECTED"
    assert await redis.smembers(f"{P}:positions") == {"BTCUSDT:LONG"}
    assert "PositionAppeared" in (await redis.xrevrange(f"{P}:events", count=1))[0][1]["data"]


BESIDE = [(name, kind) for name in ("lease", "lease:epoch", "status") for kind in sorted(ODD_VALUES)]
BESIDE.remove(("lease", "number"))  # that could be the name of an owner: see the tests of a lease nobody renews


@pytest.mark.parametrize(("name", "kind"), BESIDE)
async def test_any_value_beside_the_lease_leaves_a_daemon_that_publishes(
    redis, make_state, make_account, clock, name, kind
):
    """Invariant 9: what is no owner's name in the lease is nobody's; the counter begins anew; nothing raises."""
    await ODD_VALUES[kind](redis, f"{P}:{name}")
    state = make_state()
    assert not isinstance(await state.renew_lease(), HeldByOther)
    state.publish(make_account(), ())
    assert await state.write_once(), state.health().last_error
    clock.advance(21)
    assert isinstance(await state.renew_lease(), Owned)
    state.publish(make_account(), ())
    assert await state.write_once(), state.health().last_error


async def test_a_reloaded_interval_is_the_life_of_the_state(redis, make_state, make_account, make_position):
    state = make_state()
    await state.renew_lease()
    await published(redis, state, make_account(), [make_position()])
    state.follow(60, lease_ttl_s=68, contend=True)
    await published(redis, state, make_account(), [make_position()])
    for key in (f"{P}:status", f"{P}:position:BTCUSDT:LONG"):
        assert 170_000 < await redis.pttl(key) <= 180_000


BAN = Event("BanEnded", 7)


async def test_events_are_mirrored_to_the_bus_where_that_is_wanted(redis, make_state, make_account):
    state = make_state(mirror_prefix="quantum:stream:")
    await published(redis, state, make_account(), [], [APPEARED, BAN])
    [(_, own), (_, ended)] = await redis.xrange(f"{P}:events")
    assert [fields for _, fields in await redis.xrange("quantum:stream:PositionAppeared")] == [own]
    assert [fields for _, fields in await redis.xrange("quantum:stream:BanEnded")] == [ended]


async def test_without_the_setting_nothing_is_mirrored(redis, make_state, make_account):
    await published(redis, make_state(), make_account(), [], [BAN])
    assert await redis.keys("quantum:stream:*") == []


async def test_a_mirror_that_takes_nothing_costs_the_state_nothing(redis, make_state, make_account):
    """Another program's text stands in the key of the mirror."""
    await redis.set("quantum:stream:BanEnded", "somebody else's")
    state = make_state(mirror_prefix="quantum:stream:")
    await published(redis, state, make_account(sequence=9), [], [BAN])
    assert await redis.hget(f"{P}:status", "sequence") == "9" and await redis.xlen(f"{P}:events") == 1
    assert await redis.get("quantum:stream:BanEnded") == "somebody else's"
