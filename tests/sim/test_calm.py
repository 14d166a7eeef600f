"""The judge of calm can fail: a daemon that repeats itself, in requests, orders, events and words."""

from __future__ import annotations

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.calm import HOPELESS_LINES_MAX, MINUTE_MS, MOST, Calm
from tests.sim.planted import SYMBOL, PlantedWorld


class Scene:
    """A daemon that checks every 5 s, before a symbol that takes no orders."""

    def __init__(self) -> None:
        self.world, self.judge = PlantedWorld(), Calm(interval_s=5.0)
        self.told: list[str] = []

    def passes(self, ms: int) -> None:
        self.world.at_ms += ms

    def orders(self, code: int, *, status: int = 400) -> None:
        body = {"code": code} if status != 200 else {"algoId": 1}
        answer = self.world.answer(Endpoint.PLACE_ALGO_ORDER, body, status=status, symbol=SYMBOL, side="SELL")
        self.told += self.judge.answer(answer, self.world.at_ms)

    def says(self, text: str) -> None:
        self.told += self.judge.said(0, text, self.world.at_ms)


@pytest.mark.parametrize(("pause_ms", "code", "told"), [(5_000, -4108, 0), (1_000, -4108, 1), (1_000, -2021, 0)])
def test_the_same_refusal_is_tried_again_with_each_check_only(pause_ms: int, code: int, told: int) -> None:
    scene = Scene()
    for _ in range(60):
        scene.orders(code)
        scene.passes(pause_ms)
    assert len(scene.told) == told


def test_a_change_of_the_position_is_a_reason_to_try_at_once() -> None:
    scene = Scene()
    for _ in range(40):
        scene.judge.entry(scene.world.resize("1" if _ % 2 else "2"))
        scene.orders(-4108)
        scene.passes(1_500)
    assert not scene.told


def test_an_order_that_is_taken_ends_the_count() -> None:
    scene = Scene()
    for number in range(60):
        scene.orders(-4108, status=200 if number % 10 == 0 else 400)
        scene.passes(1_000)
    assert not scene.told


@pytest.mark.parametrize(("lines", "told"), [(HOPELESS_LINES_MAX, False), (HOPELESS_LINES_MAX + 1, True)])
def test_what_is_hopeless_is_said_a_few_times_a_minute(lines: int, told: bool) -> None:
    scene = Scene()
    for _ in range(25):
        scene.orders(-4108)
        scene.passes(5_000)
    for _ in range(lines):
        scene.says(f"WARNING SL order for {SYMBOL} was refused")
    scene.says(f"WARNING 0/1 protected (0%); {SYMBOL}:LONG NAKED")
    assert bool(scene.told) is told


def test_everything_is_bounded() -> None:
    scene = Scene()
    scene.told += scene.judge.announced(0, MOST["events"], scene.world.at_ms)
    scene.passes(MINUTE_MS)
    assert not scene.told
    scene.told += scene.judge.announced(0, MOST["events"] + 5, scene.world.at_ms)
    for _ in range(MOST["journal lines"] + 5):
        scene.says("INFO something")
    for _ in range(MOST["requests"] + 5):
        scene.told += scene.judge.answer(scene.world.answer(Endpoint.TIME, {}), scene.world.at_ms)
    assert len(scene.told) == 3


@pytest.mark.parametrize(("trades", "told"), [(0, 1), (3, 1), (4, 0)])
def test_a_whole_book_is_due_for_each_change_of_a_position(trades: int, told: int) -> None:
    """More orders than ever within one minute, at prices that no longer hold: a reason are only as many trades."""
    scene = Scene()
    for number in range(trades):
        scene.judge.entry(scene.world.resize("1" if number % 2 else "2"))
    for _ in range(MOST["orders"] + 20):
        scene.orders(-2021)
    assert len(scene.told) == told
