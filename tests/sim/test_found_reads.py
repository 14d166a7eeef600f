"""Found from outside, 1.1 to 2.2: adding a stop needs little, removing one needs much; older answers prove nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.stage import TWO_WORLDS, Held, Stage, staged
from tests.sim.test_hard_start import seven

POSITIONS = (Endpoint.POSITIONS, Endpoint.POSITION_ROWS)
BROKEN = {"html": {}, "internal_503": {}, "lose_response": {}, "lose_request": {}, "truncated": {}}
NEEDED_FOR_NOTHING_ADDED = ("openOrders", "accountConfig", "positionSide/dual", "exchangeInfo", "symbolConfig", "time")
"""Endpoints without which every position still gets its stop."""


@pytest.mark.parametrize("path", [*NEEDED_FOR_NOTHING_ADDED, "openAlgoOrders", "algoOrder", "v3/positionRisk"])
@pytest.mark.parametrize("fault", BROKEN)
@staged
async def test_one_dead_endpoint_holds_no_stop_back(path: str, fault: str) -> None:
    """1.1, 1.2: whatever one call answers from the first second on, seven stops rest within fifteen seconds."""
    async with seven() as stage:
        stage.fault(fault, path=path, method="GET")
        stage.start()
        await stage.until("seven stops", lambda: len(stage.own(role="b")) == 7, within_s=15)
        for symbol, side in stage.open_keys():
            assert stage.covered(symbol, side)
        await stage.run(30)
        assert len(stage.own(role="bw")) == 7, "one stop each, however often it was tried"
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=40)
        stage.must_be_protected()


@pytest.mark.parametrize("delay_ms", [3_900, 5_000, 9_000])
@staged
async def test_an_endpoint_slower_than_the_time_out_holds_no_stop_back(delay_ms: int) -> None:
    """1.1 with latency in place of garbage: the order lists never answer in time."""
    async with seven() as stage:
        for path in ("openOrders", "openAlgoOrders"):
            stage.fault("timeout_after", path=path, method="GET", delay_ms=delay_ms)
        stage.start()
        await stage.until("seven stops", lambda: len(stage.own(role="b")) == 7, within_s=15)


@staged
async def test_a_plain_list_that_hangs_does_not_keep_back_the_list_of_conditional_orders() -> None:
    """The stop needs only the second one: it rests after one look, not after three (seed 5282)."""
    async with seven() as stage:
        stage.fault("timeout_before", path="openOrders", method="GET", delay_ms=9_000)
        stage.start()
        await stage.until("seven stops", lambda: len(stage.own(role="b")) == 7, within_s=8)


@TWO_WORLDS
@staged
async def test_removals_that_hang_hold_back_no_stop_of_another_symbol(hedge: bool, side: str) -> None:
    """Each check waited for the removals of the check before, one after another (pair of powers, seed 100168)."""
    async with Stage(Held("BTCUSDT", side, "0.3", entry=42_000), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("timeout_before", path="algoOrder", method="DELETE", delay_ms=60_000)
        stage.trade("reduce", "BTCUSDT", side, "0.1")
        for symbol in ("ETHUSDT", "XRPUSDT", "SOLUSDT"):
            await stage.run(7)
            stage.trade("open", symbol, side, "100")
            await stage.until("a stop", lambda symbol=symbol: stage.covered(symbol, side), within_s=9)
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=60)
        stage.must_be_protected()


@staged
async def test_the_verdict_stays_unknown_while_the_lists_cannot_be_read() -> None:
    """1.1: a stop that was sent blind is no proof of anything (invariant 6)."""
    async with seven() as stage:
        stage.fault("html", path="openAlgoOrders", method="GET")
        stage.start()
        await stage.until("seven stops", lambda: len(stage.own(role="b")) == 7, within_s=15)
        await stage.run(20)
        assert {stage.verdict(*key) for key in stage.open_keys()} == {"UNKNOWN"}
        assert not stage.own(role="t"), "take-profits wait for the lists"
        assert not stage.entries("order_canceled", ours=True)


@staged
async def test_a_blind_stop_beside_one_that_rests_is_refused_by_the_venue_and_no_second_one_appears() -> None:
    """1.1: restarted while the lists are down: the venue has one slot, and what rests stays as it is."""
    async with seven() as stage:
        first = stage.start()
        await stage.until("protected", stage.is_protected)
        first.kill()
        stage.fault("html", path="openAlgoOrders", method="GET")
        stage.start()
        await stage.run(40)
        assert len(stage.own(role="b")) == 7
        assert not stage.entries("order_canceled", ours=True)
        stage.heal()
        await stage.until("protected again", stage.is_protected, within_s=40)
        await stage.run(20)
        stage.must_be_protected()


@staged
async def test_a_lost_first_stop_whose_query_is_down_is_sent_again() -> None:
    """1.4: absent from a readable list for five seconds, it goes again with the same id, whatever the query says."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000)) as stage:
        stage.fault("timeout_before", method="POST", path="algoOrder", delay_ms=9_000, count=1)
        stage.fault("internal_503", method="GET", path="algoOrder")
        stage.start()
        await stage.until("the stop", lambda: stage.own(role="b"), within_s=15)
        asked = {
            e.detail["client_id"]
            for e in stage.entries("order_accepted", ours=True)
            if e.detail["type"] == "STOP_MARKET"
        }
        assert len(asked) == 1
        placed = [e.detail["type"] for e in stage.entries("order_accepted", ours=True)]
        assert placed[0] == "STOP_MARKET", "no take-profit before the stop rests (invariant 3)"


