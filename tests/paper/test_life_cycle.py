"""Conditional orders from NEW to their end: triggers, children, expiry, and the faults on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.paper.paper_support import amount, engine_with, limit_params, long_btc, names, part_params, stop_params

DONE = ["ALGO TRIGGERING", "ALGO TRIGGERED", "ORDER NEW NEW", "TRADE_LITE", "ACCOUNT_UPDATE",
        "ORDER TRADE FILLED", "ALGO FINISHED"]  # fmt: skip


def move(engine, price: str, symbol: str = "BTCUSDT") -> None:
    engine.set_price(symbol, mark=Decimal(price), last=Decimal(price))


def test_close_all_stop_fires_at_its_price_and_empties_the_position():
    engine = long_btc()
    order = engine.place_algo(stop_params(clientAlgoId="qpmstop"))
    engine.drain_events()
    move(engine, "39000.1")
    assert (order.status, names(engine)) == ("NEW", [])
    move(engine, "39000")
    assert names(engine) == DONE
    child = engine.world.plain.by_id(order.actual_order_id)
    assert (child.client_id, child.type, child.original_type, child.close_position) == (
        "qpmstop",
        "MARKET",
        "STOP_MARKET",
        True,
    )
    assert (order.status, order.actual_quantity, order.actual_price) == ("FINISHED", Decimal("0.5"), Decimal("39000"))
    assert amount(engine) == 0


def test_mark_and_last_trigger_separately():
    engine = long_btc()
    by_mark = engine.place_algo(stop_params())
    by_last = engine.place_algo(part_params(workingType="CONTRACT_PRICE"))
    engine.set_price("BTCUSDT", last=Decimal("38900"))
    assert (by_mark.status, by_last.status) == ("NEW", "FINISHED")
    engine.set_price("BTCUSDT", mark=Decimal("38900"))
    assert by_mark.status == "FINISHED"


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "before", "at"),
    [("LONG", "STOP_MARKET", "39000", "39000.1", "39000"),
     ("LONG", "TAKE_PROFIT_MARKET", "41000", "40999.9", "41000"),
     ("SHORT", "STOP_MARKET", "41000", "40999.9", "41000"),
     ("SHORT", "TAKE_PROFIT_MARKET", "39000", "39000.1", "39000")],
)  # fmt: skip
def test_direction_of_every_kind(side, kind, trigger, before, at):
    engine = engine_with(("BTCUSDT", side, "0.5", "40000"))
    exit_side = "SELL" if side == "LONG" else "BUY"
    order = engine.place_algo(stop_params(side=exit_side, type=kind, triggerPrice=trigger))
    move(engine, before)
    assert order.status == "NEW"
    move(engine, at)
    assert (order.status, amount(engine)) == ("FINISHED", 0)


def test_position_gone_expires_close_all_orders_and_leaves_quantity_orphans():
    engine = long_btc()
    stop = engine.place_algo(stop_params())
    target = engine.place_algo(stop_params(type="TAKE_PROFIT_MARKET", triggerPrice="41000"))
    bound = engine.place_algo(part_params(timeInForce="GTE_GTC"))
    orphan = engine.place_algo(part_params())
    engine.trade("close", "BTCUSDT", None, None)
    assert [o.status for o in (stop, target, bound, orphan)] == ["EXPIRED", "EXPIRED", "EXPIRED", "NEW"]
    engine.trade("open", "BTCUSDT", "LONG", Decimal("0.3"))
    move(engine, "39000")
    assert (orphan.status, amount(engine)) == ("FINISHED", Decimal("0.1"))


def test_orphan_without_position_is_rejected_at_its_trigger():
    engine = long_btc()
    orphan = engine.place_algo(part_params())
    engine.trade("close", "BTCUSDT", None, None)
    engine.drain_events()
    move(engine, "39000")
    assert (orphan.status, orphan.reason, amount(engine)) == ("REJECTED", "Reduce Only reject", 0)
    assert [e.body["o"].get("rm") for e in engine.drain_events()] == [None, "Reduce Only reject"]


def test_flip_expires_the_orders_of_the_old_direction():
    engine = long_btc()
    stop = engine.place_algo(stop_params())
    engine.trade("flip", "BTCUSDT", None, None)
    assert (stop.status, amount(engine)) == ("EXPIRED", Decimal("-0.5"))


def test_reduce_only_quantity_is_clipped_to_what_is_left():
    engine = long_btc()
    order = engine.place_algo(part_params(quantity="0.4"))
    engine.trade("reduce", "BTCUSDT", None, Decimal("0.3"))
    move(engine, "39000")
    assert (order.status, order.actual_quantity, amount(engine)) == ("FINISHED", Decimal("0.2"), 0)


def test_close_all_stop_follows_a_grown_position():
    engine = long_btc()
    engine.place_algo(stop_params())
    engine.trade("add", "BTCUSDT", "LONG", Decimal("0.25"))
    move(engine, "38900")
    assert amount(engine) == 0


def test_stop_limit_leaves_a_resting_child_until_it_fills():
    engine = long_btc()
    order = engine.place_algo(part_params(type="STOP", price="39050"))
    move(engine, "39000")
    child = engine.world.plain.by_id(order.actual_order_id)
    assert (order.status, child.type, child.status) == ("TRIGGERED", "LIMIT", "NEW")
    move(engine, "39050")
    assert (child.status, order.status, amount(engine)) == ("FILLED", "FINISHED", Decimal("0.3"))


def test_cancelled_child_finishes_its_parent_with_nothing_done():
    """FINISHED also means cancelled in the engine: only actualQty tells."""
    engine = long_btc()
    order = engine.place_algo(part_params(type="STOP", price="39050"))
    move(engine, "39000")
    engine.cancel_order({"symbol": "BTCUSDT", "orderId": str(order.actual_order_id)})
    assert (order.status, order.actual_quantity, amount(engine)) == ("FINISHED", 0, Decimal("0.5"))


def test_opening_stop_without_margin_is_rejected_at_the_trigger():
    engine = engine_with(wallet="100")
    order = engine.place_algo(part_params(side="BUY", triggerPrice="43000", quantity="1", reduceOnly=None))
    move(engine, "43000")
    assert (order.status, order.reason, amount(engine)) == ("REJECTED", "Margin is insufficient.", 0)


def test_stop_outside_the_price_band_is_rejected_and_the_position_stays():
    engine = long_btc()
    order = engine.place_algo(stop_params())
    engine.set_price("BTCUSDT", mark=Decimal("39500"), last=Decimal("37000"))
    engine.set_price("BTCUSDT", mark=Decimal("39000"))
    assert (order.status, amount(engine)) == ("REJECTED", Decimal("0.5"))
    assert "PERCENT_PRICE" in order.reason


def test_price_protection_withholds_a_trigger_in_a_spike():
    engine = long_btc()
    guarded = engine.place_algo(part_params(priceProtect="TRUE", workingType="CONTRACT_PRICE"))
    engine.set_price("BTCUSDT", last=Decimal("37900"))
    assert guarded.status == "NEW"
    engine.set_price("BTCUSDT", mark=Decimal("38900"), last=Decimal("38900"))
    assert guarded.status == "FINISHED"


def test_trailing_stop_activates_follows_and_fires():
    engine = long_btc()
    order = engine.place_algo(
        part_params(type="TRAILING_STOP_MARKET", triggerPrice=None, callbackRate="1", activatePrice="40500")
    )
    move(engine, "40400")
    move(engine, "39900")
    assert (order.status, order.activated) == ("NEW", False)
    move(engine, "40500")
    move(engine, "41000")
    assert (order.activated, order.trigger) == (True, Decimal("40590"))
    move(engine, "40590.1")
    assert order.status == "NEW"
    move(engine, "40590")
    assert (order.status, amount(engine)) == ("FINISHED", Decimal("0.3"))


def test_good_till_date_expires_an_untriggered_order():
    engine = long_btc()
    until = engine.now_ms + 601_000
    order = engine.place_algo(part_params(timeInForce="GTD", goodTillDate=str(until)))
    engine.advance_to(until - 1_000)
    assert order.status == "NEW"
    engine.advance_to(until)
    assert order.status == "EXPIRED"


@pytest.mark.parametrize(("fault", "status"), [("late_reject", "REJECTED"), ("late_expire", "EXPIRED")])
def test_accepted_and_later_gone(fault, status):
    engine = long_btc()
    engine.add_fault(fault, delay_ms=500, count=1)
    order = engine.place_algo(stop_params())
    untouched = engine.place_algo(part_params())
    engine.advance_to(engine.now_ms + 499)
    assert order.status == "NEW"
    engine.advance_to(engine.now_ms + 1)
    assert (order.status, untouched.status) == (status, "NEW")
    assert names(engine)[-1] == f"ALGO {status}"


def test_vanished_stop_leaves_no_event_and_no_record():
    engine = long_btc()
    engine.add_fault("vanish", delay_ms=300)
    order = engine.place_algo(stop_params())
    engine.drain_events()
    engine.advance_to(engine.now_ms + 300)
    assert names(engine) == []
    assert engine.algos.find({"algoId": str(order.algo_id)}) is None
    assert engine.world.journal.after(0)[-1].kind == "order_vanished"
    move(engine, "38000")
    assert amount(engine) == Decimal("0.5")


def test_stuck_triggering_neither_fires_nor_cancels():
    engine = long_btc()
    engine.add_fault("stuck_triggering")
    order = engine.place_algo(stop_params())
    move(engine, "38900")
    assert (order.status, amount(engine)) == ("TRIGGERING", Decimal("0.5"))
    with pytest.raises(Exception, match="-2011"):
        engine.cancel_algo({"algoId": str(order.algo_id)})
    move(engine, "38000")
    assert (order.status, amount(engine)) == ("TRIGGERING", Decimal("0.5"))


def test_child_rejected_by_the_engine():
    engine = long_btc()
    engine.add_fault("child_rejected", message="Margin is insufficient.", count=1)
    order = engine.place_algo(stop_params())
    move(engine, "38900")
    assert (order.status, order.reason, amount(engine)) == ("REJECTED", "Margin is insufficient.", Decimal("0.5"))


def test_child_partially_filled_leaves_a_remainder():
    engine = long_btc()
    engine.add_fault("child_partial", fraction="0.4", count=1)
    order = engine.place_algo(stop_params())
    engine.drain_events()
    move(engine, "38900")
    assert (order.status, order.actual_quantity, amount(engine)) == ("FINISHED", Decimal("0.2"), Decimal("0.3"))
    assert names(engine)[-3:] == ["ORDER TRADE PARTIALLY_FILLED", "ORDER EXPIRED EXPIRED", "ALGO FINISHED"]


def test_orphans_can_be_accepted_when_asked_for():
    engine = engine_with()
    engine.add_fault("accept_orphans")
    order = engine.place_algo(part_params(triggerPrice="41000"))
    move(engine, "41000")
    assert (order.status, order.reason) == ("REJECTED", "Reduce Only reject")


def test_two_stops_of_one_move_fire_oldest_first():
    engine = long_btc()
    first = engine.place_algo(part_params(quantity="0.2", triggerPrice="39100"))
    second = engine.place_algo(stop_params(triggerPrice="39200"))
    move(engine, "39000")
    fills = [e.detail["order_id"] for e in engine.world.journal.after(0) if e.kind == "filled"]
    assert fills == [first.actual_order_id, second.actual_order_id]
    assert amount(engine) == 0


def test_resting_orders_of_others_do_not_block_a_stop():
    engine = long_btc()
    engine.place_order(limit_params(side="SELL", price="41000", quantity="0.5", reduceOnly="true"))
    stop = engine.place_algo(stop_params())
    move(engine, "39000")
    assert (stop.status, amount(engine)) == ("FINISHED", 0)
