"""The private stream over real sockets against a host that misbehaves; the clock moves only when told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from position_monitor.core.model import OrderStatus, PositionSide
from position_monitor.core.stream_events import (
    AlgoEvent,
    EventBox,
    PositionEvent,
    StreamEvent,
    StreamGap,
    StreamHealth,
    StreamState,
    SymbolTouched,
)
from position_monitor.edge import user_stream, websocket
from position_monitor.edge.log import redact
from position_monitor.edge.user_stream import UserStream
from position_monitor.errors import AuthRefused, RateLimited, Refused, Unreachable
from tests.edge.stream.stage import (
    KEY,
    NOW_MS,
    KeyOffice,
    Peer,
    StreamHost,
    WaitingClock,
    algo_update,
    position_update,
    until,
)

Start = Callable[..., UserStream]
LIVE, DOWN, SILENT = StreamState.LIVE, StreamState.DOWN, StreamState.SILENT


async def reconnected(host: StreamHost, clock: WaitingClock, number: int, pause_s: float) -> Peer:
    """Let exactly the pause pass that should lie before the connection with this number."""
    await until(lambda: clock.pausing(pause_s), f"a pause of {pause_s} s")
    clock.advance(pause_s)
    return await host.connected(number)


def gaps(events: list[StreamEvent]) -> int:
    return sum(isinstance(event, StreamGap) for event in events)


async def test_connects_to_the_private_route_and_delivers(
    host: StreamHost, stream: UserStream, events: list[StreamEvent]
) -> None:
    peer = await host.connected()
    assert (peer.path, peer.query) == ("/private/ws", {"listenKey": KEY})
    await until(lambda: stream.health().state is LIVE)
    assert events == [StreamGap("the user stream was connected")]
    await peer.say(position_update("BTCUSDT", "-0.5"), algo_update("qpm1"))
    await until(lambda: len(events) == 3)
    position, algo = events[1:]
    assert position == PositionEvent("BTCUSDT", PositionSide.BOTH, Decimal("-0.5"), Decimal("100.5"), NOW_MS, "ORDER")
    assert isinstance(algo, AlgoEvent) and (algo.client_id, algo.status) == ("qpm1", OrderStatus.NEW)
    assert stream.health() == StreamHealth(LIVE, NOW_MS, NOW_MS, 0, 0, 0, "")


async def test_a_quiet_healthy_connection_is_left_alone(
    host: StreamHost, stream: UserStream, clock: WaitingClock
) -> None:
    peer = await host.connected()
    await until(lambda: peer.pongs == 1)
    for number in range(2, 17):
        await until(lambda: clock.sleeping(4.0) and clock.sleeping(1.0))
        for _ in range(4):
            clock.advance(1.0)
            await until(lambda: clock.sleeping(1.0))
        await until(lambda n=number: peer.pongs == n)
    assert len(host.peers) == 1 and stream.health().state is LIVE and stream.health().reconnects == 0
    assert clock.elapsed_s == 60


async def test_a_half_open_socket_is_noticed_within_15_s(
    host: StreamHost, start: Start, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    host.answers_pings = False
    stream = start()
    await host.connected()
    await until(lambda: gaps(events) == 1)
    while stream.health().state is LIVE:
        await until(lambda: clock.sleeping(1.0) or stream.health().state is not LIVE)
        if stream.health().state is LIVE:
            clock.advance(1.0)
        assert clock.elapsed_s <= 15
    assert clock.elapsed_s > websocket.HEARD_WITHIN_S
    assert stream.health().state is DOWN and "nothing came for 10 s" in stream.health().reason
    host.answers_pings = True
    await reconnected(host, clock, 2, 0.5)
    await until(lambda: gaps(events) == 2 and stream.health().state is LIVE)
    assert stream.health().reconnects == 1


async def test_an_accepted_order_without_event_means_silence(
    host: StreamHost, stream: UserStream, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    """Pings are answered, other events come, and still the one that must come does not."""
    peer = await host.connected()
    await until(lambda: stream.health().state is LIVE)
    stream.expect("qpmA")
    for second in range(1, 10):
        await until(lambda: clock.sleeping(1.0))
        clock.advance(1.0)
        await peer.say(position_update("ETHUSDT", str(second)))
        await until(lambda n=second: len(events) == n + 1)
    assert stream.health().state is LIVE
    await until(lambda: clock.sleeping(1.0))
    clock.advance(1.0)
    await until(lambda: stream.health().state is SILENT)
    assert stream.health().reason == "no event within 10 s of an accepted order"
    peer = await reconnected(host, clock, 2, 0.5)
    await until(lambda: gaps(events) == 2)
    assert stream.health().state is SILENT, "an open socket proves nothing"
    await peer.say(algo_update("other"))
    await until(lambda: stream.health().state is LIVE)
    await until(lambda: clock.sleeping(1.0))
    clock.advance(9.0)
    await peer.say(algo_update("another"))
    await until(lambda: len(events) == 13)
    assert len(host.peers) == 2, "the expectation ended with its connection"


@pytest.mark.parametrize("overtakes", [False, True])
async def test_the_event_of_an_accepted_order_satisfies(
    host: StreamHost, stream: UserStream, clock: WaitingClock, events: list[StreamEvent], overtakes: bool
) -> None:
    """The event may arrive before the answer to the request does."""
    peer = await host.connected()
    await until(lambda: stream.health().state is LIVE)
    if not overtakes:
        stream.expect("qpmA")
    await peer.say(algo_update("qpmA"))
    await until(lambda: len(events) == 2)
    if overtakes:
        stream.expect("qpmA")
    for second in range(12):
        await until(lambda: clock.sleeping(1.0))
        clock.advance(1.0)
        await peer.say(position_update("ETHUSDT", str(second)))
        await until(lambda n=second: len(events) == n + 3)
    assert stream.health().state is LIVE and len(host.peers) == 1


async def test_nothing_is_expected_without_a_connection(host: StreamHost, keys: KeyOffice, clock: WaitingClock) -> None:
    stream = UserStream(keys, lambda _: None, origin=host.origin, clock=clock)
    stream.expect("qpmA")
    assert stream._expected == {}


async def test_what_is_remembered_of_orders_is_bounded(
    host: StreamHost, stream: UserStream, events: list[StreamEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "SEEN_MAX", 3)
    monkeypatch.setattr(user_stream, "EXPECTED_MAX", 2)
    peer = await host.connected()
    await peer.say(*(algo_update(f"seen{number}") for number in range(5)))
    await until(lambda: len(events) == 6)
    assert list(stream._seen) == ["seen2", "seen3", "seen4"]
    for client_id in ("seen4", "a", "b", "c"):
        stream.expect(client_id)
    assert list(stream._expected) == ["a", "b"]


async def test_an_expired_key_is_replaced(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    peer = await host.connected()
    keys.key = "ANOTHERKEY" + KEY
    await peer.say({"e": "listenKeyExpired", "E": "1736996475556", "listenKey": KEY})
    peer = await reconnected(host, clock, 2, 0.5)
    assert peer.query["listenKey"] == keys.key and stream.health().reason == "the listen key expired"
    await until(lambda: gaps(events) == 2)


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours in seconds, so that the time of a test need not pass the limits of pings."""
    monkeypatch.setattr(user_stream, "KEEP_EVERY_S", 3.0)
    monkeypatch.setattr(user_stream, "KEEP_RETRY_S", 1.5)
    monkeypatch.setattr(user_stream, "KEY_TRUSTED_S", 5.0)


