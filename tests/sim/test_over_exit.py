"""The judge of invariant 16 can fail: ladders beside ladders, orders beside a firing stop, closes on too little."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.journal import Entry
from tests.sim.over_exit import CROSSED, TRIGGERING_GRACE_MS, Least, OverExit, too_much
from tests.sim.planted import SYMBOL, PlantedWorld

LEAST = Least(Decimal("0.001"), Decimal("0.001"), Decimal(5))
WHOLE = [("101.5", "0.3"), ("102.5", "0.3"), ("104", "0.4")]
REST = [("102.5", "0.429"), ("104", "0.571")]
"""The ladder of what is left after the first rung took its profit, as if it were the whole position."""


def ladder(rungs: list[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in rungs]


@pytest.mark.parametrize("rungs", [WHOLE, REST, [("104", "1")], [("109", "1")], [("102.5", "0.6"), ("104", "0.4")]])
def test_a_ladder_of_the_policy_is_not_too_much(rungs: list[tuple[str, str]]) -> None:
    assert not too_much(ladder(rungs), "LONG", Decimal(1), Decimal(100), LEAST)


@pytest.mark.parametrize(
    "rungs",
    [
        [*WHOLE, ("101.5", "0.15")],
        [("101.5", "1")],
        [("101", "0.1")],
        [("102.5", "0.7"), ("104", "0.3")],
        [*WHOLE, ("104", "0.4")],
    ],
)
def test_more_or_sooner_is_too_much(rungs: list[tuple[str, str]]) -> None:
    assert too_much(ladder(rungs), "LONG", Decimal(1), Decimal(100), LEAST)


def test_a_short_is_the_mirror() -> None:
    mirrored = [(200 - price, quantity) for price, quantity in ladder(WHOLE)]
    assert not too_much(mirrored, "SHORT", Decimal(1), Decimal(100), LEAST)
    assert too_much([*mirrored, mirrored[0]], "SHORT", Decimal(1), Decimal(100), LEAST)


def test_what_is_too_small_for_the_venue_joins_a_neighbour() -> None:
    rungs = ladder([("101.5", "0.0003"), ("102.5", "0.0007")])
    small = Least(Decimal("0.0001"), Decimal("0.001"), Decimal(5))
    assert not too_much(rungs, "LONG", Decimal("0.001"), Decimal(100), small)


class Scene:
    """The judge on a planted world; the price has been at `marks`."""

    def __init__(self, *marks: str) -> None:
        self.world = PlantedWorld()
        self.said: list[str] = []
        self.judge = OverExit(self.world.truth, self.world.venue, lambda _, since: [Decimal(mark) for mark in marks])
        self.world.at_ms += 1
        self.told(self.world.resize("1"))

    def told(self, entry: Entry) -> Scene:
        self.said += self.judge.entry(entry, 0)
        return self

    def looks(self) -> Scene:
        self.judge.answer(self.world.positions_read(), self.world.at_ms)
        return self

    def closes(self) -> Scene:
        order = {**self.world.order("MARKET", "1", "0"), "order_kind": "plain"}
        return self.told(self.world.accepted(order))


def test_a_ladder_beside_a_ladder_is_told() -> None:
    scene = Scene()
    for price, quantity in WHOLE:
        scene.told(scene.world.accepted(scene.world.order("TAKE_PROFIT_MARKET", quantity, price)))
    assert not scene.said
    scene.world.at_ms += 60_000
    scene.told(scene.world.resize("0.5"))
    scene.told(scene.world.accepted(scene.world.order("TAKE_PROFIT_MARKET", "0.15", "101.5")))
    assert "INV-16" in scene.said[0]


@pytest.mark.parametrize(("learned", "late_ms", "told"), [(True, 0, 1), (False, 0, 0), (True, TRIGGERING_GRACE_MS, 0)])
def test_nothing_new_beside_a_stop_that_is_known_to_fire(learned: bool, late_ms: int, told: int) -> None:
    scene = Scene()
    stop = scene.world.order("STOP_MARKET", "0", "98.5")
    scene.told(scene.world.accepted(stop)).told(scene.world.became(stop, "TRIGGERING"))
    if learned:
        row = {"algoId": stop["order_id"], "algoStatus": "TRIGGERING"}
        scene.judge.answer(scene.world.answer(Endpoint.OPEN_ALGO_ORDERS, [row], symbol=SYMBOL), scene.world.at_ms)
    scene.world.at_ms += late_ms
    scene.told(scene.world.accepted(scene.world.order("STOP_MARKET", "1", "97")))
    assert len(scene.said) == told


@pytest.mark.parametrize(("mark", "looks", "told"), [("98", 2, 0), ("98", 1, 1), ("100", 2, 1)])
def test_a_close_needs_a_true_refusal_and_two_looks(mark: str, looks: int, told: int) -> None:
    scene = Scene(mark)
    for _ in range(3):
        scene.told(scene.world.refused(scene.world.order("STOP_MARKET", "0", "98.5"), CROSSED))
    for _ in range(looks):
        scene.looks()
    assert len(scene.closes().said) == told
