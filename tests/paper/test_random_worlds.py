"""Random traders, prices and faults: what must hold in every world the engine can reach."""

from __future__ import annotations

import contextlib
import random
from decimal import Decimal

import pytest

from position_monitor.paper.account_bodies import AccountBodies
from position_monitor.paper.bodies import algo_read
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.orders import copied
from position_monitor.paper.views import LiveView
from tests.paper.paper_support import START_MS, call, engine_with, gateway_of

PRICES = {"BTCUSDT": Decimal(40000), "ETHUSDT": Decimal(2200), "SOLUSDT": Decimal(98)}
SIZES = {"BTCUSDT": "0.05", "ETHUSDT": "0.8", "SOLUSDT": "15"}


def random_call(rng: random.Random, gateway, hedge: bool) -> None:
    """One thing a client, a trader or the market may do; refusals are fine."""
    engine = gateway.engine
    symbol = rng.choice(list(PRICES))
    market = engine.world.market
    side = rng.choice(["BUY", "SELL"])
    params = {"symbol": symbol, "side": side}
    if hedge:
        params["positionSide"] = rng.choice(["LONG", "SHORT"])
    elif rng.random() < 0.5:
        params["reduceOnly"] = "true"
    near = (market.last(symbol) * Decimal(rng.randint(960, 1040)) / 1000).quantize(Decimal("0.1"))
    quantity = str(Decimal(SIZES[symbol]) * rng.randint(1, 3))
    choice = rng.randrange(8)
    if choice == 0:
        call(gateway, "POST", "/fapi/v1/order", {**params, "type": "MARKET", "quantity": quantity})
    elif choice == 1:
        call(gateway, "POST", "/fapi/v1/order", {
            **params, "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity, "price": str(near)})  # fmt: skip
    elif choice in (2, 3):
        kind = rng.choice(["STOP_MARKET", "TAKE_PROFIT_MARKET"])
        algo = {**params, "algoType": "CONDITIONAL", "type": kind, "triggerPrice": str(near)}
        if rng.random() < 0.5:
            algo = {k: v for k, v in algo.items() if k != "reduceOnly"} | {"closePosition": "true"}
        else:
            algo["quantity"] = quantity
        call(gateway, "POST", "/fapi/v1/algoOrder", algo)
    elif choice == 4:
        engine.set_price(symbol, mark=near, last=near)
    elif choice == 5:
        action = rng.choice(["open", "reduce", "close", "flip"])
        with contextlib.suppress(VenueRefusal):
            engine.trade(action, symbol, rng.choice(["LONG", "SHORT"]), Decimal(quantity))
    elif choice == 6:
        engine.advance_to(engine.now_ms + rng.randint(1, 5_000))
        engine.step_prices()
    else:
        call(gateway, "DELETE", rng.choice(["/fapi/v1/algoOpenOrders", "/fapi/v1/allOpenOrders"]), {"symbol": symbol})


def check(engine, start_wallet: Decimal) -> None:
    world, account = engine.world, engine.world.account
    legs = account.open_positions()
    marks = {leg.symbol: world.market.mark(leg.symbol) for leg in legs}
    assert account.cross_upnl == sum((leg.unrealized(marks[leg.symbol]) for leg in legs), Decimal(0))
    traded = sum((t.realized - t.fee for t in world.trades), Decimal(0))
    assert account.wallet == start_wallet + traded
    seen = set()
    for order in world.algo.open_all():
        if order.time_in_force == "GTE_GTC" and order.status == "NEW":
            assert world.closable(order.symbol, order.position_side, order.side) > 0
        if order.close_position:
            key = (order.symbol, order.position_side, order.side, order.type)
            assert key not in seen
            seen.add(key)
    for order in world.plain.open_all():
        if world.reducing(order.position_side, order.side, order.reduce_only):
            assert world.closable(order.symbol, order.position_side, order.side) > 0
        assert order.remaining > 0
    if account.hedge:
        assert all((leg.amount > 0) == (leg.side == "LONG") for leg in legs)


def check_journal(engine) -> None:
    """Positions follow from the fills, and nothing that may only reduce ever grew one."""
    amounts: dict[str, dict[str, str]] = {}
    for entry in engine.world.journal.after(0):
        if entry.symbol in PRICES:
            if entry.kind != "liquidated":  # the summary repeats the position before its fill
                assert entry.position_before == amounts.get(entry.symbol, {}), entry
            amounts[entry.symbol] = entry.position_after
        if entry.kind == "filled" and (entry.detail["reduce_only"] or entry.detail["close_position"]):
            side = entry.detail["position_side"]
            before = Decimal(entry.position_before.get(side, "0"))
            after = Decimal(entry.position_after.get(side, "0"))
            assert abs(after) < abs(before) and before * after >= 0, entry
    for symbol, last in amounts.items():
        assert last == engine.world.amounts(symbol)


def check_rows(engine, reader: AccountBodies) -> None:
    """Who has read the account and the orders before reads what a first reader does."""
    view, fresh = LiveView(engine.world), AccountBodies(engine.world, engine.matching)
    assert reader.positions_v2(view, None) == fresh.positions_v2(view, None)
    assert reader.positions_v3(view, None) == fresh.positions_v3(view, None)
    for order in engine.world.algo.open_all():
        instrument = engine.world.instruments[order.symbol]
        assert algo_read(order, instrument) == algo_read(copied(order), instrument)


@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_what_always_holds(seed, hedge):
    rng = random.Random(seed)
    engine = engine_with(hedge=hedge, wallet="60000")
    assert engine.now_ms == START_MS
    for symbol, price in PRICES.items():
        engine.set_price(symbol, mark=price, last=price)
    gateway = gateway_of(engine)
    if seed % 2:
        for name in ("child_partial", "child_rejected", "late_expire", "stuck_triggering", "vanish"):
            engine.add_fault(name, probability=0.1, delay_ms=700)
    reader = AccountBodies(engine.world, engine.matching)
    for number in range(300):
        random_call(rng, gateway, hedge)
        check(engine, Decimal(60000))
        if number % 5 == 0:
            check_rows(engine, reader)
    check_journal(engine)
    assert len(engine.world.trades) > 30
