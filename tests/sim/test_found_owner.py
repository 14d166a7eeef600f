"""Found from outside: who owns the account, and what the others may do (invariant 9; rows 3.1-3.4, 3.6, 5.3, 5.6, 5.7
and 6.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from position_monitor.edge.venues.transport import TransportCause, TransportFailure
from position_monitor.paper.journal import Entry
from tests.sim.redis_model import RedisModel
from tests.sim.stage import EVERY_MODE, EVERY_WORLD, Held, Stage, staged
from tests.sim.stage_process import INTERVAL_S, Process, config_of

BTC, ETH = "BTCUSDT", "ETHUSDT"
ENTRY = 42_000
LEASE = "q:main:lease"
LEASE_S = config_of().lease_ttl_s
WRITES = ("order_accepted", "order_canceled")


def btc(side: str = "LONG", quantity: str = "0.300") -> Held:
    return Held(BTC, side, quantity, entry=ENTRY)


def cut_from_the_venue(process: Process) -> None:
    """Nothing reaches the venue from this process any more; Redis does."""

    def lost(*_: Any) -> None:
        raise TransportFailure(TransportCause.DISCONNECTED)

    process.transport.before.append(lost)


def written(stage: Stage, kind: str = "") -> list[Entry]:
    rows = [entry for entry in stage.entries(ours=True) if entry.origin == "api"]
    return [entry for entry in rows if entry.kind in ((kind,) if kind else WRITES)]


def placed(stage: Stage, kind: str) -> list[Entry]:
    return [entry for entry in written(stage, "order_accepted") if entry.detail["type"] == kind]


# -- 3.1: any value in the lease


@pytest.mark.parametrize("ttl_ms", [0, 3_600_000, 21_000], ids=["without-expiry", "an-hour", "a-little-too-long"])
@EVERY_WORLD
@staged
async def test_a_lease_that_nobody_renews_holds_no_stop_back(hedge: bool, side: str, ttl_ms: int) -> None:
    """Row 3.1: `SET P:lease x` and nobody behind it: stops at once, everything else when it was watched in vain."""
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.redis.put(LEASE, "x", ttl_ms)
        daemon = stage.start()
        assert await stage.until("covered", lambda: stage.covered(BTC, side), within_s=3) <= 1.5
        assert daemon.ownership == "stale_owner"
        await stage.run(LEASE_S - 3)
        assert not placed(stage, "TAKE_PROFIT_MARKET")
        assert stage.redis.get(LEASE) == "x"
        await stage.until("the lease is taken", lambda: stage.redis.get(LEASE) != "x", within_s=10)
        if ttl_ms < 3_600_000:
            await stage.until("protected", stage.is_protected, within_s=LEASE_S + 10)
            stage.must_be_protected()
        else:
            await stage.run(250)
            assert daemon.mode == "place_only", "whoever took it for an hour may believe in it for five minutes"
            await stage.until("protected", stage.is_protected, within_s=80)


@EVERY_WORLD
@staged
async def test_what_waited_for_the_lease_is_done_when_it_comes_and_not_a_check_later(hedge: bool, side: str) -> None:
    """Redis answers after the first look: the stop rests, and the ladder needs the lease. Checks are a minute apart."""
    seldom = {"loop": {"check_interval_s": 60, "full_sweep_s": 60}}
    async with Stage(btc(side), hedge=hedge) as stage:
        stage.redis.down = True
        stage.start(config=seldom)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=5)
        await stage.run(30)
        assert not placed(stage, "TAKE_PROFIT_MARKET"), "the story needs a ladder that waits for the lease"
        stage.redis.down = False
        await stage.until("protected", stage.is_protected, within_s=5)
        stage.must_be_protected()


@pytest.mark.parametrize("value", [["x"], {"x": "y"}, {"x"}, "", "two words", "x" * 300, 7.5], ids=str)
@EVERY_MODE
@staged
async def test_what_is_no_owners_name_in_the_lease_is_nobodys(hedge: bool, value: Any) -> None:
    """Row 3.1, any value: another type, a long text, an empty one: the stop rests at once, and the state is told."""
    async with Stage(btc(), hedge=hedge) as stage:
        for key in (LEASE, "q:main:lease:epoch", "q:main:status", "q:main:positions", "q:main:events"):
            stage.redis.put(key, value)
        stage.start()
        assert await stage.until("covered", lambda: stage.covered(BTC, "LONG"), within_s=3) <= 1.5
        await stage.until("protected", stage.is_protected, within_s=LEASE_S + 10)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_a_live_owner_with_a_longer_lease_is_left_alone(hedge: bool) -> None:
    """3.1, the other way round: a leader with an interval of a minute renews every 22 s, within its own expiry."""
    async with Stage(btc(), hedge=hedge) as stage:
        leader = stage.start(config={"redis": {"lease_ttl_s": 50}})
        await stage.until("protected", stage.is_protected)
        standby = stage.start(host="b")
        await stage.run(30)
        count = len(written(stage))
        for _ in range(20):
            await stage.run(10)
            assert leader.mode == "live"
            assert standby.ownership == "standby"
        assert len(written(stage)) == count


# -- 3.2: an owner that cannot read


@EVERY_WORLD
@staged
async def test_a_leader_without_the_venue_does_not_keep_a_standby_from_a_naked_position(hedge: bool, side: str) -> None:
    """Row 3.2: the leader keeps Redis and loses the venue; the standby places the stop after two intervals, and later
    has the lease."""
    async with Stage(btc(side), hedge=hedge) as stage:
        leader = stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        standby = stage.start(host="b")
        await stage.run(6)
        cut_from_the_venue(leader)
        stage.trade("open", ETH, side, "2.0")
        waited_s = await stage.until("covered", lambda: stage.covered(ETH, side), within_s=40)
        assert waited_s <= 3 * INTERVAL_S + 1
        assert standby.ownership == "standby", "beside a lease that is still renewed"
        assert not stage.targets(ETH, side)
        await stage.until("the standby leads", lambda: standby.mode == "live", within_s=60)
        await stage.until("protected", stage.is_protected)
        assert leader.mode != "live"
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_a_standby_leaves_a_naked_position_to_a_live_leader_for_two_intervals(hedge: bool) -> None:
    """3.2: one that was just opened is the leader's; beside it the standby never writes."""
    async with Stage(btc(), hedge=hedge) as stage:
        stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        standby = stage.start(host="b")
        await stage.run(6)
        for number in range(6):
            stage.trade("open" if number % 2 == 0 else "close", ETH, "LONG", "2.0" if number % 2 == 0 else None)
            await stage.run(12)
        sent = {name: n for name, n in standby.transport.counts.items() if "PLACE" in name or "CANCEL" in name}
        assert not sent, "it sent nothing"


