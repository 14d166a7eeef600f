"""`userTrades`, `income` and the order lists tell one story, to the last digit: profit, commission, funding, ids."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Gateway
from tests.paper.paper_support import START_MS, call, engine_with, gateway_of, part_params, stop_params

D = Decimal


def rows(gateway: Gateway, path: str, **params: str) -> list[dict[str, Any]]:
    found = call(gateway, "GET", f"/fapi/v1/{path}", params).body
    assert isinstance(found, list), found
    return found


def reconciled(gateway: Gateway, symbol: str = "BTCUSDT") -> None:
    """Each execution is booked once for its profit and once for its commission, and nothing else is."""
    trades = {row["id"]: row for row in rows(gateway, "userTrades", symbol=symbol, limit="1000")}
    booked = rows(gateway, "income", symbol=symbol, limit="1000")
    for kind, name, sign in (("REALIZED_PNL", "realizedPnl", 1), ("COMMISSION", "commission", -1)):
        of_kind = {int(row["tradeId"]): D(row["income"]) for row in booked if row["incomeType"] == kind}
        assert of_kind == {i: sign * D(row[name]) for i, row in trades.items() if D(row[name])}


def trade(engine: Engine, action: str, side: str | None = None, quantity: str | None = None) -> None:
    engine.advance_to(engine.now_ms + 1_000)
    engine.trade(action, "BTCUSDT", side, None if quantity is None else D(quantity))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("hedge", [False, True])
def test_the_wallet_moves_by_what_income_says(seed: int, hedge: bool) -> None:
    """Random days of a trader: the wallet is what it was plus every row of income, to the eighth digit."""
    rng = random.Random(f"history:{seed}:{hedge}")
    engine = engine_with(hedge=hedge, wallet="1000000")
    gateway, before = gateway_of(engine), engine.world.account.wallet
    for _ in range(40):
        price = D(rng.randrange(380_000, 420_000)) / 10
        engine.set_price("BTCUSDT", price, price)
        sides = [
            side for side in ("LONG", "SHORT") if engine.world.account.amount("BTCUSDT", side if hedge else "BOTH")
        ]
        if sides and rng.random() < 0.6:
            side = rng.choice(sides) if hedge else None
            action = rng.choice(["reduce", "close", "add"] if hedge else ["reduce", "close", "flip", "add"])
            trade(engine, action, side, None if action == "close" else f"0.{rng.randrange(1, 900):03d}")
        elif rng.random() < 0.3:
            engine.charge_funding(D(rng.randrange(-300, 300)) / 100_000)
        else:
            trade(engine, "open", rng.choice(["LONG", "SHORT"]), f"0.{rng.randrange(1, 900):03d}")
    reconciled(gateway)
    income = rows(gateway, "income", limit="1000")
    assert before + sum(D(row["income"]) for row in income) == engine.world.account.wallet
    assert all(row["income"] == f"{D(row['income']):.8f}" and D(row["income"]) for row in income)


def test_a_child_of_a_conditional_order_is_found_by_its_id_in_every_list() -> None:
    """The trade names the engine's order; both order lists lead from it to the id the stop was placed with."""
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"))
    gateway = gateway_of(engine)
    call(gateway, "POST", "/fapi/v1/algoOrder", stop_params(clientAlgoId="backstop1"))
    call(gateway, "POST", "/fapi/v1/algoOrder", part_params(clientAlgoId="part1", triggerPrice="39500"))
    for at, price in ((1, "39400"), (2, "38900")):
        engine.advance_to(START_MS + at * 60_000)
        engine.set_price("BTCUSDT", D(price), D(price))
    trades = rows(gateway, "userTrades", symbol="BTCUSDT")
    algos = {row["actualOrderId"]: row for row in rows(gateway, "allAlgoOrders", symbol="BTCUSDT")}
    plain = {row["orderId"]: row for row in rows(gateway, "allOrders", symbol="BTCUSDT")}
    assert [algos[str(row["orderId"])]["clientAlgoId"] for row in trades] == ["part1", "backstop1"]
    assert [plain[row["orderId"]]["clientOrderId"] for row in trades] == ["part1", "backstop1"]
    assert [algos[str(row["orderId"])]["algoStatus"] for row in trades] == ["FINISHED", "FINISHED"]
    reconciled(gateway)


def test_a_liquidation_is_named_and_booked_as_any_execution() -> None:
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), isolated=True, leverage=10)
    gateway = gateway_of(engine)
    engine.advance_to(START_MS + 60_000)
    engine.set_price("BTCUSDT", D(36000), D(36000))
    [closing] = rows(gateway, "userTrades", symbol="BTCUSDT")
    named = {row["orderId"]: row["clientOrderId"] for row in rows(gateway, "allOrders", symbol="BTCUSDT")}
    assert named[closing["orderId"]].startswith("autoclose-")
    assert D(closing["realizedPnl"]) < 0
    reconciled(gateway)


@pytest.mark.parametrize(
    ("side", "rate", "received"), [("LONG", "0.0001", "-2"), ("SHORT", "0.0001", "2"), ("LONG", "-0.0001", "2")]
)
def test_funding_is_booked_without_an_execution(side: str, rate: str, received: str) -> None:
    engine = engine_with(("BTCUSDT", side, "0.5", "40000"))
    gateway, before = gateway_of(engine), engine.world.account.wallet
    engine.drain_events()
    assert engine.charge_funding(D(rate)) == D(received)
    [row] = rows(gateway, "income")
    assert (row["incomeType"], row["tradeId"], row["info"], row["symbol"]) == (
        "FUNDING_FEE",
        "",
        "FUNDING_FEE",
        "BTCUSDT",
    )
    assert D(row["income"]) == D(received) == engine.world.account.wallet - before
    [event] = engine.drain_events()
    assert (event.name, event.body["a"]["m"], event.body["a"]["P"]) == ("ACCOUNT_UPDATE", "FUNDING_FEE", [])


def test_funding_of_an_isolated_position_moves_its_own_wallet_and_may_end_it() -> None:
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), isolated=True)
    leg = engine.world.account.position("BTCUSDT", "BOTH")
    before = leg.isolated_wallet
    assert engine.charge_funding(D("0.0001"), "BTCUSDT") == leg.isolated_wallet - before == D(-2)
    [event] = [one for one in engine.drain_events() if one.name == "ACCOUNT_UPDATE"]
    assert [row["s"] for row in event.body["a"]["P"]] == ["BTCUSDT"]
    engine.set_price("BTCUSDT", D(36300), D(36300))
    engine.charge_funding(D("0.03"))
    assert engine.world.account.amount("BTCUSDT", "BOTH") == 0, "the charge left less than the maintenance margin"


def test_funding_comes_by_itself_every_eight_hours() -> None:
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"))
    engine.funding.begin()
    engine.advance_to(START_MS + 24 * 3_600_000)
    times = [row.at_ms for row in engine.world.incomes]
    assert len(times) == 3
    assert all(at_ms % (8 * 3_600_000) == 0 for at_ms in times)


def test_an_absurd_rate_is_refused() -> None:
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"))
    with pytest.raises(ValueError, match="rate was 1"):
        engine.charge_funding(D(1))
