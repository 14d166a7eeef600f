"""Two daemons, one account; Redis lost, hung, flushed, restored, evicted: who may remove, and that stops never wait."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.paper.journal import Entry
from tests.sim.stage import EVERY_MODE, EVERY_WORLD, TWO_WORLDS, Held, Stage, against, opposite, staged
from tests.sim.stage_process import config_of, hangs

BTC, ETH = "BTCUSDT", "ETHUSDT"
ENTRY = 42_000
LEASE_S = config_of().lease_ttl_s + 1
"""A little longer than a lease lives."""
FIRST_STOP_S = 1.5
"""How long after the start the first stop may take, whatever Redis does."""


def btc(side: str, quantity: str = "0.300") -> Held:
    return Held(BTC, side, quantity, entry=ENTRY)


def removals(stage: Stage) -> list[Entry]:
    return [e for e in stage.entries("order_canceled", ours=True) if e.origin == "api"]


def modes(stage: Stage) -> list[str]:
    return sorted(process.mode for process in stage.processes if process.alive)


def placed_twice(stage: Stage) -> list[str]:
    """Client ids that were accepted more than once while an order with that id rested."""
    resting: set[str] = set()
    twice: list[str] = []
    for entry in stage.entries(ours=True):
        client_id = entry.detail["client_id"]
        if entry.kind == "order_accepted":
            twice += [client_id] if client_id in resting else []
            resting.add(client_id)
        elif entry.kind.startswith("order_") and entry.kind != "order_refused":
            resting.discard(client_id)
    return twice


# -- two daemons


@EVERY_WORLD
@staged
async def test_of_two_daemons_exactly_one_acts(hedge: bool, side: str) -> None:
    """R4, H5: the second only observes; one book rests, and the trader's changes are followed by one hand."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start(host="a")
        stage.start(host="b")
        await stage.until("protected", stage.is_protected)
        assert modes(stage) == ["live", "observe"]
        for action, quantity in (("add", "0.2"), ("reduce", "0.3"), ("close", None)):
            stage.trade(action, BTC, side, quantity)
            await stage.run(15)
            assert modes(stage) == ["live", "observe"]
        assert not stage.own()
        observer = next(p for p in stage.processes if p.mode == "observe")
        writes = {name: n for name, n in observer.transport.counts.items() if "PLACE" in name or "CANCEL" in name}
        assert not writes, "the observer sent nothing"
        assert not [e for e in stage.entries() if e.kind == "cancel_refused"]


@EVERY_WORLD
@staged
async def test_two_daemons_that_start_naked_together_place_one_book(hedge: bool, side: str) -> None:
    """R4, invariant 4: both see the same naked position in the same moment; equal intents have equal ids."""
    async with Stage(btc(side), Held(ETH, side, "3.0"), hedge=hedge) as stage:
        stage.redis.down = True  # nobody can hold the lease: both place
        stage.start(host="a")
        stage.start(host="b")
        await stage.until("covered", lambda: stage.covered(BTC, side) and stage.covered(ETH, side), within_s=5)
        await stage.run(20)
        assert modes(stage) == ["place_only", "place_only"]
        assert not placed_twice(stage)
        stage.redis.down = False
        await stage.until("one of them leads", lambda: modes(stage) == ["live", "observe"], within_s=40)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_the_standby_on_another_host_takes_over_after_the_lease_ran_out(hedge: bool) -> None:
    """R4: no removal while the dead owner's lease may still be believed; stops of new positions wait no longer."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        leader = stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        standby = stage.start(host="b")
        await stage.run(10)
        assert standby.mode == "observe"
        leader.kill()
        stage.trade("open", ETH, "SHORT", "2.0")
        waited_s = await stage.until("the new position is covered", lambda: stage.covered(ETH, "SHORT"))
        assert waited_s <= LEASE_S + 6
        await stage.until("the standby leads", lambda: standby.mode == "live", within_s=LEASE_S)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_a_restart_on_the_same_host_takes_its_predecessors_lease_at_once(hedge: bool) -> None:
    """P5: after kill -9 and restart nothing waits for an expiry: the host knows that the old process is dead."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        first = stage.start()
        await stage.until("protected", stage.is_protected)
        first.kill()
        stage.trade("open", ETH, "SHORT", "2.0")
        second = stage.start()
        await stage.until("covered", lambda: stage.covered(ETH, "SHORT"), within_s=3)
        assert second.mode == "live"
        await stage.until("protected", stage.is_protected)


