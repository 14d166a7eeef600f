"""The private stream over real sockets: delivery, silence, pauses. The clock moves only when told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from position_monitor.core.model.orders import OrderStatus
from position_monitor.core.observation.stream_events import (
    AlgoEvent,
    PositionEvent,
    StreamEvent,
    StreamGap,
    StreamHealth,
    StreamState,
)
from position_monitor.edge.streams import user_stream, websocket
from position_monitor.edge.streams.user_stream import UserStream
from tests.edge.stream.stage import (
    KEY,
    NOW_MS,
    KeyOffice,
    StreamHost,
    WaitingClock,
    algo_update,
    gaps,
    position_update,
    reconnected,
    until,
)

Start = Callable[..., UserStream]
LIVE, DOWN, SILENT = StreamState.LIVE, StreamState.DOWN, StreamState.SILENT


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
    assert position == PositionEvent("BTCUSDT", None, Decimal("-0.5"), Decimal("100.5"), NOW_MS, "ORDER")
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
    monkeypatch.setattr(user_stream, "HEARD_IDS_MAX", 3)
    monkeypatch.setattr(user_stream, "EXPECTED_MAX", 2)
    peer = await host.connected()
    await peer.say(*(algo_update(f"seen{number}") for number in range(5)))
    await until(lambda: len(events) == 6)
    assert list(stream._heard_ids) == ["seen2", "seen3", "seen4"]
    for client_id in ("seen4", "a", "b", "c"):
        stream.expect(client_id)
    assert list(stream._expected) == ["a", "b"]


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
    await asyncio.wait_for(peer.gone.wait(), 30)
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


async def test_a_host_that_never_answers_the_opening(host: StreamHost, start: Start, clock: WaitingClock) -> None:
    host.stall_opening = True
    stream = start()
    await until(lambda: host.attempts == 1 and clock.sleeping(12.0))
    clock.advance(12.0)
    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "no connection within 12 s"


async def test_nobody_listening(keys: KeyOffice, clock: WaitingClock, start: Start) -> None:
    stream = start(origin="ws://127.0.0.1:1")
    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "no connection (ClientConnectorError)"


async def test_a_close_in_order_is_a_reconnect(host: StreamHost, stream: UserStream, clock: WaitingClock) -> None:
    peer = await host.connected()
    await until(lambda: peer.pongs == 1)  # our first ping is through: one that meets the close hides its code
    await peer.socket.close(code=1001)
    await reconnected(host, clock, 2, 0.5)
    assert stream.health().reason == "the connection was closed (code 1001)"
