"""The venue's streams fail in every way they can (N10): protection goes on by polling, and nothing is believed."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial

import pytest

from position_monitor.core.observation.stream_events import StreamState
from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, opposite, staged
from tests.sim.stage_process import INTERVAL_S, Process
from tests.sim.streams import Socket

BTC, ETH = "BTCUSDT", "ETHUSDT"
ENTRY = 42_000
POLLED_S = INTERVAL_S + 1
"""Without a stream a position is found by the next look; the stop then takes a round trip."""
PROMPT_S = 1.0
"""With one, an event finds it."""
LEFT_OVER_WEIGHT = 2_100
"""What a minute of hurry may use of the venue's 2,400: 1,200 at once, 750 sparingly, and a sweep in hand."""


async def quiet(stage: Stage) -> Process:
    """A daemon with a stream that has nothing to do any more, and looks only every interval."""
    process = stage.start(stream=True)
    await stage.until("the stream stands", lambda: stage.streams.of(process.number))
    await stage.run(4 * INTERVAL_S)
    return process


def state(process: Process) -> StreamState:
    assert process.user is not None
    return process.user.health().state


async def opened(stage: Stage, side: str = "LONG", quantity: str = "0.300") -> float:
    """A position is opened half-way between two looks; how long it then has no stop."""
    await stage.run(INTERVAL_S / 2)
    stage.trade("open", BTC, side, quantity)
    return await stage.until("covered", lambda: stage.covered(BTC, side))


