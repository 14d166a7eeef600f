"""The venue against the paper exchange, over real HTTP and real ccxt: a whole life of an order, and its faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.positions import Position
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import (
    Ambiguous,
    AuthRefused,
    RateLimited,
    Refused,
    Unreachable,
    Unreadable,
)
from position_monitor.paper.server import PaperOptions, PaperServer

Approve = Callable[[Any], Any]
Open = Callable[[str], Awaitable[tuple[BinanceUsdm, PaperServer]]]


@pytest.fixture
async def paper() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def _open(scenario: str) -> tuple[BinanceUsdm, PaperServer]:
            server = PaperServer(PaperOptions(port=0, scenario=scenario, price_interval_s=0))
            await server.start()
            stack.push_async_callback(server.stop)
            options = server.options
            venue = connect(
                environment="paper",
                rest_url=server.url,
                api_key=options.api_key,
                api_secret=options.api_secret,
                clock=SystemClock(),
            )
            stack.push_async_callback(venue.aclose)
            await venue.prepare()
            return venue, server

        yield _open


def rounded(price: Decimal, rules: Instrument) -> Decimal:
    return (price / rules.tick).to_integral_value(ROUND_DOWN) * rules.tick


def order_for(position: Position, rules: Instrument, role: Role, distance: str, client_id: str) -> DesiredOrder:
    """An order `distance` (a factor below 1) away from the mark, on the right side for its role."""
    away = 1 - Decimal(distance)
    below = (position.side is Side.LONG) == (role is not Role.TAKE_PROFIT)
    half = (position.quantity / 2 / rules.step).to_integral_value(ROUND_DOWN) * rules.step
    quantity = min(max(half, rules.market_min_quantity), rules.market_max_quantity)
    return DesiredOrder(
        symbol=position.symbol,
        side=position.side,
        role=role,
        rung=0,
        purpose=Purpose.TAKE_PROFIT if role is Role.TAKE_PROFIT else Purpose.STOP,
        trigger_price=rounded(position.mark_price * (1 - away if below else 1 + away), rules),
        quantity=None if role is Role.BACKSTOP else quantity,
        hedged=position.hedged,
        working_type=WorkingType.MARK_PRICE,
        client_id=client_id,
        source="static",
    )


@pytest.mark.parametrize("scenario", ["seven-naked", "hedge", "odd-symbols"])
async def test_every_order_rests_as_it_was_wanted(paper: Open, approve: Approve, scenario: str) -> None:
    venue, _ = await paper(scenario)
    positions = (await venue.read_positions()).positions
    wanted: dict[str, DesiredOrder] = {}
    for number, position in enumerate(positions):
        rules = venue.instrument(position.symbol)
        assert rules is not None
        assert position.hedged is (scenario == "hedge") and position.leverage is not None
        for role, distance in ((Role.BACKSTOP, "0.97"), (Role.WORKING_STOP, "0.98"), (Role.TAKE_PROFIT, "0.96")):
            order = order_for(position, rules, role, distance, f"qpm{number}{role.name[0]}")
            order_id = await venue.place(approve(Place(order, "test")))
            assert order_id.isdigit()
            wanted[order.client_id] = order
    read = await venue.read_orders(None)
    assert not read.unreadable and len(read.orders) == len(wanted) == 3 * len(positions)
    for live in read.orders:
        order = wanted[live.client_id]
        assert (live.key, live.purpose, live.reduces) == (order.key, order.purpose, True)
        assert (live.trigger_price, live.close_all) == (order.trigger_price, order.close_all)
        assert live.quantity == order.quantity and live.hedged is order.hedged and live.conditional
        assert live.status is OrderStatus.NEW and live.working_type is WorkingType.MARK_PRICE and not live.caveat
        assert await venue.query_order(live.symbol, live.client_id) == live


async def test_the_life_of_a_position(paper: Open, approve: Approve) -> None:
    venue, _ = await paper("seven-naked")
    position = next(one for one in (await venue.read_positions()).positions if one.symbol == "BTCUSDT")
    rules = venue.instrument("BTCUSDT")
    assert rules is not None
    backstop = order_for(position, rules, Role.BACKSTOP, "0.985", "qpmB")
    target = order_for(position, rules, Role.TAKE_PROFIT, "0.975", "qpmT")
    await venue.place(approve(Place(backstop, "test")))
    await venue.place(approve(Place(target, "test")))

    async def refused(order: DesiredOrder) -> Refusal:
        with pytest.raises(Refused) as caught:
            await venue.place(approve(Place(order, "test")))
        return caught.value.refusal

    assert await refused(backstop) in (Refusal.DUPLICATE, Refusal.SLOT_TAKEN)
    assert await refused(target._replace(trigger_price=target.trigger_price + rules.tick)) is Refusal.DUPLICATE
    assert await refused(backstop._replace(client_id="qpmC")) is Refusal.SLOT_TAKEN
    crossed = target._replace(client_id="qpmD", trigger_price=rounded(position.mark_price / 2, rules))
    assert await refused(crossed) is Refusal.CROSSED

    live = {order.client_id: order for order in (await venue.read_orders("BTCUSDT")).orders}
    cancel = approve(Cancel(live["qpmT"], position.key, "test"))
    await venue.cancel(cancel)
    with pytest.raises(Refused) as caught:
        await venue.cancel(cancel)
    assert caught.value.said in ("-2011", "-2013")
    canceled = await venue.query_order("BTCUSDT", "qpmT")
    assert canceled is not None and canceled.status is OrderStatus.CANCELED
    assert await venue.query_order("BTCUSDT", "qpmNEVER") is None

    await venue.close(approve(close_of(position, position.quantity, "qpmX1")))
    rows = await venue.read_position_rows("BTCUSDT")
    assert rows.positions == () and PositionKey("BTCUSDT", Side.LONG) in rows.zero_keys
    with pytest.raises(Refused) as caught:
        await venue.close(approve(close_of(position, position.quantity, "qpmX2")))
    assert caught.value.refusal is Refusal.NOTHING_TO_REDUCE
    assert await refused(backstop._replace(client_id="qpmE")) is Refusal.NO_POSITION


def close_of(position: Position, quantity: Decimal, client_id: str, limit: Decimal | None = None) -> Close:
    return Close(
        position.key,
        position.hedged,
        quantity,
        client_id,
        limit,
        "test",
        position.mark_price,
        WorkingType.MARK_PRICE,
    )


@pytest.mark.parametrize("scenario", ["seven-naked", "hedge"])
async def test_closing_by_limit(paper: Open, approve: Approve, scenario: str) -> None:
    venue, _ = await paper(scenario)
    before = {position.key: position for position in (await venue.read_positions()).positions}
    for number, (key, position) in enumerate(before.items()):
        rules = venue.instrument(key.symbol)
        assert rules is not None
        inside = Decimal("0.98") if key.side is Side.LONG else Decimal("1.02")
        limit = rounded(position.mark_price * inside, rules)
        await venue.close(approve(close_of(position, position.quantity, f"qpmL{number}", limit)))
    after = await venue.read_positions()
    assert after.positions == ()
    for key in before:
        assert key in (await venue.read_position_rows(key.symbol)).zero_keys


async def test_foreign_orders_are_read_like_any_other(paper: Open) -> None:
    venue, _ = await paper("with-foreign")
    read = await venue.read_orders(None)
    assert not read.unreadable and "web_foreign_stop" in {order.client_id for order in read.orders}


@pytest.mark.parametrize("fault", ["html", "empty", "empty_object", "null", "truncated", "code_zero"])
@pytest.mark.parametrize("path", ["positionRisk", "openOrders", "openAlgoOrders"])
async def test_garbled_answers(paper: Open, fault: str, path: str) -> None:
    venue, server = await paper("seven-naked")
    server.engine.world.faults.add(fault, path=path)
    if path == "openOrders":
        assert (await venue.read_orders(None)).plain_unread, "the list of conditional orders speaks for itself"
    else:
        with pytest.raises(Unreadable):
            await (venue.read_positions() if path == "positionRisk" else venue.read_orders(None))
    server.engine.world.faults.remove()
    assert len((await venue.read_positions()).positions) == 7


@pytest.mark.parametrize(
    ("fault", "failure", "rests"),
    [
        ("lose_request", Ambiguous, False),
        ("lose_response", Ambiguous, True),
        ("unknown_503", Ambiguous, False),
        ("unavailable_503", Unreachable, False),
        ("busy", Unreachable, False),
        ("unexpected", Ambiguous, False),
        ("backend_timeout", Ambiguous, False),
        ("bad_key", AuthRefused, False),
        ("rate_limited", RateLimited, False),
    ],
)
async def test_faults_while_placing(
    paper: Open, approve: Approve, fault: str, failure: type[Exception], rests: bool
) -> None:
    venue, server = await paper("seven-naked")
    position = (await venue.read_positions()).positions[0]
    rules = venue.instrument(position.symbol)
    assert rules is not None
    order = order_for(position, rules, Role.BACKSTOP, "0.98", "qpmF")
    server.engine.world.faults.add(fault, path="algoOrder", method="POST", count=1)
    with pytest.raises(failure):
        await venue.place(approve(Place(order, "test")))
    if failure is RateLimited:
        return
    found = await venue.query_order(order.symbol, order.client_id)
    assert (found is not None) is rests, "the query by client id tells what the lost answer would have told"


async def test_the_user_stream_key(paper: Open) -> None:
    venue, server = await paper("flat")
    key = await venue.open_user_stream()
    assert key and await venue.open_user_stream() == key
    await venue.keep_user_stream()
    server.engine.world.faults.add("empty_object", path="listenKey")
    with pytest.raises(Unreadable):
        await venue.open_user_stream()


async def test_a_skewed_clock_heals_itself(paper: Open, approve: Approve) -> None:
    venue, server = await paper("seven-naked")
    position = (await venue.read_positions()).positions[0]
    rules = venue.instrument(position.symbol)
    assert rules is not None
    server.engine.world.faults.add("clock_skew", delay_ms=60_000)
    await venue.place(approve(Place(order_for(position, rules, Role.BACKSTOP, "0.98", "qpmS"), "test")))
    assert abs(venue.clock_offset_ms - 60_000) < 2_000
    assert len((await venue.read_orders(position.symbol)).orders) == 1
