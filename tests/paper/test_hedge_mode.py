"""Hedge mode: two legs, positionSide on everything, no reduceOnly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.paper.paper_support import amount, engine_with, limit_params, market_params, refused_code, stop_params


def both_legs():
    return engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("BTCUSDT", "SHORT", "0.2", "40100"), hedge=True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, -4061), ({"positionSide": "BOTH"}, -4061),
     ({"positionSide": "LONG", "reduceOnly": "true"}, -1106),
     ({"positionSide": "LONG", "reduceOnly": "false"}, -1106)],
)  # fmt: skip
def test_plain_order_rules(changes, code):
    engine = both_legs()
    assert refused_code(engine, lambda: engine.place_order(market_params(**changes))) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, -4061), ({"positionSide": "LONG", "reduceOnly": "true", "closePosition": None, "quantity": "0.1"}, -1106),
     ({"positionSide": "LONG", "side": "BUY", "triggerPrice": "41000"}, -1128),
     ({"positionSide": "SHORT", "side": "SELL"}, -1128),
     ({"positionSide": "LONG", "symbol": "ETHUSDT", "triggerPrice": "2100"}, -4509),
     ({"positionSide": "LONG", "symbol": "ETHUSDT", "triggerPrice": "2100", "closePosition": None,
       "quantity": "1"}, -2022),
     ({"positionSide": "LONG", "closePosition": None, "quantity": "0.001"}, -4164)],
)  # fmt: skip
def test_conditional_order_rules(changes, code):
    engine = both_legs()
    assert refused_code(engine, lambda: engine.place_algo(stop_params(**changes))) == code


def test_each_leg_has_its_own_close_all_stop():
    engine = both_legs()
    long_stop = engine.place_algo(stop_params(positionSide="LONG"))
    short_stop = engine.place_algo(stop_params(positionSide="SHORT", side="BUY", triggerPrice="41000"))
    assert (
        refused_code(engine, lambda: engine.place_algo(stop_params(positionSide="LONG", triggerPrice="38000"))) == -4130
    )
    engine.set_price("BTCUSDT", mark=Decimal("39000"), last=Decimal("39000"))
    assert (long_stop.status, short_stop.status) == ("FINISHED", "NEW")
    assert (amount(engine, side="LONG"), amount(engine, side="SHORT")) == (0, Decimal("-0.2"))


def test_closing_side_never_opens_the_other_way():
    engine = both_legs()
    too_much = market_params(positionSide="LONG", quantity="0.9")
    assert refused_code(engine, lambda: engine.place_order(too_much)) == -2022
    order = engine.place_order(market_params(positionSide="LONG", quantity="0.5"))
    assert (order.executed, amount(engine, side="LONG")) == (Decimal("0.5"), 0)
    assert refused_code(engine, lambda: engine.place_order(market_params(positionSide="LONG"))) == -2022


def test_opening_a_leg_leaves_the_other_alone():
    engine = both_legs()
    engine.place_order(market_params(positionSide="SHORT", quantity="0.1"))
    assert (amount(engine, side="LONG"), amount(engine, side="SHORT")) == (Decimal("0.5"), Decimal("-0.3"))


def test_closing_a_leg_expires_only_its_orders():
    engine = both_legs()
    long_stop = engine.place_algo(stop_params(positionSide="LONG"))
    short_stop = engine.place_algo(stop_params(positionSide="SHORT", side="BUY", triggerPrice="41000"))
    resting = engine.place_order(limit_params(positionSide="LONG", side="SELL", price="41000", quantity="0.5"))
    engine.trade("close", "BTCUSDT", "LONG", None)
    assert (long_stop.status, short_stop.status, resting.status) == ("EXPIRED", "NEW", "EXPIRED")


def test_forced_mode_switch_keeps_positions_and_orders():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"))
    stop = engine.place_algo(stop_params())
    engine.force_hedge(True)
    assert (amount(engine, side="LONG"), amount(engine)) == (Decimal("0.5"), 0)
    assert stop.position_side == "LONG"
    engine.set_price("BTCUSDT", mark=Decimal("39000"), last=Decimal("39000"))
    assert (stop.status, amount(engine, side="LONG")) == ("FINISHED", 0)


def test_account_event_carries_the_signed_amount_of_the_leg_that_changed():
    engine = both_legs()
    engine.trade("add", "BTCUSDT", "SHORT", Decimal("0.3"))
    (update,) = [event.body for event in engine.drain_events() if event.name == "ACCOUNT_UPDATE"]
    (row,) = update["a"]["P"]
    assert (row["s"], row["ps"], row["pa"], row["mt"]) == ("BTCUSDT", "SHORT", "-0.5", "cross")
