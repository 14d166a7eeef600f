"""The night of the incident, again and again: seven naked positions, and a process that dies at every point."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.sim.stage import EVERY_MODE, Held, Stage, staged

SEVEN = (
    Held("BTCUSDT", "LONG", "0.238", entry=42_000, mark="42035.4"),
    Held("ETHUSDT", "SHORT", "2.200", entry=2_250, mark="2247.35"),
    Held("SOLUSDT", "LONG", "51", entry=98, mark="97.82"),
    Held("BNBUSDT", "SHORT", "12.90", entry=310, mark="310.42"),
    Held("XRPUSDT", "LONG", "7700", entry="0.5200", mark="0.5211"),
    Held("DOGEUSDT", "SHORT", "49000", entry="0.08100", mark="0.08091"),
    Held("ADAUSDT", "LONG", "8300", entry="0.4800", mark="0.4793"),
)
RESTART_S = 5.0
"""RestartSec of the unit: faster, sixty cold starts would use up the venue's request weight."""
TRANSPORT: dict[str, dict[str, Any]] = {
    "lose_request": {},
    "lose_response": {},
    "timeout_before": {"delay_ms": 9_000},
    "timeout_after": {"delay_ms": 9_000},
    "late_execution": {"delay_ms": 2_500, "method": "POST"},
    "latency": {"delay_ms": 1_500},
    "unknown_503": {"executed": True},
    "unavailable_503": {},
    "internal_503": {},
    "busy": {},
    "unexpected": {"executed": True},
    "backend_timeout": {"executed": True},
    "html": {},
    "empty": {},
    "empty_object": {},
    "null": {},
    "truncated": {},
    "code_zero": {},
}


def seven(*, hedge: bool = False) -> Stage:
    return Stage(*SEVEN, hedge=hedge, wallet="20000")


async def _in_peace(*, hedge: bool) -> tuple[int, Counter[tuple[object, ...]]]:
    """How many calls the cold start takes when nothing goes wrong, and the book it ends with."""
    async with seven(hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        calls = daemon.transport.calls
        await stage.run(20)
        stage.must_be_protected()
        return calls, stage.book()


def _without_backstop_triggers(book: Counter[tuple[object, ...]]) -> Counter[tuple[object, ...]]:
    """The same book, where the trigger of a backstop (role b) is left out of the comparison."""
    return Counter(
        (*entry[:4], None, *entry[5:]) if str(entry[1]).startswith("b") else entry for entry in book.elements()
    )


@EVERY_MODE
@staged
async def test_seven_naked_positions_get_seven_stops_before_any_take_profit(hedge: bool) -> None:
    """Invariant 3: the incident of 0/7: within two seconds all stops rest, each one sent before the first target."""
    async with seven(hedge=hedge) as stage:
        stage.start()
        waited_s = await stage.until("seven stops", lambda: len(stage.own(role="b")) == 7)
        assert waited_s <= 2
        await stage.until("protected", stage.is_protected)
        placed = [entry.detail["type"] for entry in stage.entries("order_accepted", ours=True)]
        assert set(placed[:7]) == {"STOP_MARKET"}
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_the_stop_of_a_new_position_goes_before_the_missing_ladders_of_all_others(hedge: bool) -> None:
    """Invariant 3: seven ladders are gone and a naked position appears in the same cycle: its stop is sent first."""
    async with seven(hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(3)
        for order in stage.own(role="t"):
            stage.cancel_by_hand(order)
        stage.trade("open", "LINKUSDT", "SHORT", "40")
        before = stage.world.journal.last_sequence
        await stage.until("protected", stage.is_protected)
        placed = [e.detail["type"] for e in stage.entries("order_accepted", ours=True) if e.sequence > before]
        assert placed[0] == "STOP_MARKET"
        assert len(placed) > 20


@pytest.mark.parametrize(
    ("moment", "hedge"),
    [("die_before", False), ("die_after", False), ("die_after", True)],
    ids=["before-one-way", "after-one-way", "after-hedge"],
)
@staged
async def test_killed_at_every_call_of_the_cold_start(moment: str, hedge: bool) -> None:
    """P1, P2, invariant 4: dead before or after any call, restarted with empty memory: always the very same book."""
    calls, wanted = await _in_peace(hedge=hedge)
    assert calls > 40
    for number in range(1, calls + 1):
        async with seven(hedge=hedge) as stage:
            daemon = stage.start()
            setattr(daemon.transport, moment, number)
            await stage.until("it died", lambda dying=daemon: not dying.alive)
            stage.start()
            await stage.until("protected", stage.is_protected, within_s=20)
            await stage.run(6)
            stage.must_be_protected()
            assert stage.book() == wanted, number


@EVERY_MODE
@staged
async def test_killed_again_and_again_at_ever_later_moments(hedge: bool) -> None:
    """P6: a crash loop in which each life lasts 20 ms longer; cover only ever grows, and the last life finishes."""
    _, wanted = await _in_peace(hedge=hedge)
    async with seven(hedge=hedge) as stage:
        covered = 0
        for life in range(1, 61):
            daemon = stage.start()
            await stage.run(0.020 * life)
            daemon.kill()
            await stage.run(RESTART_S)
            assert len(stage.own(role="b")) >= covered
            covered = len(stage.own(role="b"))
        assert covered == 7
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(10)
        assert stage.book() == wanted


@EVERY_MODE
@staged
async def test_stopped_politely_at_every_moment_of_the_cold_start(hedge: bool) -> None:
    """P4: SIGTERM finishes the cycle in hand and leaves every order resting; the next process only completes."""
    _, wanted = await _in_peace(hedge=hedge)
    for life_ms in range(10, 700, 70):
        async with seven(hedge=hedge) as stage:
            daemon = stage.start()
            await stage.run(life_ms / 1000)
            daemon.service.stop()
            await stage.until("it ended", lambda ending=daemon: ending.task.done(), within_s=30)
            before = {order.algo_id for order in stage.own()}
            stage.start()
            await stage.until("protected", stage.is_protected, within_s=20)
            assert before <= {order.algo_id for order in stage.own()}, "nothing of it was thrown away"
            await stage.run(10)
            assert stage.book() == wanted


@pytest.mark.parametrize("fault", TRANSPORT)
@EVERY_MODE
@staged
async def test_every_way_a_call_may_end(fault: str, hedge: bool) -> None:
    """N1 to N7, X1, X2: a third of all calls ends this way for half a minute; then one book, nothing twice."""
    _, wanted = await _in_peace(hedge=hedge)
    async with seven(hedge=hedge) as stage:
        stage.fault(fault, probability=0.33, **TRANSPORT[fault])
        stage.start()
        await stage.run(30)
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=30)
        await stage.run(20)
        stage.must_be_protected()
        assert stage.book() == wanted


@pytest.mark.parametrize("fault", [name for name in TRANSPORT if name not in ("latency", "late_execution")])
@staged
async def test_every_write_ends_this_way_and_the_stops_rest_at_last(fault: str) -> None:
    """The same for writes only, each and every one, until the fault ends."""
    async with seven() as stage:
        settings = {"method": "POST", **TRANSPORT[fault]}
        stage.fault(fault, **settings)
        stage.start()
        await stage.run(20)
        for verdict in (stage.verdict(*key) for key in stage.open_keys()):
            assert verdict in ("NAKED", "PROTECTED", "STOP_ONLY", "UNKNOWN", "")
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=30)
        await stage.run(20)
        stage.must_be_protected()