@pytest.mark.usefixtures("short_times")
async def test_the_key_is_kept_for_ever(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock
) -> None:
    peer = await host.connected()
    for number in range(1, 6):
        await until(lambda: clock.sleeping(3.0))
        clock.advance(3.0)
        await until(lambda n=number: keys.kept == n and keys.opened == n + 1)
        await peer.say(position_update("BTCUSDT", str(number)))
        await until(lambda: stream.health().last_event_at_ms == clock.now_ms())
    assert len(host.peers) == 1 and stream.health().state is LIVE


@pytest.mark.usefixtures("short_times")
async def test_a_key_that_is_gone_is_replaced(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock
) -> None:
    await host.connected()
    keys.keep_failures = [Refused("no such key", code=-1125)]
    await until(lambda: clock.sleeping(3.0))
    clock.advance(3.0)
    await reconnected(host, clock, 2, 0.5)
    assert stream.health().reason == "the listen key is gone"


@pytest.mark.usefixtures("short_times")
async def test_a_key_replaced_by_another_program_is_followed(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock
) -> None:
    """Extending succeeds, for somebody else's key: our connection hears nothing any more."""
    await host.connected()
    keys.key = "THEIRKEY" + KEY
    await until(lambda: clock.sleeping(3.0))
    clock.advance(3.0)
    peer = await reconnected(host, clock, 2, 0.5)
    assert peer.query["listenKey"] == keys.key
    assert stream.health().reason == "the listen key was replaced by another program"