# -- 3.3, 3.4, 5.3, 5.7: reloads


def config_file(folder: Path, **sections: dict[str, Any]) -> Path:
    """A file with the usual settings of the stage and some changed; `account` may be given too."""
    base: dict[str, Any] = {
        "loop": {"check_interval_s": 5, "full_sweep_s": 20},
        "exchange": {"request_timeout_s": 4, "rest_url": "http://127.0.0.1:1"},
    }
    lines: list[str] = []
    for name, value in {**base, **sections}.items():
        if isinstance(value, dict):
            lines += [f"[{name}]"]
            lines += [f"{key} = {json.dumps(one)}" for key, one in {**base.get(name, {}), **value}.items()]
        else:
            lines.insert(0, f"{name} = {json.dumps(value)}")
    path = folder / "position-monitor.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@EVERY_MODE
def test_observe_to_live_contends_at_once(hedge: bool, tmp_path: Path) -> None:
    """Row 3.3: after the reload the lease is asked for, and the first cycle acts as its owner."""

    @staged
    async def story() -> None:
        async with Stage(btc(), hedge=hedge) as stage:
            path = config_file(tmp_path, protection={"mode": "observe"})
            daemon = stage.start(path=path)
            await stage.run(12)
            assert not written(stage)
            assert daemon.ownership == "observe"
            config_file(tmp_path)
            daemon.service.request_reload()
            assert await stage.until("it leads", lambda: daemon.ownership == "live", within_s=2) <= 1
            await stage.until("protected", stage.is_protected)
            assert stage.events("ConfigReloaded")

    story()


