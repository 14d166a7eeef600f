"""The decision of a cycle: one account, isolated symbols, one capacity, the same answer every time (3, 11, 12)."""

from dataclasses import replace

import pytest

from position_monitor.core.decision import symbol_inputs
from position_monitor.core.decision.plan_inputs import Plan
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.verdicts import Verdict

from .build import (
    LIMITS,
    LONG,
    NOW_MS,
    SYMBOL,
    TRAITS,
    D,
    advise,
    at,
    backstop,
    decided,
    ladder,
    learned,
    live,
    position,
    rules,
    seen_at,
    settings,
    working,
)

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")


def account(symbols=SYMBOLS, orders=lambda held: (), **changes):
    observed = {}
    for symbol in symbols:
        held = position(symbol=symbol, **changes)
        observed[symbol] = seen_at([held], orders(held), symbol=symbol)
    return observed, learned(*observed.values(), *observed.values())


def test_every_position_gets_its_stop():
    observed, evidence = account()
    decision = decided(observed, evidence)
    assert all(len(decision.plans[symbol].stops) == 1 for symbol in SYMBOLS)
    assert not decision.empty and len(decision.books) == len(decision.judgements) == 3


def test_nothing_to_do_is_empty():
    observed, evidence = account(orders=lambda held: (backstop(held, D("98.5")), *ladder(held)))
    assert decided(observed, evidence).empty


def test_the_same_inputs_give_the_same_decision():
    observed, evidence = account()
    backwards = dict(reversed(observed.items()))
    assert decided(observed, evidence) == decided(observed, evidence) == decided(backwards, evidence)


def test_time_is_an_argument():
    observed, evidence = account()
    advice = {symbol: advise("1", stop="1", symbol=symbol) for symbol in SYMBOLS}
    early, late = (decided(observed, evidence, advice=advice, now_ms=NOW_MS + later) for later in (0, 60_000))
    assert {book.stop.price for book in early.books.values()} == {D(99)}
    assert {book.stop.price for book in late.books.values()} == {D("98.5")}


# --- isolation --------------------------------------------------------------------------------------------------------


def test_a_defect_in_planning_one_symbol_holds_that_symbol_only(monkeypatch):
    observed, evidence = account()
    real = symbol_inputs.compared_book

    def defective(inputs, before):
        if inputs.position.symbol == "BBBUSDT":
            raise AssertionError("Invariant: nothing")
        return real(inputs, before)

    monkeypatch.setattr(symbol_inputs, "compared_book", defective)
    decision = decided(observed, evidence)
    assert decision.plans["BBBUSDT"] == Plan("BBBUSDT")
    assert len(decision.plans["AAAUSDT"].stops) == len(decision.plans["CCCUSDT"].stops) == 1
    fenced = next(j for key, j in decision.judgements.items() if key.symbol == "BBBUSDT")
    assert fenced.verdict is Verdict.UNKNOWN and "HOLD: deciding failed with AssertionError" in fenced.reason


@pytest.mark.parametrize("defect", ["a value no one expected", "settings", "unmanaged"])
def test_a_defect_in_judging_one_symbol_holds_that_symbol_only(defect):
    observed, evidence = account()
    rulebook = rules()
    if defect == "a value no one expected":
        odd = replace(observed["BBBUSDT"].positions[0], quantity=D(0))
        observed["BBBUSDT"] = replace(observed["BBBUSDT"], positions=(odd,))
    elif defect == "settings":
        rulebook = replace(rulebook, protection_for=lambda key: settings() if key.symbol != "BBBUSDT" else 1 / 0)
    else:
        rulebook = replace(rulebook, is_unmanaged=lambda key: False if key.symbol != "BBBUSDT" else 1 / 0)
    decision = decided(observed, evidence, rulebook)
    assert len(decision.plans["AAAUSDT"].stops) == len(decision.plans["CCCUSDT"].stops) == 1
    assert decision.plans["BBBUSDT"].empty


def test_an_unreadable_symbol_does_not_stop_the_others():
    observed, evidence = account()
    observed["BBBUSDT"] = replace(observed["BBBUSDT"], unreadable="html")
    decision = decided(observed, evidence)
    assert decision.plans["BBBUSDT"].empty and decision.plans["AAAUSDT"].stops and decision.plans["CCCUSDT"].stops


# --- settings per position, advice, modes -----------------------------------------------------------------------------


def test_each_position_has_its_own_settings():
    observed, evidence = account()
    rulebook = replace(
        rules(), protection_for=lambda key: settings(stop_loss_pct="3" if key.symbol == "AAAUSDT" else "1")
    )
    prices = {key.symbol: book.stop.price for key, book in decided(observed, evidence, rulebook).books.items()}
    assert prices == {"AAAUSDT": D(97), "BBBUSDT": D(99), "CCCUSDT": D(99)}


