"""The reader of the venue's journal, on journals the paper exchange's engine wrote."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.paper.engine import Engine
from tests.bench.exposure import exposures
from tests.paper.paper_support import START_MS, engine_with, long_btc, part_params, refused_code, stop_params


def told(engine: Engine) -> list[tuple[str, str, int, int | None]]:
    """Exposures with times counted from the start."""
    found = exposures(entry.body() for entry in engine.world.journal.after(0))
    since = [one.from_ms - START_MS for one in found]
    return [(one.symbol, one.cause, at, one.lasted_ms) for one, at in zip(found, since, strict=True)]


def after(engine: Engine, ms: int) -> Engine:
    """The same engine, later."""
    engine.advance_to(START_MS + ms)
    return engine


def test_a_given_position_waits_for_its_close_all_stop():
    engine = long_btc()
    assert told(engine) == [("BTCUSDT", "given", 0, None)]
    after(engine, 40).place_algo(stop_params())
    assert told(engine) == [("BTCUSDT", "given", 0, 40)]


def test_quantity_stops_cover_only_together_and_take_profits_never():
    engine = long_btc()
    after(engine, 10).place_algo(part_params(quantity="0.3"))
    after(engine, 20).place_algo(part_params(quantity="0.2", type="TAKE_PROFIT_MARKET", triggerPrice="41000"))
    assert told(engine) == [("BTCUSDT", "given", 0, None)]
    after(engine, 30).place_algo(part_params(quantity="0.2"))
    assert told(engine) == [("BTCUSDT", "given", 0, 30)]


def test_growing_is_covered_at_once_by_a_close_all_stop_and_not_by_a_quantity():
    engine = engine_with(("BTCUSDT", "LONG", "0.5", "40000"), ("ETHUSDT", "LONG", "3", "2200"))
    engine.place_algo(stop_params())
    engine.place_algo(part_params(symbol="ETHUSDT", quantity="3", triggerPrice="2100"))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        after(engine, 50).trade("add", symbol, None, Decimal("0.1"))
    after(engine, 70).place_algo(part_params(symbol="ETHUSDT", quantity="0.1", triggerPrice="2100"))
    assert told(engine)[2:] == [("BTCUSDT", "grown", 50, 0), ("ETHUSDT", "grown", 50, 20)]


@pytest.mark.parametrize(("side", "exit_side", "entry_side"), [("LONG", "SELL", "BUY"), ("SHORT", "BUY", "SELL")])
def test_a_flip_is_one_change_and_the_old_stop_does_not_cover_it(side, exit_side, entry_side):
    engine = engine_with(("BTCUSDT", side, "0.5", "40000"))
    triggers = {"SELL": "39000", "BUY": "41000"}
    engine.place_algo(stop_params(side=exit_side, triggerPrice=triggers[exit_side]))
    after(engine, 100).trade("flip", "BTCUSDT", None, Decimal("0.2"))
    assert told(engine)[1:] == [("BTCUSDT", "flipped", 100, None)]
    after(engine, 104).place_algo(stop_params(side=entry_side, triggerPrice=triggers[entry_side]))
    assert told(engine)[1:] == [("BTCUSDT", "flipped", 100, 4)]


def test_a_position_that_only_shrinks_asks_for_nothing():
    for side, exit_side, trigger in (("LONG", "SELL", "39000"), ("SHORT", "BUY", "41000")):
        engine = engine_with(("BTCUSDT", side, "0.5", "40000"))
        engine.place_algo(stop_params(side=exit_side, triggerPrice=trigger))
        after(engine, 10).trade("reduce", "BTCUSDT", None, Decimal("0.2"))
        assert told(engine) == [("BTCUSDT", "given", 0, 0)]


def test_what_is_grown_while_it_waits_is_one_exposure_from_its_first_moment():
    engine = engine_with()
    after(engine, 5).trade("open", "BTCUSDT", "LONG", Decimal("0.1"))
    after(engine, 8).trade("add", "BTCUSDT", "LONG", Decimal("0.1"))
    after(engine, 9).place_algo(stop_params())
    assert told(engine) == [("BTCUSDT", "opened", 5, 4)]


def test_a_position_closed_before_its_stop_came_was_never_covered():
    engine = engine_with()
    after(engine, 5).trade("open", "BTCUSDT", "SHORT", Decimal("0.1"))
    after(engine, 9).trade("close", "BTCUSDT", None, None)
    after(engine, 20).trade("open", "BTCUSDT", "SHORT", Decimal("0.1"))
    after(engine, 21).place_algo(stop_params(side="BUY", triggerPrice="43000"))
    assert told(engine) == [("BTCUSDT", "opened", 5, None), ("BTCUSDT", "opened", 20, 1)]


def test_a_stop_that_goes_away_uncovers():
    engine = long_btc()
    engine.place_algo(stop_params(clientAlgoId="mine"))
    after(engine, 30).cancel_algo({"clientAlgoId": "mine"})
    after(engine, 36).place_algo(stop_params())
    assert told(engine) == [("BTCUSDT", "given", 0, 0), ("BTCUSDT", "uncovered", 30, 6)]


def test_a_refused_stop_covers_nothing():
    engine = long_btc()
    assert refused_code(engine, lambda: engine.place_algo(stop_params(triggerPrice="41000"))) == -2021
    assert told(engine) == [("BTCUSDT", "given", 0, None)]
