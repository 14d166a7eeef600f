"""The judge of the published state can fail: each figure is spoilt in turn in a state that was true."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.sim.planted import SYMBOL, PlantedWorld
from tests.sim.state_truth import MARKS_MS, READ_WITHIN_MS, SILENCE_MS, StateTruth

MEMBER = f"{SYMBOL}:LONG"


class Scene:
    """A long of 2 at 100, read twice, whose stop over 1.5 rests at 98.5 and was read back."""

    def __init__(self) -> None:
        self.world = PlantedWorld(size="2", mark="110")
        self.judge = StateTruth(lambda symbol, since_ms: [Decimal("109")])
        self.stop = self.world.order("STOP_MARKET", "1.5", "98.5")
        self.judge.entry(self.world.accepted(self.stop))
        for _ in range(3):
            self.world.at_ms += 4_000
            self.judge.answer(self.world.positions_read(), self.world.at_ms)

    def state(
        self, status: dict[str, str], position: dict[str, str], conditions: dict[str, str] | None = None
    ) -> dict[str, Any]:
        at_ms, told = self.world.at_ms, {"BackstopLive": "False", "TakeProfitsPlaced": "False"} | (conditions or {})
        fields = {"verdict": "UNDERCOVERED", "quantity": "2", "entry_price": "100", "mark_price": "110"}
        fields |= {"stop_price": "98.5", "stop_quantity": "1.5", "cover_pct": "75"}
        fields |= {"stop_client_ids": json.dumps([self.stop["client_id"]]), "observed_at_ms": str(at_ms)}
        fields |= {"take_profits": "[]"}
        fields |= {"doc": json.dumps({"published_at_ms": at_ms + 5, "conditions": told}), "backstop_price": ""}
        account = {"risk_status": "CRITICAL", "positions": "1", "protected": "0", "coverage_pct": "75"}
        account |= {"unprotected_notional": "55", "published_at_ms": str(at_ms + 5)}
        return {"status": account | status, "positions": {MEMBER: fields | position}}

    def said(self, published: dict[str, Any]) -> list[str]:
        return self.judge.told(0, published, self.world.at_ms)


def test_what_is_true_is_not_told() -> None:
    scene = Scene()
    assert not scene.said(scene.state({}, {}))
    assert not scene.said(scene.state({"exposed_notional": "220", "unknown_notional": "0"}, {}))
    assert not scene.said(scene.state({"unprotected_notional": "54.5"}, {"mark_price": "109"})), "the stream told it"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", "3"),
        ("entry_price", "101"),
        ("mark_price", "111"),
        ("stop_price", "99"),
        ("stop_quantity", "2"),
        ("cover_pct", "100"),
        ("verdict", "PROTECTED"),
        ("observed_at_ms", "99999999"),
    ],
)
def test_a_spoilt_figure_of_a_position_is_told(field: str, value: str) -> None:
    scene = Scene()
    assert any(MEMBER in words for words in scene.said(scene.state({}, {field: value})))


@pytest.mark.parametrize("unreadable", ["soon", "NaN", "-1", "0"])
def test_the_size_of_a_row_without_a_mark_counts(unreadable: str) -> None:
    """A daemon that read such a row tells its size and its entry; the entry stands for the mark (seed 5976)."""
    scene = Scene()
    scene.world.resize("3")
    scene.world.at_ms += 4_000
    scene.judge.answer(scene.world.positions_read(markPrice=unreadable), scene.world.at_ms)
    grown = {"verdict": "UNKNOWN", "quantity": "3", "mark_price": "100"}
    account = {"risk_status": "UNKNOWN", "unprotected_notional": "0", "coverage_pct": "0"}
    assert not scene.said(scene.state(account, grown))
    assert scene.said(scene.state(account, grown | {"quantity": "4"}))
    for made_up in ("111", "0"):
        assert scene.said(scene.state(account, grown | {"mark_price": made_up}))


def test_a_streamed_mark_is_as_old_as_the_look_that_it_is_told_with() -> None:
    """A daemon that was suspended tells what it last knew, with its time (seed 5875)."""
    scene = Scene()
    passed_ms = scene.world.at_ms
    scene.judge = StateTruth(lambda symbol, since_ms: [Decimal("109")] if since_ms <= passed_ms else [])
    scene.judge.entry(scene.world.accepted(scene.stop))
    scene.judge.answer(scene.world.positions_read(), scene.world.at_ms)
    scene.world.at_ms += MARKS_MS + 10_000
    account = {"risk_status": "UNKNOWN", "unprotected_notional": "0", "coverage_pct": "0"}
    told = {"verdict": "UNKNOWN", "mark_price": "109"}
    assert not scene.said(scene.state(account, told | {"observed_at_ms": str(passed_ms)}))
    assert scene.said(scene.state(account, told)), "it says that it looked just now"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("positions", "2"),
        ("protected", "1"),
        ("coverage_pct", "100"),
        ("unprotected_notional", "0"),
        ("exposed_notional", "0"),
        ("exposed_notional", "221"),
        ("unknown_notional", "1"),
    ],
)
def test_a_wrong_total_is_told(field: str, value: str) -> None:
    scene = Scene()
    assert any("INV-17" in words for words in scene.said(scene.state({field: value}, {})))


@pytest.mark.parametrize(
    ("live", "price", "ours", "true"),
    [
        ("False", "", True, False),
        ("True", "97", True, True),
        ("True", "", True, False),
        ("False", "97", True, False),
        ("True", "96", True, False),
        ("False", "", False, True),
        ("True", "", False, False),
        ("True", "97", False, False),
    ],
)
def test_a_backstop_is_ours_and_told_with_its_price(live: str, price: str, ours: bool, true: bool) -> None:
    scene = Scene()
    close_all = scene.world.order("STOP_MARKET", "0", "97", ours=ours)
    scene.judge.entry(scene.world.accepted(close_all))
    named = json.dumps([scene.stop["client_id"], close_all["client_id"]])
    fields = {"verdict": "STOP_ONLY", "stop_client_ids": named, "stop_quantity": "2", "cover_pct": "100"}
    account = {"protected": "1", "coverage_pct": "100", "unprotected_notional": "0"}
    said = scene.said(scene.state(account, fields | {"backstop_price": price}, {"BackstopLive": live}))
    assert bool(said) is not true, said


@pytest.mark.parametrize(
    ("placed", "rests", "true"),
    [
        ("False", (), True),
        ("True", (), False),
        ("True", (True,), True),
        ("False", (True,), False),
        ("False", (True, False), True),
        ("True", (True, False), False),
        ("Unknown", (True,), True),
    ],
)
def test_take_profits_are_placed_where_each_that_is_told_rests(
    placed: str, rests: tuple[bool, ...], true: bool
) -> None:
    scene = Scene()
    order = scene.world.order("TAKE_PROFIT_MARKET", "1", "120")
    scene.judge.entry(scene.world.accepted(order))
    rungs = [{"client_id": order["client_id"] if one else "", "trigger_price": "120", "resting": one} for one in rests]
    said = scene.said(scene.state({}, {"take_profits": json.dumps(rungs)}, {"TakeProfitsPlaced": placed}))
    assert bool(said) is not true, said


@pytest.mark.parametrize(("client_id", "price"), [("accepted", "121"), ("qpm1t0never", "120")])
def test_a_take_profit_that_was_never_accepted_so_is_told(client_id: str, price: str) -> None:
    scene = Scene()
    order = scene.world.order("TAKE_PROFIT_MARKET", "1", "120")
    scene.judge.entry(scene.world.accepted(order))
    name = order["client_id"] if client_id == "accepted" else client_id
    rungs = [{"client_id": name, "trigger_price": price, "resting": True}]
    assert scene.said(scene.state({}, {"take_profits": json.dumps(rungs)}, {"TakeProfitsPlaced": "True"}))


def test_a_position_that_was_read_twice_and_is_left_out_is_told() -> None:
    scene = Scene()
    empty = {"positions": "0", "coverage_pct": "100", "unprotected_notional": "0"}
    published = scene.state(empty, {}) | {"positions": {}}
    assert any("missing" in words for words in scene.said(published))


def test_a_lease_that_was_given_up_is_not_told_as_lost() -> None:
    judge = Scene().judge
    lost, given_up = (json.dumps({"type": name, "at_ms": 7_000}) for name in ("LeaseLost", "LeaseGivenUp"))
    assert judge.lease_left([lost], 7_000) and not judge.lease_left([given_up], 7_000)
    assert not judge.lease_left([lost], 7_001), "it was lost before"


def test_nobody_watches_and_the_state_says_so_in_time() -> None:
    scene = Scene()
    assert not scene.judge.silent({"risk_status": "PROTECTED"}, SILENCE_MS)
    assert scene.judge.silent({"risk_status": "PROTECTED"}, SILENCE_MS + 1)
    assert not scene.judge.silent({"risk_status": "UNKNOWN"}, 10 * SILENCE_MS)
    assert not scene.judge.silent({}, 10 * SILENCE_MS)


def spoilt(scene: Scene, looks: int = 3) -> None:
    for _ in range(looks):
        scene.world.at_ms += 4_000
        scene.judge.answer(scene.world.positions_read(positionAmt="lots"), scene.world.at_ms)


UNREAD: dict[str, str] = {"risk_status": "UNKNOWN", "positions": "1", "coverage_pct": "0", "unprotected_notional": "0"}


def test_what_could_not_be_read_is_counted_and_named() -> None:
    scene = Scene()
    spoilt(scene)
    nothing = scene.state(UNREAD | {"unread": json.dumps([SYMBOL])}, {}) | {"positions": {}}
    assert not scene.said(nothing)


@pytest.mark.parametrize(
    ("field", "value"),
    [("unread", "[]"), ("positions", "0"), ("coverage_pct", "100"), ("risk_status", "PROTECTED")],
)
def test_what_could_not_be_read_and_is_left_out_is_told(field: str, value: str) -> None:
    scene = Scene()
    spoilt(scene)
    account = UNREAD | {"unread": json.dumps([SYMBOL])} | {field: value}
    assert scene.said(scene.state(account, {}) | {"positions": {}})


def test_one_look_that_was_spoilt_is_not_enough() -> None:
    scene = Scene()
    spoilt(scene, looks=1)
    assert not scene.said(scene.state({}, {}))


def test_the_time_of_the_last_good_read_is_neither_forgotten_nor_made_up() -> None:
    scene = Scene()
    last_ms = scene.world.at_ms
    assert not scene.said(scene.state({"observed_at_ms": str(last_ms)}, {}))
    assert scene.said(scene.state({"observed_at_ms": str(last_ms + 1)}, {}))
    scene.world.at_ms += READ_WITHIN_MS
    assert not scene.said(scene.state({"observed_at_ms": str(last_ms)}, {}))
    assert scene.said(scene.state({"observed_at_ms": "0"}, {}))