@EVERY_MODE
def test_live_to_observe_gives_the_lease_up_at_once(hedge: bool, tmp_path: Path) -> None:
    """Row 3.4: and a standby may take it at once, without waiting for an expiry."""

    @staged
    async def story() -> None:
        async with Stage(btc(), hedge=hedge) as stage:
            daemon = stage.start(path=config_file(tmp_path))
            await stage.until("protected", stage.is_protected)
            standby = stage.start(host="b")
            await stage.run(6)
            config_file(tmp_path, protection={"mode": "observe"})
            daemon.service.request_reload()
            assert await stage.until("the standby leads", lambda: standby.ownership == "live", within_s=5) <= 2.5
            assert daemon.ownership == "observe"
            stage.trade("open", ETH, "LONG", "2.0")
            await stage.until("protected", stage.is_protected)
            sent = daemon.transport.counts["PLACE_ALGO_ORDER"]
            await stage.run(60)
            assert daemon.transport.counts["PLACE_ALGO_ORDER"] == sent

    story()


def test_a_lease_that_the_operator_gives_up_is_not_told_as_lost(tmp_path: Path) -> None:
    """`LeaseLost` pages somebody; it was told when the operator chose to observe."""

    @staged
    async def story() -> None:
        async with Stage(btc()) as stage:
            daemon = stage.start(path=config_file(tmp_path))
            await stage.until("protected", stage.is_protected)
            await stage.run(6)
            config_file(tmp_path, protection={"mode": "observe"})
            daemon.service.request_reload()
            await stage.run(12)
            [left] = stage.events("LeaseGivenUp")
            assert (left["mode"], left["reason"]) == ("observe", "protection.mode is observe")
            assert not stage.events("LeaseLost")
            assert any("Lease: none (protection.mode is observe); nothing is written" in line for line in stage.log)

    story()


@staged
async def test_a_lease_that_another_has_is_lost_and_one_of_a_daemon_that_reads_nothing_is_given_up() -> None:
    async with Stage(btc()) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        stage.redis.evict_lease()
        stage.redis.put(LEASE, "c:9:somebody", 12_000)
        await stage.run(20)
        [lost] = stage.events("LeaseLost")
        assert lost["lease"].startswith("held by c:9:somebody") and not stage.events("LeaseGivenUp")
        stage.fault("internal_503", path="positionRisk")
        await stage.run(90)
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=60)
        await stage.run(6)
        assert len(stage.events("LeaseLost")) == 1
        assert "positions could not be read" in stage.events("LeaseGivenUp")[0]["reason"]


