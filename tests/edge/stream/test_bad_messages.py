"""A stream that floods, repeats, disorders, cuts short or sends rubbish: counted, bounded, survived."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from position_monitor.core.observation.stream_events import (
    EventBox,
    PositionEvent,
    StreamEvent,
    StreamState,
    SymbolTouched,
)
from position_monitor.edge.streams import websocket
from position_monitor.edge.streams.user_stream import UserStream
from tests.edge.stream.stage import (
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
LIVE = StreamState.LIVE


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
    await until(lambda: stream._heard_ids)
    assert [event.amount for event in box.drain().positions] == [4]
