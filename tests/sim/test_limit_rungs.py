"""Rungs that rest as limit orders: everything that holds for a ladder of conditional orders holds for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, against, staged
from tests.sim.test_hard_capacity import CAP, entries_of_another_bot

BTC = "BTCUSDT"
ENTRY = 42_000
RUNGS = (("1.5", 30), ("2.5", 30), ("4.0", 40))
SIZES = [Decimal("0.090"), Decimal("0.090"), Decimal("0.120")]


def kinds(*names: str) -> dict[str, Any]:
    """Settings in which the rungs of the default ladder are of these kinds."""
    rows = [
        {"target_pct": pct, "share_pct": share, "kind": name} for (pct, share), name in zip(RUNGS, names, strict=True)
    ]
    return {"protection": {"ladder": rows}}


LIMITS = kinds("limit", "limit", "limit")


def btc(side: str, mark: object = None) -> Held:
    return Held(BTC, side, "0.300", entry=ENTRY, mark=mark)


def gain(side: str, pct: object) -> Decimal:
    """The price so many percent in favour of the position."""
    return against(ENTRY, side, -Decimal(str(pct)))


def written_since(stage: Stage, count: int) -> list[str]:
    """Orders of ours that were accepted after the first `count`, by client id."""
    return [str(entry.detail["client_id"]) for entry in stage.entries("order_accepted", ours=True)[count:]]


def accepted(stage: Stage) -> int:
    return len(stage.entries("order_accepted", ours=True))


def prices(stage: Stage, side: str) -> list[Decimal]:
    return [order.price for order in stage.limit_rungs(BTC, side)]


def write_config(path: Path, names: Sequence[str]) -> Path:
    rows = ", ".join(
        f'{{target_pct = {pct}, share_pct = {share}, kind = "{name}"}}'
        for (pct, share), name in zip(RUNGS, names, strict=True)
    )
    path.write_text(
        "[loop]\ncheck_interval_s = 5\nfull_sweep_s = 20\n"
        '[exchange]\nrequest_timeout_s = 4.0\nrest_url = "http://127.0.0.1:1"\n'
        f"[protection]\nladder = [{rows}]\n",
        encoding="utf-8",
    )
    return path


@EVERY_WORLD
@staged
async def test_a_ladder_of_limit_orders_rests(hedge: bool, side: str) -> None:
    """At its levels, in the plain list, only reducing, published with its kind; and then nothing is written."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        assert prices(stage, side) == [gain(side, pct) for pct, _ in RUNGS]
        assert [order.quantity for order in stage.limit_rungs(BTC, side)] == SIZES
        leg = side if hedge else "BOTH"
        shape = {(o.type, o.time_in_force, o.reduce_only, o.position_side) for o in stage.limit_rungs(BTC, side)}
        assert shape == {("LIMIT", "GTC", not hedge, leg)}
        assert [order.client_id[4] for order in stage.own()] == ["b"], "no other conditional order rests"
        rows = json.loads(stage.published(BTC, side)["take_profits"])
        assert [(row["kind"], row["resting"], Decimal(row["trigger_price"])) for row in rows] == [
            ("limit", True, price) for price in prices(stage, side)
        ]
        before = accepted(stage)
        await stage.run(120)
        assert written_since(stage, before) == []
        stage.must_be_protected()


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polling", "stream"])
@staged
async def test_a_rung_that_is_filled_moves_the_stop_to_breakeven(hedge: bool, side: str, stream: bool) -> None:
    """S6: done by its fill, at its own price; the other rungs stay the orders they are."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        later = [order.order_id for order in stage.limit_rungs(BTC, side)[1:]]
        with stage.never_uncovered():
            stage.price(BTC, gain(side, "1.55"))
            await stage.run(20)
        assert stage.size(BTC, side) == Decimal("0.210")
        assert [order.order_id for order in stage.limit_rungs(BTC, side)] == later
        assert not stage.targets(BTC, side)
        (working,) = stage.own(BTC, side, "w")
        way = 1 if side == "LONG" else -1
        assert way * (working.trigger - gain(side, "0.1")) >= -1, "entry and the cost of two fees"
        stage.must_be_protected()
        fills = [entry for entry in stage.entries("filled", ours=True) if entry.detail["type"] == "LIMIT"]
        assert [Decimal(entry.detail["last_price"]) for entry in fills] == [gain(side, "1.5")]


@EVERY_WORLD
@staged
async def test_a_restart_keeps_the_ladder(hedge: bool, side: str) -> None:
    """An empty memory finds the rungs in the plain list, before and after one was filled, and writes nothing."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        for pct in ("0.5", "1.6"):
            stage.price(BTC, gain(side, pct))
            await stage.run(25)
            stage.must_be_protected()
            before, count = stage.book(), accepted(stage)
            daemon.kill()
            daemon = stage.start()
            await stage.run(40)
            assert written_since(stage, count) == []
            assert stage.book() == before