def test_what_waits_for_a_restart_changes_nothing_before_it(tmp_path: Path) -> None:
    """Row 5.7: another account, venue, Redis: ids, keys and hash stay, and the log names what waits."""

    @staged
    async def story() -> None:
        async with Stage(btc()) as stage:
            daemon = stage.start(path=config_file(tmp_path))
            await stage.until("protected", stage.is_protected)
            book, hashed = stage.book(), stage.status()["config_hash"]
            changed = {"exchange": {"request_timeout_s": 2}, "redis": {"prefix": "other", "lease_ttl_s": 100}}
            config_file(tmp_path, account="other", **changed, ai_engine={"timeout_s": 1}, backend={"poll_s": 3})
            daemon.service.request_reload()
            await stage.run(10)
            waiting = "account, exchange.request_timeout_s, redis.prefix, redis.lease_ttl_s, ai_engine.timeout_s"
            assert any(f"only after a restart: {waiting}" in line for line in stage.log)
            assert stage.status()["config_hash"] == hashed
            stage.trade("open", ETH, "LONG", "2.0")
            await stage.until("protected", stage.is_protected)
            with_eth = stage.book()
            daemon.kill()
            config_file(tmp_path)
            stage.start(path=tmp_path / "position-monitor.toml")
            await stage.run(20)
            assert stage.book() == with_eth and book - with_eth == stage.book() - with_eth, "the ids are the account's"
            stage.must_be_protected()

    story()


def test_a_reload_that_only_fits_after_a_restart_is_refused(tmp_path: Path) -> None:
    """5.7, 5.6: an interval of a minute needs the longer lease that [redis] gets at the next start only."""

    @staged
    async def story() -> None:
        async with Stage(btc()) as stage:
            daemon = stage.start(path=config_file(tmp_path, redis={"lease_ttl_s": 20}))
            await stage.until("protected", stage.is_protected)
            sections = {"loop": {"check_interval_s": 60, "full_sweep_s": 60}, "redis": {"lease_ttl_s": 100}}
            config_file(tmp_path, **sections)
            daemon.service.request_reload()
            await stage.run(10)
            assert any("not reloaded" in line and "redis.lease_ttl_s" in line for line in stage.log)
            assert stage.events("ConfigRefused")
            assert daemon.service.config.loop.check_interval_s == INTERVAL_S

    story()


def test_reloads_in_a_row_cost_a_few_looks_and_the_last_one_wins(tmp_path: Path) -> None:
    """Row 5.3: SIGHUP twenty times a second for a minute: no flood of reads, never UNKNOWN, the newest file holds."""

    @staged
    async def story() -> None:
        async with Stage(btc()) as stage:
            daemon = stage.start(path=config_file(tmp_path))
            await stage.until("protected", stage.is_protected)
            before = daemon.transport.calls
            await stage.run(60)
            quiet = daemon.transport.calls - before
            before = daemon.transport.calls
            for number in range(60):
                config_file(tmp_path, protection={"trailing_pct": 1.5 + number / 100})
                for _ in range(20):
                    daemon.service.request_reload()
                    await stage.run(0.05)
                assert stage.verdict(BTC, "LONG") == "PROTECTED"
            assert daemon.transport.calls - before <= 2 * quiet + 20
            await stage.run(6)
            assert str(daemon.service.config.protection.trailing_pct) == "2.09"

    story()


# -- 3.6: a second writer


def loner(stage: Stage, **options: Any) -> Process:
    """A daemon with a Redis of its own."""
    shared, stage.redis = stage.redis, RedisModel()
    process = stage.start(**options)
    stage.redis = shared
    return process


OTHER_IDEAS = {"protection": {"stop_loss_pct": 2.5, "ladder": [{"target_pct": 2.0, "share_pct": 100}]}}


@EVERY_WORLD
@staged
async def test_two_daemons_with_a_redis_each_do_not_fight(hedge: bool, side: str) -> None:
    """Row 3.6: other ladders, one account, two Redis servers: a few orders, then stops only, and both say so."""
    async with Stage(btc(side), hedge=hedge) as stage:
        one = stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        await stage.run(10)
        other = loner(stage, host="b", config=OTHER_IDEAS)
        before = len(written(stage))
        with stage.never_uncovered():
            await stage.run(60)
        assert len(written(stage)) - before <= 20
        assert "second_writer" in (one.ownership, other.ownership)
        settled = len(written(stage))
        with stage.never_uncovered():
            await stage.run(300)
        assert len(written(stage)) - settled <= 20
        seen = stage.events("SecondWriterSeen")
        assert seen and len(seen) <= 5
        stage.trade("open", ETH, side, "2.0")
        await stage.until("covered", lambda: stage.covered(ETH, side), within_s=7)


