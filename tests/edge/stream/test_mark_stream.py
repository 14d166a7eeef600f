"""The mark-price stream over real sockets: what is subscribed, what is believed, when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from position_monitor.core.observation.stream_events import MarkPrices, StreamState
from position_monitor.edge.streams.mark_stream import ALL_MARKS, MarkStream
from tests.edge.stream.conftest import Runner
from tests.edge.stream.stage import NOW_MS, Peer, StreamHost, WaitingClock, mark_row, until

MANY = [f"S{number:03}USDT" for number in range(120)]


def single(symbol: str) -> str:
    return f"{symbol.lower()}@markPrice@1s"


@pytest.fixture
def heard() -> list[MarkPrices]:
    return []


@pytest.fixture
async def marks(host: StreamHost, clock: WaitingClock, running: Runner, heard: list[MarkPrices]) -> MarkStream:
    made = MarkStream(heard.append, origin=host.origin, clock=clock)
    running(made)
    return made


async def settled(clock: WaitingClock, condition: Callable[[], object]) -> None:
    """Let the pauses between requests pass until the condition holds."""
    for _ in range(20):
        if condition():
            return
        await until(lambda: condition() or clock.sleeping(0.25))
        if clock.sleeping(0.25):
            clock.advance(0.25)
    raise AssertionError("never happened")


async def test_only_the_watched_symbols_are_subscribed(
    host: StreamHost, marks: MarkStream, clock: WaitingClock
) -> None:
    peer = await host.connected()
    assert (peer.path, peer.query) == ("/market/ws", {})
    await until(lambda: marks.health().state is StreamState.LIVE)
    assert peer.requests == []
    marks.watch(["BTCUSDT", "测试USDT"])
    await settled(clock, lambda: peer.subscribed == {single("BTCUSDT"), "测试usdt@markPrice@1s"})
    marks.watch({"ETHUSDT", "BTCUSDT"})
    await settled(clock, lambda: peer.subscribed == {single("BTCUSDT"), single("ETHUSDT")})
    marks.watch([])
    await settled(clock, lambda: peer.subscribed == set())
    assert [(request["method"], request["params"]) for request in peer.requests] == [
        ("SUBSCRIBE", [single("BTCUSDT"), single("测试USDT")]),
        ("SUBSCRIBE", [single("ETHUSDT")]),
        ("UNSUBSCRIBE", [single("测试USDT")]),
        ("UNSUBSCRIBE", [single("BTCUSDT"), single("ETHUSDT")]),
    ]
    assert len({request["id"] for request in peer.requests}) == 4


async def test_the_latest_mark_and_its_time(
    host: StreamHost, marks: MarkStream, clock: WaitingClock, heard: list[MarkPrices]
) -> None:
    peer = await host.connected()
    marks.watch(["BTCUSDT", "ETHUSDT"])
    await until(lambda: peer.requests)
    await peer.say(mark_row("BTCUSDT", "100.10", NOW_MS), mark_row("ETHUSDT", "7", NOW_MS))
    await peer.say(mark_row("BTCUSDT", "101", NOW_MS + 1000))
    await until(lambda: len(heard) == 3)
    assert marks.mark("BTCUSDT") == (Decimal("101"), NOW_MS + 1000)
    assert marks.mark("ETHUSDT") == (Decimal("7"), NOW_MS) and marks.mark("XUSDT") is None
    clock.advance(5.0)
    assert marks.mark("ETHUSDT") is not None
    clock.advance(0.01)
    assert marks.mark("ETHUSDT") is None, "older than 5 s"
    marks.watch(["ETHUSDT"])
    assert marks.mark("BTCUSDT") is None and set(marks._marks) == {"ETHUSDT"}


async def test_old_repeated_and_malformed_marks_change_nothing(
    host: StreamHost, marks: MarkStream, clock: WaitingClock, heard: list[MarkPrices]
) -> None:
    peer = await host.connected()
    marks.watch(["BTCUSDT", "ETHUSDT"])
    await until(lambda: peer.requests)
    good = mark_row("BTCUSDT", "100", NOW_MS)
    bad = [mark_row("BTCUSDT", text, NOW_MS + 5000) for text in ("0", "-1", "NaN", "1e99", "", "x")]
    await peer.say(good, good, mark_row("BTCUSDT", "99", NOW_MS - 1), *bad, mark_row("OTHERUSDT", "5"), "{", "[1]")
    await peer.say({"e": "kline", "s": "BTCUSDT"}, {"error": {"code": 2, "msg": "no"}, "id": 9})
    await peer.say(mark_row("ETHUSDT", "7"))
    await until(lambda: len(heard) == 2)
    assert marks.mark("BTCUSDT") == (Decimal("100"), NOW_MS)
    assert marks.health().ignored == len(bad) + 4
    clock.advance(4.0)
    await peer.say(good, mark_row("ETHUSDT", "8", NOW_MS + 1))
    await until(lambda: len(heard) == 3)
    clock.advance(2.0)
    assert marks.mark("BTCUSDT") is None, "a repeated price is not a fresh one"


async def test_silence_while_subscribed_is_noticed(host: StreamHost, marks: MarkStream, clock: WaitingClock) -> None:
    """Requests are acknowledged, pings are answered, no price comes: a wrong route looks like this."""
    peer = await host.connected()
    await until(lambda: marks.health().state is StreamState.LIVE)
    await pass_time(clock, peer, 20)
    assert len(host.peers) == 1, "nothing watched, nothing missed"
    marks.watch(["BTCUSDT"])
    await until(lambda: peer.requests)
    await pass_time(clock, peer, 10)
    await until(lambda: clock.sleeping(1.0))
    assert marks.health().state is StreamState.LIVE
    clock.advance(1.0)
    await until(lambda: clock.pausing(0.5))
    assert marks.health().state is StreamState.SILENT and marks.health().reason == "no mark price for 10 s"
    clock.advance(0.5)
    peer = await host.connected(2)
    await until(lambda: peer.subscribed == {single("BTCUSDT")})
    assert marks.health().state is StreamState.SILENT
    await peer.say(mark_row("BTCUSDT", "100"))
    await until(lambda: marks.health().state is StreamState.LIVE)


async def test_prices_that_come_are_no_silence(host: StreamHost, marks: MarkStream, clock: WaitingClock) -> None:
    peer = await host.connected()
    marks.watch(["BTCUSDT"])
    await until(lambda: peer.requests)
    for second in range(1, 31):
        await pass_time(clock, peer, 1)
        await peer.say(mark_row("BTCUSDT", "100", NOW_MS + second * 1000))
        await until(lambda: marks.health().last_event_at_ms == clock.now_ms())
    assert len(host.peers) == 1 and marks.health().state is StreamState.LIVE


async def test_requests_are_spaced_and_bounded(
    host: StreamHost, marks: MarkStream, clock: WaitingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue cuts a connection that sends more than ten messages a second, or listens to too many streams."""
    monkeypatch.setattr("position_monitor.edge.streams.mark_stream.ALL_ABOVE", 1_000)
    peer = await host.connected()
    marks.watch([f"S{number:03}USDT" for number in range(300)])
    for number in range(1, 5):
        await until(lambda: clock.sleeping(0.25))
        await until(lambda n=number: len(peer.requests) == n)
        clock.advance(0.25)
    assert len(peer.subscribed) == 200
    assert marks._topics() == peer.subscribed


