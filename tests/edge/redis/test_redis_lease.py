"""The lease: one remover, judged by our own clocks, never by hope."""

from __future__ import annotations

import os
import subprocess

import pytest

from position_monitor.core.decision.ownership import LeaseStanding
from position_monitor.edge.redis.connection import connect
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.lease import Lease, dead_on_this_host, new_owner
from position_monitor.edge.redis.lease_keeper import LeaseKeeper
from position_monitor.edge.redis.lease_states import HeldByOther, Owned, Stale, Unavailable

KEYS = Keys("quantum:position_monitor", "main")


@pytest.fixture
async def lease_of(valkey, redis, clock):
    clients = []

    def make(owner="host-a:1:aaaa", *, url=valkey.url, ttl_s=20, **changes):
        client = connect(url)
        clients.append(client)
        return Lease(client, KEYS, clock, owner=owner, ttl_s=ttl_s, **{"is_dead": lambda _: False, **changes})

    yield make
    for client in clients:
        await client.aclose()


async def test_the_first_owner_holds_it_and_keeps_its_epoch(redis, lease_of):
    """Renewing is not taking: the fencing number stays."""
    lease = lease_of()
    assert await lease.renew() == Owned(1)
    assert await lease.renew() == Owned(1)
    assert await redis.get(KEYS.lease) == "host-a:1:aaaa"
    assert await redis.get(KEYS.lease_epoch) == "1"


async def test_a_second_owner_sees_who_holds_it_with_which_configuration(redis, lease_of):
    """The loser observes and can say whom to ask."""
    await lease_of().renew()
    await redis.hset(KEYS.status, "config_hash", "3f9a")
    second = lease_of("host-b:2:bbbb")
    assert await second.renew() == HeldByOther("host-a:1:aaaa", "3f9a")
    assert await redis.get(KEYS.lease) == "host-a:1:aaaa"


async def test_an_expired_lease_goes_to_the_next_with_a_higher_epoch(redis, lease_of):
    """Fencing numbers only grow."""
    first, second = lease_of(), lease_of("host-b:2:bbbb")
    await first.renew()
    await redis.delete(KEYS.lease)  # what its expiry does
    assert await second.renew() == Owned(2)
    assert await first.renew() == HeldByOther("host-b:2:bbbb", "")


async def test_validity_ends_by_our_own_clock_without_asking(redis, lease_of, clock):
    """C4: whatever Redis' clock does, after one TTL without a renewal nothing is ours."""
    lease = lease_of(ttl_s=20)
    await lease.renew()
    await redis.persist(KEYS.lease)
    clock.advance(19.9)
    assert lease.state() == Owned(1)
    clock.advance(0.2)
    assert isinstance(lease.state(), Unavailable)


async def test_validity_counts_from_before_the_renewal_was_sent(lease_of, clock, monkeypatch):
    """C4: a slow answer has already used up part of the lease."""
    lease = lease_of(ttl_s=20)
    ask = lease._ask

    async def slow_ask(**arguments):
        answer = await ask(**arguments)
        clock.advance(15)
        return answer

    monkeypatch.setattr(lease, "_ask", slow_ask)
    assert await lease.renew() == Owned(1)
    clock.advance(5)
    assert isinstance(lease.state(), Unavailable)


async def test_a_suspended_machine_wakes_up_without_the_lease(lease_of, clock):
    """C3: the monotonic clock stood still, the wall clock tells."""
    lease = lease_of(ttl_s=20)
    await lease.renew()
    clock.wall_ms += 21_000
    assert isinstance(lease.state(), Unavailable)


async def test_a_wall_clock_set_back_does_not_prolong_it(lease_of, clock):
    """C2: the monotonic clock still counts."""
    lease = lease_of(ttl_s=20)
    await lease.renew()
    clock.wall_ms -= 3_600_000
    clock.mono_s += 21
    assert isinstance(lease.state(), Unavailable)


async def test_flushed_data_means_place_only_for_one_lease_time(redis, lease_of, clock):
    """R7: the epoch went back, so another daemon may hold a lease the lost data knew about."""
    lease = lease_of(ttl_s=20)
    await redis.set(KEYS.lease_epoch, 6)
    assert await lease.renew() == Owned(7)
    await redis.flushall()
    found = await lease.renew()
    assert isinstance(found, Unavailable)
    assert "went back" in found.reason
    assert await redis.get(KEYS.lease_epoch) == "8"
    clock.advance(19)
    assert isinstance(await lease.renew(), Unavailable)
    clock.advance(1)
    assert await lease.renew() == Owned(8)