@EVERY_WORLD
@pytest.mark.parametrize("done", [False, True], ids=["whole", "one-rung-done"])
@staged
async def test_a_reload_changes_the_kind_rung_by_rung(hedge: bool, side: str, done: bool, tmp_path: Path) -> None:
    """Never more than one rung is missing, never more would be closed than there is, and the cover stays."""
    path = tmp_path / "config.toml"
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start(path=write_config(path, ["market"] * 3))
        await stage.until("protected", stage.is_protected)
        if done:
            stage.price(BTC, gain(side, "1.6"))
            await stage.run(25)
        rungs = 2 if done else 3
        assert len(stage.targets(BTC, side)) == rungs
        for names, limits in ((["limit"] * 3, rungs), (["market", "market", "limit"], 1), (["market"] * 3, 0)):
            write_config(path, names)
            daemon.service.request_reload()
            watched: list[tuple[int, Decimal]] = []
            with stage.never_uncovered():
                for _ in range(300):
                    await stage.run(0.2)
                    both = [*stage.targets(BTC, side), *stage.limit_rungs(BTC, side)]
                    watched.append((len(both), sum((order.quantity for order in both), Decimal(0))))
            assert min(count for count, _ in watched) >= rungs - 1
            assert max(total for _, total in watched) <= stage.size(BTC, side)
            assert len(stage.limit_rungs(BTC, side)) == limits
            assert len(stage.targets(BTC, side)) == rungs - limits
            stage.must_be_protected()


@EVERY_WORLD
@pytest.mark.parametrize("number", [0, 1, 2])
@staged
async def test_a_rung_cancelled_by_hand_comes_back(hedge: bool, side: str, number: int) -> None:
    """Under an id of its own, beside the others, which are not touched."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        gone, book = stage.limit_rungs(BTC, side)[number], stage.book()
        kept = {order.order_id for order in stage.limit_rungs(BTC, side)} - {gone.order_id}
        stage.cancel_by_hand(gone)
        await stage.run(30)
        assert stage.book() == book
        assert kept < {order.order_id for order in stage.limit_rungs(BTC, side)}
        assert gone.client_id not in {order.client_id for order in stage.limit_rungs(BTC, side)}
        stage.must_be_protected()


@EVERY_WORLD
@pytest.mark.parametrize("stream", [False, True], ids=["polling", "stream"])
@staged
async def test_a_rung_filled_in_part_is_left_alone(hedge: bool, side: str, stream: bool) -> None:
    """What is left of it counts as its rung; the stop moves when all of it was filled, not before."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start(stream=stream)
        await stage.until("protected", stage.is_protected)
        count, rungs = accepted(stage), stage.limit_rungs(BTC, side)
        for part in ("0.030", "0.020"):
            stage.engine.matching.fill_part(rungs[0], Decimal(part))
            await stage.run(40)
            assert written_since(stage, count) == []
            assert [order.order_id for order in stage.limit_rungs(BTC, side)] == [order.order_id for order in rungs]
            stage.must_be_protected()
        assert not stage.own(BTC, side, "w")
        stage.price(BTC, gain(side, "1.55"))
        await stage.run(20)
        assert stage.size(BTC, side) == Decimal("0.210")
        assert len(stage.limit_rungs(BTC, side)) == 2
        assert stage.own(BTC, side, "w"), "breakeven is locked"
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_a_position_that_grows_beside_a_half_filled_rung(hedge: bool, side: str) -> None:
    """The rest of that rung stays, the others are made for what is left, and all together are the position."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        first = stage.limit_rungs(BTC, side)[0]
        stage.engine.matching.fill_part(first, Decimal("0.040"))
        await stage.run(20)
        stage.trade("add", BTC, side, "0.200")
        await stage.run(40)
        assert first.open
        assert first.remaining == Decimal("0.050")
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_a_half_filled_rung_does_not_change_its_kind(hedge: bool, side: str, tmp_path: Path) -> None:
    """It is left alone; the others become conditional orders."""
    path = tmp_path / "config.toml"
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start(path=write_config(path, ["limit"] * 3))
        await stage.until("protected", stage.is_protected)
        first = stage.limit_rungs(BTC, side)[0]
        stage.engine.matching.fill_part(first, Decimal("0.040"))
        await stage.run(20)
        write_config(path, ["market"] * 3)
        daemon.service.request_reload()
        await stage.run(60)
        assert [order.order_id for order in stage.limit_rungs(BTC, side)] == [first.order_id]
        assert len(stage.targets(BTC, side)) == 2
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_without_a_free_slot_limit_rungs_rest(hedge: bool, side: str) -> None:
    """199 of 200 conditional orders are another bot's: the stop takes the last slot, the ladder needs none."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        entries_of_another_bot(stage, CAP - 1)
        stage.start()
        await stage.run(20)
        assert len(stage.own(BTC, side, "b")) == 1
        assert len(stage.limit_rungs(BTC, side)) == 3
        assert not stage.entries("order_refused", ours=True)
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_no_slot_is_no_reason_to_take_a_limit_rung_away(hedge: bool, side: str, tmp_path: Path) -> None:
    """A reload asks for conditional orders, and there is no room for them: the limit orders stay."""
    path = tmp_path / "config.toml"
    async with Stage(btc(side), hedge=hedge) as stage:
        entries_of_another_bot(stage, CAP - 1)
        daemon = stage.start(path=write_config(path, ["limit"] * 3))
        await stage.run(20)
        rungs = [order.order_id for order in stage.limit_rungs(BTC, side)]
        write_config(path, ["market"] * 3)
        daemon.service.request_reload()
        await stage.run(60)
        assert [order.order_id for order in stage.limit_rungs(BTC, side)] == rungs
        assert len(rungs) == 3


