"""The user-edit contract (DESIGN 5): what becomes of a stop that a trader changes by hand, with and without a hold.

Each story runs the real decision and the gate on a small venue; what is asserted is what rests there.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.core.model.control import EVERY_SYMBOL, Control, ControlRequest, ControlType
from position_monitor.core.model.money import tightest
from position_monitor.core.model.orders import Role
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import Verdict

from .build import HYBRID, SIDES, STATIC, SYMBOL, D, at, live, rules, settings
from .test_interrupted import Guardian
from .world import World

CYCLES = 8
FOREVER_MS = 10**15


def asked(kind: ControlType, symbol: str = SYMBOL, side: Side | None = None, until_ms: int = FOREVER_MS) -> Control:
    """One request in force."""
    return Control((ControlRequest("r-1", kind, symbol, side, until_ms, "a reason", "ana", 1),))


def guarded(side: Side, policy=STATIC, **facts: object) -> Guardian:
    """A position opened at 100 whose book rests."""
    world = World(**facts)  # type: ignore[arg-type]
    world.trade(side, D(1))
    guardian = Guardian(world, rules(settings(policy)))
    cycles(guardian)
    return guardian


def cycles(guardian: Guardian, number: int = CYCLES) -> None:
    for _ in range(number):
        guardian.cycle()


def ours(world: World) -> list[Decimal]:
    """The levels of our stops."""
    return sorted(o.trigger_price for o in world.orders.values() if o.tag is not None and o.role.is_stop)


def tightest_of_ours(world: World, side: Side) -> Decimal:
    level = ours(world)[0]
    for other in ours(world):
        level = tightest(level, other, side)
    return level


def cancelled_by_hand(world: World, *, role: Role | None = None) -> None:
    """The trader cancels our stops (of one layer)."""
    for number, order in list(world.orders.items()):
        if order.tag is not None and order.role.is_stop and role in (None, order.role):
            del world.orders[number]


def by_hand(world: World, side: Side, pct: str, quantity: str | None = "1", name: str = "web_1") -> str:
    """The trader rests a stop of his own; its number."""
    return world.add(live(world.positions[0], at(side, pct), quantity, client_id=name)).order_id


def verdict(guardian: Guardian, side: Side) -> Verdict:
    return guardian.cycle().judgements[PositionKey(SYMBOL, side)].verdict


# -- without a hold


@pytest.mark.parametrize("side", SIDES)
def test_a_stop_of_ours_that_is_cancelled_comes_back_at_its_level(side):
    guardian = guarded(side)
    before = ours(guardian.world)
    cancelled_by_hand(guardian.world)
    cycles(guardian)
    assert ours(guardian.world) == before == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
def test_a_level_that_is_tighter_by_less_than_the_least_move_is_one_order(side):
    """An addition has moved the policy's level by next to nothing: what comes back is the backstop, where it was."""
    guardian = guarded(side)
    before = ours(guardian.world)
    guardian.world.move(at(side, "-0.5"))
    guardian.world.trade(side, D("0.1"))
    cycles(guardian)
    cancelled_by_hand(guardian.world)
    cycles(guardian)
    assert ours(guardian.world) == before


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("role", [None, Role.WORKING_STOP])
def test_a_trailed_stop_that_is_cancelled_comes_back_where_the_trail_had_brought_it(side, role):
    """Also when the price has fallen back since, so that the trail alone would give a looser level (invariant 8)."""
    guardian = guarded(side, HYBRID)
    guardian.world.move(at(side, "1.4"))
    cycles(guardian)
    guardian.world.move(at(side, "2.4"))
    cycles(guardian)
    reached = tightest_of_ours(guardian.world, side)
    guardian.world.move(at(side, "1.2"))
    cycles(guardian, 2)
    assert tightest_of_ours(guardian.world, side) == reached != at(side, "-1.5"), "the story needs a trailed stop"
    cancelled_by_hand(guardian.world, role=role)
    cycles(guardian)
    assert tightest_of_ours(guardian.world, side) == reached
    assert verdict(guardian, side) is not Verdict.NAKED


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("quantity", ["1", None])
def test_a_looser_stop_in_place_of_ours_does_not_stand_for_it(side, quantity):
    guardian = guarded(side)
    cancelled_by_hand(guardian.world)
    theirs = by_hand(guardian.world, side, "-3", quantity)
    cycles(guardian)
    assert ours(guardian.world) == [at(side, "-1.5")]
    assert theirs in guardian.world.orders