async def test_a_restored_snapshot_is_noticed_while_the_lease_key_is_ours(redis, lease_of):
    """R5, R7: the counter went back although the owner is still us."""
    lease = lease_of()
    await redis.set(KEYS.lease_epoch, 6)
    await lease.renew()
    await redis.set(KEYS.lease_epoch, 3)
    assert isinstance(await lease.renew(), Unavailable)
    assert await redis.get(KEYS.lease_epoch) == "8"


async def test_the_highest_epoch_survives_a_restart_on_disk(redis, lease_of, tmp_path):
    """R7: a restarted daemon notices lost data too, and a broken file is only ignored."""
    epoch_file = tmp_path / "epoch"
    await redis.set(KEYS.lease_epoch, 6)
    assert await lease_of(epoch_file=epoch_file).renew() == Owned(7)
    await redis.flushall()
    assert isinstance(await lease_of("host-a:2:bbbb", epoch_file=epoch_file).renew(), Unavailable)
    epoch_file.write_text("rubbish")
    await redis.flushall()
    assert await lease_of("host-a:3:cccc", epoch_file=epoch_file).renew() == Owned(1)


async def test_an_unwritable_epoch_file_costs_nothing(lease_of, tmp_path):
    """P7: no disk is needed to hold the lease."""
    assert await lease_of(epoch_file=tmp_path / "missing" / "epoch").renew() == Owned(1)


async def test_release_gives_up_only_our_own(redis, lease_of):
    """A late stop must not take the lease from its successor."""
    first, second = lease_of(), lease_of("host-b:2:bbbb")
    await first.renew()
    await redis.set(KEYS.lease, "host-b:2:bbbb")
    await first.release()
    assert await redis.get(KEYS.lease) == "host-b:2:bbbb"
    await second.release()
    assert not await redis.exists(KEYS.lease)
    assert isinstance(second.state(), Unavailable)


async def test_a_dead_predecessor_is_succeeded_at_once(redis, lease_of):
    """A restart after a crash need not observe until the old lease expires."""
    await lease_of("host-a:1:aaaa").renew()
    successor = lease_of("host-a:2:bbbb", is_dead=lambda owner: owner == "host-a:1:aaaa")
    assert await successor.renew() == Owned(2)


async def test_a_live_holder_is_never_succeeded_by_mistake(redis, lease_of):
    """The lease changed hands between looking and taking: the script compares the owner that was judged dead."""
    await redis.set(KEYS.lease, "host-c:3:cccc", px=20_000)
    contender = lease_of("host-a:2:bbbb")
    answer = await contender._ask(dead_owner="host-a:1:aaaa")
    assert answer[:2] == [0, "host-c:3:cccc"]


async def test_a_hung_redis_is_unavailable_within_the_timeout(hung_url, lease_of):
    """R2: and the reason says so."""
    found = await lease_of(url=hung_url).renew()
    assert isinstance(found, Unavailable)
    assert found.reason == "Redis did not answer: nothing came within 1 s"


async def test_a_short_outage_does_not_cost_a_valid_lease(lease_of, clock, monkeypatch):
    """One failed renewal changes nothing until the lease has run out."""
    lease = lease_of(ttl_s=20)
    await lease.renew()

    async def refuse(**_):
        raise ConnectionRefusedError

    monkeypatch.setattr(lease, "_ask", refuse)
    clock.advance(10)
    assert await lease.renew() == Owned(1)
    clock.advance(11)
    assert isinstance(await lease.renew(), Unavailable)


async def test_knowledge_of_another_holder_also_ends(lease_of, clock, monkeypatch):
    """Once its expiry passed unheard, a silent holder is unknown: place-only rather than observing for ever."""
    await lease_of(ttl_s=20).renew()
    second = lease_of("host-b:2:bbbb")
    await second.renew()
    clock.advance(19)
    assert isinstance(second.state(), HeldByOther)
    clock.advance(2)
    assert isinstance(second.state(), Unavailable)


async def test_a_lease_without_expiry_is_nobodys_and_is_overwritten_after_our_own_lease_time(redis, lease_of, clock):
    """Row 3.1: `SET lease x`: stops are placed at once, and nothing keeps us from the lease for longer than our TTL."""
    await redis.set(KEYS.lease, "x")
    lease = lease_of(ttl_s=20)
    for _ in range(19):
        assert await lease.renew() == Stale("x")
        assert lease.state().standing is LeaseStanding.STALE
        clock.advance(1)
    clock.advance(1.1)
    found = await lease.renew()
    assert isinstance(found, Unavailable), "whoever wrote it may believe in it for as long as a lease of ours lives"
    assert await redis.get(KEYS.lease) == "host-a:1:aaaa"
    clock.advance(20)
    assert isinstance(await lease.renew(), Owned)