@pytest.mark.usefixtures("short_times")
async def test_a_keep_alive_that_fails_is_tried_again_and_given_up_in_time(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock
) -> None:
    peer = await host.connected()
    keys.keep_failures = [Unreachable("down"), RuntimeError("defect")]
    await until(lambda: clock.sleeping(3.0))
    clock.advance(3.0)
    for _ in range(2):
        await until(lambda: clock.sleeping(1.5))
        clock.advance(1.5)
        await peer.say(position_update("BTCUSDT", "1"))
        await until(lambda: stream.health().last_event_at_ms == clock.now_ms())
    await until(lambda: keys.opened == 2, "extended at the third attempt")
    assert len(host.peers) == 1
    keys.keep_failures = [Unreachable("down")] * 4
    await until(lambda: clock.sleeping(3.0))
    clock.advance(3.0)
    for _ in range(2):
        await until(lambda: clock.sleeping(1.5))
        clock.advance(1.5)
        await peer.say(position_update("BTCUSDT", "1"))
        await until(lambda: stream.health().last_event_at_ms == clock.now_ms())
    await reconnected(host, clock, 2, 0.5)
    assert stream.health().reason == "the listen key could not be extended"


@pytest.mark.usefixtures("short_times")
async def test_a_keep_alive_that_never_returns_is_cut_off(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "KEEP_WITHIN_S", 2.5)
    peer = await host.connected()
    never = asyncio.Event()
    monkeypatch.setattr(keys, "keep_user_stream", never.wait)
    await until(lambda: clock.sleeping(3.0))
    clock.advance(3.0)
    await until(lambda: clock.sleeping(2.5), "the limit of the call")
    clock.advance(2.5)
    await until(lambda: len(host.peers) == 1 and stream.health().state is DOWN)
    assert stream.health().reason == "the listen key could not be extended"
    await peer.gone.wait()


async def test_the_connection_is_replaced_before_the_venue_cuts_it(
    host: StreamHost,
    clock: WaitingClock,
    events: list[StreamEvent],
    monkeypatch: pytest.MonkeyPatch,
    start: Start,
) -> None:
    """With a farewell and without a pause; the failures before it are forgotten."""
    monkeypatch.setattr(websocket, "LIFETIME_S", 7.0)
    host.refuse_with = 500
    stream = start()
    for pause_s in (0.5, 1.0):
        await until(lambda p=pause_s: clock.pausing(p))
        host.refuse_with = 500 if pause_s < 1 else 0
        clock.advance(pause_s)
    peer = await host.connected()
    await until(lambda: clock.sleeping(7.0))
    clock.advance(7.0)
    await host.connected(2)
    await until(lambda: gaps(events) == 2 and stream.health().state is LIVE)
    await asyncio.wait_for(peer.gone.wait(), 5)
    assert peer.socket.close_code == 1000
    assert stream.health().reason == "replaced before the venue cuts it"
    host.cut(host.peers[1])
    await reconnected(host, clock, 3, 0.5)


async def test_pauses_grow_the_same_way_every_time(
    host: StreamHost, stream: UserStream, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    """Refused, refused, ... and after a good minute it begins anew."""
    peer = await host.connected()
    host.refuse_with = 503
    host.cut(peer)
    for number, pause_s in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0), start=1):
        await until(lambda p=pause_s: clock.pausing(p), f"a pause of {pause_s} s")
        assert stream.health().state is DOWN
        if pause_s == 30.0:
            assert stream.health().since_ms == NOW_MS, "down since the first failure"
        clock.advance(pause_s)
        await until(lambda n=number: host.attempts == n + 1)
    assert stream.health().reason == "the venue refused the connection (HTTP 503)"
    host.refuse_with = 0
    peer = await reconnected(host, clock, 2, 30.0)
    for number in range(16):
        await until(lambda: clock.sleeping(4.0))
        clock.advance(4.0)
        await peer.say(position_update("BTCUSDT", str(number)))
        await until(lambda: stream.health().last_event_at_ms == clock.now_ms())
    host.cut(peer)
    await reconnected(host, clock, 3, 0.5)