@EVERY_MODE
@staged
async def test_a_hung_leader_that_wakes_up_removes_nothing_with_its_old_lease(hedge: bool) -> None:
    """C3, R4: suspended past its lease, the old leader finds another owner and becomes the observer."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        first = stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        second = stage.start(host="b")
        await stage.run(5)
        first.suspend()
        stage.trade("reduce", BTC, "LONG", "0.100")
        await stage.until("the other leads", lambda: second.mode == "live", within_s=40)
        await stage.until("protected", stage.is_protected)
        before = len(removals(stage))
        stage.trade("reduce", BTC, "LONG", "0.050")
        first.resume()
        await stage.run(0.5)
        assert first.mode != "live"
        await stage.run(30)
        assert modes(stage) == ["live", "observe"]
        assert len(removals(stage)) > before
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("redis", ["up", "down"])
@staged
async def test_daemons_with_different_ideas_do_not_fight(redis: str, hedge: bool, side: str) -> None:
    """R4, G9: other levels, same account: with Redis one acts; without it both place and neither removes."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.redis.down = redis == "down"
        stage.start(host="a", config={"protection": {"stop_loss_pct": 1.5}})
        stage.start(host="b", config={"protection": {"stop_loss_pct": 2.5}, "exit": {"legacy_policy": "static"}})
        await stage.until("covered", lambda: stage.covered(BTC, side))
        with stage.never_uncovered():
            await stage.run(60)
        count = len(stage.entries("order_accepted", ours=True))
        with stage.never_uncovered():
            await stage.run(180)
        assert len(stage.entries("order_accepted", ours=True)) == count, "three quiet minutes: nobody writes any more"
        assert not removals(stage)
        assert not placed_twice(stage)


@EVERY_WORLD
@staged
async def test_two_daemons_taking_turns_over_redis_outages_never_uncover(hedge: bool, side: str) -> None:
    """R3, R4, R5: Redis comes and goes while the trader trades: whoever holds the lease, cover never breaks."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.start(host="a")
        stage.start(host="b", config={"protection": {"stop_loss_pct": 1.2}})
        await stage.until("protected", stage.is_protected)
        with stage.never_uncovered():
            for number in range(12):
                stage.redis.down = number % 3 == 1
                stage.redis.hung = number % 4 == 2
                if number % 5 == 4:
                    stage.redis.evict_lease()
                stage.trade("add" if number % 2 else "reduce", BTC, side, "0.050")
                await stage.run(9)
        stage.redis.down = stage.redis.hung = False
        await stage.run(60)
        assert not placed_twice(stage)
        stage.must_be_protected()


# -- Redis


@TWO_WORLDS
@pytest.mark.parametrize("outage", ["down", "hung"])
@staged
async def test_redis_gone_at_the_start_delays_no_stop_and_holds_every_removal(
    outage: str, hedge: bool, side: str
) -> None:
    """R1, R2, invariant 9: stops only from the first second, nothing removed; the ladder comes when Redis is back."""
    async with Stage(btc(side), hedge=hedge) as stage:
        setattr(stage.redis, outage, True)
        daemon = stage.start()
        waited_s = await stage.until("covered", lambda: stage.covered(BTC, side))
        assert waited_s <= FIRST_STOP_S
        stage.trade("reduce", BTC, side, "0.100")
        stage.trade("open", ETH, side, "2.0")
        await stage.until("the new position is covered", lambda: stage.covered(ETH, side), within_s=7)
        await stage.run(60)
        assert daemon.mode == "place_only"
        assert not removals(stage)
        assert not stage.own(role="t"), "who rests take-profits is for the lease to say"
        setattr(stage.redis, outage, False)
        await stage.until("protected", stage.is_protected, within_s=30)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_a_hung_redis_does_not_delay_the_first_stop(hedge: bool) -> None:
    """R2, invariant 9: nothing about placing needs the lease, so the start need not wait for it."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        stage.redis.hung = True
        stage.start()
        await stage.until("covered", lambda: stage.covered(BTC, "LONG"), within_s=FIRST_STOP_S)


