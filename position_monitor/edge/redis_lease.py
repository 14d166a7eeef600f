"""The lease of an account: at most one daemon may remove orders (invariant 9).

The lease prevents two daemons from flapping; it is not what makes writes safe (client ids and make-before-break
are). So its validity is judged pessimistically: by our own clocks, from before the renewal was sent (fault C4), and
by the wall clock too, because the monotonic clock of Linux stands still while a machine is suspended (C3).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from asyncio import timeout
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from position_monitor.edge.clock import Clock
from position_monitor.edge.redis_connection import OPERATION_TIMEOUT_S
from position_monitor.edge.redis_documents import Keys
from position_monitor.edge.redis_scripts import RELEASE, RENEW

REDIS_FAILURES: Final = (RedisError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Held:
    """We are the single remover, with this fencing number."""

    epoch: int

    def __str__(self) -> str:
        return f"ours, epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class HeldByOther:
    """A live other owner holds the lease: observe only. `config_hash` is what it published, if anything."""

    owner: str
    config_hash: str

    def __str__(self) -> str:
        return f"held by {self.owner} (configuration {self.config_hash or 'unknown'}); observing only"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody can say who holds the lease: place missing protection, remove nothing."""

    reason: str

    def __str__(self) -> str:
        return f"none ({self.reason}); missing stops are placed, nothing is removed"


LeaseState = Held | HeldByOther | Unavailable


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
        self._keys = keys
        self._clock = clock
        self._ttl_ms = round(ttl_s * 1000)
        self._epoch_file = epoch_file
        self._is_dead = is_dead
        self._renew_script = client.register_script(RENEW)
        self._release_script = client.register_script(RELEASE)
        self._state: LeaseState = Unavailable("Redis was not asked yet")
        self._sent_at = (clock.monotonic_s(), clock.now_ms())
        self._valid_ms = 0
        self._distrust_until_s = 0.0
        self._epoch_seen = _read_epoch(epoch_file)

    @property
    def renew_interval_s(self) -> float:
        """How often `renew` should be called: a third of the TTL, so two failures in a row are survived."""
        return self._ttl_ms / 3000

    def state(self) -> LeaseState:
        """What may be believed now. An answer that outlived its time is `Unavailable`."""
        if isinstance(self._state, Unavailable) or self._age_ms() < self._valid_ms:
            return self._state
        return Unavailable(f"the lease was last confirmed {self._age_ms() / 1000:.1f} s ago")

    def lost(self, holder: str) -> None:
        """A fenced write was refused: forget the lease at once. `holder` is empty when nobody has it."""
        self._sent_at, self._valid_ms = (self._clock.monotonic_s(), self._clock.now_ms()), self._ttl_ms
        other = holder and holder != self.owner
        self._state = HeldByOther(holder, "") if other else Unavailable("the lease is gone from Redis")

    async def renew(self) -> LeaseState:
        """Take or renew the lease, or learn who has it. Never raises for anything Redis does."""
        sent_at = (self._clock.monotonic_s(), self._clock.now_ms())
        try:
            answer = await self._ask(dead_owner="")
            if answer[0] == 0 and self._is_dead(answer[1]):
                answer = await self._ask(dead_owner=answer[1])
            self._accept(answer, sent_at)
        except REDIS_FAILURES as fault:
            if self._age_ms() >= self._valid_ms:
                self._state = Unavailable(f"Redis did not answer ({type(fault).__name__})")
        except (IndexError, TypeError, ValueError) as fault:
            self._state = Unavailable(f"Redis answered something else than a lease ({type(fault).__name__})")
        return self.state()

    async def release(self) -> None:
        """Give the lease up on a clean stop, so that a standby need not wait for its expiry."""
        self._state = Unavailable("the lease was released")
        with contextlib.suppress(*REDIS_FAILURES):
            async with timeout(OPERATION_TIMEOUT_S):
                await self._release_script(keys=[self._keys.lease], args=[self.owner])

    async def _ask(self, *, dead_owner: str) -> list[Any]:
        async with timeout(OPERATION_TIMEOUT_S):
            answer: list[Any] = await self._renew_script(
                keys=[self._keys.lease, self._keys.lease_epoch, self._keys.status],
                args=[self.owner, self._ttl_ms, self._epoch_seen, dead_owner],
            )
        return answer

    def _accept(self, answer: list[Any], sent_at: tuple[float, int]) -> None:
        self._sent_at = sent_at
        if answer[0] == 0:
            _, owner, ttl_ms, config_hash = answer
            self._valid_ms = min(int(ttl_ms), self._ttl_ms) if int(ttl_ms) > 0 else self._ttl_ms
            self._state = HeldByOther(str(owner), str(config_hash))
            return
        epoch, gone_back = int(answer[1]), bool(answer[2])
        if gone_back:
            # Another daemon may still trust a lease the lost data knew about: nothing is removed until it ran out.
            self._distrust_until_s = sent_at[0] + self._ttl_ms / 1000
        self._remember_epoch(epoch)
        self._valid_ms = self._ttl_ms
        distrusted = sent_at[0] < self._distrust_until_s
        self._state = Unavailable("Redis lost data: its lease epoch went back") if distrusted else Held(epoch)

    def _age_ms(self) -> float:
        monotonic_ms = (self._clock.monotonic_s() - self._sent_at[0]) * 1000
        return max(monotonic_ms, self._clock.now_ms() - self._sent_at[1])

    def _remember_epoch(self, epoch: int) -> None:
        if epoch <= self._epoch_seen:
            return
        self._epoch_seen = epoch
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
