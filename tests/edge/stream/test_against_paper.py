"""Both streams against the paper exchange: real listen keys, real routes, its stream faults switched on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.model.orders import OrderStatus, Purpose
from position_monitor.core.model.sides import Side
from position_monitor.core.observation.stream_events import (
    AlgoEvent,
    ConfigEvent,
    EventBox,
    OrderEvent,
    PositionEvent,
    StreamEvent,
    StreamGap,
    StreamState,
)
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.streams.mark_stream import MarkStream
from position_monitor.edge.streams.user_stream import UserStream
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.paper.server import PaperOptions, PaperServer
from tests.edge.stream.conftest import Runner
from tests.edge.stream.stage import WaitingClock, until

LIVE, SILENT = StreamState.LIVE, StreamState.SILENT


@pytest.fixture
async def paper() -> AsyncIterator[PaperServer]:
    server = PaperServer(PaperOptions(port=0, scenario="seven-naked", price_interval_s=0))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def venue(paper: PaperServer) -> AsyncIterator[BinanceUsdm]:
    """Listen keys come through real ccxt."""
    made = connect(
        environment="paper",
        rest_url=paper.url,
        api_key=paper.options.api_key,
        api_secret=paper.options.api_secret,
        clock=SystemClock(),
    )
    await made.prepare()
    yield made
    await made.aclose()


@pytest.fixture
async def stream(
    paper: PaperServer, venue: BinanceUsdm, clock: WaitingClock, events: list[StreamEvent], running: Runner
) -> UserStream:
    made = UserStream(venue, events.append, origin=paper.stream_url, clock=clock)
    running(made)
    await until(lambda: made.health().state is LIVE and paper.hub.listening("private") == 1)
    return made


def stop_for(paper: PaperServer, symbol: str, client_id: str) -> None:
    """A close-all stop 5 % below the mark, as the venue's own client would place it."""
    rules = paper.engine.world.instrument(symbol)
    trigger = paper.engine.world.market.mark(symbol) * Decimal("0.95") // rules.tick * rules.tick
    paper.engine.place_algo(
        {
            **{"algoType": "CONDITIONAL", "symbol": symbol, "side": "SELL", "type": "STOP_MARKET"},
            **{"triggerPrice": f"{trigger:f}", "closePosition": "true", "workingType": "MARK_PRICE"},
            "clientAlgoId": client_id,
        },
    )
    paper.hub.pump()


def trade(paper: PaperServer, action: str, symbol: str, side: str | None, quantity: str | None) -> None:
    paper.engine.trade(action, symbol, side, None if quantity is None else Decimal(quantity))
    paper.hub.pump()