@EVERY_MODE
@staged
async def test_a_second_writer_is_told_and_forgotten_when_it_is_gone(hedge: bool) -> None:
    """3.6: DEGRADED with the reason while the signs are fresh; then the owner tidies up and all is as it was."""
    async with Stage(btc(), hedge=hedge) as stage:
        stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        book = stage.book()
        await stage.run(10)
        other = loner(stage, host="b", config=OTHER_IDEAS)
        await stage.until("it is told", lambda: "second daemon" in stage.status().get("reason", ""), within_s=60)
        assert stage.status()["risk_status"] == "DEGRADED"
        assert stage.status()["mode"] == "place_only"
        other.kill()
        await stage.until("the owner acts again", lambda: stage.status().get("mode") == "live", within_s=400)
        await stage.until("tidied up", lambda: stage.book() == book, within_s=60)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_orders_of_a_predecessor_are_no_second_writer(hedge: bool) -> None:
    """3.6: killed at any moment with writes under way, restarted at once: the successor acts in full."""
    async with Stage(btc(), hedge=hedge) as stage:
        rule = stage.fault("late_execution", probability=0.5, delay_ms=2_500, method="POST")
        for number in range(12):
            daemon = stage.start()
            await stage.run(0.2 + 0.35 * number)
            daemon.kill()
        stage.engine.remove_fault(fault_id=rule.fault_id)
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(30)
        assert daemon.ownership == "live"
        assert not stage.events("SecondWriterSeen")


@EVERY_MODE
@staged
async def test_a_former_leader_that_still_writes_is_no_second_writer(hedge: bool) -> None:
    """3.6: a leader that wakes up after a long sleep, and one cut from Redis, wrote by right until a moment ago."""
    async with Stage(btc(), hedge=hedge) as stage:
        first = stage.start(host="a", config={"protection": {"stop_loss_pct": 2.0}})
        await stage.until("protected", stage.is_protected)
        second = stage.start(host="b")
        await stage.run(6)
        stage.redis.evict_lease()
        stage.trade("add", BTC, "LONG", "0.100")
        await stage.run(60)
        first.kill()
        await stage.until("the other leads", lambda: second.ownership == "live", within_s=60)
        await stage.until("protected", stage.is_protected)
        assert not stage.events("SecondWriterSeen")


@EVERY_MODE
@staged
async def test_what_others_wrote_while_the_lease_was_left_to_them_is_no_second_writer(hedge: bool) -> None:
    """A leader that was cut from the venue comes back in the moment in which the one that took over is killed."""
    async with Stage(btc(), hedge=hedge) as stage:
        first = stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        second = stage.start(host="b")
        await stage.run(6)
        cut_from_the_venue(first)
        await stage.until("the other leads", lambda: second.mode == "live", within_s=90)
        await stage.run(20)
        stage.trade("add", BTC, "LONG", "0.100")
        await stage.run(8)
        first.transport.before.clear()
        second.kill()
        await stage.until("it leads again", lambda: first.mode == "live", within_s=LEASE_S + 2 * INTERVAL_S)
        await stage.until("protected", stage.is_protected)
        assert not stage.events("SecondWriterSeen")


# -- 5.6: an interval of a minute


@staged
async def test_an_interval_of_a_minute_is_no_gap() -> None:
    """Row 5.6: the evidence of the cycle before is kept, so that what has to go goes."""
    loop = {"loop": {"check_interval_s": 60, "full_sweep_s": 60}}
    async with Stage(btc()) as stage:
        stage.start(config=loop)
        await stage.until("protected", stage.is_protected, within_s=90)
        stage.trade("reduce", BTC, "LONG", "0.100")
        await stage.run(400)
        assert not [line for line in stage.log if "The clock moved" in line]
        stage.trade("close", BTC, "LONG")
        await stage.until("the orphans are gone", lambda: not stage.own(), within_s=400)