async def pass_time(clock: WaitingClock, peer: Peer, seconds: int) -> None:
    """Seconds in which every ping that falls due is answered."""
    for _ in range(seconds):
        await until(lambda: clock.sleeping(1.0))
        answered, pings_now = peer.pongs, clock.slept.count(4.0)
        clock.advance(1.0)
        await until(lambda: clock.sleeping(1.0))
        if clock.slept.count(4.0) > pings_now:
            await until(lambda n=answered: peer.pongs > n)


async def test_many_symbols_come_from_the_stream_of_all(
    host: StreamHost, marks: MarkStream, clock: WaitingClock, heard: list[MarkPrices]
) -> None:
    peer = await host.connected()
    marks.watch(MANY[:100])
    await settled(clock, lambda: peer.subscribed == {single(symbol) for symbol in MANY[:100]})
    assert all(len(request["params"]) <= 50 for request in peer.requests)
    marks.watch(MANY[:101])
    await settled(clock, lambda: peer.subscribed == {ALL_MARKS})
    await peer.say([mark_row(symbol, "5") for symbol in [*MANY, "UNWATCHEDUSDT"]])
    await until(lambda: heard)
    assert set(heard[0]) == set(MANY[:101]) and marks.mark(MANY[100]) == (Decimal(5), NOW_MS)
    assert marks.mark(MANY[101]) is None
    marks.watch(MANY[:81])
    assert marks._topics() == {ALL_MARKS}, "few enough to stay is not few enough to switch back"
    marks.watch(MANY[:80])
    await settled(clock, lambda: ALL_MARKS not in peer.subscribed and len(peer.subscribed) == 80)
    assert marks.health().state is StreamState.LIVE