@TWO_WORLDS
@pytest.mark.parametrize("outage", ["down", "hung"])
@staged
async def test_redis_lost_while_running_holds_removals_after_the_lease_ran_out(
    outage: str, hedge: bool, side: str
) -> None:
    """R2, C4: our own clock ends the lease; afterwards nothing is removed and new positions are still covered."""
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        setattr(stage.redis, outage, True)
        await stage.run(LEASE_S)
        assert daemon.mode == "place_only"
        stage.trade("flip" if not hedge else "close", BTC, side)
        if hedge:
            stage.trade("open", BTC, opposite(side), "0.300")
        await stage.until("the new side is covered", lambda: stage.covered(BTC, opposite(side)), within_s=7)
        await stage.run(60)
        assert not removals(stage)
        assert stage.targets(BTC, side), "orphans wait for the lease"
        setattr(stage.redis, outage, False)
        await stage.until("swept and protected", lambda: stage.is_protected() and not stage.own(BTC, side))
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_flushed_redis_is_filled_again_and_decides_nothing(hedge: bool, side: str) -> None:
    """R7: after FLUSHALL the state is published anew; removals wait for a lease the old owner cannot believe in."""
    async with Stage(btc(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        before = {order.algo_id for order in stage.own()}
        stage.redis.flush()
        assert not stage.status()
        await stage.until("published again", lambda: stage.verdict(BTC, side) == "PROTECTED", within_s=12)
        assert {order.algo_id for order in stage.own()} == before
        await stage.run(LEASE_S + 10)
        assert daemon.mode == "live"
        stage.trade("reduce", BTC, side, "0.100")
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_an_old_snapshot_with_an_old_epoch_is_not_trusted(hedge: bool) -> None:
    """R5, R7: Redis restored from a backup: a fencing number that went back means place-only for one lease time."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        for _ in range(3):  # three owners, so that the number rises
            daemon = stage.start()
            await stage.until("protected", stage.is_protected)
            await stage.run(4)
            if len(stage.processes) == 1:
                backup = copy.deepcopy(stage.redis.values)
            if len(stage.processes) < 3:
                daemon.kill()
        newest = int(stage.status()["epoch"])
        stage.redis.values = backup
        stage.trade("reduce", BTC, "LONG", "0.100")
        await stage.run(3)
        assert daemon.mode != "live"
        await stage.until("it leads again", lambda: daemon.mode == "live", within_s=3 * LEASE_S)
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        assert int(stage.status()["epoch"]) > newest
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_an_evicted_lease_is_taken_again_by_one_owner(hedge: bool) -> None:
    """R6: memory pressure ate the lease key, again and again: one leader at the end, nothing twice."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        stage.start(host="a")
        stage.start(host="b")
        await stage.until("protected", stage.is_protected)
        with stage.never_uncovered():
            for number in range(15):
                stage.redis.evict_lease()
                stage.trade("reduce" if number % 2 else "add", BTC, "LONG", "0.020")
                await stage.run(7)
        await stage.until("one leads", lambda: modes(stage) == ["live", "observe"], within_s=40)
        await stage.until("protected", stage.is_protected)
        assert not placed_twice(stage)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_a_lie_in_redis_changes_no_decision(hedge: bool) -> None:
    """Invariant 9: everything published is replaced by nonsense: the book does not move and the truth is told again."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        before = {order.algo_id for order in stage.own()}
        for key in list(stage.redis.values):
            if ":position:" in key:
                stage.redis.put(key, {"verdict": "NAKED", "quantity": "0", "stop_price": "1"})
        await stage.run(12)
        assert {order.algo_id for order in stage.own()} == before
        assert stage.verdict(BTC, "LONG") == "PROTECTED"


@EVERY_MODE
@staged
async def test_the_published_state_dies_with_the_daemon(hedge: bool) -> None:
    """R8: a PROTECTED of a dead daemon ends by itself after three intervals; a missing key is UNKNOWN to readers."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        daemon.kill()
        await stage.run(16)
        assert not stage.status()
        assert not stage.published(BTC, "LONG")


@EVERY_MODE
@staged
async def test_the_state_of_a_daemon_without_reads_turns_unknown(hedge: bool) -> None:
    """N5, X25, invariant 6: minutes without the venue are UNKNOWN, not the last PROTECTED; the loop goes on."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        stage.fault("unavailable_503")
        await stage.until("UNKNOWN", lambda: stage.verdict(BTC, "LONG") == "UNKNOWN", within_s=15)
        await stage.run(300)
        assert stage.status()["risk_status"] == "UNKNOWN"
        assert daemon.alive
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=15)


# -- everything else fails together


@TWO_WORLDS
@pytest.mark.parametrize("outage", ["down", "hung"])
@staged
async def test_all_neighbours_failing_together_delay_no_stop(outage: str, hedge: bool, side: str) -> None:
    """D6, R2, invariant 12: AI engine and backend hang, Redis is gone: a new position waits for none of them."""
    async with Stage(btc(side), hedge=hedge) as stage:
        setattr(stage.redis, outage, True)
        stage.start(ai=hangs, backend=hangs)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=FIRST_STOP_S)
        for symbol in (ETH, "SOLUSDT", "XRPUSDT"):
            price = stage.world.market.mark(symbol)
            stage.trade("open", symbol, side, str(max(1, round(Decimal(4_000) / price))))
            waited_s = await stage.until("covered", lambda name=symbol: stage.covered(name, side))
            assert waited_s <= 6, "one interval and the venue's own time"
        stage.price(BTC, against(ENTRY, side, -0.5))
        await stage.run(60)
        assert all(stage.covered(*key) for key in stage.open_keys())


@EVERY_MODE
@staged
async def test_a_hung_neighbour_is_told_and_protection_stays_complete(hedge: bool) -> None:
    """D6: with Redis up, a silent AI and a backend that is UNKNOWN are published; positions are PROTECTED."""
    async with Stage(btc("LONG"), hedge=hedge) as stage:
        stage.start(ai=hangs, backend=hangs)
        await stage.until("protected", stage.is_protected)
        await stage.run(60)
        stage.must_be_protected()
        status: dict[str, Any] = stage.status()
        assert status["circuit_breaker"].startswith("UNKNOWN")
        assert status["ai_engine"] in ("DOWN", "NO_SIGNAL")
