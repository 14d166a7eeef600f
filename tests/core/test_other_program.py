"""Beside another program (issue 13, point 8): stop only, no trail, waiting for its stop, giving way to it.

Each story runs the real decision and the gate on a small venue; what is asserted is what rests there.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.orders import Role
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import Verdict

from .build import HYBRID, OLD_EPOCH, OPENED_MS, SIDES, STATIC, SYMBOL, D, at, live, rules, settings, working
from .test_interrupted import Cut, Guardian, Interrupted
from .world import READ_GAP_MS, World

GRACE_MS = 10_000
CYCLES = 12


def daemon_beside(world: World, **changes: object) -> Guardian:
    """A daemon with these settings and nothing remembered."""
    changes = {"policy": HYBRID, **changes}
    return Guardian(world, rules(settings(**changes)))  # type: ignore[arg-type]


def opened(side: Side, quantity: str = "1", **facts: object) -> World:
    """A position that was opened just now, at 100."""
    world = World(**facts)  # type: ignore[arg-type]
    world.trade(side, D(quantity))
    return world


def ours(world: World, *roles: Role) -> list[tuple[Role, Decimal | None, Decimal | None]]:
    """What of ours rests, in the order of its levels."""
    rows = [(o.role, o.trigger_price, o.quantity) for o in world.orders.values() if o.tag is not None]
    return sorted((row for row in rows if not roles or row[0] in roles), key=lambda row: row[1] or D(0))


def stops(world: World) -> list[Decimal | None]:
    """The levels of our stops."""
    return [trigger for role, trigger, _ in ours(world) if role in (Role.BACKSTOP, Role.WORKING_STOP)]


def their_stop(world: World, side: Side, pct: str, quantity: str | None = "1", name: str = "bot_1") -> str:
    """The other program rests its stop; a quantity of None is a close-all stop. Its number is returned."""
    return world.add(live(world.positions[0], at(side, pct), quantity, client_id=name)).order_id


def verdict(guardian: Guardian, side: Side) -> tuple[Verdict, str]:
    """Of the position, after one more cycle."""
    judged = guardian.cycle().judgements[PositionKey(SYMBOL, side)]
    return judged.verdict, judged.reason


def restarted(guardian: Guardian) -> Guardian:
    """The same daemon with nothing remembered."""
    return Guardian(guardian.world, guardian.rules)


# -- stop only


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("policy", [STATIC, HYBRID])
def test_stop_only_rests_a_stop_and_is_protected_by_it(side, policy):
    world = opened(side)
    guardian = daemon_beside(world, policy=policy, take_profits=False)
    for _ in range(CYCLES):
        guardian.cycle()
    assert ours(world) == [(Role.BACKSTOP, at(side, "-1.5"), None)]
    assert verdict(guardian, side) == (Verdict.PROTECTED, "stop only: take-profits are switched off")


@pytest.mark.parametrize("side", SIDES)
def test_a_ladder_that_rests_is_taken_away_when_take_profits_are_switched_off(side):
    world = opened(side)
    before = daemon_beside(world)
    for _ in range(CYCLES):
        before.cycle()
    assert len(ours(world, Role.TAKE_PROFIT)) == 3, "the story needs a ladder"
    after = Guardian(world, rules(settings(HYBRID, take_profits=False)), before.evidence)
    for _ in range(CYCLES):
        after.cycle()
    assert ours(world) == [(Role.BACKSTOP, at(side, "-1.5"), None)]


def test_without_a_stop_a_position_is_naked_whatever_is_switched_off():
    world = opened(Side.LONG)
    guardian = daemon_beside(world, take_profits=False)
    seen = guardian.look()
    assert guardian.decide(seen).judgements[PositionKey(SYMBOL, Side.LONG)].verdict is Verdict.NAKED


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("trailing", "level"), [(True, "3.425"), (False, "-1.5")])
def test_a_stop_follows_the_mark_only_where_trailing_is_on(side, trailing, level):
    world = opened(side)
    guardian = daemon_beside(world, trailing=trailing, take_profits=False)
    for mark in ("1", "3", "5"):
        world.move(at(side, mark))
        for _ in range(3):
            guardian.cycle()
    behind = at(side, "5") * (1 - D("0.015") if side is Side.LONG else 1 + D("0.015"))
    wanted = (
        at(side, "-1.5")
        if not trailing
        else behind.quantize(D("0.01"), "ROUND_UP" if side is Side.LONG else "ROUND_DOWN")
    )
    tightest = max(stops(world)) if side is Side.LONG else min(stops(world))
    assert tightest == wanted


# -- a grace for its stop


@pytest.mark.parametrize("side", SIDES)
def test_a_fresh_position_waits_for_a_stop_that_does_not_come_no_longer_than_the_grace(side):
    world = opened(side)
    guardian = daemon_beside(world, foreign_stop_grace_ms=GRACE_MS)
    began_ms, waited_ms = world.now_ms, 0
    while not stops(world):
        judged = verdict(guardian, side)
        if not stops(world):
            waited_ms = world.now_ms - began_ms
            assert judged[0] is Verdict.NAKED, "what waits is not called protected"
            assert "another program's own stop is waited for, at most 10 s" in judged[1]
    assert GRACE_MS - READ_GAP_MS <= waited_ms <= GRACE_MS + READ_GAP_MS
    assert stops(world) == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
def test_a_stop_that_comes_within_the_grace_is_the_cover_and_ours_is_never_placed(side):
    world = opened(side)
    guardian = daemon_beside(world, foreign_stop_grace_ms=GRACE_MS, take_profits=False)
    guardian.cycle()
    their_stop(world, side, "-2")
    for _ in range(CYCLES):
        assert verdict(guardian, side)[0] is Verdict.PROTECTED
        assert ours(world) == []


@pytest.mark.parametrize("side", SIDES)
def test_nothing_is_waited_for_when_the_price_passes_the_level_of_our_stop(side):
    world = opened(side)
    guardian = daemon_beside(world, foreign_stop_grace_ms=GRACE_MS)
    guardian.cycle()
    world.move(at(side, "-1.6"))
    guardian.cycle()
    assert len(stops(world)) == 1


def test_restarts_do_not_add_up_to_more_than_one_more_grace():
    world = opened(Side.LONG)
    guardian, began_ms = daemon_beside(world, foreign_stop_grace_ms=GRACE_MS), world.now_ms
    while not stops(world):
        guardian.cycle()
        guardian = restarted(guardian)
    assert world.now_ms - began_ms <= 2 * GRACE_MS + READ_GAP_MS


def test_a_position_that_is_older_than_the_grace_gets_its_stop_at_once():
    world = opened(Side.LONG)
    world.now_ms += 3 * GRACE_MS
    daemon_beside(world, foreign_stop_grace_ms=GRACE_MS).cycle()
    assert stops(world) == [D("98.50")]


def test_a_stop_of_ours_that_somebody_cancels_comes_back_without_a_grace():
    world = opened(Side.LONG)
    guardian = daemon_beside(world, foreign_stop_grace_ms=GRACE_MS)
    while not stops(world):
        guardian.cycle()
    guardian.cycle()
    world.trade(Side.LONG, D(1))
    world.orders.clear()
    guardian.cycle()
    assert len(stops(world)) == 1


def test_a_clock_that_is_stepped_back_ends_the_waiting():
    world = opened(Side.LONG)
    guardian = daemon_beside(world, foreign_stop_grace_ms=GRACE_MS)
    guardian.cycle()
    assert stops(world) == []
    world.now_ms -= 3_600_000
    guardian.cycle()
    assert stops(world) == [D("98.50")]


# -- giving way


def yielding(world: World, **changes: object) -> Guardian:
    return daemon_beside(world, yield_to_foreign_stop=True, take_profits=False, **changes)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("pct", ["-1", "-1.5"])
def test_ours_is_withdrawn_for_a_stop_that_is_no_looser_once_it_was_read_back_twice(side, pct):
    world = opened(side)
    guardian = yielding(world)
    guardian.cycle()
    their_stop(world, side, pct)
    guardian.cycle()
    assert stops(world) == [at(side, "-1.5")], "one read of it is not enough"
    for _ in range(CYCLES):
        assert verdict(guardian, side)[0] is Verdict.PROTECTED
    assert ours(world) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("pct", "quantity"), [("-1.51", "1"), ("-2", "1"), ("-1", "0.5"), ("-6", "1")])
def test_ours_stays_beside_a_stop_that_is_looser_or_too_small(side, pct, quantity):
    world = opened(side)
    guardian = yielding(world)
    guardian.cycle()
    their_stop(world, side, pct, quantity)
    for _ in range(CYCLES):
        guardian.cycle()
    assert stops(world) == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
def test_a_stop_that_an_earlier_life_left_behind_gives_way_although_it_is_tighter(side):
    """Its level binds nobody. It was made for a larger position, and nothing else would take it away (seed 8786)."""
    world = opened(side)
    their_stop(world, side, "-1")
    guardian = yielding(world)
    for _ in range(CYCLES):
        guardian.cycle()
    left = world.add(working(world.positions[0], at(side, "-0.5"), "3", epoch=OLD_EPOCH))
    world.orders[left.order_id] = left._replace(created_at_ms=OPENED_MS - 60_000)
    world.earlier.add(left.order_id)
    for _ in range(CYCLES):
        guardian.cycle()
    assert ours(world) == []


@pytest.mark.parametrize("side", SIDES)
def test_ours_comes_back_at_once_when_theirs_is_gone(side):
    world = opened(side)
    guardian = yielding(world)
    guardian.cycle()
    number = their_stop(world, side, "-1")
    for _ in range(CYCLES):
        guardian.cycle()
    assert ours(world) == [], "the story needs ours to be withdrawn"
    del world.orders[number]
    guardian.cycle()
    assert stops(world) == [at(side, "-1.5")]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("moved_to", "back"), [("-1.55", False), ("-3", True)])
def test_ours_comes_back_when_theirs_moves_to_a_level_looser_by_more_than_the_least_move(side, moved_to, back):
    world = opened(side)
    guardian = yielding(world)
    guardian.cycle()
    number = their_stop(world, side, "-1")
    for _ in range(CYCLES):
        guardian.cycle()
    del world.orders[number]
    their_stop(world, side, moved_to, name="bot_2")
    for _ in range(CYCLES):
        guardian.cycle()
    assert stops(world) == ([at(side, "-1.5")] if back else [])


def test_what_ours_had_reached_is_where_it_comes_back_after_an_addition_at_a_worse_price():
    """Invariant 8: the entry is worse now, and the level of before is the level still."""
    world = opened(Side.LONG)
    guardian = yielding(world)
    guardian.cycle()
    number = their_stop(world, Side.LONG, "-1", "2")
    for _ in range(CYCLES):
        guardian.cycle()
    world.mark = D("99.20")
    world.trade(Side.LONG, D(1))
    for _ in range(CYCLES):
        guardian.cycle()
    assert ours(world) == [], "the story needs theirs to cover both"
    del world.orders[number]
    guardian.cycle()
    assert max(stops(world)) == D("98.50")  # type: ignore[type-var]


def test_a_stop_of_theirs_that_grows_too_small_brings_ours_back():
    world = opened(Side.LONG)
    guardian = yielding(world)
    guardian.cycle()
    their_stop(world, Side.LONG, "-1", "1")
    for _ in range(CYCLES):
        guardian.cycle()
    world.trade(Side.LONG, D(1))
    guardian.cycle()
    assert stops(world) == [D("98.50")]


def test_their_close_all_stop_keeps_the_only_slot_and_ours_are_parts_that_give_way_as_well():
    world = opened(Side.LONG)
    number = their_stop(world, Side.LONG, "-1", None)
    guardian = yielding(world)
    for _ in range(3):
        guardian.cycle()
    del world.orders[number]
    guardian.cycle()
    assert ours(world) == [(Role.WORKING_STOP, D("98.50"), D(1))]
    their_stop(world, Side.LONG, "-1", None, "bot_2")
    for _ in range(CYCLES):
        guardian.cycle()
    assert ours(world) == []


def test_without_the_setting_ours_stays_beside_theirs():
    world = opened(Side.LONG)
    guardian = daemon_beside(world, take_profits=False)
    guardian.cycle()
    their_stop(world, Side.LONG, "-1")
    for _ in range(CYCLES):
        guardian.cycle()
    assert stops(world) == [D("98.50")]


@pytest.mark.parametrize("how", ["died", "lost", "refused", "ambiguous"])
@pytest.mark.parametrize("side", SIDES)
def test_an_interrupted_withdrawal_leaves_cover_and_ends_withdrawn(side, how):
    """The guardian checks the cover at every single action."""
    world = opened(side)
    guardian = yielding(world)
    guardian.cycle()
    their_stop(world, side, "-1")
    for _ in range(CYCLES):
        try:
            guardian.cycle(Cut(0, how))
        except Interrupted:
            guardian = restarted(guardian)
    for _ in range(CYCLES):
        guardian.cycle()
    assert ours(world) == []
    assert len(world.foreign) == 1, "theirs is never touched"


def test_evidence_of_their_stop_is_lost_over_a_gap_and_gathered_anew():
    world = opened(Side.LONG)
    guardian = yielding(world)
    guardian.cycle()
    their_stop(world, Side.LONG, "-1")
    guardian.cycle()
    guardian.evidence = Evidence.without_window(guardian.evidence)
    guardian.cycle()
    assert stops(world) == [D("98.50")], "what was read before the gap counts no more"
    guardian.cycle()
    assert ours(world) == []
