"""The list of all positions: whatever a stop waits for, it waits for this. So it is asked for more than once.

The venue has two calls for it (v3 and the older v2), and one may be down while the other is not. What hangs is not
waited for alone either: after a while the other call is made beside it, then the first one again, and whichever answers
first is taken. A line that was cut for a minute answers as soon as it is whole again, not when the last request of the
time before it is given up, which may take 20 s (`patience.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from position_monitor.core.observation.reads import PositionsRead
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import AuthRefused, ExchangeFailure, RateLimited

ASKED_AGAIN_S: Final = 4.0
"""How long nothing is heard before it is asked for once more."""
ASKED_MAX: Final = 4
"""Requests of one look (weight 5 each)."""
_OLDER: Final = Endpoint.POSITION_ROWS
_NEWER: Final = Endpoint.POSITIONS


class PositionList:
    """Remembers which of the two calls answered last: that one is asked first."""

    def __init__(self, read: Callable[[Endpoint], Awaitable[PositionsRead]]) -> None:
        self._read = read
        self._first = _NEWER

    async def read(self, *, has_older: bool) -> PositionsRead:
        """The first answer of any call; raises the first `ExchangeFailure` when none gives one.

        `has_older`: the venue still offers the older call. A ban, a limit and refused keys are raised at once: asking
        again is no help against them.
        """
        both = (_OLDER, _NEWER) if self._first is _OLDER else (_NEWER, _OLDER)
        calls = both if has_older else (_NEWER,)
        waiting: dict[asyncio.Future[PositionsRead], Endpoint] = {}
        failures: list[ExchangeFailure] = []
        asked, due = 0, True
        try:
            while due or waiting:
                if due:
                    call = calls[asked % len(calls)]
                    waiting[asyncio.ensure_future(self._read(call))] = call
                    asked += 1
                again_s = ASKED_AGAIN_S if asked < ASKED_MAX else None
                done, _ = await asyncio.wait(waiting, timeout=again_s, return_when=asyncio.FIRST_COMPLETED)
                for answer in done:
                    call = waiting.pop(answer)
                    try:
                        read = answer.result()
                    except (RateLimited, AuthRefused):
                        raise
                    except ExchangeFailure as failure:
                        failures.append(failure)
                    else:
                        self._first = call
                        return read
                due = asked < (len(calls) if done else ASKED_MAX)
        finally:
            for left in waiting:
                left.cancel()
        raise failures[0]
