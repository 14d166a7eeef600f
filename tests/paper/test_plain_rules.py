"""Plain orders: every refusal by its code and by the unchanged world; fills and cancels."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.paper.paper_support import (
    amount,
    engine_with,
    limit_params,
    long_btc,
    market_params,
    names,
    refused_code,
    stop_params,
)

LIMIT_REFUSALS = [
    ({"symbol": None}, -1102), ({"side": None}, -1102), ({"type": None}, -1102),
    ({"quantity": None}, -1102), ({"price": None}, -1102), ({"timeInForce": None}, -1102),
    ({"symbol": "NOSUCHUSDT"}, -1121), ({"side": "LONG"}, -1117), ({"type": "ICEBERG"}, -1116),
    ({"timeInForce": "DAY"}, -1115), ({"quantity": "abc"}, -1100), ({"quantity": "1e-2"}, -1100),
    ({"quantity": ""}, -1105), ({"price": "39500,5"}, -1100), ({"reduceOnly": "maybe"}, -1100),
    ({"stopPrice": "39000"}, -1106), ({"closePosition": "true"}, -4136),
    ({"quantity": "0"}, -4003), ({"quantity": "-1"}, -4003), ({"quantity": "0.0015"}, -1111),
    ({"quantity": "1000.001"}, -4005), ({"price": "39500.05"}, -4014),
    ({"price": "39500.123"}, -1111), ({"price": "4200000.1"}, -4002), ({"price": "419.9"}, -4013),
    ({"price": "-1"}, -4001), ({"price": "42000.1"}, -4016),
    ({"side": "SELL", "price": "37999.9", "quantity": "0.6"}, -4024),
    ({"quantity": "0.002", "price": "39500"}, -4164), ({"positionSide": "LONG"}, -4061),
    ({"positionSide": "UP"}, -4060), ({"newClientOrderId": "x" * 37}, -4015),
    ({"newClientOrderId": "with space"}, -4015), ({"newClientOrderId": "ümlaut"}, -4015),
    ({"priceMatch": "OPPONENT"}, -1128), ({"priceMatch": "NEAREST", "price": None}, -5037),
    ({"selfTradePreventionMode": "MAYBE"}, -5039), ({"newOrderRespType": "FULL"}, -1136),
    ({"timeInForce": "GTD"}, -1102), ({"timeInForce": "GTD", "goodTillDate": "1795000500000"}, -5040),
    ({"timeInForce": "FOK"}, -5021), ({"timeInForce": "GTX", "price": "40100"}, -5022),
    ({"quantity": "20"}, -2019), ({"reduceOnly": "true"}, -2022),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), LIMIT_REFUSALS)
def test_limit_order_is_refused(changes, code):
    engine = long_btc()
    assert refused_code(engine, lambda: engine.place_order(limit_params(**changes))) == code


MARKET_REFUSALS = [
    ({"price": "40000"}, -1106), ({"timeInForce": "GTC"}, -1106), ({"quantity": "121"}, -4005),
    ({"side": "BUY", "reduceOnly": "true"}, -2022), ({"quantity": "0.002"}, -4164),
    ({"priceMatch": "QUEUE"}, -5038),
    *(({"type": kind}, -4120) for kind in (
        "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), MARKET_REFUSALS)
def test_market_order_is_refused(changes, code):
    engine = long_btc()
    assert refused_code(engine, lambda: engine.place_order(market_params(**changes))) == code


def test_refusals_reach_the_journal_with_code_and_position():
    engine = long_btc()
    refused_code(engine, lambda: engine.place_order(market_params(side="BUY", reduceOnly="true")))
    entry = engine.world.journal.after(0)[-1]
    assert (entry.kind, entry.detail["code"]) == ("order_refused", -2022)
    assert entry.position_before == entry.position_after == {"BOTH": "0.5"}


def test_min_notional_does_not_bind_reduce_only():
    engine = long_btc()
    engine.place_order(market_params(quantity="0.001", reduceOnly="true"))
    assert amount(engine) == Decimal("0.499")


def test_market_order_outside_percent_price_is_refused():
    engine = long_btc()
    engine.set_price("BTCUSDT", last=Decimal("37000"))
    assert refused_code(engine, lambda: engine.place_order(market_params())) == -4131
    engine.set_price("BTCUSDT", last=Decimal("38000.0"))
    engine.place_order(market_params())
    assert amount(engine) == Decimal("0.4")


def test_step_that_is_no_power_of_ten_is_its_own_code():
    engine = long_btc()
    engine.change_instrument("BTCUSDT", step=Decimal("0.005"), min_qty=Decimal("0.005"))
    assert refused_code(engine, lambda: engine.place_order(limit_params(quantity="0.011"))) == -4023
    assert refused_code(engine, lambda: engine.place_order(limit_params(quantity="0.004"))) == -4004


def test_max_num_orders_of_a_symbol():
    engine = engine_with(wallet="10000000")
    engine.change_instrument("BTCUSDT", max_orders=3)
    for _ in range(3):
        engine.place_order(limit_params())
    assert refused_code(engine, lambda: engine.place_order(limit_params())) == -2025
    engine.place_order(limit_params(symbol="ETHUSDT", price="2200", quantity="1"))


def test_closed_symbols_take_no_orders():
    engine = long_btc()
    for status, code in (("SETTLING", -4108), ("CLOSE", -4108), ("PENDING_TRADING", -4108), ("BREAK", -1122)):
        engine.change_instrument("BTCUSDT", status=status)
        assert refused_code(engine, lambda: engine.place_order(limit_params())) == code
        assert refused_code(engine, lambda: engine.place_algo(stop_params())) == code


def test_open_client_id_is_unique_but_a_used_one_is_not():
    """Field note: two MARKET orders with one id both filled."""
    engine = long_btc()
    engine.place_order(limit_params(newClientOrderId="twice"))
    assert refused_code(engine, lambda: engine.place_order(limit_params(newClientOrderId="twice"))) == -4116
    for _ in range(2):
        engine.place_order(market_params(newClientOrderId="again"))
    assert amount(engine) == Decimal("0.3")


def test_reduce_only_budget_of_resting_orders():
    engine = long_btc()
    sell = {"side": "SELL", "price": "41000", "reduceOnly": "true"}
    engine.place_order(limit_params(**sell, quantity="0.3"))
    assert refused_code(engine, lambda: engine.place_order(limit_params(**sell, quantity="0.201"))) == -4118
    assert refused_code(engine, lambda: engine.place_order(market_params(quantity="0.3", reduceOnly="true"))) == -4118
    engine.place_order(limit_params(**sell, quantity="0.2"))
    assert refused_code(engine, lambda: engine.place_order(market_params(quantity="0.001", reduceOnly="true"))) == -4118


def test_lone_reduce_only_market_larger_than_the_position_is_clipped():
    engine = long_btc()
    order = engine.place_order(market_params(quantity="3", reduceOnly="true"))
    assert (order.status, order.executed, amount(engine)) == ("FILLED", Decimal("0.5"), 0)


def test_events_of_a_market_fill_come_in_the_live_order():
    engine = long_btc()
    engine.place_order(market_params())
    assert names(engine) == ["ORDER NEW NEW", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER TRADE FILLED"]


def test_one_way_order_larger_than_the_position_flips_it():
    engine = long_btc()
    engine.place_order(market_params(quantity="0.8"))
    leg = engine.world.account.position("BTCUSDT", "BOTH")
    assert (leg.amount, leg.entry) == (Decimal("-0.3"), Decimal("40000"))


def test_limit_order_rests_fills_at_its_price_and_pays_maker_fee():
    engine = long_btc()
    order = engine.place_order(limit_params(quantity="0.1"))
    engine.set_price("BTCUSDT", last=Decimal("39600"))
    assert order.status == "NEW"
    engine.set_price("BTCUSDT", mark=Decimal("39450"), last=Decimal("39450"))
    assert (order.status, order.average) == ("FILLED", Decimal("39500"))
    trade = engine.world.trades[-1]
    assert (trade.maker, trade.fee) == (True, Decimal("0.79"))
    assert engine.world.account.position("BTCUSDT", "BOTH").entry == Decimal("39916.666666666667")


def test_immediate_or_cancel_beside_the_market_expires():
    engine = long_btc()
    order = engine.place_order(limit_params(timeInForce="IOC"))
    assert (order.status, amount(engine)) == ("EXPIRED", Decimal("0.5"))
    taken = engine.place_order(limit_params(timeInForce="IOC", price="40000.1", quantity="0.1"))
    assert (taken.status, amount(engine)) == ("FILLED", Decimal("0.6"))


def test_price_match_takes_the_book_price():
    engine = long_btc()
    queue = engine.place_order(limit_params(price=None, priceMatch="QUEUE_5"))
    assert queue.price == Decimal("39999.6")
    opponent = engine.place_order(limit_params(price=None, priceMatch="OPPONENT"))
    assert (opponent.price, opponent.status) == (Decimal("40000.1"), "FILLED")


def test_reduce_only_orders_die_with_the_position():
    engine = long_btc()
    resting = engine.place_order(limit_params(side="SELL", price="41000", reduceOnly="true", quantity="0.5"))
    other = engine.place_order(limit_params())
    engine.trade("close", "BTCUSDT", None, None)
    assert (resting.status, other.status) == ("EXPIRED", "NEW")


def test_cancel_and_amend():
    engine = long_btc()
    order = engine.place_order(limit_params(newClientOrderId="mine"))
    find = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    same = {**find, "side": "BUY", "quantity": "0.01", "price": "39500"}
    assert refused_code(engine, lambda: engine.amend_order(same)) == -5027
    assert refused_code(engine, lambda: engine.amend_order({**same, "price": "39000.05"})) == -4014
    engine.amend_order({**same, "price": "39100", "quantity": "0.02"})
    assert (order.price, order.quantity) == (Decimal("39100"), Decimal("0.02"))
    engine.cancel_order(find)
    assert order.status == "CANCELED"
    assert refused_code(engine, lambda: engine.cancel_order(find)) == -2011
    assert refused_code(engine, lambda: engine.cancel_order({"symbol": "BTCUSDT"})) == -1102
    assert refused_code(engine, lambda: engine.cancel_order({"symbol": "BTCUSDT", "orderId": "1"})) == -2011


def test_good_till_date_and_countdown_cancel():
    engine = long_btc()
    until = engine.now_ms + 700_000
    dated = engine.place_order(limit_params(timeInForce="GTD", goodTillDate=str(until)))
    kept = engine.place_order(limit_params())
    engine.advance_to(until - 1)
    assert dated.status == "NEW"
    engine.advance_to(until)
    assert (dated.status, kept.status) == ("EXPIRED", "NEW")
    engine.countdown_cancel("BTCUSDT", 5_000)
    engine.advance_to(engine.now_ms + 3_000)
    engine.countdown_cancel("BTCUSDT", 5_000)
    engine.advance_to(engine.now_ms + 3_000)
    assert kept.status == "NEW"
    engine.advance_to(engine.now_ms + 2_000)
    assert kept.status == "CANCELED"


def test_price_band_is_inclusive_and_binds_one_way_only():
    """A buy not too far above, a sell not too far below; the other directions are free."""
    engine = long_btc()
    for changes in (
        {"side": "BUY", "price": "42000", "quantity": "0.01"},
        {"side": "SELL", "price": "38000", "quantity": "0.01"},
        {"side": "SELL", "price": "60000", "quantity": "0.01"},
        {"side": "BUY", "price": "20000", "quantity": "0.01"},
    ):
        assert engine.place_order(limit_params(**changes)).status in ("NEW", "FILLED")


def test_position_larger_than_the_leverage_allows():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), wallet="5000000", leverage=125)
    # the first bracket ends at 300,000 USDT: 7.5 BTC in all at 40,000
    assert refused_code(engine, lambda: engine.place_order(limit_params(quantity="7.1", price="40000"))) == -2027
    assert engine.place_order(limit_params(quantity="6.9", price="40000")).status == "NEW"


def test_resting_reduce_only_order_survives_a_smaller_position_and_fills_what_is_left():
    engine = long_btc()
    sell = limit_params(side="SELL", price="41000", reduceOnly="true", quantity="0.4")
    order = engine.place_order(sell)
    engine.trade("reduce", "BTCUSDT", None, Decimal("0.2"))
    assert order.status == "NEW"
    engine.set_price("BTCUSDT", mark=Decimal("41000"), last=Decimal("41000"))
    assert (order.executed, order.status, amount(engine)) == (Decimal("0.3"), "EXPIRED", 0)


def test_break_even_starts_anew_after_a_flip():
    engine = long_btc()
    engine.place_order(market_params(quantity="0.2", reduceOnly="true"))
    engine.place_order(market_params(quantity="0.4"))
    leg = engine.world.account.position("BTCUSDT", "BOTH")
    # short 0.1 from 40,000; the fee of the flipping order is 0.4 * 40000 * 0.0005 = 8
    assert (leg.amount, leg.break_even) == (Decimal("-0.1"), Decimal("39920"))
