"""One account, looked at once a second. Whatever cannot be read or is old is UNKNOWN, never the last value."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.dashboard.outcomes import OutcomeWatch
from position_monitor.dashboard.recent import RecentEvents
from position_monitor.dashboard.tracks import Tracks
from position_monitor.edge.redis.event_stream import EventStream, StreamedEvent
from position_monitor.edge.redis.outcome_reader import NO_OUTCOMES, OutcomeReader, Outcomes
from position_monitor.edge.redis.reader import Published, RedisStateReader, RedisUnreachable
from position_monitor.errors import PositionMonitorError

LOOK_TIMEOUT_S: Final = 1.5
"""With a look a second, the page says within 3 s that Redis does not answer."""
EVENTS_SHOWN: Final = 60
EVENTS_SHARE: Final = 2 / 3
"""Of the time of a look: events that take longer hide nothing else."""
TOTALS_EVERY_S: Final = 5.0
HISTORY_EVERY_S: Final = 3.0
HISTORY_KEPT_S: Final = 10.0
POSITIONS_MAX: Final = 2_000
"""Positions of one account that are shown; what is beyond is counted and named."""
CLOCKS_DIFFER_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class AccountView:
    """What the page has to say of one account, as of one look."""

    account: str
    looked_at_ms: int
    trouble: str = ""
    """Why nothing can be said: Redis does not answer, or holds what is not readable, or only an old state."""
    redis_answers: bool = True
    state: AccountState | None = None
    """None is UNKNOWN."""
    lease_owner: str | None = None
    positions: Mapping[PositionKey, PositionState | None] = field(default_factory=dict)
    """None is UNKNOWN."""
    unreadable: Mapping[PositionKey, str] = field(default_factory=dict)
    left_out: int = 0
    """Positions beyond `POSITIONS_MAX`."""
    clock_ahead_ms: int = 0
    """How far the clock of the daemon is ahead of ours, where that is more than it may be; negative: behind."""
    events: tuple[StreamedEvent, ...] = ()
    """Oldest first."""
    events_unreadable: int = 0
    events_trouble: str = ""
    """Why the events cannot be read; nothing else is UNKNOWN for it."""
    totals: Mapping[str, Any] | None = None
    totals_trouble: str = ""
    """Why the totals of closed positions cannot be read."""
    outcomes: Outcomes = NO_OUTCOMES
    """The newest closed positions, and shadow against live."""
    tracks: Tracks = field(default_factory=Tracks, compare=False)
    """What the page itself has seen of each position over time."""

    def unanswered(self, why: str) -> AccountView:
        """The same account while nothing can be said: its positions are named, each as UNKNOWN."""
        return AccountView(
            account=self.account,
            looked_at_ms=self.looked_at_ms,
            trouble=why,
            redis_answers=False,
            positions=dict.fromkeys(self.positions),
            left_out=self.left_out,
            tracks=self.tracks,
        )


class Past(NamedTuple):
    """What is known of a position's past, and of the policy in shadow."""

    events: tuple[StreamedEvent, ...]
    """Of the account, oldest first; none where they cannot be read."""
    shadow: Mapping[str, Any] | None


