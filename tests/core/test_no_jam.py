"""From any set of our own orders a bounded number of steps reaches the wanted book (invariant 10); cover never shrinks.

Whatever rests - duplicates of rungs, dozens of working stops at any level and size, of any epoch, beside a far stop of
somebody else - the cycle is left alone with it. Every single action is checked by the guardian of the stories.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from decimal import Decimal

import pytest

from position_monitor.core.evidence.learning import QUANTITY_WINDOW
from position_monitor.core.evidence.outcome import after_outcome
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.cover import cover_of, stopped_by

from .build import (
    EPOCH,
    HYBRID,
    OLD_EPOCH,
    STATIC,
    SYMBOL,
    D,
    at,
    backstop,
    instrument,
    live,
    rules,
    settings,
    target,
    working,
)
from .test_interrupted import Guardian
from .world import World

ROUNDS_MAX = 40
SEEDS = int(os.environ.get("NO_JAM_SEEDS", "40"))
"""Worlds in one run; more of them with `NO_JAM_SEEDS=2000`."""


def crowded_world(seed: int) -> World:
    """A position, and any number of orders of ours: of this life of it and of earlier ones, listed at once or later."""
    chance = random.Random(seed)
    side = chance.choice(list(Side))
    world = World(
        venue=instrument(min_notional="0.05", market_max_quantity=chance.choice([D(120), D(4), D(3)])),
        hedged=chance.random() < 0.4,
    )
    world.trade(side, D(chance.choice(["0.01", "1", "3.333", "10"])))
    opened_ms = world.now_ms
    world.mark = at(side, chance.choice(["-1", "-0.2", "0", "0.8", "3", "6"]))
    held = world.positions[0]
    epoch_of = {"this": EPOCH, "earlier": OLD_EPOCH}
    lives = chance.choice([["this"], ["this"], ["earlier"], ["this", "earlier"]])

    def rest(order: LiveOrder, life: str) -> None:
        live_order = world.add(order)
        made_ms = opened_ms + len(world.orders) if life == "this" else opened_ms - 60_000 + len(world.orders)
        world.orders[live_order.order_id] = live_order._replace(created_at_ms=made_ms, updated_at_ms=made_ms)
        world.earlier.update([live_order.order_id] if life == "earlier" else [])

    first = chance.choice(["", "ours", "far", "near"])
    if first == "ours":
        rest(backstop(held, at(side, chance.choice(["-1.5", "-3", "-6"])), epoch=EPOCH), "this")
    elif first:
        rest(live(held, at(side, "-7" if first == "far" else "-2"), client_id="web_all"), "this")
    levels = [
        at(side, chance.choice(["-4", "-3", "-1.5", "-1.4", "-1.2", "-1.1"])) for _ in range(chance.choice([1, 6]))
    ]
    for number in range(chance.choice([0, 3, 20, 50, 90])):
        share = D(chance.choice(["0.1", "0.5", "1", "1", "0.9", "0.02"]))
        quantity = max(D("0.001"), (held.quantity * share).quantize(D("0.001")) - D("0.001") * (number % 7))
        quantity = min(max(D("0.001"), quantity), world.venue.market_max_quantity)
        level, life = chance.choice(levels), chance.choice(lives)
        order = working(held, level, quantity, rung=chance.choice([0, 0, 0, 1, 18, 35]), epoch=epoch_of[life])
        if (held.mark_price > level) is (side is Side.LONG):
            rest(order._replace(client_id=order.client_id[:14] + unique(number)), life)
    for number in range(chance.choice([0, 0, 3, 12])):
        price, size, life = at(side, chance.choice(["7", "8", "9"])), held.quantity / 10, chance.choice(lives)
        size = max(size.quantize(D("0.001")), D("0.001"))
        order = target(held, chance.choice([0, 0, 1, 2, 12]), price, size, epoch=epoch_of[life])
        rest(order._replace(client_id=order.client_id[:14] + unique(number)), life)
    if chance.random() < 0.4:  # the process begins anew, and what was placed last is listed a few reads later
        late = chance.sample(sorted(world.orders), k=len(world.orders) // 3)
        world.listed_from |= {number: chance.choice([2, 3, 4]) for number in late}
        world.lag_reads = chance.choice([0, 1, 2])
    return world


def binding(world: World) -> list[LiveOrder]:
    """The orders whose levels bind: those made in this life of the position, and everybody else's."""
    return [order for number, order in world.orders.items() if number not in world.earlier]


def unique(number: int) -> str:
    """The last 18 characters of a client id; two orders never have the same."""
    return "abcdefgh" + format(number, "010b").replace("0", "a").replace("1", "b")


def stopped_at(world: World, protection) -> dict[tuple[PositionKey, Decimal], Decimal]:
    """How much of each position is stopped at each level at which something rests."""
    stopped = {}
    for held in world.positions:
        stops = cover_of(held, binding(world), protection).orders
        for level in {order.trigger_price for order in stops}:
            stopped[held.key, level] = stopped_by(held, stops, level)
    return stopped


@pytest.mark.parametrize("batch", range(5))
def test_from_any_orders_of_ours_the_wanted_book_is_reached(batch):
    for seed in range(batch * SEEDS // 5, (batch + 1) * SEEDS // 5):
        settle(seed)


def settle(seed: int) -> None:
    world, chance = crowded_world(seed), random.Random(f"rules:{seed}")
    protection = settings(chance.choice([HYBRID, STATIC]), respect_foreign_orders=chance.random() < 0.7)
    guardian = Guardian(world, rules(protection))
    for _ in range(ROUNDS_MAX):
        before = stopped_at(world, protection)
        decision = guardian.cycle()
        for (key, level), quantity in before.items():
            stops = cover_of(world.position(key), world.orders.values(), protection).orders
            assert stopped_by(world.position(key), stops, level) >= quantity, f"seed {seed}: loosened at {level}"
        judgement = next(iter(decision.judgements.values()))
        if judgement.diff is not None and judgement.diff.in_sync:
            break
    else:
        plan = decision.plans[SYMBOL]
        raise AssertionError(f"seed {seed}: jammed after {ROUNDS_MAX} rounds: {plan}; the guard said {guardian.denied}")
    assert judgement.cover.full, f"seed {seed}: {judgement.reason}"


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("far", ["foreign", "ours"])
def test_fifty_fills_between_reads_make_a_handful_of_working_stops(side, far):
    """Each fill is decided at once, as from its event, and nothing is read back meanwhile."""
    world = World()
    world.trade(side, D(1))
    held, protection = world.positions[0], settings()
    world.add(live(held, at(side, -7), client_id="web_all") if far == "foreign" else backstop(held, at(side, -3)))
    guardian = Guardian(world, rules(protection))
    seen = guardian.look()
    for fill in range(2, 52):
        world.trade(side, D(1))
        grown = replace(world.positions[0], quantity=D(fill))
        now = replace(seen, positions=(grown,), orders_reused=True)
        for place in guardian.decide(now).plans[SYMBOL].stops:
            outcome = world.apply(place)
            guardian.evidence = after_outcome(guardian.evidence, outcome)
        stops = cover_of(grown, world.orders.values(), protection)
        assert stops.full, f"fill {fill} is not covered at once"
    ours = [order for order in world.orders.values() if order.client_id[4] == "w"]
    assert len(ours) <= 7, [order.quantity for order in ours]
    assert sum(order.quantity for order in ours) <= 2 * D(51)
    for _ in range(QUANTITY_WINDOW + 6):
        guardian.cycle()
    assert [order.quantity for order in world.orders.values() if order.client_id[4] == "w"] == [D(51)]
