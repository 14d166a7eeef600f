"""The judge of what rests at last can fail: surplus stops, ladders that are short or doubled, a stop left behind."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from tests.sim.planted import SYMBOL, PlantedWorld
from tests.sim.settled_book import SettledBook

LADDER = [("101.5", "0.3"), ("102.5", "0.3"), ("104", "0.4")]


class Scene:
    """A long of 1 at 100 with its backstop and its ladder."""

    def __init__(self, *, stop: str = "98.5", ladder: list[tuple[str, str]] | None = None) -> None:
        self.world = PlantedWorld()
        self.world.venue.market = SimpleNamespace(mark=lambda _: self.world.mark, last=lambda _: self.world.mark)
        self.judge = SettledBook(self.world.truth, self.world.venue)
        self.rests("STOP_MARKET", "0", stop)
        for price, quantity in LADDER if ladder is None else ladder:
            self.rests("TAKE_PROFIT_MARKET", quantity, price)

    def rests(self, kind: str, quantity: str, trigger: str, *, ours: bool = True) -> Scene:
        self.judge.entry(self.world.accepted(self.world.order(kind, quantity, trigger, ours=ours)))
        return self

    def wrong(self) -> set[str]:
        return self.judge.surplus() | self.judge.ladders()

    def marks(self, mark: str) -> Scene:
        self.world.mark = Decimal(mark)
        self.judge.look((SYMBOL,))
        return self


def test_the_wanted_book_is_right() -> None:
    assert not Scene().wrong()
    assert not Scene().rests("STOP_MARKET", "1", "99.2").wrong(), "one level of working stops beside the backstop"
    assert not Scene().rests("STOP_MARKET", "0.4", "99.2").rests("STOP_MARKET", "0.6", "99.2").wrong()


@pytest.mark.parametrize("more", [[("1", "99.2"), ("1", "99.4")], [("1", "99.2"), ("1", "99.2")], [("2", "99.2")]])
def test_surplus_working_stops_are_a_jam(more: list[tuple[str, str]]) -> None:
    scene = Scene()
    for quantity, trigger in more:
        scene.rests("STOP_MARKET", quantity, trigger)
    assert "working stops" in "".join(scene.wrong())


@pytest.mark.parametrize("ladder", [[], LADDER[1:], LADDER[:2], [*LADDER, ("101.5", "0.15")], [("101.5", "1")]])
def test_a_ladder_that_is_short_or_too_much_is_a_jam(ladder: list[tuple[str, str]]) -> None:
    assert Scene(ladder=ladder).wrong()


def test_the_users_own_take_profits_may_stand_for_the_ladder() -> None:
    scene = Scene(ladder=[]).rests("TAKE_PROFIT_MARKET", "0", "103", ours=False)
    assert not scene.wrong()


def test_a_stop_behind_the_policys_level_is_a_jam_unless_the_price_had_passed_that_level() -> None:
    assert "behind" in "".join(Scene(stop="97").judge.behind())
    assert not Scene(stop="97").marks("98.4").marks("99").judge.behind()
    again = Scene(stop="97").marks("98.4").marks("99")
    again.judge.entry(again.world.resize("0"))
    again.judge.entry(again.world.resize("1"))
    assert "behind" in "".join(again.judge.behind()), "another position has its own history"
    assert not Scene(stop="97").rests("STOP_MARKET", "0.1", "96", ours=False).judge.behind(), "the user has a say"