async def test_what_the_stream_of_all_leaves_out_gets_its_own(
    host: StreamHost, marks: MarkStream, clock: WaitingClock, heard: list[MarkPrices]
) -> None:
    """TradFi contracts are not in it."""
    peer = await host.connected()
    marks.watch([*MANY, "TSLAUSDT"])
    await settled(clock, lambda: peer.subscribed == {ALL_MARKS})
    await peer.say([mark_row(symbol, "5") for symbol in MANY])
    await settled(clock, lambda: peer.subscribed == {ALL_MARKS, single("TSLAUSDT")})
    await peer.say(mark_row("TSLAUSDT", "300"))
    await until(lambda: marks.mark("TSLAUSDT"))
    marks.watch(MANY)
    await settled(clock, lambda: peer.subscribed == {ALL_MARKS})


async def test_a_new_connection_subscribes_again_and_forgets_old_marks(
    host: StreamHost, marks: MarkStream, clock: WaitingClock
) -> None:
    peer = await host.connected()
    marks.watch(["BTCUSDT"])
    await until(lambda: peer.requests)
    await peer.say(mark_row("BTCUSDT", "100"))
    await until(lambda: marks.mark("BTCUSDT"))
    host.cut(peer)
    await until(lambda: clock.pausing(0.5))
    assert marks.health().state is StreamState.DOWN and marks.mark("BTCUSDT") is not None
    clock.advance(0.5)
    peer = await host.connected(2)
    await until(lambda: peer.subscribed == {single("BTCUSDT")})
    assert marks.mark("BTCUSDT") is None
    await peer.say(mark_row("BTCUSDT", "90", NOW_MS - 60_000))
    await until(lambda: marks.mark("BTCUSDT") == (Decimal(90), NOW_MS - 60_000))
    assert marks.health().reconnects == 1


async def test_a_receiver_that_fails_costs_nothing(host: StreamHost, clock: WaitingClock, running: Runner) -> None:
    def fail(_: MarkPrices) -> None:
        raise ValueError

    marks = MarkStream(fail, origin=host.origin, clock=clock)
    marks.watch(["BTCUSDT"])
    running(marks)
    peer = await host.connected()
    await until(lambda: peer.subscribed)
    for number in range(5):
        await peer.say(mark_row("BTCUSDT", "100", NOW_MS + number))
    await until(lambda: marks.health().receiver_failures == 5)
    assert marks.mark("BTCUSDT") == (Decimal(100), NOW_MS + 4) and len(host.peers) == 1
