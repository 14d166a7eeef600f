"""What operators ask for by `P:control`: heard in the background, kept in memory, answered by the owner (DESIGN 5).

Nothing waits for it. Without Redis it is simply not heard: what is in force stays in force until it ends by itself. A
daemon that starts, or takes over, learns what is in force from the stream; every request is judged as of the moment it
came in, so that all daemons come to the same result.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from loguru import logger

from position_monitor.core.decision.control_answers import Answer, Unreadable, answer_to, request_from, request_id_of
from position_monitor.core.model.control import NO_CONTROL, Control, ControlRequest, ControlType
from position_monitor.core.model.events import Event
from position_monitor.core.publication import control_words
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis.control_stream import ControlStream, Entry
from position_monitor.edge.redis.fault_words import conduct
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.state import Owned, RedisState, Unavailable
from position_monitor.service.reloading import ConfigInForce

POLL_S = 1.0
"""Between two looks at the stream."""
UNHEARD_S = 3.0
"""The same while Redis does not answer."""
IDS_REMEMBERED_MAX = 5_000
"""Ids of requests that were used; the oldest are forgotten first."""
UNANSWERED_MAX = 200
"""Answers that wait for this daemon to be the owner."""
OLD_MS = 10 * 60_000
"""A request that is older than this when a daemon starts is answered only if it is in force: whoever asked has left."""
REMINDED_BEFORE_MS = 10 * 60_000
REFUSALS_1M_MAX = 20
"""Refusals that are told in a minute; what is beyond is counted (invariant 10)."""
OWNERS_TURN_MS = 3_000
"""A daemon that may answer without being the owner, in observe mode, leaves this time to an owner."""


@dataclass(frozen=True, slots=True)
class Right:
    """Whether this daemon answers operators now."""

    answers: bool
    epoch: int = 0
    """The fencing number of its lease; 0 without one. What others may have answered is looked up when it changes."""


@dataclass(slots=True)
class OperatorControl:
    """The pauses and holds of one account."""

    stream: ControlStream
    clock: Clock
    right: Callable[[], Right]
    is_listed: Callable[[str], bool]
    """Whether the venue lists a symbol; true where nobody can say."""
    tell: Callable[[Event], None]
    wake: Callable[[], None]
    """Lets the next cycle begin soon."""
    _control: Control = field(default=NO_CONTROL, init=False)
    _used: OrderedDict[str, str] = field(default_factory=OrderedDict, init=False)
    """Request id -> the id of the entry in which it first stood."""
    _unanswered: deque[tuple[int, Answer]] = field(default_factory=lambda: deque(maxlen=UNANSWERED_MAX), init=False)
    """With the time at which each was read."""
    _began: bool = field(default=False, init=False)
    """Whether the stream was read once."""
    _epoch: int = field(default=0, init=False)
    """The lease under which was answered last."""
    _reminded: frozenset[str] = field(default=frozenset(), init=False)
    _refusals: tuple[int, int] = field(default=(0, 0), init=False)
    """When the running minute of refusals began, and how many it has."""
    _unheard: bool = field(default=False, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def now(self) -> Control:
        """What is in force now. Instant; the same object as long as nothing changes."""
        left = self._control.at(self.clock.now_ms())
        if left is not self._control:
            self._end(left)
        return self._control

    async def run(self) -> None:
        """Read, answer and remind, until cancelled. Nothing that Redis does or holds ends it."""
        while True:
            heard = await self.look()
            await self.clock.sleep(POLL_S if heard else UNHEARD_S)

    async def look(self) -> bool:
        """One look at the stream; whether Redis answered. Looks that come together go one after another."""
        async with self._looking:
            return await self._look()

    async def _look(self) -> bool:
        try:
            entries = await self.stream.read()
            for entry in entries:
                self._take(entry)
            if not self._began:
                self._began = True
                for request in self.now().in_force:
                    logger.warning("In force since before this start: {}", control_words.in_words(request))
            await self._answer()
            self._note(heard=True)
        except REDIS_FAILURES as fault:
            self._note(heard=False, why=f"Redis {conduct(fault)}")
        except (ValueError, TypeError, IndexError) as odd:  # an answer of a form that Redis does not give
            self._note(heard=False, why=type(odd).__name__)
        self._remind()
        return not self._unheard

    def _note(self, *, heard: bool, why: str = "") -> None:
        if not heard and not self._unheard:
            logger.warning("Requests of operators are not heard ({}); what is in force stays until it ends", why)
        if heard and self._unheard:
            logger.info("Requests of operators are heard again")
        self._unheard = not heard

    # -- taking requests in

    def _take(self, entry: Entry) -> None:
        now_ms = self.clock.now_ms()
        arrived_ms = now_ms if self._began else min(entry.arrived_ms or now_ms, now_ms)
        answer = self._judged(entry, arrived_ms)
        if answer is None:
            return
        in_force = answer.accepted and answer.request in self._control.in_force
        if self._began or in_force or now_ms - arrived_ms <= OLD_MS:
            self._unanswered.append((now_ms, answer))
        if answer.accepted and self._began:
            self.wake()

    def _judged(self, entry: Entry, arrived_ms: int) -> Answer | None:
        """The answer to an entry; None for one that was read before, when the stream was begun anew."""
        try:
            request_id = request_id_of(entry.value)
        except Unreadable as unreadable:
            return Answer("", False, f"malformed: {unreadable}", None)
        first = self._used.get(request_id)
        if first == entry.entry_id:
            return None
        self._remember(request_id, entry.entry_id)
        try:
            request = request_from(entry.value)
        except Unreadable as unreadable:
            return Answer(request_id, False, f"malformed: {unreadable}", None)
        self._control, answer = answer_to(
            request,
            self.now() if self._began else self._control.at(arrived_ms),
            arrived_ms=arrived_ms,
            used_before=first is not None,
            is_listed=self.is_listed,
        )
        return answer

    def _remember(self, request_id: str, entry_id: str) -> None:
        """An id is used from its first entry on, whatever came of it."""
        self._used.setdefault(request_id, entry_id)
        if len(self._used) > IDS_REMEMBERED_MAX:
            self._used.popitem(last=False)

    # -- answering

    async def _answer(self) -> None:
        right, now_ms = self.right(), self.clock.now_ms()
        if not right.answers or not self._unanswered:
            self._epoch = self._epoch if right.answers else 0
            return
        if not right.epoch and now_ms - self._unanswered[0][0] < OWNERS_TURN_MS:
            return
        before: frozenset[str] = frozenset()
        if right.epoch != self._epoch or not right.epoch:  # another daemon may have answered them
            before = await self.stream.answered()
        self._epoch = right.epoch
        while self._unanswered:
            _, answer = self._unanswered.popleft()
            if not answer.request_id or answer.request_id not in before:
                self._say(answer)

    def _say(self, answer: Answer) -> None:
        if not answer.accepted and not self._minute_has_room():
            return
        self.wake()
        self.tell(control_words.event_of(answer, self.clock.now_ms()))
        request = answer.request
        if answer.accepted and request is not None:
            level = "INFO" if request.type is ControlType.RESUME else "WARNING"
            logger.log(level, control_words.accepted(request, answer.text))
        else:
            logger.warning(control_words.refused(answer))

    def _minute_has_room(self) -> bool:
        """Whether the minute has room for one more."""
        now_ms, (began_ms, count) = self.clock.now_ms(), self._refusals
        if abs(now_ms - began_ms) >= 60_000:
            if count > REFUSALS_1M_MAX:
                logger.warning("{} more requests of operators were refused", count - REFUSALS_1M_MAX)
            began_ms, count = now_ms, 0
        self._refusals = (began_ms, count + 1)
        return count < REFUSALS_1M_MAX

    # -- time

    def _remind(self) -> None:
        now_ms = self.clock.now_ms()
        for request in self.now().in_force:
            left_ms = request.until_ms - now_ms
            if request.id in self._reminded or left_ms > REMINDED_BEFORE_MS:
                continue
            self._reminded |= {request.id}
            if request.until_ms - request.at_ms > REMINDED_BEFORE_MS:
                logger.warning(control_words.ends_soon(request, left_ms))
        self._reminded &= {request.id for request in self._control.in_force}

    def _end(self, left: Control) -> None:
        """Some have ended by themselves."""
        gone: list[ControlRequest] = [one for one in self._control.in_force if one not in left.in_force]
        self._control = left
        if self._began:
            for request in gone:
                logger.warning(control_words.ended(request))
            self.wake()


def operator_control(
    stream: ControlStream,
    store: RedisState,
    exchange: Exchange,
    clock: Clock,
    *,
    in_force: ConfigInForce,
    tell: Callable[[Event], None],
    wake: Callable[[], None],
) -> OperatorControl:
    """What hears the operators of one account."""

    def right() -> Right:
        lease = store.lease_state()
        if isinstance(lease, Owned):
            return Right(True, lease.epoch)
        observes = in_force.config.protection.mode == "observe"
        return Right(observes and isinstance(lease, Unavailable))

    def is_listed(symbol: str) -> bool:
        return not exchange.trading_symbols() or exchange.instrument(symbol) is not None

    return OperatorControl(stream=stream, clock=clock, right=right, is_listed=is_listed, tell=tell, wake=wake)
