"""The listen key: kept, lost, replaced by somebody else, and told to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from position_monitor.core.model.refusal import Refusal
from position_monitor.core.observation.stream_events import StreamEvent, StreamState
from position_monitor.edge.log import redact
from position_monitor.edge.streams import user_stream
from position_monitor.edge.streams.user_stream import UserStream
from position_monitor.errors import AuthRefused, RateLimited, Refused, Unreachable
from tests.edge.stream.stage import (
    KEY,
    NOW_MS,
    KeyOffice,
    StreamHost,
    WaitingClock,
    gaps,
    position_update,
    reconnected,
    until,
)

Start = Callable[..., UserStream]
LIVE, DOWN = StreamState.LIVE, StreamState.DOWN


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
    keys.keep_failures = [Refused("no such key", refusal=Refusal.NO_STREAM_KEY)]
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


async def test_a_redirect_is_not_followed(host: StreamHost, start: Start, clock: WaitingClock) -> None:
    """The key must not travel to another host."""
    elsewhere = StreamHost()
    await elsewhere.start()
    host.redirect_to = elsewhere.origin.replace("ws", "http", 1)
    stream = start()
    await until(lambda: clock.pausing(0.5))
    assert elsewhere.attempts == 0 and stream.health().state is not LIVE
    await elsewhere.stop()


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