@pytest.mark.parametrize("status", [403, 418, 429])
async def test_a_host_that_has_enough_of_us_is_left_alone(
    host: StreamHost, start: Start, clock: WaitingClock, status: int
) -> None:
    host.refuse_with = status
    stream = start()
    await until(lambda: clock.pausing(60.0))
    assert str(status) in stream.health().reason


async def test_no_key_no_connection_and_a_ban_is_honoured(
    host: StreamHost, keys: KeyOffice, clock: WaitingClock, events: list[StreamEvent], start: Start
) -> None:
    keys.open_failures = [
        AuthRefused("key refused"),
        RateLimited("banned", retry_at_ms=NOW_MS + 90_500),
        RuntimeError("defect"),
    ]
    stream = start()
    assert stream.health().state is StreamState.CONNECTING

    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "key refused"
    clock.advance(0.5)
    await until(lambda: clock.pausing(90.0), "exactly until the ban ends")
    clock.advance(90.0)
    await until(lambda: clock.pausing(2.0))
    assert stream.health().reason == "no connection (RuntimeError)"
    clock.advance(2.0)
    await host.connected()
    await until(lambda: stream.health().state is LIVE and gaps(events) == 1)


async def test_a_host_that_never_answers_the_opening(host: StreamHost, start: Start, clock: WaitingClock) -> None:
    host.stall_opening = True
    stream = start()
    await until(lambda: host.attempts == 1 and clock.sleeping(15.0))
    clock.advance(15.0)
    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "no connection within 15 s"


async def test_nobody_listening(keys: KeyOffice, clock: WaitingClock, start: Start) -> None:
    stream = start(origin="ws://127.0.0.1:1")
    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "no connection (ClientConnectorError)"


async def test_a_redirect_is_not_followed(host: StreamHost, start: Start, clock: WaitingClock) -> None:
    """The key must not travel to another host."""
    elsewhere = StreamHost()
    await elsewhere.start()
    host.redirect_to = elsewhere.origin.replace("ws", "http", 1)
    stream = start()
    await until(lambda: clock.pausing(0.5))
    assert elsewhere.attempts == 0 and stream.health().state is not LIVE
    await elsewhere.stop()


GARBAGE = [
    "",
    "{",
    '{"e":"ACCOUNT_UPDATE","T":1,"a":{"P":[{"s":"BTC',
    "null",
    "[]",
    "42",
    '"text"',
    "NaN",
    '{"e":7}',
    '{"e":"SOMETHING_NEW","s":"BTCUSDT"}',
    '{"result":null,"id":1}',
    "<html>portal</html>",
    '{"e":"ACCOUNT_UPDATE"}',
    '{"e":"ALGO_UPDATE","T":1,"o":[]}',
    "[" * 5000,
    '{"e":"ALGO_UPDATE","T":' + "9" * 5000 + "}",
]


async def test_garbage_is_counted_and_nothing_else(
    host: StreamHost, stream: UserStream, events: list[StreamEvent], log: list[str]
) -> None:
    peer = await host.connected()
    for text in GARBAGE:
        await peer.say(text)
    await peer.socket.send_bytes(b"\x00\xffbinary")
    await peer.say(position_update("BTCUSDT", "1"))
    await until(lambda: len(events) == 2)
    assert isinstance(events[1], PositionEvent) and len(host.peers) == 1
    assert stream.health().ignored == len(GARBAGE) + 1 and stream.health().receiver_failures == 0
    assert not any("portal" in line or "BTC" in line for line in log)


async def test_a_malformed_event_still_wakes_its_symbol(
    host: StreamHost, stream: UserStream, events: list[StreamEvent]
) -> None:
    peer = await host.connected()
    broken = position_update("BTCUSDT", "one")
    half = position_update("ETHUSDT", "1")
    half["a"]["P"].append({"s": "SOLUSDT"})
    await peer.say(broken, half)
    await until(lambda: len(events) == 4)
    assert events[1] == SymbolTouched("BTCUSDT", "an unreadable position")
    assert isinstance(events[2], PositionEvent) and events[2].symbol == "ETHUSDT"
    assert events[3] == SymbolTouched("SOLUSDT", "an unreadable position")
    assert stream.health().ignored == 2