@pytest.mark.parametrize("side", SIDES)
def test_a_stop_that_is_looser_by_less_than_the_least_move_stands_for_ours(side):
    guardian = guarded(side)
    cancelled_by_hand(guardian.world)
    by_hand(guardian.world, side, "-1.55")
    cycles(guardian)
    assert ours(guardian.world) == []
    assert verdict(guardian, side) is Verdict.PROTECTED


@pytest.mark.parametrize("side", SIDES)
def test_a_tighter_stop_by_hand_counts_while_it_rests_and_then_our_level_holds_again(side):
    guardian = guarded(side)
    cancelled_by_hand(guardian.world)
    theirs = by_hand(guardian.world, side, "-0.5")
    cycles(guardian)
    judged = guardian.cycle().judgements[PositionKey(SYMBOL, side)]
    assert judged.cover.stop_price == at(side, "-0.5")
    assert judged.verdict is Verdict.PROTECTED
    del guardian.world.orders[theirs]
    cycles(guardian)
    assert ours(guardian.world) == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
def test_a_stop_that_was_there_before_ours_counts_inside_the_allowed_loss(side):
    world = World()
    world.trade(side, D(1))
    by_hand(world, side, "-3")
    guardian = Guardian(world, rules(settings(STATIC)))
    cycles(guardian)
    assert ours(world) == []
    assert verdict(guardian, side) is Verdict.PROTECTED


@pytest.mark.parametrize("side", SIDES)
def test_a_level_that_the_price_has_passed_binds_nobody(side):
    """Our stop was cancelled and the price went through its level: the stop is measured from the mark, and rests."""
    guardian = guarded(side)
    cancelled_by_hand(guardian.world)
    guardian.world.move(at(side, "-2"))
    cycles(guardian)
    anchored = ours(guardian.world)
    assert len(anchored) == 1 and tightest(anchored[0], at(side, "-2"), side) == at(side, "-2")
    guardian.world.move(at(side, "-1"))
    cycles(guardian)
    assert ours(guardian.world) == anchored, "a bounce does not bring the old level back"


# -- under a hold


def holding(guardian: Guardian, policy=STATIC) -> None:
    guardian.rules = rules(settings(policy)).under(asked(ControlType.HOLD))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("pct", ["-3", "-8", "-19"])
def test_during_a_hold_a_looser_stop_is_accepted_and_ours_stays_away(side, pct):
    guardian = guarded(side, liquidation_pct=D(20))
    holding(guardian)
    cancelled_by_hand(guardian.world)
    theirs = by_hand(guardian.world, side, pct)
    cycles(guardian)
    assert ours(guardian.world) == []
    assert verdict(guardian, side) is Verdict.PROTECTED
    guardian.rules = rules(settings(STATIC))
    cycles(guardian)
    assert ours(guardian.world) == [at(side, "-1.5")], "when the hold has ended, ours comes back at its level"
    assert theirs in guardian.world.orders


@pytest.mark.parametrize("side", SIDES)
def test_a_hold_removes_nothing_of_ours(side):
    guardian = guarded(side, HYBRID)
    guardian.world.move(at(side, "2.4"))
    cycles(guardian)
    before = ours(guardian.world)
    assert len(before) > 1, "the story needs both layers"
    holding(guardian, HYBRID)
    by_hand(guardian.world, side, "-4")
    cycles(guardian)
    assert ours(guardian.world) == before


