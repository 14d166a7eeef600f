"""Found from outside, part 5.1: what the venue refuses for good is tried at the pace of the checks and told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from position_monitor.paper.journal import Entry
from tests.sim.stage import TWO_WORLDS, Held, Stage, against, staged

BTC, ETH = "BTCUSDT", "ETHUSDT"
ALGO = "/fapi/v1/algoOrder"
DEFAULT = {"loop": {"check_interval_s": 10, "full_sweep_s": 60}}
"""The pace of the shipped configuration."""
ORDERS_1M_MAX, LINES_1M_MAX, EVENTS_1M_MAX = 12, 5, 5
WEIGHT_1M_MAX = 300


def sent(stage: Stage, symbol: str = BTC, path: str = ALGO) -> list[Entry]:
    """Every order of ours that reached the venue for a symbol, taken, refused or struck by a fault."""
    struck = [
        e for e in stage.entries("fault_struck", symbol) if e.detail["path"] == path and e.detail["method"] == "POST"
    ]
    done = [e for kind in ("order_accepted", "order_refused") for e in stage.entries(kind, symbol, ours=True)]
    return sorted([*struck, *done], key=lambda entry: entry.at_ms)


@dataclass
class Said:
    """What was said in a stretch of time."""

    orders: int
    lines: int
    events: int
    weight: int


async def watched(stage: Stage, seconds: float, symbol: str = BTC) -> Said:
    """What a minute (or more, per minute) of a hopeless state costs."""
    process = stage.processes[-1]
    orders, lines, events = len(sent(stage, symbol)), len(stage.log), len(stage.redis.events)
    weight = weight_of(process.transport.counts)
    await stage.run(seconds)
    share = 60 / seconds
    return Said(
        round((len(sent(stage, symbol)) - orders) * share),
        round((len(stage.log) - lines) * share),
        round((len(stage.redis.events) - events) * share),
        round((weight_of(process.transport.counts) - weight) * share),
    )


def weight_of(counts: dict[str, int]) -> int:
    """Request weight of everything that was asked, sweeps counted as such by nobody: an upper bound of the rest."""
    from position_monitor.edge.venues.transport import Endpoint

    return sum(Endpoint[name].value.weight * number for name, number in counts.items())


def must_be_calm(said: Said) -> None:
    assert said.orders <= ORDERS_1M_MAX, said
    assert said.lines <= LINES_1M_MAX, said
    assert said.events <= EVENTS_1M_MAX, said
    assert said.weight <= WEIGHT_1M_MAX, said


CODES = [-4108, -4088, -4192, -4400, -4140, -1122, -4509, -2022, -1111, -4061, -2015]
"""Settling, account locked, cooling-off, rules, status, no position, digits, mode, key.