async def test_an_oversized_or_broken_frame_ends_the_connection_and_nothing_more(
    host: StreamHost, stream: UserStream, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    peer = await host.connected()
    await peer.say('{"e":"' + "x" * (2 << 20) + '"}')
    peer = await reconnected(host, clock, 2, 0.5)
    assert peer.transport is not None and isinstance(peer.transport, asyncio.WriteTransport)
    peer.transport.write(b"\xff\xff\xff\xff not a frame")
    await reconnected(host, clock, 3, 1.0)
    await until(lambda: gaps(events) == 3 and stream.health().state is LIVE)


async def test_a_close_in_order_is_a_reconnect(host: StreamHost, stream: UserStream, clock: WaitingClock) -> None:
    peer = await host.connected()
    await peer.socket.close(code=1001)
    await reconnected(host, clock, 2, 0.5)
    assert stream.health().reason == "the connection was closed (code 1001)"


async def test_a_receiver_that_fails_loses_only_its_event(
    host: StreamHost, keys: KeyOffice, clock: WaitingClock, start: Start, log: list[str]
) -> None:
    got: list[StreamEvent] = []

    def receive(event: StreamEvent) -> None:
        if isinstance(event, PositionEvent) and event.symbol == "BADUSDT":
            raise KeyError(event.symbol)
        got.append(event)

    stream = start(receive)
    peer = await host.connected()
    for number in range(50):
        await peer.say(position_update("BADUSDT", str(number)))
    await peer.say(position_update("BTCUSDT", "1"))
    await until(lambda: len(got) == 2)
    assert stream.health().receiver_failures == 50 and stream.health().state is LIVE
    assert sum("failed (KeyError)" in line for line in log) == 1


async def test_a_flood_neither_starves_the_loop_nor_fills_the_memory(
    host: StreamHost, keys: KeyOffice, clock: WaitingClock, start: Start
) -> None:
    box, taken, turns = EventBox(), 0, 0
    longest = seen = 0

    def receive(event: StreamEvent) -> None:
        nonlocal taken
        taken += 1
        box.put(event)

    async def neighbour() -> None:
        nonlocal turns, longest, seen
        while True:
            await asyncio.sleep(0)
            turns, longest, seen = turns + 1, max(longest, taken - seen), taken

    stream = start(receive)
    peer = await host.connected()
    task = asyncio.create_task(neighbour())
    texts = [json.dumps(position_update(f"S{i % 20}USDT", str(i), NOW_MS + i)) for i in range(10_000)]
    for text in texts:
        await peer.socket.send_str(text)
    await until(lambda: taken == 10_001)
    task.cancel()
    assert longest <= 2 * websocket.BATCH, "the others get a turn after each batch"
    drained = box.drain()
    assert len(drained.positions) == 20 and {event.amount for event in drained.positions} == set(range(9980, 10_000))
    assert stream.health().state is LIVE and len(host.peers) == 1


async def test_repeats_and_reordering_end_in_the_latest_state(
    host: StreamHost, keys: KeyOffice, clock: WaitingClock, start: Start
) -> None:
    box = EventBox()
    stream = start(box.put)
    peer = await host.connected()
    story = [position_update("BTCUSDT", str(i), NOW_MS + i) for i in range(5)]
    await peer.say(*story[::-1], *story, *story[:3], algo_update("last"))
    await until(lambda: stream._seen)
    assert [event.amount for event in box.drain().positions] == [4]


async def test_the_key_is_told_to_nobody(
    host: StreamHost, stream: UserStream, keys: KeyOffice, clock: WaitingClock, log: list[str]
) -> None:
    """Refused upgrades carry the address in the client library's texts; diagnose prints variables."""
    peer = await host.connected()
    host.refuse_with = 500
    host.cut(peer)
    await until(lambda: clock.pausing(0.5))
    clock.advance(0.5)
    await until(lambda: host.attempts == 2 and clock.pausing(1.0))
    assert stream.health().reason == "the venue refused the connection (HTTP 500)"
    keys.open_failures = [Unreachable(f"a text with {KEY} in it" + "." * 1000)]
    clock.advance(1.0)
    await until(lambda: clock.pausing(2.0))
    assert stream.health().reason.startswith("a text with *** in it..") and len(stream.health().reason) == 200
    assert KEY not in "".join(log) and KEY not in repr(stream.health()) and KEY not in repr(stream)
    assert KEY not in redact(f"somebody else logs {KEY}")