@pytest.mark.parametrize("side", SIDES)
def test_a_hold_takes_nothing_away_for_a_program_that_ours_would_give_way_to(side):
    world = World()
    world.trade(side, D(1))
    chosen = settings(STATIC, yield_to_foreign_stop=True)
    guardian = Guardian(world, rules(chosen).under(asked(ControlType.HOLD)))
    cycles(guardian)
    by_hand(world, side, "-1")
    cycles(guardian)
    assert ours(world) == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("pct", ["-21", None, "1"])
def test_a_hold_accepts_no_stop_beyond_liquidation_nor_on_the_wrong_side_nor_none(side, pct):
    guardian = guarded(side, liquidation_pct=D(20))
    holding(guardian)
    cancelled_by_hand(guardian.world)
    if pct is not None:
        by_hand(guardian.world, side, pct)
    cycles(guardian)
    assert ours(guardian.world) == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
def test_a_hold_counts_where_foreign_orders_are_ignored_otherwise(side):
    world = World()
    world.trade(side, D(1))
    by_hand(world, side, "-6")
    guardian = Guardian(world, rules(settings(STATIC, respect_foreign_orders=False)).under(asked(ControlType.HOLD)))
    cycles(guardian)
    assert ours(world) == []


def test_a_hold_is_about_the_positions_it_names():
    control = asked(ControlType.HOLD, side=Side.LONG)
    rulebook = rules(settings(STATIC)).under(control)
    assert rulebook.protection_for(PositionKey(SYMBOL, Side.LONG)).held
    assert not rulebook.protection_for(PositionKey(SYMBOL, Side.SHORT)).held
    assert not rulebook.protection_for(PositionKey("ETHUSDT", Side.LONG)).held


# -- under a pause


def resting(world: World) -> list[tuple[object, ...]]:
    return sorted((str(o.role), o.trigger_price, o.quantity or D(0)) for o in world.orders.values() if o.tag)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("symbol", [SYMBOL, EVERY_SYMBOL])
def test_during_a_pause_nothing_is_moved_nor_removed_nor_placed_but_a_missing_stop(side, symbol):
    guardian = guarded(side, HYBRID)
    paused = rules(settings(HYBRID)).under(asked(ControlType.PAUSE, symbol))
    guardian.rules, before = paused, resting(guardian.world)
    guardian.world.move(at(side, "1.4"))
    cycles(guardian)
    assert resting(guardian.world) == before, "the trail waits"
    guardian.world.reduce(PositionKey(SYMBOL, side), D("0.5"))
    cycles(guardian)
    assert resting(guardian.world) == before, "a ladder that is too large for the position waits too"
    cancelled_by_hand(guardian.world)
    cycles(guardian)
    assert ours(guardian.world) == [at(side, "-1.5")]
    guardian.rules = rules(settings(HYBRID))
    cycles(guardian, 2 * CYCLES)
    total = sum(o.quantity for o in guardian.world.orders.values() if o.role is Role.TAKE_PROFIT)
    assert total == D("0.5"), "afterwards the book is as it should be"


@pytest.mark.parametrize("side", SIDES)
def test_a_position_that_opens_during_a_pause_gets_its_stop_and_no_take_profit(side):
    world = World()
    world.trade(side, D(1))
    guardian = Guardian(world, rules(settings(HYBRID)).under(asked(ControlType.PAUSE, EVERY_SYMBOL)))
    cycles(guardian)
    assert resting(world) == [("backstop", at(side, "-1.5"), D(0))]
    assert verdict(guardian, side) is Verdict.STOP_ONLY


def test_a_pause_of_one_side_leaves_the_other_alone():
    world = World(hedged=True)
    world.trade(Side.LONG, D(1))
    world.trade(Side.SHORT, D(1))
    guardian = Guardian(world, rules(settings(HYBRID)).under(asked(ControlType.PAUSE, side=Side.LONG)))
    cycles(guardian)
    targets = {o.key.side for o in world.orders.values() if o.role is Role.TAKE_PROFIT}
    assert targets == {Side.SHORT}
    assert {o.key.side for o in world.orders.values() if o.is_stop} == set(Side)