A full account (-4045) has its own scenario.
"""


@pytest.mark.parametrize("code", CODES)
@TWO_WORLDS
@staged
async def test_a_hopeless_symbol_is_tried_and_told_at_the_pace_of_the_checks(code: int, hedge: bool, side: str) -> None:
    """5.1: nothing of it rests; no take-profit is sent; the other position is protected and stays so."""
    held = Held(BTC, side, "0.3", entry=42_000), Held(ETH, side, "2")
    async with Stage(*held, hedge=hedge, config=DEFAULT) as stage:
        rule = stage.fault("error", method="POST", path=ALGO, symbol=BTC, code=code)
        stage.start()
        first = await watched(stage, 60)
        assert first.orders <= ORDERS_1M_MAX, first
        must_be_calm(await watched(stage, 120))
        assert not stage.own(BTC)
        assert not any("t" in str(e.detail.get("client_id", ""))[4:5] for e in sent(stage)), "no take-profit was tried"
        assert stage.verdict(BTC, side) == "NAKED"
        assert stage.verdict(ETH, side) == "PROTECTED"
        assert str(code) in stage.published(BTC, side)["reason"]
        stage.engine.remove_fault(fault_id=rule.fault_id)
        await stage.until("protected", lambda: stage.covered(BTC, side), within_s=15)
        await stage.run(20)
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_a_changed_size_is_tried_at_once(hedge: bool, side: str) -> None:
    """5.1: what was refused under other facts is not the same order."""
    async with Stage(Held(BTC, side, "0.3", entry=42_000), hedge=hedge, config=DEFAULT) as stage:
        rule = stage.fault("error", method="POST", path=ALGO, symbol=BTC, code=-4108)
        stage.start()
        await stage.run(6)
        stage.engine.remove_fault(fault_id=rule.fault_id)
        stage.trade("reduce", BTC, side, "0.1")
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=6)


@TWO_WORLDS
@staged
async def test_a_price_that_moves_all_the_time_is_no_reason_to_hurry(hedge: bool, side: str) -> None:
    """5.1: each anchored stop has another trigger, and is refused all the same."""
    async with Stage(Held(BTC, side, "0.3", entry=42_000), hedge=hedge, config=DEFAULT) as stage:
        stage.fault("error", method="POST", path=ALGO, symbol=BTC, code=-4108)
        stage.price(BTC, against(42_000, side, 3))
        stage.start(stream=True)
        before = len(sent(stage))
        for second in range(60):
            stage.price(BTC, against(42_000, side, 3 + second * 0.15))
            await stage.run(1)
        assert len(sent(stage)) - before <= ORDERS_1M_MAX


@TWO_WORLDS
@staged
async def test_fills_in_a_symbol_that_takes_no_stops_do_not_hurry_it(hedge: bool, side: str) -> None:
    """5.1, the fast path too: a fill every second, every stop refused."""
    async with Stage(Held(BTC, side, "0.3", entry=42_000), hedge=hedge, config=DEFAULT) as stage:
        stage.fault("error", method="POST", path=ALGO, symbol=BTC, code=-4108)
        stage.start(stream=True)
        await stage.run(20)
        before = len(sent(stage))
        for _ in range(60):
            stage.trade("add", BTC, side, "0.01")
            await stage.run(1)
        assert len(sent(stage)) - before <= ORDERS_1M_MAX


def _unknown(stage: Stage) -> Any:
    return stage.fault("unknown_503", method="POST", path=ALGO, symbol=BTC, executed=False)


def _busy(stage: Stage) -> Any:
    return stage.fault("busy", method="POST", path=ALGO, symbol=BTC)


def _lost(stage: Stage) -> Any:
    return stage.fault("lose_request", method="POST", path=ALGO, symbol=BTC)


@pytest.mark.parametrize("fail", [_unknown, _busy, _lost])
@TWO_WORLDS
@staged
async def test_an_order_that_never_arrives_is_sent_at_the_pace_of_the_checks(
    fail: Callable[[Stage], Any], hedge: bool, side: str
) -> None:
    """5.1: an unknown outcome for ever, or a venue that is busy for ever, is as hopeless as a refusal."""
    async with Stage(Held(BTC, side, "0.3", entry=42_000), hedge=hedge, config=DEFAULT) as stage:
        rule = fail(stage)
        stage.start()
        await stage.run(60)
        must_be_calm(await watched(stage, 120))
        stage.engine.remove_fault(fault_id=rule.fault_id)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=15)
        await stage.run(20)
        stage.must_be_protected()


@TWO_WORLDS
@staged
async def test_take_profits_that_are_refused_for_good_are_tried_one_by_one(hedge: bool, side: str) -> None:
    """5.1: the stop rests, the venue takes no take-profit of the symbol."""
    async with Stage(Held(BTC, side, "0.3", entry=42_000), hedge=hedge, config=DEFAULT) as stage:
        rule = stage.fault("error", method="POST", path=ALGO, symbol=BTC, code=-4400, client_id="qpm1t")
        stage.start()
        await stage.run(60)
        must_be_calm(await watched(stage, 120))
        assert stage.covered(BTC, side)
        stage.engine.remove_fault(fault_id=rule.fault_id)
        await stage.until("protected", stage.is_protected, within_s=25)


@TWO_WORLDS
@staged
async def test_a_halted_symbol_is_protected_when_it_trades_again(hedge: bool, side: str) -> None:
    """5.1 with the venue's own status instead of a fault: halted in mid-run, its stop lost, then open again."""
    async with Stage(Held(BTC, side, "0.3", entry=42_000), hedge=hedge, config=DEFAULT) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.engine.change_instrument(BTC, status="PENDING_TRADING")
        for order in stage.own(BTC):
            stage.cancel_by_hand(order)
        await stage.run(60)
        must_be_calm(await watched(stage, 120))
        stage.engine.change_instrument(BTC, status="TRADING")
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=15)
        await stage.run(25)
        stage.must_be_protected()
