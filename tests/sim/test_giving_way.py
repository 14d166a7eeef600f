"""The judge of a stop that gives way to another program's: it judges what the daemon could see, and it can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.checkers import Checker
from tests.sim.conduct import READS_BEFORE_RETIRING, Conduct
from tests.sim.planted import SYMBOL, PlantedWorld
from tests.sim.virtual_time import run

BEST, LOOSER, TIGHTER = (
    {"LONG": "98.5", "SHORT": "101.5"},
    {"LONG": "98", "SHORT": "102"},
    {"LONG": "99", "SHORT": "101"},
)
SIDES = pytest.mark.parametrize("side", ["LONG", "SHORT"])


class Scene:
    """A position with a backstop of ours, placed by the daemon that is judged; another program's stop comes later."""

    def __init__(self, side: str, *, stale_ms: int = 0) -> None:
        self.side, self.world = side, PlantedWorld(size="0")
        self.conduct = Conduct(lambda: self.world.moment)
        self.judge = Checker(stale_ms=stale_ms, conduct=self.conduct)
        self.judge.yields = True
        self.resize("1")
        self.ours = self.stop("0", BEST[side], ours=True)
        self.speaks(Endpoint.PLACE_ALGO_ORDER, lambda: self.world.accepted(self.ours))

    def stop(self, quantity: str, trigger: str, *, ours: bool) -> dict[str, Any]:
        order = self.world.order("STOP_MARKET", quantity, trigger, ours=ours)
        return order | {"side": "SELL" if self.side == "LONG" else "BUY"}

    def resize(self, size: str) -> None:
        self.judge.entry(self.world.resize(size if self.side == "LONG" else f"-{size}"))

    def speaks(self, endpoint: Endpoint, act: Callable[[], Any]) -> None:
        """The daemon's request takes effect."""
        self.conduct.enters(0, endpoint, {"symbol": SYMBOL}, asyncio.get_running_loop().time())
        self.judge.entry(act())
        self.conduct.leaves()

    def looks(self, times: int = 1) -> None:
        for _ in range(times):
            self.conduct.ends(self.world.positions_read())
            self.conduct.ends(self.world.answer(Endpoint.OPEN_ALGO_ORDERS, [], symbol=SYMBOL))

    def theirs_comes(self, quantity: str = "1", trigger: str = "") -> None:
        self.theirs = self.stop(quantity, trigger or TIGHTER[self.side], ours=False)
        self.judge.entry(self.world.write("order_accepted", self.theirs, origin="foreign"))

    def theirs_goes(self) -> None:
        gone = {**self.theirs, "status": "CANCELED"}
        self.judge.entry(self.world.write("order_canceled", gone, origin="foreign"))

    def ours_goes(self) -> list[str]:
        gone = {**self.ours, "status": "CANCELED"}
        self.speaks(Endpoint.CANCEL_ALGO_ORDER, lambda: self.world.write("order_canceled", gone))
        return self.judge.violations


def told(script: Callable[[Scene], None], side: str, *, stale_ms: int = 0) -> list[str]:
    """What is said about the removal of our backstop after the script."""

    async def play() -> list[str]:
        scene = Scene(side, stale_ms=stale_ms)
        script(scene)
        return scene.ours_goes()

    return run(play())


def while_theirs_rests(scene: Scene) -> None:
    scene.theirs_comes()
    scene.looks(READS_BEFORE_RETIRING)


def just_as_theirs_goes(scene: Scene) -> None:
    """Seed 100188: both programs remove their own within 20 ms, each because of the other's."""
    while_theirs_rests(scene)
    scene.theirs_goes()


def just_as_the_position_grows(scene: Scene) -> None:
    while_theirs_rests(scene)
    scene.resize("2")


@SIDES
@pytest.mark.parametrize("script", [while_theirs_rests, just_as_theirs_goes, just_as_the_position_grows])
def test_ours_may_give_way_to_what_the_last_look_showed(script: Callable[[Scene], None], side: str) -> None:
    assert not told(script, side)


def after_a_look_without_theirs(scene: Scene) -> None:
    just_as_theirs_goes(scene)
    scene.looks()


def after_a_look_at_the_larger_position(scene: Scene) -> None:
    just_as_the_position_grows(scene)
    scene.looks()


def before_theirs_was_read_often_enough(scene: Scene) -> None:
    scene.looks()
    scene.theirs_comes()
    scene.looks(READS_BEFORE_RETIRING - 1)
    scene.theirs_goes()


def for_a_looser_one_that_goes(scene: Scene) -> None:
    scene.theirs_comes(trigger=LOOSER[scene.side])
    scene.looks(READS_BEFORE_RETIRING)
    scene.theirs_goes()


def for_half_the_size_that_goes(scene: Scene) -> None:
    scene.theirs_comes("0.5")
    scene.looks(READS_BEFORE_RETIRING)
    scene.theirs_goes()


@SIDES
@pytest.mark.parametrize(
    "script",
    [
        after_a_look_without_theirs,
        after_a_look_at_the_larger_position,
        before_theirs_was_read_often_enough,
        for_a_looser_one_that_goes,
        for_half_the_size_that_goes,
    ],
)
def test_what_the_last_look_did_not_show_is_no_reason(script: Callable[[Scene], None], side: str) -> None:
    assert any(words.startswith("INV-7") for words in told(script, side))


@SIDES
def test_where_answers_are_old_the_last_look_may_have_shown_what_was_gone(side: str) -> None:
    assert not told(after_a_look_without_theirs, side, stale_ms=2_000)


@SIDES
def test_ours_gives_way_only_where_the_operator_wants_it(side: str) -> None:
    def unwanted(scene: Scene) -> None:
        just_as_theirs_goes(scene)
        scene.judge.yields = False

    assert any(words.startswith("INV-7") for words in told(unwanted, side))