def test_advice_about_one_symbol_touches_only_that_symbol():
    observed, evidence = account()
    decision = decided(observed, evidence, advice={"AAAUSDT": advise("1", stop="1", symbol="AAAUSDT")})
    prices = {key.symbol: book.stop.price for key, book in decision.books.items()}
    assert prices == {"AAAUSDT": D(99), "BBBUSDT": D("98.5"), "CCCUSDT": D("98.5")}


@pytest.mark.parametrize("mode", [Mode.PLACE_ONLY, Mode.OBSERVE])
def test_the_verdict_does_not_depend_on_the_mode(mode):
    observed, evidence = account()
    assert decided(observed, evidence, mode=mode).judgements == decided(observed, evidence).judgements


def test_an_account_without_positions_needs_nothing():
    assert decided({}, Evidence()).empty
    assert decided({SYMBOL: seen_at()}, Evidence()).empty


# --- capacity ---------------------------------------------------------------------------------------------------------


def slots(decision) -> tuple[int, int]:
    plans = decision.plans.values()
    return sum(len(p.stops) for p in plans), sum(len(p.take_profits) for p in plans)


@pytest.mark.parametrize(
    ("elsewhere", "targets"), [(0, 9), (180, 9), (186, 9), (187, 8), (190, 5), (195, 0), (198, 0), (200, 0), (250, 0)]
)
def test_stops_are_reserved_first_and_ladders_collapse(elsewhere, targets):
    """Cap 200: three stops, two slots kept free for a replacement, foreign orders elsewhere; the rest for rungs."""
    observed, evidence = account()
    assert slots(decided(observed, evidence, elsewhere=elsewhere)) == (3, 0)
    observed, evidence = account(orders=lambda held: [backstop(held, D("98.5"))])
    assert slots(decided(observed, evidence, elsewhere=elsewhere)) == (0, targets)


@pytest.mark.parametrize(
    ("venue", "configured", "targets"), [(10, 200, 5), (10, 8, 3), (200, 10, 5), (1_000, 200, 9), (10, 0, 5), (8, 0, 3)]
)
def test_the_venue_says_how_many_and_the_operator_may_only_lower_it(venue, configured, targets):
    """The capacity is a trait of the venue, handed in with the rules; 0 is the venue's own."""
    rulebook = rules(
        limits=replace(LIMITS, conditional_orders_max=configured),
        traits=replace(TRAITS, conditional_orders_max=venue),
    )
    observed, evidence = account()
    assert slots(decided(observed, evidence, rulebook)) == (3, 0), "stops do not ask for it"
    observed, evidence = account(orders=lambda held: [backstop(held, D("98.5"))])
    assert slots(decided(observed, evidence, rulebook)) == (0, targets)


def test_foreign_orders_on_our_symbols_count_as_well():
    foreign = [live(position(symbol="AAAUSDT"), 80, "1", client_id=f"web_{n}") for n in range(190)]
    observed, evidence = account(
        orders=lambda held: [backstop(held, D("98.5")), *(foreign if held.symbol == "AAAUSDT" else ())]
    )
    assert slots(decided(observed, evidence)) == (0, 5)


def test_a_hundred_naked_positions_all_get_a_stop_within_the_cap():
    symbols = tuple(f"S{n:03}USDT" for n in range(100))
    observed, evidence = account(symbols)
    stops, targets = slots(decided(observed, evidence))
    assert stops == 100 and stops + targets <= TRAITS.conditional_orders_max - 10


def test_what_is_held_back_for_capacity_is_said():
    full = {f"S{n:03}USDT": None for n in range(3)}
    observed, evidence = account(tuple(full))
    decision = decided(observed, evidence, elsewhere=195)
    assert all("no conditional-order capacity" in book.notes[-1] for book in decision.books.values())
    assert all(not plan.take_profits for plan in decision.plans.values())


def test_at_the_cap_surplus_rungs_make_room():
    """Twelve slots, all in use, five of them by others: a tighter stop needs one, and the ladders must shrink."""
    observed, evidence = account(
        SYMBOLS[:2], lambda held: (backstop(held, D(98)), *ladder(held))[: 4 if held.symbol == "AAAUSDT" else 3]
    )
    tight = rules(limits=replace(LIMITS, conditional_orders_max=12))
    decision = decided(observed, evidence, tight, elsewhere=5)
    assert slots(decision)[0] == 2, "both positions want a tighter stop"
    assert any(plan.cancels for plan in decision.plans.values())


def test_a_stop_that_can_do_more_than_reduce_is_replaced_under_another_id():
    """The position mode changed under it: it covers nothing and holds its id, so the next revision is sent (3, 4)."""
    held = position()
    far = live(held, "88")  # the user's own, too far away, in the only close-all slot
    useless = working(held, at(LONG, "-1.5"), held.quantity)._replace(reduces=False)
    seen = seen_at([held], [far, useless])
    [place] = decided(seen, learned(seen)).plans[held.symbol].stops
    assert place.order.client_id != useless.client_id
    assert (place.order.trigger_price, place.order.quantity) == (useless.trigger_price, useless.quantity)