# -- 6.3: a clean stop


@EVERY_MODE
@staged
async def test_after_a_stop_nothing_claims_to_watch(hedge: bool) -> None:
    """Row 6.3: UNKNOWN, stopped, a reason, an event, at once; the lease is free."""
    async with Stage(btc(), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        daemon.service.stop()
        await stage.until("it ended", lambda: daemon.task.done(), within_s=2)
        status = stage.status()
        assert (status["risk_status"], status["mode"]) == ("UNKNOWN", "stopped")
        assert "stopped" in status["reason"]
        assert int(status["protected"]) == 0
        assert stage.verdict(BTC, "LONG") == "UNKNOWN"
        assert len(stage.events("Stopped")) == 1
        await daemon.store.close()
        assert stage.redis.get(LEASE) is None
        assert stage.covered(BTC, "LONG")


@pytest.mark.parametrize("outage", ["down", "hung"])
@staged
async def test_a_stop_without_redis_ends_in_seconds(outage: str) -> None:
    """6.3: nobody waits for a Redis that does not answer."""
    async with Stage(btc()) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        setattr(stage.redis, outage, True)
        daemon.service.stop()
        await stage.until("it ended", lambda: daemon.task.done(), within_s=10)


@EVERY_MODE
@staged
async def test_the_stop_of_a_standby_leaves_the_owners_state_alone(hedge: bool) -> None:
    """6.3: a fenced daemon writes nothing, and the lease is not its own to give up."""
    async with Stage(btc(), hedge=hedge) as stage:
        owner = stage.start(host="a")
        await stage.until("protected", stage.is_protected)
        standby = stage.start(host="b")
        await stage.run(6)
        standby.service.stop()
        await stage.until("it ended", lambda: standby.task.done(), within_s=5)
        await standby.store.close()
        assert stage.status()["mode"] == "live"
        assert stage.redis.get(LEASE) == owner.service.owner
        stage.must_be_protected()


@staged
async def test_a_stop_before_the_first_look_says_so_too() -> None:
    """6.3: SIGTERM while the exchange is being prepared: nothing is waited for, and nothing is claimed."""
    async with Stage(btc()) as stage:
        stage.redis.put("q:main:status", {"risk_status": "PROTECTED", "mode": "live"}, 15_000)
        stage.fault("timeout_before", delay_ms=9_000)
        daemon = stage.start()
        await stage.run(0.3)
        daemon.service.stop()
        await stage.until("it ended", lambda: daemon.task.done(), within_s=3)
        assert (stage.status()["risk_status"], stage.status()["mode"]) == ("UNKNOWN", "stopped")


@EVERY_MODE
@staged
async def test_a_standby_whose_stop_goes_again_leaves_it_to_the_owner_anew(hedge: bool) -> None:
    """Its own stop was read back in the very cycle that placed it: that ends the two intervals it had waited for."""
    async with Stage(btc(), hedge=hedge) as stage:
        stage.redis.put(LEASE, "elsewhere:99:0-99", round(1000 * LEASE_S))
        standby = stage.start(stream=True)
        await stage.until("the standby places it", lambda: stage.covered(BTC, "LONG"), within_s=2 * INTERVAL_S + 2)
        assert standby.ownership == "standby"
        await stage.run(1)
        stage.redis.put(LEASE, "elsewhere:99:0-99", round(1000 * LEASE_S))  # renewed: the owner lives
        stage.cancel_by_hand(stage.own(BTC, "LONG", "b")[0])
        await stage.run(1.5 * INTERVAL_S)
        assert not stage.own(BTC, "LONG", "b")
        await stage.until("the standby places it again", lambda: stage.covered(BTC, "LONG"), within_s=2 * INTERVAL_S)
