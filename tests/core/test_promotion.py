"""From one exit policy to another at every profit (S11, S13): nothing executes, cover never falls, no stop loosens.

A position rests under one policy as it would after it was adopted at this price. Then another policy owns it. Every
order that is placed is held against the mark, every removal against what covers the position without it.
"""

from dataclasses import replace
from functools import cache

import pytest

from position_monitor.core.decision.guard import Approved, approve_cancel, approve_place
from position_monitor.core.model.market import Regime
from position_monitor.core.model.money import beyond, reached, tighter
from position_monitor.core.model.orders import Role
from position_monitor.core.model.profiles import DEFAULT_PROFILES
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.cover import cover_of

from .build import (
    BRAIN,
    DYNAMIC,
    HYBRID,
    SIDES,
    STATIC,
    SYMBOL,
    D,
    at,
    decided,
    gate,
    market_of,
    position,
    rested,
    rules,
    settings,
    settled,
)

MARKETS = {SYMBOL: market_of("1", Regime.NORMAL_VOL)}
POLICIES = {
    "static": settings(STATIC),
    "hybrid": settings(HYBRID),
    "dynamic": settings(DYNAMIC),
    **{name: settings(BRAIN, profile=name) for name in DEFAULT_PROFILES},
}
"""An ATR of 1 % at an entry of 100, and a floor of 1.5 %: each has a first stop of its own."""
R_STEPS = [D(tenth) / 10 for tenth in range(-9, 61)]
LOOKS_MAX = 12


def rests_under(protection, held, orders=()):
    """What rests once a policy has nothing more to do; each action is checked on its way."""
    orders = list(orders)
    for _ in range(LOOKS_MAX):
        seen, evidence = settled(held, orders)
        decision = decided(seen, evidence, rules(protection), markets=MARKETS)
        result = decision.plans[SYMBOL]
        judged = decision.judgements[held.key]
        assert not result.closes and judged.book is not None and not judged.book.failed
        if result.empty:
            return orders, judged
        checked = gate(seen, evidence.of(held.key), protection=protection)
        covered = cover_of(held, orders, protection)
        for place in (*result.stops, *result.take_profits):
            assert isinstance(approve_place(place, checked), Approved), approve_place(place, checked)
            price = place.order.trigger_price
            if place.order.role is Role.TAKE_PROFIT:
                assert not reached(held.mark_price, price, held.side), place
            else:
                assert not beyond(held.mark_price, price, held.side), place
        orders += [rested(place.order) for place in (*result.stops, *result.take_profits)]
        for cancel in result.cancels:
            assert isinstance(approve_cancel(cancel, checked), Approved)
            orders = [order for order in orders if order.client_id != cancel.order.client_id]
        after = cover_of(held, orders, protection)
        if covered.full:
            assert after.full
            assert not tighter(covered.whole_price, after.whole_price, held.side), "the stop loosened"
    raise AssertionError(f"it does not come to rest: {result}")


DIFFERENT = ("static", "hybrid", "dynamic", "NORMAL", "TREND", "CHALLENGE_100")
"""Each of these against each other; the other profiles, which have no other shape, against hybrid."""
PAIRS = [
    (before, after)
    for before in POLICIES
    for after in POLICIES
    if before != after and ({before, after} <= {*DIFFERENT} or "hybrid" in (before, after))
]


@cache
def adopted(before, side):
    """Backstop, and per R the position and what rests for it, under one policy."""
    first = position(side, "1")
    opened, _ = rests_under(POLICIES[before], first)
    backstop = next(order for order in opened if order.role is Role.BACKSTOP)
    risk = abs(first.entry_price - backstop.trigger_price)
    # What the price reached is filled in the world; here it is adopted with its backstop alone.
    at_r = [(r, replace(first, mark_price=at(side, r * risk))) for r in R_STEPS]
    return backstop, [(r, held, rests_under(POLICIES[before], held, [backstop])[0]) for r, held in at_r]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("before", "after"), PAIRS, ids=[f"{a}-{b}" for a, b in PAIRS])
def test_a_change_of_policy_fills_nothing_and_never_lowers_cover(side, before, after):
    """At every R from -0.9 to 6 in steps of 0.1."""
    backstop, steps = adopted(before, side)
    for r, held, resting in steps:
        later, judged = rests_under(POLICIES[after], held, resting)
        assert judged.verdict in (Verdict.PROTECTED, Verdict.STOP_ONLY), (r, judged.reason)
        back, _ = rests_under(POLICIES[before], held, later)
        assert backstop.client_id in {order.client_id for order in back}
