"""The lease of an account: at most one daemon may remove orders and rest take-profits (invariant 9).

The lease prevents two daemons from flapping; it is not what makes writes safe (client ids and make-before-break
are). So its validity is judged pessimistically: by our own clocks, from before the renewal was sent (fault C4), and
by the wall clock too, because the monotonic clock of Linux stands still while a machine is suspended (C3).

Another owner counts as alive only while its lease is renewed within our own expiry. A value that was watched for that
long and never moved is overwritten; then nothing is removed until whoever wrote it can no longer believe in it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from asyncio import timeout
from collections.abc import Callable
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.fault_words import conduct
from position_monitor.edge.redis.lease_states import HeldByOther, LeaseState, Owned, Stale, Unavailable, Watched
from position_monitor.edge.redis.scripts import RELEASE, RENEW

REDIS_FAILURES: Final = (RedisError, OSError, TimeoutError)


HEARD_OF_MS: Final = 1_000.0
"""How long a holder that a refused write told of counts as alive, before the lease itself was looked at."""
LEASE_TTL_MAX_S: Final = 300.0
"""The longest lease a configuration permits: for so long an owner may believe in one that it took."""


def new_owner() -> str:
    """`host:pid:start-id` of this process. The start id holds the pid namespace, so that pids are comparable."""
    return f"{socket.gethostname()}:{os.getpid()}:{_pid_namespace()}-{secrets.token_hex(4)}"


def _pid_namespace() -> str:
    try:
        return f"{Path('/proc/self/ns/pid').stat().st_ino:x}"
    except OSError:
        return "0"


def dead_on_this_host(owner: str) -> bool:
    """Whether `owner` (made by `new_owner`) was certainly an earlier process of this host that no longer runs.

    It lets a restarted daemon take its predecessor's lease at once instead of observing until it expires. A reused
    pid, another host or another pid namespace all answer False: then the expiry decides.
    """
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    start_id = owner.rpartition(":")[2]
    if host != socket.gethostname() or not rest.isdigit() or start_id.partition("-")[0] != _pid_namespace():
        return False
    if int(rest) == os.getpid():
        return True
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


class Lease:
    """One account's lease as this daemon holds or sees it. `state()` is instant; `renew()` talks to Redis."""

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        clock: Clock,
        *,
        owner: str,
        ttl_s: float,
        epoch_file: Path | None = None,
        is_dead: Callable[[str], bool] = dead_on_this_host,
    ) -> None:
        self.owner = owner
        self._keys_asked = (keys.lease, keys.lease_epoch, keys.status, keys.lease_given_up)
        self._keys_released = (keys.lease, keys.lease_given_up)
        self._clock = clock
        self._ttl_ms = round(ttl_s * 1000)
        self._epoch_file = epoch_file
        self._is_dead = is_dead
        self._renew_script = client.register_script(RENEW)
        self._release_script = client.register_script(RELEASE)
        self._state: LeaseState = Unavailable("Redis was not asked yet")
        self._sent_at = (clock.monotonic_s(), clock.now_ms())
        self._valid_ms = 0.0
        self._distrust_until_s = 0.0
        self._distrusts = ""
        self._watched: Watched | None = None
        self._taken = False
        self._given_up = (0, "")
        """The fencing number of the lease that we gave up last, and why."""
        self._epoch_highest = _read_epoch(epoch_file)

    @property
    def renew_interval_s(self) -> float:
        """How often `renew` should be called: a third of the TTL, so two failures in a row are survived."""
        return self._ttl_ms / 3000

    @property
    def taken(self) -> bool:
        """Whether the key was ours when Redis answered last, trusted yet or not."""
        return self._taken

    def why_given_up(self, epoch: int) -> str:
        """Why we gave up the lease with this fencing number; empty where we did not: then it was lost."""
        return self._given_up[1] if epoch <= self._given_up[0] else ""

    def follow(self, ttl_s: float) -> None:
        """The lease is to live for so long from its next renewal on."""
        self._ttl_ms = round(ttl_s * 1000)

    def state(self) -> LeaseState:
        """What may be believed now. An answer that outlived its time is `Unavailable`."""
        if isinstance(self._state, Unavailable) or self._age_ms() < self._valid_ms:
            return self._state
        return Unavailable(f"the lease was last confirmed {self._age_ms() / 1000:.1f} s ago")

    def lost(self, holder: str) -> None:
        """A fenced write was refused: forget the lease at once. `holder` is empty when nobody has it.

        Whether the new holder is alive is for the next answer about the lease to say, which is asked for at once.
        """
        if not holder or holder == self.owner:
            self._state = Unavailable("the lease is gone from Redis")
        elif not isinstance(self._state, Stale):
            self._sent_at, self._valid_ms = (self._clock.monotonic_s(), self._clock.now_ms()), HEARD_OF_MS
            self._state = HeldByOther(holder, "")
        self._taken = False

    async def renew(self) -> LeaseState:
        """Take or renew the lease, or learn who has it. Never raises for anything Redis does."""
        sent_at = (self._clock.monotonic_s(), self._clock.now_ms())
        try:
            answer = await self._ask(dead_owner="")
            if answer[0] == 0 and self._is_dead(answer[1]):
                self._watched = None  # what it believed died with it
                answer = await self._ask(dead_owner=answer[1])
            elif answer[0] == 0 and self._watched_in_vain(self._look(answer, sent_at[0]), sent_at[0]):
                answer = await self._ask(dead_owner=answer[1])
            self._accept(answer, sent_at)
        except REDIS_FAILURES as fault:
            if self._age_ms() >= self._valid_ms:
                self._state = Unavailable(f"Redis {conduct(fault)}")
        except (IndexError, TypeError, ValueError) as fault:
            self._state = Unavailable(f"Redis answered something else than a lease ({type(fault).__name__})")
        return self.state()

    async def release(self, reason: str = "the lease was given up") -> None:
        """Give the lease up, so that a standby need not wait for its expiry."""
        if self._taken or isinstance(self._state, Owned):  # taken and not trusted yet is given up as well
            self._given_up = (self._epoch_highest, reason)
        self._state, self._taken, self._watched = Unavailable(reason), False, None
        with contextlib.suppress(*REDIS_FAILURES):
            async with timeout(OPERATION_TIMEOUT_S):
                await self._release_script(keys=self._keys_released, args=[self.owner, self._ttl_ms])

    async def _ask(self, *, dead_owner: str) -> list[Any]:
        async with timeout(OPERATION_TIMEOUT_S):
            answer: list[Any] = await self._renew_script(
                keys=self._keys_asked,
                args=[self.owner, self._ttl_ms, self._epoch_highest, dead_owner],
            )
        return answer

    def _look(self, answer: list[Any], now_s: float) -> Watched:
        """Take in how the lease of another owner looks now."""
        _, owner, ttl_ms, _ = answer
        expires_s = now_s + int(ttl_ms) / 1000 if int(ttl_ms) >= 0 else inf
        if self._watched is None or self._watched.owner != owner:
            self._watched = Watched(str(owner), expires_s, now_s, renewed=False)
        else:
            self._watched = self._watched.looked_at(now_s, expires_s)
        return self._watched

    def _watched_in_vain(self, watched: Watched, now_s: float) -> bool:
        """Whether nobody renewed the lease while we watched it for a whole lease time of ours."""
        ttl_s = self._ttl_ms / 1000
        return watched.alive_for_s(now_s, ttl_s) <= 0 and now_s - watched.unmoved_since_s >= ttl_s

    def _accept(self, answer: list[Any], sent_at: tuple[float, int]) -> None:
        self._sent_at, now_s = sent_at, sent_at[0]
        if answer[0] == 0:
            self._taken = False
            self._accept_other(self._look(answer, now_s), str(answer[3]), now_s)
            return
        epoch, gone_back, odd = int(answer[1]), bool(answer[2]), bool(answer[3])
        ttl_s = self._ttl_ms / 1000
        if gone_back:
            # Another daemon may still trust a lease the lost data knew about: nothing is removed until it ran out.
            self._distrust(now_s + ttl_s, "Redis lost data: its lease epoch went back")
        if odd:
            self._distrust(now_s + ttl_s, "the lease held something that is no owner")
        if self._watched is not None and self._watched.owner != answer[4]:
            ends_s = self._watched.expires_s if isfinite(self._watched.expires_s) else now_s + ttl_s
            self._distrust(min(ends_s, now_s + LEASE_TTL_MAX_S), f"{self._watched.owner} may still trust its lease")
        self._watched, self._taken = None, True
        self._remember_epoch(epoch)
        self._valid_ms = self._ttl_ms
        self._state = Unavailable(self._distrusts) if now_s < self._distrust_until_s else Owned(epoch)

    def _accept_other(self, watched: Watched, config_hash: str, now_s: float) -> None:
        alive_s = watched.alive_for_s(now_s, self._ttl_ms / 1000)
        self._valid_ms = 1000 * alive_s if alive_s > 0 else self._ttl_ms
        self._state = HeldByOther(watched.owner, config_hash) if alive_s > 0 else Stale(watched.owner)

    def _distrust(self, until_s: float, why: str) -> None:
        """Remove nothing until a moment: somebody else may believe to be the owner."""
        if until_s > self._distrust_until_s:
            self._distrust_until_s, self._distrusts = until_s, why

    def _age_ms(self) -> float:
        monotonic_ms = (self._clock.monotonic_s() - self._sent_at[0]) * 1000
        return max(monotonic_ms, self._clock.now_ms() - self._sent_at[1])

    def _remember_epoch(self, epoch: int) -> None:
        if epoch <= self._epoch_highest:
            return
        self._epoch_highest = epoch
        if self._epoch_file is not None:
            with contextlib.suppress(OSError):  # a full disk must not cost us the lease (fault P7)
                self._epoch_file.write_text(f"{epoch}\n")


def _read_epoch(path: Path | None) -> int:
    if path is None:
        return 0
    try:
        return max(0, int(path.read_text()))
    except (OSError, ValueError):
        return 0
