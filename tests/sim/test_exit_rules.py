"""The judges of every policy by themselves: planted worlds, one fact each."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.config import Config
from tests.sim.ages import Ages
from tests.sim.exit_rules import ANY_POLICY, DEFAULT_POLICY, RUNS_ON, ExitRules, more_than, rules_for
from tests.sim.levels import Levels
from tests.sim.over_exit import OverExit
from tests.sim.planted import KEY, PlantedWorld
from tests.sim.settled_book import SettledBook
from tests.sim.simulation import USUAL

STEP = Decimal("0.001")


def rules(*, switched: bool = False, **exits: object) -> ExitRules:
    return rules_for(Config.from_data(USUAL | {"exit": exits}), other=True, switched=switched)


def test_the_default_policy_keeps_its_own_levels() -> None:
    assert rules_for(Config.from_data(USUAL), other=False, switched=False) == DEFAULT_POLICY


def test_only_a_profile_that_is_live_all_the_time_has_its_runner() -> None:
    brain = {"mode": "EXIT_BRAIN_V3", "profile": "TREND"}
    assert rules(**brain).closes_at_most == 1 - RUNS_ON["TREND"]
    assert rules(**brain, live_rollout_pct=50).closes_at_most == 1
    assert rules(**brain, kill_switch=True).closes_at_most == 1
    assert rules(**brain, switched=True).closes_at_most == 1
    assert rules(mode="EXIT_BRAIN_V3").closes_at_most == 1
    assert rules(profile="TREND", legacy_policy="dynamic").closes_at_most == 1


def test_take_profits_leave_what_runs_on() -> None:
    trend = ExitRules(own_levels=False, closes_at_most=Decimal("0.65"))
    rungs = [(Decimal(101), Decimal("0.3")), (Decimal(102), Decimal("0.352"))]
    assert not more_than(rungs, Decimal(1), trend, STEP)  # two steps of rounding
    assert more_than([*rungs, (Decimal(103), Decimal("0.35"))], Decimal(1), trend, STEP)
    assert not more_than([(Decimal(101), Decimal(1))], Decimal(1), ANY_POLICY, STEP)
    assert more_than([(Decimal(101), Decimal("1.1"))], Decimal(1), ANY_POLICY, STEP)


@pytest.mark.parametrize(("quantity", "wrong"), [("0.65", False), ("0.7", True)])
def test_a_ladder_over_a_runner_is_said_when_it_is_placed_and_when_it_rests(quantity: str, wrong: bool) -> None:
    world = PlantedWorld()
    trend = ExitRules(own_levels=False, closes_at_most=Decimal("0.65"))
    placed = OverExit(world.truth, world.venue, lambda *_: [], rules=trend)
    placed.entry(world.resize("1"), None)
    said = placed.entry(world.accepted(world.order("TAKE_PROFIT_MARKET", quantity, "101")), None)
    world.venue.market = _Market("100")
    resting = SettledBook(world.truth, world.venue, rules=trend).ladders()
    assert (bool(said), bool(resting)) == (wrong, wrong)


class _Market:
    def __init__(self, mark: str) -> None:
        self._mark = Decimal(mark)

    def mark(self, symbol: str) -> Decimal:
        return self._mark

    last = mark


@pytest.mark.parametrize(
    ("trigger", "mark", "word"),
    [
        ("95.01", "100", ""),
        ("94.9", "100", "loses more"),  # further than the widest stop, and no price was in a loss
        ("94.9", "99.4", ""),  # measured from a mark in a loss
        ("99.9", "100", "next to"),
        ("100.15", "100.3", ""),  # a lock
        ("99.8", "100.1", "next to"),
    ],
)
def test_where_any_policy_may_place_a_stop(trigger: str, mark: str, word: str) -> None:
    world = PlantedWorld()
    world.venue.market = _Market(mark)
    judge = Levels(world.venue)
    judge.rules = ANY_POLICY
    said = judge.entry(world.accepted(world.order("STOP_MARKET", "1", trigger)))
    assert (word in said) if word else not said, said


@pytest.mark.parametrize(
    ("began_ms", "passed", "wrong"), [(0, False, False), (90_000, False, True), (90_000, True, False)]
)
def test_what_is_older_than_its_daemon_is_not_closed_for_its_age(began_ms: int, passed: bool, wrong: bool) -> None:
    world = PlantedWorld(size="0")
    judge = Ages(lambda key, at_ms: passed)
    world.at_ms = 5_000
    judge.entry(world.resize("1"), None)
    judge.begins(3, began_ms)
    world.at_ms = 100_000
    close = {"order_kind": "plain", "client_id": "qpm1c0", "side": "SELL", "position_side": "BOTH", "type": "MARKET"}
    said = judge.entry(world.accepted(close), 3)
    assert bool(said) is wrong, (KEY, said)
