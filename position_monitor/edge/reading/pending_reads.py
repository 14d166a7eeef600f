"""Reads of many symbols at once, none of which holds up the others for long.

Whoever asks gets the answers that arrived in time. A read that is late goes on, and its answer is given to the next one
who asks for that symbol, unless it has become old by then. So one symbol whose list hangs costs the others a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any, Final, Generic, TypeVar

from position_monitor.edge.clock import Clock
from position_monitor.errors import ExchangeFailure, Unreachable, Unreadable

Answer = TypeVar("Answer")

PATIENCE_S: Final = 3.0
"""How long anything is waited for."""
STRAGGLERS_S: Final = 1.0
"""How long a read is waited for after the first one that answered."""
KEPT_S: Final = 5.0
"""A late answer that nobody asked for within this time after it was asked for is asked for anew."""
TRIED_FOR_S: Final = 1.5
"""No read is tried again once this much time went into it."""
NAMES_KEPT: Final = 2_000
"""Failing reads that are remembered; beyond that the memory begins anew, which costs retries."""
READ_PAUSES_S: Final = (0.1, 0.3)


class PendingReads(Generic[Answer]):
    """The reads under way, by symbol."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reads: dict[str, tuple[float, asyncio.Future[Answer | ExchangeFailure]]] = {}
        """When each was begun (monotonic), and its answer."""

    async def answers(
        self, symbols: Iterable[str], read: Callable[[str], Awaitable[Answer]], *, anew: bool = False
    ) -> dict[str, Answer]:
        """What arrived in time, by symbol. `anew`: an answer to an earlier question is none (after a write)."""
        now_s = self._clock.monotonic_s()
        reads: dict[str, asyncio.Future[Answer | ExchangeFailure]] = {}
        for symbol in symbols:
            begun_s, pending = self._reads.get(symbol, (now_s, None))
            if pending is None or anew or (pending.done() and now_s - begun_s > KEPT_S):
                begun_s, pending = now_s, asyncio.create_task(_answer(read(symbol)))
            self._reads[symbol] = (begun_s, pending)
            reads[symbol] = pending
        await arrive(reads.values())
        answered: dict[str, Answer] = {}
        for symbol, pending in reads.items():
            if pending.done():
                self._reads.pop(symbol, None)
                if not isinstance(answer := pending.result(), ExchangeFailure):
                    answered[symbol] = answer
        return answered


async def arrive(waiting: Collection[asyncio.Future[Any]]) -> None:
    """Wait until all of them are done, but not for long: `PATIENCE_S` at most, `STRAGGLERS_S` after the first one."""
    if not waiting:
        return
    loop = asyncio.get_running_loop()
    until_s = loop.time() + PATIENCE_S
    done, left = await asyncio.wait(waiting, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if done and left:
        await asyncio.wait(left, timeout=min(STRAGGLERS_S, until_s - loop.time()))


async def patiently(clock: Clock, read: Callable[[], Awaitable[Answer]]) -> Answer:
    """A read is tried again a few times at once: it changes nothing, and waiting a cycle would leave stops unset.

    Not after a slow failure: what took that long may be the whole venue, and the cycle has other symbols. Raises the
    last `ExchangeFailure`.
    """
    until_s = clock.monotonic_s() + TRIED_FOR_S
    for pause_s in READ_PAUSES_S:
        try:
            return await read()
        except (Unreadable, Unreachable):
            if clock.monotonic_s() >= until_s:
                raise
        await clock.sleep(pause_s)
    return await read()


class Retries:
    """Tries reads again at once, each by its name, but not those that failed the last time as well.

    Where a call fails for minutes, each look would else ask three times for every symbol, and soon again (10).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing: set[str] = set()

    async def read(self, name: str, read: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer; raises the last `ExchangeFailure`."""
        try:
            answer = await (read() if name in self._failing else patiently(self._clock, read))
        except ExchangeFailure:
            if len(self._failing) >= NAMES_KEPT:
                self._failing.clear()
            self._failing.add(name)
            raise
        self._failing.discard(name)
        return answer


async def _answer(read: Awaitable[Answer]) -> Answer | ExchangeFailure:
    """The answer, or why there is none; given and not raised, because nobody may be there to hear it."""
    try:
        return await read
    except ExchangeFailure as failure:
        return failure