@EVERY_WORLD
@staged
async def test_a_rung_that_the_price_has_passed_is_not_placed(hedge: bool, side: str) -> None:
    """S11: a limit order beyond the mark would be filled at once, an exit that nobody asked for."""
    async with Stage(btc(side, mark=gain(side, "1.8")), hedge=hedge, config=LIMITS) as stage:
        stage.start()
        await stage.run(30)
        assert prices(stage, side) == [gain(side, "2.5"), gain(side, "4.0")]
        assert stage.size(BTC, side) == Decimal("0.300")
        stage.must_be_protected()


@EVERY_WORLD
@pytest.mark.parametrize("fault", ["lose_request", "lose_response", "unavailable_503"])
@staged
async def test_a_write_whose_answer_is_lost_is_not_doubled(hedge: bool, side: str, fault: str) -> None:
    """Invariant 4: the order is asked for by its id in the service it lives in."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.fault(fault, method="POST", path="/fapi/v1/order", count=3)
        stage.start()
        await stage.until("protected", stage.is_protected, within_s=90)
        await stage.run(30)
        assert len(stage.limit_rungs(BTC, side)) == 3
        sent = [str(e.detail["client_id"]) for e in stage.entries("order_accepted", ours=True)]
        assert len(sent) == len(set(sent)) == 4, "three rungs and the backstop, each once"
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_limit_rungs_end_with_their_position(hedge: bool, side: str) -> None:
    """The stop closes it, or the trader does; no rung is left for the next position."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start()
        for leave in (lambda: stage.trade("close", BTC, side), lambda: stage.price(BTC, gain(side, "-2"))):
            await stage.until("protected", stage.is_protected)
            stage.engine.matching.fill_part(stage.limit_rungs(BTC, side)[0], Decimal("0.010"))
            leave()
            await stage.run(40)
            assert not stage.open_keys()
            assert not stage.limit_rungs()
            stage.must_be_tidy()
            stage.price(BTC, ENTRY)
            stage.trade("open", BTC, side, "0.300")


@EVERY_WORLD
@staged
async def test_the_users_own_limit_order_is_not_touched(hedge: bool, side: str) -> None:
    """Invariant 5: it counts toward the ladder and stays."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        theirs = stage.foreign_limit(BTC, side, gain(side, "3"), "0.100")
        stage.start()
        await stage.run(40)
        assert theirs.open
        assert sum(order.remaining for order in stage.limit_rungs(BTC, side)) == Decimal("0.200")


@EVERY_WORLD
@staged
async def test_a_spike_through_the_whole_ladder_closes_no_more_than_the_position(hedge: bool, side: str) -> None:
    """Every rung fills at its own price, and nothing is opened on the other side."""
    async with Stage(btc(side), hedge=hedge, config=LIMITS) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.price(BTC, gain(side, "5"))
        await stage.run(40)
        assert not stage.open_keys()
        assert not stage.limit_rungs()
        stage.must_be_tidy()
