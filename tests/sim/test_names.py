"""The judge of invariant 4 can fail, and knows what the venue denied."""

from __future__ import annotations

from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.names import NO_SUCH_ORDER, Names
from tests.sim.planted import PlantedWorld


class Scene:
    """A backstop of ours that ended; the daemon may ask for it, and sends another under its id."""

    def __init__(self, status: str = "EXPIRED") -> None:
        self.world, self.names = PlantedWorld(), Names()
        self.stop = self.world.order("STOP_MARKET", "0", "98.5")
        assert not self.placed()
        if status:
            self.names.entry(self.world.became(self.stop, status), own=False)

    def placed(self) -> list[str]:
        return self.names.entry(self.world.accepted(self.stop), own=True)

    def answered(self, body: dict[str, Any], status: int = 200, client_id: str = "") -> None:
        params = {"clientAlgoId": client_id or self.stop["client_id"]}
        self.names.answer(self.world.answer(Endpoint.QUERY_ALGO_ORDER, body, status=status, **params))

    def denied(self, client_id: str = "") -> None:
        self.answered({"code": NO_SUCH_ORDER, "msg": "Order does not exist."}, 400, client_id)


@pytest.mark.parametrize("status", ["EXPIRED", "CANCELED", "REJECTED", "FINISHED"])
def test_an_id_whose_order_ended_is_not_used_again(status: str) -> None:
    assert "named an order that ended" in Scene(status).placed()[0]


def test_an_id_that_the_venue_says_no_order_has_may_be_used_again() -> None:
    scene = Scene()
    scene.denied()
    assert not scene.placed()
    assert scene.names.reused, "that it happened is on record"


def test_the_last_answer_about_it_counts() -> None:
    scene = Scene()
    scene.denied()
    scene.answered({"clientAlgoId": scene.stop["client_id"], "algoStatus": "EXPIRED"})
    assert scene.placed()


def test_a_denial_of_another_id_or_from_before_its_end_excuses_nothing() -> None:
    scene = Scene()
    scene.denied("qpm1b0other")
    assert scene.placed()
    early = Scene("")
    early.denied()
    early.names.entry(early.world.became(early.stop, "EXPIRED"), own=False)
    assert early.placed()


def test_an_answer_that_failed_in_another_way_denies_nothing() -> None:
    scene = Scene()
    scene.answered({"code": -1001, "msg": "Internal error."}, 503)
    assert scene.placed()