def of_kind(events: list[StreamEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_the_life_of_a_position(
    paper: PaperServer, stream: UserStream, events: list[StreamEvent], clock: WaitingClock
) -> None:
    before = paper.engine.world.account.positions["BTCUSDT"]["BOTH"].amount
    trade(paper, "add", "BTCUSDT", "LONG", "0.01")
    await until(lambda: of_kind(events, PositionEvent))
    (position,) = of_kind(events, PositionEvent)
    assert (position.symbol, position.leg, position.side) == ("BTCUSDT", None, Side.LONG)
    assert position.amount == before + Decimal("0.01") and position.entry_price > 0 and position.reason == "ORDER"
    fills = [event for event in of_kind(events, OrderEvent) if event.execution_type == "TRADE"]
    assert (fills[-1].status, fills[-1].filled) == ("FILLED", Decimal("0.01")) and fills[-1].last_price > 0

    stop_for(paper, "BTCUSDT", "qpmSTOP")
    stream.expect("qpmSTOP")
    await until(lambda: of_kind(events, AlgoEvent))
    stop = of_kind(events, AlgoEvent)[0]
    assert (stop.client_id, stop.status, stop.purpose) == ("qpmSTOP", OrderStatus.NEW, Purpose.STOP)
    assert stop.quantity is None and stop.trigger is not None and stop.trigger > 0

    trade(paper, "close", "BTCUSDT", None, None)
    await until(lambda: of_kind(events, AlgoEvent)[-1].status is OrderStatus.EXPIRED)
    assert of_kind(events, PositionEvent)[-1].amount == 0
    paper.engine.set_leverage("ETHUSDT", 7)
    paper.hub.pump()
    await until(lambda: of_kind(events, ConfigEvent))
    assert of_kind(events, ConfigEvent)[0].leverage == 7
    assert stream.health().ignored == 0 and len(of_kind(events, StreamGap)) == 1


async def test_the_retired_route_is_found_silent(
    paper: PaperServer,
    venue: BinanceUsdm,
    clock: WaitingClock,
    events: list[StreamEvent],
    running: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`/ws/<key>` connects and answers pings; only an announced write tells it from a healthy stream."""

    async def retired(_: UserStream) -> str:
        return f"{paper.stream_url}/ws/{await venue.open_user_stream()}"

    monkeypatch.setattr(UserStream, "_address", retired)
    stream = UserStream(venue, events.append, origin=paper.stream_url, clock=clock)
    running(stream)
    await until(lambda: stream.health().state is LIVE and paper.hub.listening("legacy") == 1)
    await one_silence(paper, stream, clock)
    assert stream.health().state is SILENT and of_kind(events, AlgoEvent) == []


async def one_silence(paper: PaperServer, stream: UserStream, clock: WaitingClock) -> None:
    stop_for(paper, "BTCUSDT", "qpmSTOP")
    stream.expect("qpmSTOP")
    for _ in range(10):
        await until(lambda: clock.sleeping(1.0))
        heard_s = stream._line._heard_s
        pings = clock.slept.count(4.0)
        clock.advance(1.0)
        await until(lambda: clock.sleeping(1.0) or stream.health().state is SILENT)
        if clock.slept.count(4.0) > pings:
            await until(lambda h=heard_s: stream._line._heard_s > h)
    await until(lambda: stream.health().state is SILENT)


async def test_a_stream_that_loses_everything_is_found_silent_and_comes_back(
    paper: PaperServer, stream: UserStream, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    paper.engine.add_fault("ws_silent")
    await one_silence(paper, stream, clock)
    await until(lambda: clock.pausing(0.5))
    clock.advance(0.5)
    await until(lambda: len(of_kind(events, StreamGap)) == 2)
    assert stream.health().state is SILENT
    paper.engine.remove_fault("ws_silent")
    trade(paper, "add", "BTCUSDT", "LONG", "0.01")
    await until(lambda: stream.health().state is LIVE)
    assert of_kind(events, PositionEvent)


async def test_a_cut_connection_is_reported_as_a_gap(
    paper: PaperServer, stream: UserStream, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    paper.engine.add_fault("ws_disconnect", path="private")
    paper.hub.pump()
    await until(lambda: clock.pausing(0.5))
    trade(paper, "add", "BTCUSDT", "LONG", "0.01")
    clock.advance(0.5)
    await until(lambda: len(of_kind(events, StreamGap)) == 2 and stream.health().reconnects == 1)
    assert of_kind(events, PositionEvent) == [], "what happened meanwhile is not told: hence the full read"
    trade(paper, "add", "BTCUSDT", "LONG", "0.01")
    await until(lambda: of_kind(events, PositionEvent))


async def test_an_expired_key_is_replaced_by_a_new_one(
    paper: PaperServer, stream: UserStream, clock: WaitingClock, events: list[StreamEvent]
) -> None:
    old = paper.engine.listen_keys.current
    paper.engine.add_fault("listen_key_expire")
    paper.hub.pump()
    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "the listen key expired"
    clock.advance(0.5)
    await until(lambda: stream.health().state is LIVE and paper.hub.listening("private") == 1)
    assert paper.engine.listen_keys.current not in (None, old)
    trade(paper, "add", "BTCUSDT", "LONG", "0.01")
    await until(lambda: of_kind(events, PositionEvent))


async def test_a_key_another_program_deleted_is_found_at_the_next_keep_alive(
    paper: PaperServer,
    venue: BinanceUsdm,
    clock: WaitingClock,
    events: list[StreamEvent],
    running: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("position_monitor.edge.streams.user_stream.KEEP_EVERY_S", 3.0)
    stream = UserStream(venue, events.append, origin=paper.stream_url, clock=clock)
    running(stream)
    await until(lambda: stream.health().state is LIVE)
    paper.engine.listen_keys.close()
    await until(lambda: clock.sleeping(3.0))
    clock.advance(3.0)
    await until(lambda: clock.pausing(0.5))
    assert stream.health().reason == "the listen key is gone"


async def test_repeats_losses_and_disorder_end_in_the_true_position(
    paper: PaperServer, venue: BinanceUsdm, clock: WaitingClock, running: Runner
) -> None:
    box, taken = EventBox(), 0

    def receive(event: StreamEvent) -> None:
        nonlocal taken
        taken += 1
        box.put(event)

    stream = UserStream(venue, receive, origin=paper.stream_url, clock=clock)
    running(stream)
    await until(lambda: stream.health().state is LIVE)
    box.drain()
    paper.engine.add_fault("ws_duplicate", probability=0.5)
    paper.engine.add_fault("ws_reorder", probability=0.5)
    paper.engine.add_fault("ws_drop", probability=0.3)
    for _ in range(40):
        paper.engine.advance_to(paper.engine.now_ms + 5)
        trade(paper, "add", "BTCUSDT", "LONG", "0.001")
    for name in ("ws_duplicate", "ws_reorder", "ws_drop"):
        paper.engine.remove_fault(name)
    paper.engine.advance_to(paper.engine.now_ms + 5)
    trade(paper, "add", "BTCUSDT", "LONG", "0.001")
    truth = paper.engine.world.account.positions["BTCUSDT"]["BOTH"].amount
    found: list[PositionEvent] = []
    await until(lambda: (found.extend(box.drain().positions), found and found[-1].amount == truth)[1])
    assert taken > 40 and stream.health().ignored == 0
    assert [event.at_ms for event in found] == sorted(event.at_ms for event in found)


@pytest.mark.parametrize("count", [2, 8])
async def test_marks(
    paper: PaperServer,
    clock: WaitingClock,
    running: Runner,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Single streams, and the stream of all (from five symbols on, here)."""
    monkeypatch.setattr("position_monitor.edge.streams.mark_stream.ALL_ABOVE", 4)
    symbols = sorted(paper.engine.world.instruments)[:count]
    stream = MarkStream(lambda _: None, origin=paper.stream_url, clock=clock)
    stream.watch(symbols)
    running(stream)
    await until(lambda: paper.hub.listening("market") == 1)

    def told() -> bool:
        paper.hub.broadcast(paper.engine.world.instruments)
        return all(stream.mark(symbol) for symbol in symbols)

    await until(told)
    for symbol in symbols:
        found = stream.mark(symbol)
        assert found is not None and found[0] == paper.engine.world.market.mark(symbol)
    assert stream.health().state is LIVE and stream.health().ignored == 0