async def test_a_lease_longer_than_ours_that_nobody_renews_is_nobodys(redis, lease_of, clock):
    """Row 3.1: five minutes of expiry prove nothing; taken over, nothing is removed before they ran out."""
    lease = lease_of(ttl_s=20)
    for passed_s in range(21):
        await redis.set(KEYS.lease, "x", px=60_000 - 1_000 * passed_s)
        assert isinstance(await lease.renew(), Stale if passed_s < 20 else Unavailable)
        clock.advance(1)
    assert await redis.get(KEYS.lease) == "host-a:1:aaaa"
    clock.advance(38)
    assert isinstance(await lease.renew(), Unavailable)
    clock.advance(2)
    assert isinstance(await lease.renew(), Owned)


async def test_a_lease_longer_than_ours_that_is_renewed_in_time_has_a_live_owner(redis, lease_of, clock):
    """A leader with a longer interval: seen renewed within our own expiry it is alive, and dead when that ends."""
    lease = lease_of(ttl_s=20)
    await redis.set(KEYS.lease, "host-b:2:bbbb", px=68_000)
    assert isinstance(await lease.renew(), Stale)
    for _ in range(40):
        clock.advance(10)
        await redis.set(KEYS.lease, "host-b:2:bbbb", px=68_000)
        assert isinstance(await lease.renew(), HeldByOther)
    clock.advance(19)
    await redis.set(KEYS.lease, "host-b:2:bbbb", px=49_000)
    assert isinstance(await lease.renew(), HeldByOther)
    clock.advance(2)
    await redis.set(KEYS.lease, "host-b:2:bbbb", px=47_000)
    assert not isinstance(await lease.renew(), HeldByOther)


async def test_a_lease_that_vanished_under_its_owner_is_not_trusted_until_that_owner_cannot_be(redis, lease_of, clock):
    """Two removers at once: the old owner believes until its expiry, whoever ate its key; one that gave up does not."""
    first, second = lease_of(), lease_of("host-b:2:bbbb")
    await first.renew()
    await second.renew()
    await redis.delete(KEYS.lease)
    assert isinstance(await second.renew(), Unavailable)
    clock.advance(21)
    assert isinstance(await second.renew(), Owned)
    await first.renew()
    await second.release()
    assert isinstance(await first.renew(), Owned)


async def test_one_that_does_not_contend_gives_the_lease_up_and_asks_again_when_it_does(redis, lease_of, clock):
    """Rows 3.3 and 3.4: at once, both ways; so does a daemon that reads no positions (row 3.2)."""
    keeper = LeaseKeeper(lease_of(), clock, contend=True, reading_within_s=25)
    assert isinstance(await keeper.ask(), Owned)
    keeper.contend = False
    assert isinstance(await keeper.ask(), Unavailable)
    assert not await redis.exists(KEYS.lease)
    keeper.contend = True
    assert isinstance(await keeper.ask(), Owned)
    clock.advance(26)
    assert isinstance(await keeper.ask(), Unavailable)
    assert not await redis.exists(KEYS.lease)
    keeper.positions_read()
    assert isinstance(await keeper.ask(), Owned)


@pytest.mark.parametrize("answer", [[], [1], [1, "x", 0, 0, ""], [0, "other"], [0, "other", "x", ""], None])
async def test_an_answer_that_is_no_lease_is_unavailable(lease_of, monkeypatch, answer):
    """Something between us and Redis answers nonsense."""
    lease = lease_of()

    async def nonsense(**_):
        return answer

    monkeypatch.setattr(lease, "_ask", nonsense)
    assert isinstance(await lease.renew(), Unavailable)


def test_owners_are_unique_and_their_death_is_judged_only_here():
    """Only an earlier process of this host and pid namespace can be known to be dead."""
    mine = new_owner()
    host, pid, start_id = mine.rsplit(":", 2)
    namespace = start_id.split("-")[0]
    assert mine != new_owner()
    assert int(pid) == os.getpid()
    child = subprocess.Popen(["true"])
    child.wait()
    assert dead_on_this_host(f"{host}:{child.pid}:{namespace}-00")
    assert dead_on_this_host(f"{host}:{pid}:{namespace}-00"), "our pid, another start: a predecessor"
    assert not dead_on_this_host(f"{host}:{os.getppid()}:{namespace}-00"), "it runs"
    assert not dead_on_this_host(f"elsewhere:{child.pid}:{namespace}-00")
    assert not dead_on_this_host(f"{host}:{child.pid}:other-00"), "another pid namespace"
    assert not dead_on_this_host(f"{host}:{10**30}:{namespace}-00")
    for odd in ("", "x", "a:b:c", f"{host}::"):
        assert not dead_on_this_host(odd)