@pytest.mark.parametrize("code", [-1003, -1015], ids=["weight", "orders"])
@staged
async def test_a_rate_limit_is_waited_out_and_not_hammered(code: int) -> None:
    """X3: after one 429 nothing is sent before its time; then everything is protected."""
    async with seven() as stage:
        if code == -1003:
            stage.fault("rate_limited", count=1, delay_ms=3_000)
        else:
            stage.fault("error", count=1, code=-1015, method="POST")
        stage.start()
        await stage.until("protected", stage.is_protected, within_s=80)
        stage.must_be_protected()
        struck = next(e for e in stage.entries("fault_struck"))
        later = [e for e in stage.entries(ours=True) if e.sequence > struck.sequence]
        if code == -1003:
            assert all(entry.at_ms - struck.at_ms >= 2_500 for entry in later)


@staged
async def test_a_refused_key_is_told_and_protection_returns_with_the_key() -> None:
    """N12: -2015 on everything: UNKNOWN, no noise of orders; when the key works again all is protected."""
    async with seven() as stage:
        stage.fault("bad_key")
        stage.start()
        await stage.run(60)
        assert stage.status()["risk_status"] == "UNKNOWN"
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=70)
        stage.must_be_protected()


@staged
async def test_a_slow_venue_is_slow_and_nothing_else() -> None:
    """N11: answers take 3 s of the allowed 4: every stop is sent in the first round, the book is the same.

    The trading rules come later than the start waits, so a backstop may lie on the provisional, coarser price grid.
    """
    _, wanted = await _in_peace(hedge=False)
    async with seven() as stage:
        stage.fault("latency", delay_ms=3_000)
        stage.start()
        await stage.until("seven stops", lambda: len(stage.own(role="b")) == 7, within_s=60)
        await stage.run(120)
        assert _without_backstop_triggers(stage.book()) == _without_backstop_triggers(wanted)
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=70)
        stage.must_be_protected()
