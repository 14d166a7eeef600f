"""Wallet arithmetic, liquidation prices against hand-worked figures, forced closing, margin calls."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.paper.account_bodies import AccountBodies
from position_monitor.paper.views import LiveView
from tests.paper.paper_support import amount, call, engine_with, gateway_of, long_btc, market_params, names, stop_params


def test_realized_profit_fees_and_break_even():
    engine = long_btc(wallet="10000")
    engine.set_price("BTCUSDT", mark=Decimal("41000"), last=Decimal("41000"))
    engine.place_order(market_params(quantity="0.2", reduceOnly="true"))
    # 0.2 * 1000 profit, 0.2 * 41000 * 0.0005 fee
    assert engine.world.account.wallet == Decimal("10195.9")
    leg = engine.world.account.position("BTCUSDT", "BOTH")
    assert leg.break_even == (Decimal(40000) + (Decimal("4.1") - 200) / Decimal("0.3")).quantize(Decimal("1e-12"))


def test_isolated_long_liquidation_price_by_hand():
    """wallet 2000, 0.5 BTC from 40,000, first bracket 0.4 %:
    2000 + 0.5 (P - 40000) = 0.5 P 0.004  ->  P = 18000 / 0.498."""
    engine = long_btc(isolated=True, leverage=10)
    price = engine.world.account.liquidation_price("BTCUSDT", "BOTH")
    assert price == (Decimal(18000) / Decimal("0.498")).quantize(Decimal("0.00000001"))


def test_isolated_short_liquidation_price_by_hand():
    """2000 - 0.5 (P - 40000) = 0.5 P 0.004  ->  P = 22000 / 0.502."""
    engine = engine_with(("BTCUSDT", "SHORT", "0.5", "40000"), isolated=True)
    price = engine.world.account.liquidation_price("BTCUSDT", "BOTH")
    assert price == (Decimal(22000) / Decimal("0.502")).quantize(Decimal("0.00000001"))


def test_liquidation_price_uses_the_bracket_that_holds_there():
    """100 BTC from 40,000 isolated at 5x: the notional is in the third bracket at entry."""
    engine = engine_with(("BTCUSDT", "LONG", "100", "40000"), wallet="2000000", isolated=True, leverage=5)
    instrument = engine.world.instruments["BTCUSDT"]
    price = engine.world.account.liquidation_price("BTCUSDT", "BOTH")
    bracket = instrument.bracket_at(100 * price)
    margin = Decimal(800_000) + 100 * (price - 40000)
    assert abs(margin - (100 * price * bracket.maintenance - bracket.cum)) < Decimal("0.0001")
    assert bracket is instrument.brackets[2]


def test_cross_liquidation_price_counts_the_other_symbols():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "SHORT", "4", "2000"), wallet="3000")
    alone = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), wallet="3000")
    assert alone.world.account.liquidation_price("BTCUSDT", "BOTH") == (Decimal(17000) / Decimal("0.498")).quantize(
        Decimal("0.00000001")
    )
    # the ETH leg's maintenance (8000 * 0.004 = 32) is no longer available
    assert engine.world.account.liquidation_price("BTCUSDT", "BOTH") == (Decimal(17032) / Decimal("0.498")).quantize(
        Decimal("0.00000001")
    )
    engine.set_price("ETHUSDT", mark=Decimal("2100"))
    assert engine.world.account.liquidation_price("BTCUSDT", "BOTH") == (
        (Decimal(17032) + 400 + Decimal("1.6")) / Decimal("0.498")
    ).quantize(Decimal("0.00000001"))


def test_hedged_legs_share_one_liquidation_price():
    engine = engine_with(
        ("BTCUSDT", "LONG", "0.5", "40000"), ("BTCUSDT", "SHORT", "0.2", "40000"), hedge=True, wallet="3000"
    )
    account = engine.world.account
    assert account.liquidation_price("BTCUSDT", "LONG") == account.liquidation_price("BTCUSDT", "SHORT")
    # 3000 + 0.3 (P - 40000) = 0.7 P 0.004
    assert account.liquidation_price("BTCUSDT", "LONG") == (Decimal(9000) / Decimal("0.2972")).quantize(
        Decimal("0.00000001")
    )


def test_no_liquidation_price_when_no_positive_price_liquidates():
    assert long_btc(wallet="50000").world.account.liquidation_price("BTCUSDT", "BOTH") == 0


@pytest.mark.parametrize("isolated", [True, False])
def test_mark_at_the_liquidation_price_closes_by_force(isolated):
    engine = long_btc(isolated=isolated, wallet="3000")
    price = engine.world.account.liquidation_price("BTCUSDT", "BOTH")
    engine.set_price("BTCUSDT", mark=price + Decimal("0.1"))
    assert amount(engine) == Decimal("0.5")
    stop = engine.place_algo(stop_params(triggerPrice="30000"))
    engine.drain_events()
    engine.set_price("BTCUSDT", mark=price - Decimal("0.1"))
    assert (amount(engine), stop.status) == (0, "EXPIRED")
    (order,) = engine.liquidation.forced
    assert order.client_id.startswith("autoclose-")
    assert (order.type, order.side) == ("LIQUIDATION", "SELL")
    assert names(engine) == ["ORDER NEW NEW", "ACCOUNT_UPDATE", "ORDER CALCULATED FILLED", "ALGO EXPIRED"]
    (listed,) = call(gateway_of(engine), "GET", "/fapi/v1/forceOrders", {"symbol": "BTCUSDT"}).body
    assert (listed["clientOrderId"], listed["status"], listed["executedQty"]) == (order.client_id, "FILLED", "0.500")


def test_isolated_loss_is_limited_to_its_margin_even_after_a_gap():
    engine = long_btc(isolated=True, wallet="3000")
    engine.set_price("BTCUSDT", mark=Decimal("20000"))
    fee = engine.world.trades[-1].fee
    assert engine.world.account.wallet == Decimal(1000) - fee


def test_cross_account_closes_the_worst_loser_first():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "LONG", "1", "2000"), wallet="3000")
    engine.set_price("BTCUSDT", mark=Decimal("34100"))
    assert amount(engine) == 0
    assert amount(engine, "ETHUSDT") == 1


def test_margin_call_once_per_approach():
    engine = long_btc(isolated=True, wallet="3000")
    price = engine.world.account.liquidation_price("BTCUSDT", "BOTH")
    for _ in range(2):
        engine.set_price("BTCUSDT", mark=price + 15)
    assert names(engine) == ["MARGIN_CALL"]
    engine.set_price("BTCUSDT", mark=Decimal("39000"))
    engine.set_price("BTCUSDT", mark=price + 15)
    assert names(engine) == ["MARGIN_CALL"]


def test_totals_kept_by_symbol_equal_totals_counted_anew():
    engine = engine_with(
        ("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "SHORT", "4", "2000"), ("SOLUSDT", "LONG", "60", "98")
    )
    for _ in range(30):
        engine.step_prices()
    engine.trade("reduce", "SOLUSDT", None, Decimal("20"))
    engine.trade("flip", "ETHUSDT", None, None)
    engine.set_leverage("BTCUSDT", 7)
    account, market = engine.world.account, engine.world.market
    legs = account.open_positions()
    assert account.cross_upnl == sum(p.unrealized(market.mark(p.symbol)) for p in legs)
    assert account.cross_initial == sum(
        abs(p.amount) * market.mark(p.symbol) / account.config_of(p.symbol).leverage for p in legs
    )


def test_position_rows_v3_and_v2_list_what_the_venue_lists():
    engine = long_btc()
    engine.place_order(
        {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2200"}
    )
    rendered, view = AccountBodies(engine.world, engine.matching), LiveView(engine.world)
    v3 = {row["symbol"]: row["positionAmt"] for row in rendered.positions_v3(view, None)}
    assert v3 == {"BTCUSDT": "0.500", "ETHUSDT": "0.000"}
    assert len(rendered.positions_v2(view, None)) == len(engine.world.instruments)
    engine.trade("close", "BTCUSDT", None, None)
    assert [r["symbol"] for r in rendered.positions_v3(view, None)] == ["ETHUSDT"]
    (row,) = rendered.positions_v2(view, "BTCUSDT")
    assert (row["positionAmt"], row["entryPrice"], row["leverage"]) == ("0.000", "0.0", "10")
