"""Time misbehaves: refused timestamps, stepped clocks, suspended hosts, and a venue that lists fresh orders late."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.paper.journal import Entry
from tests.sim.stage import EVERY_WORLD, TWO_WORLDS, Held, Stage, opposite, staged
from tests.sim.stage_process import INTERVAL_S, Process, config_of

BTC, ETH = "BTCUSDT", "ETHUSDT"
ENTRY = 42_000
STEPS_MS = [-120_000, -9_000, -1_500, -300, 300, 1_500, 9_000, 120_000]
LEASE_S = config_of().lease_ttl_s
SLOW_LOOP = {"loop": {"check_interval_s": 60, "full_sweep_s": 60}}
"""Keeps half an hour of virtual time short: the quick looks of an exposed position are the same."""


def btc(side: str, quantity: str = "0.300") -> Held:
    return Held(BTC, side, quantity, entry=ENTRY)


def removals(stage: Stage, since: int = 0) -> list[Entry]:
    return [e for e in stage.entries("order_canceled", ours=True) if e.origin == "api" and e.sequence > since]


def nearer_liquidation(stage: Stage) -> None:
    """Make the stop move: the user took money out of the account."""
    stage.world.account.wallet = Decimal(240)
    stage.world.account.revalue(BTC)


# -- clocks


@TWO_WORLDS
@pytest.mark.parametrize("step_ms", STEPS_MS)
@staged
async def test_a_stepped_clock_delays_no_stop_and_removes_nothing_wrong(step_ms: int, hedge: bool, side: str) -> None:
    """C1, C2: -1021 is answered by measuring the clock; a new position is covered as fast as ever, a move bridged."""
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        daemon.clock.skew_ms += step_ms
        stage.trade("open", ETH, side, "2.0")
        await stage.until("the new position is covered", lambda: stage.covered(ETH, side), within_s=7)
        with stage.never_uncovered():
            nearer_liquidation(stage)
            await stage.until("the stop moved", lambda: stage.own(BTC, side, "w"), within_s=25)
            daemon.clock.skew_ms -= 2 * step_ms
            stage.world.account.wallet = Decimal(200)
            stage.world.account.revalue(BTC)
            await stage.run(40)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("skew_ms", [-9_000, 1_500, 20_000])
@staged
async def test_a_venue_whose_clock_runs_elsewhere(skew_ms: int, hedge: bool, side: str) -> None:
    """C1 from the venue's side: it begins to live in another time and later returns; both are measured and followed."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        for symbol, fault in ((ETH, True), ("SOLUSDT", False)):
            if fault:
                stage.fault("clock_skew", delay_ms=skew_ms)
            else:
                stage.heal()
            stage.trade("open", symbol, side, "20")
            await stage.until("covered", lambda name=symbol: stage.covered(name, side), within_s=8)
            await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_WORLD
@pytest.mark.parametrize("step_ms", [-120_000, 120_000])
@staged
async def test_a_clock_stepped_while_orphans_wait_does_not_shorten_the_proof(
    step_ms: int, hedge: bool, side: str
) -> None:
    """C2, invariant 7: two minutes gained by NTP are no time between two reads; a false flat stays unproven."""
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("false_flat", path="/fapi/v3/positionRisk")
        with stage.never_uncovered():
            for _ in range(5):
                await stage.run(4)
                daemon.clock.skew_ms += step_ms
        assert not removals(stage)
        stage.heal()
        await stage.run(20)
        stage.must_be_protected()


# -- suspended


async def _resumed(stage: Stage, daemon: Process, seconds: float) -> int:
    """Suspend and resume; returns the journal's number at the moment of the resume."""
    daemon.suspend()
    await stage.run(seconds)
    stage.observe()
    daemon.resume()
    return stage.world.journal.last_sequence