class AccountWatch:
    """Reads one account again and again. `look` never raises for what stands, or does not stand, in Redis."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        account: str,
        old_after_s: float,
        look_timeout_s: float = LOOK_TIMEOUT_S,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`old_after_s`: a state that was not written again for so long is old. Raises `ConfigError` for a bad URL."""
        self._look_timeout_s = look_timeout_s
        self._steady_s = steady_s
        self.account = account
        self._reader = RedisStateReader(url, prefix=prefix, account=account)
        self._stream = EventStream(url, prefix=prefix, account=account)
        outcomes = OutcomeReader(url, prefix=prefix, account=account)
        self._outcomes = OutcomeWatch(outcomes, steady_s=steady_s)
        self._tracks = Tracks()
        self._old_after_s = old_after_s
        self._written_ms = -1
        self._changed_s: float | None = None
        """When, by our own steady clock, a second or later state was read last; None before."""
        self._first_s = 0.0
        """When, by the same clock, the state that stands there was read first."""
        self._listed: tuple[PositionKey, ...] = ()
        """Positions of the last good look: named as UNKNOWN while there is no better one."""
        self._events = RecentEvents(
            self._stream, EVENTS_SHOWN, within_s=look_timeout_s * EVENTS_SHARE, steady_s=steady_s
        )
        self._totals: tuple[Mapping[str, Any] | None, str] = (None, "")
        self._totals_read_s = float("-inf")
        self._history: tuple[StreamedEvent, ...] = ()
        self._history_read_s = float("-inf")
        self._history_turn = asyncio.Lock()

    async def look(self) -> AccountView:
        """Everything that can be said now, within the time a look may take."""
        view = replace(await self._looked(time.time_ns() // 1_000_000), tracks=self._tracks)
        with contextlib.suppress(ArithmeticError, ValueError):  # a number that is none is not drawn
            self._tracks.note(view.looked_at_ms, view.positions, heard=view.state is not None)
        return view

    async def _looked(self, now_ms: int) -> AccountView:
        try:
            self._outcomes.refresh()
            async with asyncio.timeout(self._look_timeout_s):
                return await self._look(now_ms)
        except TimeoutError:
            return self._nothing(now_ms, "Redis did not answer in time", redis_answers=False)
        except RedisUnreachable as fault:
            return self._nothing(now_ms, str(fault), redis_answers=False)
        except PositionMonitorError as fault:
            return self._nothing(now_ms, str(fault), redis_answers=True)
        except Exception as fault:  # whatever stands there: a watch that ended would show the last value for ever
            return self._nothing(now_ms, f"it could not be read ({type(fault).__name__})", redis_answers=True)

    async def _look(self, now_ms: int) -> AccountView:
        published, (events, spoilt, trouble) = await asyncio.gather(self._reader.published(), self._events.newest())
        totals, totals_trouble = await self._newest_totals()
        self._forget_history()
        old = self._age_of(published, now_ms)
        if published.account is None or old:
            why = old or "the daemon was not heard: there is no state in Redis"
            view = self._nothing(now_ms, why, redis_answers=True)
            positions: dict[PositionKey, PositionState | None] = dict.fromkeys((*view.positions, *published.positions))
        else:
            view, positions = AccountView(self.account, now_ms), dict(published.positions)
            self._listed = tuple(positions)
        keys = list(positions)[:POSITIONS_MAX]
        return AccountView(
            account=self.account,
            looked_at_ms=now_ms,
            trouble=view.trouble,
            state=None if view.trouble else published.account,
            lease_owner=published.lease_owner,
            positions={key: positions[key] for key in keys},
            unreadable=published.unreadable,
            left_out=len(positions) - len(keys),
            clock_ahead_ms=self._clock_ahead_ms(published, now_ms),
            events=events,
            events_unreadable=spoilt,
            events_trouble=trouble,
            totals=totals,
            totals_trouble=totals_trouble,
            outcomes=self._outcomes.newest,
        )

    def _nothing(self, now_ms: int, why: str, *, redis_answers: bool) -> AccountView:
        """UNKNOWN, with the positions that were listed last: named, not left out (invariant 17)."""
        listed: dict[PositionKey, PositionState | None] = dict.fromkeys(self._listed[:POSITIONS_MAX])
        return AccountView(
            account=self.account,
            looked_at_ms=now_ms,
            trouble=why,
            redis_answers=redis_answers,
            positions=listed,
            unreadable={},
        )

    def _age_of(self, published: Published, now_ms: int) -> str:
        """Why the state that stands there is too old to be believed; empty where it is not.

        Judged by our own steady clock, so that two hosts whose clocks differ do not call each other dead; only at
        the first look, when nothing was compared yet, by the clocks.
        """
        if published.account is None:
            return ""
        written_ms, now_s = published.account.published_at_ms, self._steady_s()
        if written_ms != self._written_ms:
            self._changed_s = now_s if self._written_ms >= 0 else None
            self._written_ms = written_ms
            self._first_s = now_s
        if published.account.mode == "stopped":
            return ""
        limit_s = self._old_after_s
        still_s = now_s - self._first_s
        if self._changed_s is None:
            still_s = max(still_s, (now_ms - written_ms) / 1000)
        return f"the state in Redis is old: it was not written for {int(still_s)} s" if still_s > limit_s else ""

    def _clock_ahead_ms(self, published: Published, now_ms: int) -> int:
        if published.account is None or self._changed_s is None or published.account.mode == "stopped":
            return 0
        ahead_ms = published.account.published_at_ms - now_ms
        slack_ms = CLOCKS_DIFFER_MS + self._old_after_s * 1000
        return ahead_ms if ahead_ms > CLOCKS_DIFFER_MS or ahead_ms < -slack_ms else 0

    async def _newest_totals(self) -> tuple[Mapping[str, Any] | None, str]:
        if self._steady_s() - self._totals_read_s >= TOTALS_EVERY_S:
            try:
                self._totals = (await self._reader.totals(), "")
            except PositionMonitorError as fault:
                self._totals = (None, str(fault))
            self._totals_read_s = self._steady_s()
        return self._totals

    async def past(self, key: PositionKey, count: int) -> Past:
        """The newest events, and what the policy in shadow wants for a position."""
        events = await self._newest_history(count)
        try:
            async with asyncio.timeout(self._look_timeout_s):
                return Past(events, await self._outcomes.shadow_book(key))
        except TimeoutError:
            return Past(events, None)

    async def _newest_history(self, count: int) -> tuple[StreamedEvent, ...]:
        """Read every few seconds, however many ask; none where it cannot be read."""
        async with self._history_turn:
            if self._steady_s() - self._history_read_s >= HISTORY_EVERY_S:
                try:
                    async with asyncio.timeout(self._look_timeout_s):
                        self._history = (await self._stream.latest(count))[0]
                except (TimeoutError, PositionMonitorError):
                    self._history = ()
                self._history_read_s = self._steady_s()
            return self._history

    def _forget_history(self) -> None:
        """A history that nobody asks for any more costs no memory."""
        if self._history and self._steady_s() - self._history_read_s > HISTORY_KEPT_S:
            self._history = ()

    async def close(self) -> None:
        """Disconnect; a Redis that is away needs no goodbye."""
        for part in (self._reader, self._stream, self._outcomes):
            try:
                await part.close()
            except PositionMonitorError:
                continue
