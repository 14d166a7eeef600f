"""The judge of levels knows every mark that a fill met, and says so of a stop that none of them explains."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.sim.levels import CROSSED, Levels
from tests.sim.planted import SYMBOL, PlantedWorld


@pytest.mark.parametrize(("spike", "honest"), [("105", True), ("100", False)])
def test_a_stop_below_the_price_of_a_fill_is_honest_though_the_price_lasted_for_a_moment(
    spike: str, honest: bool
) -> None:
    world = PlantedWorld(size="1", entry="105", mark="100")
    marks = {SYMBOL: world.mark}
    world.venue.market = SimpleNamespace(mark=marks.__getitem__, last=marks.__getitem__)
    judge = Levels(world.venue)
    marks[SYMBOL] = type(world.mark)(spike)
    judge.entry(world.resize("2"))
    marks[SYMBOL] = world.mark
    refused = world.refused(world.order("STOP_MARKET", "0", "103"), CROSSED)
    assert bool(judge.entry(refused)) is not honest
