"""Publishing what the daemon knows to Redis, off the protection path (DESIGN 5, invariant 9).

`publish` only fills a mailbox; the newest state wins. A background task writes it: state, its expiry, the events and
the removal of closed positions in one atomic, fenced step. A lost or hung Redis costs the caller nothing; when it
answers again the newest state is written at once. Reading is in `redis_reader.py`, the lease in `redis_lease.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, Final

from loguru import logger

from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.core.shadow.shadow_book import ShadowBook
from position_monitor.edge.background import stop_if_cancelled
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.connection import OPERATION_TIMEOUT_S, ScriptLine, address_of, connect
from position_monitor.edge.redis.documents import Keys
from position_monitor.edge.redis.lease import REDIS_FAILURES, Lease, dead_on_this_host
from position_monitor.edge.redis.lease_keeper import LeaseKeeper
from position_monitor.edge.redis.lease_states import HeldByOther, LeaseState, Owned, Stale, Unavailable
from position_monitor.edge.redis.letter import NO_SHADOWS, Letter, text_of
from position_monitor.edge.redis.reachability import Reachability
from position_monitor.edge.redis.scripts import PUBLISH

EVENTS_WAITING_MAX: Final = 1000
EVENTS_PER_WRITE_MAX: Final = 200
EVENT_STREAM_LENGTH: Final = 10_000
STATE_TTL_CHECKS: Final = 3
RETRY_PAUSE_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 3.0

__all__ = ["HeldByOther", "LeaseState", "Owned", "PublishHealth", "RedisState", "Stale", "Unavailable"]


@dataclass(frozen=True, slots=True)
class PublishHealth:
    """How publishing goes, for the status line and for warnings."""

    reachable: bool
    """Whether the last write was answered."""
    published_at_ms: int
    """When a state was last written, or 0."""
    events_waiting: int
    events_dropped: int
    """Events lost so far because Redis was away for too long."""
    fenced: bool
    """Whether the last write was refused because somebody else holds the lease."""
    last_error: str


class RedisState:
    """The published state of one account. `run` must be running for anything to be written."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        account: str,
        owner: str,
        clock: Clock,
        check_interval_s: float,
        lease_ttl_s: float,
        contend: bool = True,
        reading_within_s: float = inf,
        epoch_file: Path | None = None,
        mirror_prefix: str = "",
        is_dead: Callable[[str], bool] = dead_on_this_host,
    ) -> None:
        """`contend=False` leaves the lease to others, as in observe mode; so does a daemon whose last `positions_read`
        is longer ago than `reading_within_s`. With `mirror_prefix` each event is also appended to the stream of that
        prefix and its type. Raises `ConfigError` for a bad URL."""
        self._client = connect(url)
        keys = Keys(prefix, account)
        self._keys_written = (keys.lease, keys.lease_epoch, keys.status, keys.positions, keys.events, keys.shadows)
        self._position_prefix, self._shadow_prefix = keys.position_prefix, keys.shadow_prefix
        self._account = account
        self._owner = owner
        self._mirror = (mirror_prefix,) if mirror_prefix else ()
        self._clock = clock
        self._state_ttl_s = check_interval_s * STATE_TTL_CHECKS
        self._lease = Lease(
            self._client,
            keys,
            clock,
            owner=owner,
            ttl_s=lease_ttl_s,
            epoch_file=epoch_file,
            is_dead=is_dead,
        )
        self._keeper = LeaseKeeper(self._lease, clock, contend=contend, reading_within_s=reading_within_s)
        self._publish_line = ScriptLine(self._client, PUBLISH)
        self._letter: Letter | None = None
        self._events: deque[tuple[int, Event]] = deque()
        self._event_count = 0
        self._events_dropped = 0
        self._written = asyncio.Lock()
        self._wake = asyncio.Event()
        self.reachability = Reachability(address_of(url))
        self._published_at_ms = 0
        self._fenced = False
        self._last_error = "nothing was written yet"
        self._shadows_written: Mapping[PositionKey, ShadowBook] = NO_SHADOWS
        """The shadow books as Redis has them; none where it lost some, so that all are written again."""

    def follow(
        self, check_interval_s: float, *, lease_ttl_s: float, contend: bool, reading_within_s: float = inf
    ) -> None:
        """The configuration was reloaded. The lease is asked for, or given up, at once."""
        self._state_ttl_s = check_interval_s * STATE_TTL_CHECKS
        self._lease.follow(lease_ttl_s)
        self._keeper.follow(contend=contend, reading_within_s=reading_within_s)

    def positions_read(self) -> None:
        """The positions were read just now: only a daemon that reads them has the lease."""
        self._keeper.positions_read()

    @property
    def lease_left(self) -> bool:
        """Whether the lease was left to others."""
        return self._keeper.left

    async def lease_taken(self) -> None:
        """Wait until the lease becomes ours."""
        await self._keeper.taken()

    def ask_for_left_lease(self) -> None:
        """A cycle ended that could read the positions: a lease that was left to others is asked for at once."""
        self._keeper.ask_if_left()

    def publish(
        self,
        account: AccountState,
        positions: Sequence[PositionState],
        events: Sequence[Event] = (),
        shadows: Mapping[PositionKey, ShadowBook] = NO_SHADOWS,
    ) -> None:
        """Hand in the newest state and new events. Returns at once and never raises.

        `shadows` are the shadow books of all open positions; those that changed are written.
        """
        self._letter = Letter(
            account=account,
            positions=tuple(positions),
            shadows=shadows,
            handed_in_s=self._clock.monotonic_s(),
            handed_in_ms=self._clock.now_ms(),
        )
        for event in events:
            self._event_count += 1
            self._events.append((self._event_count, event))
            if len(self._events) > EVENTS_WAITING_MAX:
                self._events.popleft()
                self._events_dropped += 1
        self._wake.set()

    def lease_state(self) -> LeaseState:
        """Who may remove orders, as far as is known now. Instant."""
        return self._lease.state()

    def why_lease_given_up(self, epoch: int) -> str:
        """Why this daemon gave up the lease with this fencing number; empty where it did not: then it was lost."""
        return self._lease.why_given_up(epoch)

    async def renew_lease(self) -> LeaseState:
        """Ask Redis for the lease now, within a few seconds. `run` does it regularly; this is for the start."""
        return await self._keeper.ask()

    def health(self) -> PublishHealth:
        """How publishing goes. Instant."""
        return PublishHealth(
            reachable=bool(self.reachability.reachable),
            published_at_ms=self._published_at_ms,
            events_waiting=len(self._events),
            events_dropped=self._events_dropped,
            fenced=self._fenced,
            last_error=self._last_error,
        )

    async def run(self) -> None:
        """Write what is handed in and renew the lease, until cancelled. Nothing Redis does ends it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_forever(), name="redis-publish")
            tasks.create_task(self._keeper.run(self._on_lease), name="redis-lease")

    def _on_lease(self, lease: LeaseState) -> None:
        """A state that was refused is written as soon as nobody stands in its way."""
        if self._fenced and not isinstance(lease, (HeldByOther, Stale)):
            self._wake.set()

    async def close(self) -> None:
        """Write what still waits, release the lease and disconnect, within `CLOSE_TIMEOUT_S`. Call after `run`."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.write_once()
                if self._lease.taken:
                    await self._lease.release()
                await self._publish_line.aclose()
                await self._client.aclose()
        except REDIS_FAILURES as fault:
            logger.warning("Redis was left without a goodbye: {}", type(fault).__name__)

    async def write_once(self) -> bool:
        """Write the newest state and waiting events. True when nothing is left to write."""
        async with self._written:
            letter, self._letter = self._letter, None
            if letter is None:
                return True
            ttl_s = self._state_ttl_s - letter.age_s(self._clock)
            if ttl_s <= 0:
                self._last_error = "the state was too old to be published"
                return True
            lease = self._lease.state()
            if isinstance(lease, (HeldByOther, Stale)):
                return self._refused(letter, lease.owner)
            batch = list(islice(self._events, EVENTS_PER_WRITE_MAX))
            try:
                answer = await self._send(letter, batch, ttl_s, epoch=lease.epoch if isinstance(lease, Owned) else 0)
            except asyncio.CancelledError:  # the stop: `close` still wants to write it
                self._put_back(letter)
                raise
            except REDIS_FAILURES as fault:
                self._put_back(letter)
                self._note_failure(fault)
                return False
            return self._note_answer(letter, batch, answer)

    async def _send(self, letter: Letter, batch: list[tuple[int, Event]], ttl_s: float, *, epoch: int) -> list[Any]:
        body = text_of(
            letter, batch, account=self._account, owner=self._owner, epoch=epoch, written=self._shadows_written
        )
        terms = (self._owner, epoch, self._position_prefix, max(1, round(ttl_s * 1000)), EVENT_STREAM_LENGTH)
        args = [*terms, body, self._shadow_prefix, *self._mirror]
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            return await self._publish_line.run(self._keys_written, args)

    def _put_back(self, letter: Letter) -> None:
        """Keep an unwritten state, unless a newer one was handed in meanwhile."""
        if self._letter is None:
            self._letter = letter

    def _refused(self, letter: Letter, holder: str) -> bool:
        """Fenced: nothing was written. The state waits for the lease to come back to us."""
        self._fenced = True
        self._last_error = f"the state was not published: the lease is held by {holder or 'nobody'}"
        self._put_back(letter)
        return False

    def _note_failure(self, fault: BaseException) -> None:
        self.reachability.failed(fault, self._clock.now_ms())
        self._last_error = f"{type(fault).__name__}: {fault}"[:200]

    def _note_answer(self, letter: Letter, batch: list[tuple[int, Event]], answer: list[Any]) -> bool:
        self.reachability.answered(self._clock.now_ms(), dropped=self._events_dropped)
        if answer[0] != 1:
            self._lease.lost(str(answer[1]))
            self._keeper.ask_now()
            return self._refused(letter, str(answer[1]))
        self._fenced, self._last_error = False, ""
        self._published_at_ms = self._clock.now_ms()
        self._shadows_written = letter.shadows if not answer[2:] or not answer[2] else NO_SHADOWS
        self._forget_events(batch)
        if self._events:
            self._put_back(letter)
        return not self._events

    def _forget_events(self, batch: list[tuple[int, Event]]) -> None:
        """Drop what was written; the queue may have been trimmed meanwhile."""
        last = batch[-1][0] if batch else 0
        while self._events and self._events[0][0] <= last:
            self._events.popleft()

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                finished = await self.write_once()
            except Exception as fault:  # a state we cannot serialise must not end publishing (invariant 12)
                logger.error("the state could not be published: {!r}", fault)
                self._last_error, finished = f"{type(fault).__name__}: {fault}"[:200], True
            stop_if_cancelled()
            if finished or self._fenced:
                continue  # the next state or the return of the lease wakes us
            if not self.reachability.reachable:
                await self._clock.sleep(RETRY_PAUSE_S)
            self._wake.set()