def position_update(stage: Stage, side: str, amount: str, *, entry: object = ENTRY, age_ms: int = 0) -> str:
    """ACCOUNT_UPDATE as it was sent so many ms ago, about a BTC position of this signed amount."""
    at_ms = stage.world.now_ms - age_ms
    row = {"s": BTC, "pa": amount, "ep": str(entry), "cr": "0", "up": "0", "mt": "cross", "iw": "0", "ma": "USDT"}
    row |= {"ps": side if stage.world.account.hedge else "BOTH", "bep": str(entry)}
    account = {"B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "0"}], "P": [row], "m": "ORDER"}
    return json.dumps({"e": "ACCOUNT_UPDATE", "T": at_ms, "E": at_ms, "a": account})


def a_little_of(stage: Stage, symbol: str) -> str:
    """About 1,000 USDT of a contract."""
    step = stage.world.instruments[symbol].step
    return str((1_000 / stage.world.market.last(symbol) / step).quantize(Decimal(1)) * step)


def say(stage: Stage, *texts: str) -> None:
    """The venue says this on every private connection."""
    for socket in stage.streams.sockets:
        for text in texts:
            stage.streams.say(socket, text)


@EVERY_WORLD
@staged
async def test_a_fill_is_heard_and_covered_at_once(hedge: bool, side: str) -> None:
    async with Stage(hedge=hedge) as stage:
        await quiet(stage)
        assert await opened(stage, side) <= PROMPT_S
        await stage.run(3 * INTERVAL_S)
        stage.must_be_protected()


@pytest.mark.parametrize("how", ["deaf", "dead"])
@staged
async def test_a_stream_that_stalls_silently_costs_one_look_and_is_replaced(how: str) -> None:
    """Deaf: it stands, answers pings and says nothing. Dead: not even that."""
    async with Stage(Held(ETH, "LONG", "1.000", entry=2_200)) as stage:
        process = await quiet(stage)
        for socket in stage.streams.of(process.number):
            setattr(socket, how, True)
        assert PROMPT_S < await opened(stage) <= POLLED_S
        await stage.run(30)
        stage.must_be_protected()
        assert not any(socket.deaf or socket.dead for socket in stage.streams.of(process.number)), "it was replaced"
        stage.trade("open", "XRPUSDT", "SHORT", "500")
        assert await stage.until("covered", lambda: stage.covered("XRPUSDT", "SHORT")) <= PROMPT_S


@pytest.mark.parametrize("refusal", ["403", "429", "502", "network", "hang"])
@staged
async def test_a_stream_host_that_refuses_costs_one_look(refusal: str) -> None:
    async with Stage() as stage:
        stage.streams.troubles.refuse = refusal
        process = stage.start(stream=True)
        await stage.run(4 * INTERVAL_S)
        assert await opened(stage) <= POLLED_S
        assert state(process) is StreamState.DOWN or refusal == "hang"
        attempts = stage.streams.attempts
        await stage.run(120)
        assert stage.streams.attempts - attempts <= 12, "the pauses between attempts grow"
        stage.streams.troubles.refuse = ""
        await stage.until("connected", lambda: stage.streams.of(process.number), within_s=61)
        assert state(process) is StreamState.LIVE
        stage.must_be_protected()


@staged
async def test_mark_prices_are_heard_every_second() -> None:
    """The stage's own stream of marks: a world in which it is silent proves nothing about a daemon that listens."""
    async with Stage(Held(BTC, "LONG", "0.300", entry=ENTRY)) as stage:
        daemon = stage.start(stream=True)
        await stage.run(3)
        assert daemon.marks is not None
        for mark in ("42100", "42200"):
            stage.price(BTC, mark)
            await stage.run(1.5)
            heard = daemon.marks.mark(BTC)
            assert heard is not None
            assert heard[0] == Decimal(mark)


@staged
async def test_after_a_cut_everything_is_read_at_once() -> None:
    """What was missed while it was away: the new connection begins with a gap, and the gap wakes the loop."""
    async with Stage() as stage:
        process = await quiet(stage)
        for socket in stage.streams.of(process.number):
            socket.cut()
        stage.trade("open", BTC, "LONG", "0.300")
        assert await stage.until("covered", lambda: stage.covered(BTC, "LONG")) <= 2 * PROMPT_S


@pytest.mark.parametrize("how", ["expired", "deleted"])
@staged
async def test_a_listen_key_that_dies_is_replaced(how: str) -> None:
    """Expired is said; a key that another program deletes leaves a deaf connection, which the next write finds out."""
    async with Stage() as stage:
        process = await quiet(stage)
        dying = stage.engine.listen_keys.current
        getattr(stage.engine.listen_keys, "expire" if how == "expired" else "close")()
        assert await opened(stage) <= POLLED_S
        await stage.until("a new key", lambda: stage.engine.listen_keys.current not in (None, dying), within_s=30)
        await stage.until("connected", lambda: stage.streams.of(process.number))
        stage.trade("open", "XRPUSDT", "SHORT", "500")
        assert await stage.until("covered", lambda: stage.covered("XRPUSDT", "SHORT")) <= PROMPT_S


@TWO_WORLDS
@staged
async def test_a_flood_delays_no_stop_and_burns_no_budget(hedge: bool, side: str) -> None:
    """10,000 events a second, for ten seconds: old ones again and again, and words nobody knows."""
    async with Stage(Held(ETH, side, "1.000", entry=2_200), hedge=hedge) as stage:
        process = await quiet(stage)
        stage.trade("add", ETH, side, "0.500")
        await stage.run(2 * INTERVAL_S)
        (socket,) = stage.streams.of(process.number)
        began, weight_max = process.transport.calls, 0
        for second in range(10):
            stage.streams.flood(socket, 10_000)
            if second == 5:
                stage.trade("open", BTC, side, "0.300")
            await stage.run(1)
            weight_max = max(weight_max, process.service.exchange.api_weight_1m)
        assert stage.covered(BTC, side)
        assert process.transport.calls - began <= 300, "events only wake, and wake only so often"
        assert weight_max <= 1_200
        await stage.run(3 * INTERVAL_S)
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_a_restless_trader_does_not_use_up_the_weight_that_protection_needs(hedge: bool, side: str) -> None:
    """Two trades a second for three minutes: every position has its stop at once, and every minute has weight left."""
    async with Stage(Held(BTC, side, "0.300", entry=ENTRY), hedge=hedge) as stage:
        process = await quiet(stage)
        names, weight_max = sorted(stage.world.instruments.keys() - {BTC}), 0
        for number in range(360):
            symbol, turn = names[number % len(names)], number // len(names)
            quantity = None if turn % 3 == 2 else a_little_of(stage, symbol)
            stage.trade(("open", "add", "close")[turn % 3], symbol, side, quantity)
            if turn % 3 == 0:
                await stage.until(f"{symbol} covered", partial(stage.covered, symbol, side), within_s=PROMPT_S)
            await stage.run(0.5)
            weight_max = max(weight_max, process.service.exchange.api_weight_1m)
        assert 1_200 < weight_max < LEFT_OVER_WEIGHT
        assert not [text for text in stage.log if "budget" in text]


@EVERY_WORLD
@staged
async def test_an_event_of_a_position_that_is_gone_leaves_nothing(hedge: bool, side: str) -> None:
    """Opened and closed while the stream lags: what it says when it comes is no longer so."""
    for lag_s in (0.3, 2.0, 4.0, 20.0):
        async with Stage(hedge=hedge) as stage:
            await quiet(stage)
            stage.streams.troubles.lag_s = lag_s
            stage.trade("open", BTC, side, "0.300")
            await stage.run(lag_s / 2)
            stage.trade("close", BTC, side)
            await stage.run(lag_s + 6 * INTERVAL_S)
            assert not stage.own(BTC), f"lag {lag_s}"
            assert not stage.open_keys()


@EVERY_WORLD
@staged
async def test_a_late_event_of_the_side_before_a_flip_takes_nothing_from_the_new_one(hedge: bool, side: str) -> None:
    other = opposite(side)
    async with Stage(Held(BTC, side, "0.300", entry=ENTRY), hedge=hedge) as stage:
        await quiet(stage)
        stage.must_be_protected()
        sign = "-" if side == "SHORT" else ""
        late = position_update(stage, side, f"{sign}0.900")
        stage.trade("flip" if not hedge else "close", BTC, side)
        if hedge:
            stage.trade("open", BTC, other, "0.300")
        await stage.until("covered", lambda: stage.covered(BTC, other), within_s=PROMPT_S)
        for _ in range(20):
            say(stage, late)
            with stage.never_uncovered():
                await stage.run(1)
        await stage.run(2 * INTERVAL_S)
        stage.must_be_protected()
        assert not stage.size(BTC, side)


@EVERY_WORLD
@staged
async def test_events_doubled_and_disordered_end_in_one_book(hedge: bool, side: str) -> None:
    async with Stage(hedge=hedge) as stage:
        await quiet(stage)
        stage.streams.troubles.duplicated = stage.streams.troubles.reordered = 1.0
        stage.trade("open", BTC, side, "0.100")
        for _ in range(4):
            await stage.run(0.7)
            stage.trade("add", BTC, side, "0.100")
            await stage.run(0.4)
            stage.trade("reduce", BTC, side, "0.050")
        await stage.run(4 * INTERVAL_S)
        stage.must_be_protected()
        assert stage.size(BTC, side) == Decimal("0.300")


@staged
async def test_a_size_that_was_never_true_changes_no_order_that_was_read() -> None:
    """The venue does not invent sizes; if it did, a stop too many would be the worst of it."""
    async with Stage(Held(BTC, "LONG", "0.300", entry=ENTRY)) as stage:
        await quiet(stage)
        stage.permits = ("which was not open",)
        before = stage.book()
        for amount in ("0.900", "-0.300", "0", "1e-30", "999999999"):
            with stage.never_uncovered():
                say(stage, position_update(stage, "LONG", amount))
                await stage.run(3 * INTERVAL_S)
        await stage.run(4 * INTERVAL_S)
        assert stage.book() == before
        stage.must_be_protected()


@staged
async def test_garbage_alone_neither_helps_nor_harms() -> None:
    """Half JSON, other types, senseless fields: counted, and every position is still found by polling."""
    async with Stage() as stage:
        process = await quiet(stage)
        stage.streams.troubles.garbage = 1.0
        for number in range(6):
            side = "LONG" if number % 2 else "SHORT"
            assert await opened(stage, side) <= POLLED_S
            await stage.run(2 * INTERVAL_S)
            stage.trade("close", BTC, side)
            await stage.run(6 * INTERVAL_S)
        assert process.user is not None
        assert process.user.health().ignored > 0
        assert process.user.health().receiver_failures == 0


@staged
async def test_who_only_observes_places_nothing_from_an_event() -> None:
    """Invariant 9: another owner holds the lease."""
    async with Stage() as stage:
        leader = await quiet(stage)
        follower = stage.start(host="b", stream=True)
        await stage.until("the follower observes", lambda: follower.mode == "observe")
        await stage.run(INTERVAL_S)
        for socket in stage.streams.of(leader.number):
            Socket.cut(socket)
        stage.streams.troubles.lag_s = 0.0
        leader.suspend()
        stage.trade("open", BTC, "LONG", "0.300")
        await stage.run(3)
        assert not stage.covered(BTC, "LONG"), "the follower placed a stop while the lease is another's"
        leader.resume()
        await stage.until("covered", lambda: stage.covered(BTC, "LONG"))