@TWO_WORLDS
@pytest.mark.parametrize("seconds", [3, 40, 600])
@staged
async def test_after_a_suspend_everything_is_looked_at_anew(seconds: int, hedge: bool, side: str) -> None:
    """C3: the trader did as he liked meanwhile; the resumed daemon protects what is there and removes with proof."""
    async with Stage(btc(side), Held(ETH, side, "3.0"), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        daemon.suspend()
        stage.trade("close", BTC, side)
        stage.trade("open", BTC, opposite(side), "0.100")
        stage.trade("add", ETH, side, "1.0")
        await _resumed(stage, daemon, seconds)
        await stage.until("the new side is covered", lambda: stage.covered(BTC, opposite(side)), within_s=12)
        await stage.until("protected and tidy", lambda: stage.is_protected() and not stage.own(BTC, side), within_s=40)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_suspend_longer_than_the_lease_validates_it_before_any_removal(hedge: bool, side: str) -> None:
    """C3, invariant 9: what Redis said before the gap is void; nothing goes until it has confirmed the lease again."""
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        stage.redis.hung = True
        stage.trade("reduce", BTC, side, "0.100")
        resumed = await _resumed(stage, daemon, LEASE_S + 5)
        assert daemon.mode == "place_only"
        await stage.run(60)
        assert not removals(stage, since=resumed)
        stage.redis.hung = False
        await stage.until("protected", stage.is_protected)
        assert removals(stage, since=resumed)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_reads_from_before_a_suspend_prove_nothing_after_it(hedge: bool, side: str) -> None:
    """C3, invariant 7: absence seen before the gap is not added to absence after it: the proof begins again."""
    async with Stage(btc(side), hedge=hedge, config={"evidence": {"flat_reads": 6}}) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        stage.trade("close", BTC, side)
        await stage.until("absence was seen", lambda: stage.verdict(BTC, side) == "UNKNOWN", within_s=7)
        await stage.run(3.5)
        assert stage.own(), "a few reads are not six"
        resumed = await _resumed(stage, daemon, 300)
        resumed_ms = stage.world.now_ms
        await stage.until("swept", lambda: not stage.own(), within_s=40)
        assert removals(stage, since=resumed)[0].at_ms - resumed_ms >= 5_000


# -- late lists


@TWO_WORLDS
@pytest.mark.parametrize("path", [None, "openAlgoOrders"], ids=["list-and-query", "list-only"])
@pytest.mark.parametrize("delay_s", [2, 6, 45])
@staged
async def test_a_fresh_order_listed_late_is_not_placed_twice(
    delay_s: int, path: str | None, hedge: bool, side: str
) -> None:
    """Listing lag: every order is invisible for a while: no duplicate, and no PROTECTED before it was read back."""
    async with Stage(btc(side), Held(ETH, side, "3.0"), hedge=hedge) as stage:
        stage.fault("delayed_listing", delay_ms=delay_s * 1000, path=path)
        stage.start()
        await stage.until("covered at the venue", lambda: stage.covered(BTC, side), within_s=3)
        placed_ms = next(e.at_ms for e in stage.entries("order_accepted", BTC, ours=True))
        await stage.until("read back", lambda: stage.verdict(BTC, side) in ("PROTECTED", "STOP_ONLY"), within_s=60)
        if path is None:
            assert stage.world.now_ms - placed_ms >= delay_s * 1000, "it was called protected unseen"
        await stage.run(3 * delay_s + 20)
        stage.must_be_protected()
        assert not _rested_twice(stage)


@pytest.mark.parametrize(
    ("path", "hedge", "side"),
    [(None, False, "LONG"), ("openAlgoOrders", True, "SHORT")],
    ids=["list-and-query-long", "list-only-hedge-short"],
)
@staged
async def test_half_an_hour_of_listing_lag_makes_no_crowd(path: str | None, hedge: bool, side: str) -> None:
    """Seen in the field: an order that no list showed for 30 minutes. One book, nothing twice, the truth told."""
    async with Stage(btc(side), hedge=hedge, config=SLOW_LOOP) as stage:
        stage.fault("delayed_listing", delay_ms=1_800_000, path=path)
        stage.start()
        await stage.run(1_790)
        assert stage.covered(BTC, side)
        if path is None:
            assert not {"PROTECTED", "STOP_ONLY"} & set(stage.verdicts(BTC, side))
        assert not _rested_twice(stage)
        wanted = 1 if path is None else 4
        assert len(stage.own()) == wanted, "take-profits wait until the stop was read back (invariant 3)"
        await stage.run(120)
        stage.heal()
        await stage.run(120)
        stage.must_be_protected()


@staged
async def test_a_duplicate_is_proof_and_not_asked_for_again_at_once() -> None:
    """Invariant 10: -4116 says the order is live; asking every few seconds would eat the order budget of many stops."""
    async with Stage(btc("LONG")) as stage:
        stage.fault("delayed_listing", delay_ms=1_800_000)
        stage.start()
        await stage.run(300)
        refused = [e for e in stage.entries("order_refused", ours=True) if e.detail["code"] == -4116]
        assert len(refused) <= 4 * 300 / 15, "four orders, each at most four times a minute"


@EVERY_WORLD
@staged
async def test_an_order_that_dies_after_it_was_proven_live_is_placed_again_soon(hedge: bool, side: str) -> None:
    """X9, X11: -4116 proved it, then it ended; a query that finds it ended is not taken for one more listing lag."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.fault("delayed_listing", delay_ms=1_800_000)
        stage.start()
        proof = lambda: [e for e in stage.entries("order_refused", BTC, ours=True) if e.detail["code"] == -4116]  # noqa: E731
        await stage.until("proven by a refusal", proof, within_s=60)
        await stage.run(1)
        stage.heal()
        (backstop,) = stage.own(BTC, side, "b")
        stage.cancel_by_hand(backstop)
        await stage.until("covered again", lambda: stage.covered(BTC, side), within_s=2 * INTERVAL_S)
        await stage.run(60)
        stage.must_be_protected()


def _rested_twice(stage: Stage) -> list[tuple[object, ...]]:
    """Contents of ours that rested more than once at the same time, at any moment."""
    resting: dict[int, tuple[object, ...]] = {}
    twice: list[tuple[object, ...]] = []
    for entry in stage.entries(ours=True):
        detail = entry.detail
        if entry.kind == "order_accepted":
            content = (entry.symbol, detail["client_id"][4:6], detail["side"], detail["trigger"], detail["quantity"])
            twice += [content] if content in resting.values() else []
            resting[detail["order_id"]] = content
        elif entry.kind != "order_refused":
            resting.pop(detail.get("order_id"), None)
    return twice