def spoiled(field: str, value: Any, *, endpoints: tuple[Endpoint, ...] = POSITIONS, symbol: str = "BTCUSDT"):
    """A rewrite of position rows: one field of one symbol says something else."""

    def rewrite(endpoint: Endpoint, _: Any, body: Any) -> Any:
        if endpoint not in endpoints or not isinstance(body, list):
            return body
        return [{**row, field: value} if row["symbol"] == symbol else row for row in body]

    return rewrite


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("markPrice", "0.00000000"),
        ("markPrice", ""),
        ("markPrice", "NaN"),
        ("entryPrice", "-1"),
        ("entryPrice", "?"),
        ("unRealizedProfit", None),
        ("liquidationPrice", "inf"),
        ("updateTime", "yesterday"),
        ("leverage", "x"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@staged
async def test_a_row_with_one_field_spoiled_still_gets_its_stop(field: str, value: Any, stream: bool) -> None:
    """1.5: side, size and some price are enough; the position is counted, named, and not called protected."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000), Held("ETHUSDT", "SHORT", "2", entry=2_250)) as stage:
        daemon = stage.start(stream=stream)
        daemon.transport.rewrites.append(spoiled(field, value))
        await stage.until("both stops", lambda: len(stage.own(role="b")) == 2, within_s=15)
        await stage.run(10)
        stop = Decimal(stage.stops("BTCUSDT", "LONG")[0].trigger)
        assert Decimal(41_000) < stop < Decimal(42_000)
        assert stage.verdict("BTCUSDT", "LONG") == "UNKNOWN"
        assert "BTCUSDT" in stage.status()["reason"]
        assert stage.status()["positions"] == "2"
        assert stage.verdict("ETHUSDT", "SHORT") == "PROTECTED"
        daemon.transport.rewrites.clear()
        await stage.until("protected", stage.is_protected, within_s=30)


@staged
async def test_one_symbol_whose_list_hangs_delays_no_other() -> None:
    """1.7: symbols are acted on as their answers arrive."""
    async with seven() as stage:
        stage.start(config={"loop": {"check_interval_s": 3}})
        await stage.until("protected", stage.is_protected)
        stage.fault("timeout_after", path="openAlgoOrders", symbol="BTCUSDT", delay_ms=60_000)
        await stage.run(7)
        for name in ("XRPUSDT", "SOLUSDT"):
            for order in stage.own(name):
                stage.cancel_by_hand(order)
        waited_s = await stage.until(
            "their stops again", lambda: stage.own("XRPUSDT", role="b") and stage.own("SOLUSDT", role="b")
        )
        assert waited_s <= 4.0, "one interval and the time that a straggler is waited for"


@pytest.mark.parametrize("lag_ms", [2_500, 8_000])
@staged
async def test_a_lagging_replica_does_not_undo_what_an_event_told(lag_ms: int) -> None:
    """2.1: nothing older than the newest opening counts toward flat; the account is UNKNOWN meanwhile."""
    async with Stage(stale_ms=lag_ms) as stage:
        for path in ("v2/positionRisk", "v3/positionRisk"):
            stage.fault("stale_reads", path=path, delay_ms=lag_ms)
        stage.start(stream=True)
        await stage.run(25)
        stage.trade("open", "BTCUSDT", "LONG", "0.3")
        await stage.until("its stop", lambda: stage.own(role="b"), within_s=2)
        with stage.never_uncovered():
            for _ in range(round(lag_ms / 250)):
                await stage.run(0.25)
                status = stage.status()
                if status and not stage.published("BTCUSDT", "LONG"):
                    assert status["risk_status"] in ("UNKNOWN", "CRITICAL") or int(status["observed_at_ms"]) < 1, status
            await stage.run(25)
        stage.must_be_protected()


@pytest.mark.parametrize("gap_s", [1, 60])
@staged
async def test_a_working_stop_of_an_old_life_binds_no_new_position(gap_s: int) -> None:
    """2.2: closed and re-entered while the daemon was down: the new position gets the policy's stop."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000, mark=42_000)) as stage:
        first = stage.start()
        await stage.until("protected", stage.is_protected)
        stage.price("BTCUSDT", 43_000)
        await stage.until("trailed", lambda: stage.own(role="w"), within_s=20)
        first.kill()
        stage.trade("close", "BTCUSDT", "LONG")
        await stage.run(gap_s)
        assert stage.own(role="w"), "the venue leaves a quantity stop behind"
        stage.price("BTCUSDT", 42_500)
        stage.trade("open", "BTCUSDT", "LONG", "0.3")
        stage.start()
        await stage.until("protected", stage.is_protected, within_s=30)
        await stage.run(40)
        triggers = [Decimal(order.trigger) for order in stage.stops("BTCUSDT", "LONG")]
        assert max(triggers) < Decimal(42_000), triggers
        stage.must_be_protected()


@staged
async def test_a_trailed_stop_of_the_same_life_survives_a_restart() -> None:
    """2.2, the other side: without a backstop of ours (the user's own is there) our stop of this life still binds."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000, mark=42_000)) as stage:
        stage.foreign_stop("BTCUSDT", "LONG", 37_000)
        first = stage.start()
        await stage.until("our stop", lambda: stage.own(role="w"), within_s=20)
        stage.price("BTCUSDT", 43_500)
        await stage.until("trailed", lambda: any(Decimal(o.trigger) > 42_500 for o in stage.own(role="w")), within_s=30)
        await stage.run(20)
        first.kill()
        stage.price("BTCUSDT", 43_100)
        stage.start()
        await stage.run(40)
        assert max(Decimal(order.trigger) for order in stage.own(role="w")) > Decimal(42_500)


@staged
async def test_a_row_that_was_unreadable_before_the_reads_failed_within_the_same_cycle_stays_named() -> None:
    """The list read after the stops shows a row without a size, and the next one of the cycle fails (seed 5739)."""
    async with Stage(Held("BTCUSDT", "LONG", "0.3", entry=42_000), Held("ETHUSDT", "SHORT", "2", entry=2_250)) as stage:
        daemon = stage.start()
        lists = 0

        def rewrite(endpoint: Endpoint, _: Any, body: Any) -> Any:
            nonlocal lists
            if endpoint not in POSITIONS or not isinstance(body, list):
                return body
            lists += 1
            if lists == 1:
                return body
            if lists == 2:  # the list that is read again after the stops
                return [*body, {**body[0], "symbol": "XRPUSDT", "positionAmt": "lots"}]
            return "nonsense"

        daemon.transport.rewrites.append(rewrite)
        await stage.until("a state is told", stage.status, within_s=15)
        assert "the answer was not a list" in stage.status()["reason"], "the look after the second one failed"
        assert stage.status()["unread"] == '["XRPUSDT"]'
        assert stage.status()["positions"] == "3", "the two that were read, and the one that nobody could read"
