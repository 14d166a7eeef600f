"""The list of all positions: whatever a stop waits for, it waits for this. So it is asked for more than once.

The venue has two calls for it (v3 and the older v2), and one may be down while the other is not. What hangs is not
waited for alone either: after a while the other call is made beside it, then the first one again, and so on for as long
as anything hangs; whichever answers first is taken. A line that was cut for a minute answers as soon as it is whole
again, not when the last request of the time before it is given up, which may take 20 s (`patience.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from position_monitor.core.observation.reads import PositionsRead
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import AuthRefused, ExchangeFailure, RateLimited

ASKED_AGAIN_S: Final = 4.0
"""How long after one request, without an answer, the next one is made (weight 5 each)."""
AWAITED_MAX: Final = 4
"""The first requests of a look, which are waited for until they end: with the last of them the look fails. Each of them
ends with its time-out, and this bounds how many are made beside them."""
_OLDER: Final = Endpoint.POSITION_ROWS
_NEWER: Final = Endpoint.POSITIONS


class PositionList:
    """Remembers which of the two calls answered last: that one is asked first."""

    def __init__(self, read: Callable[[Endpoint], Coroutine[Any, Any, PositionsRead]]) -> None:
        self._read = read
        self._first = _NEWER

    async def read(self, *, has_older: bool) -> PositionsRead:
        """The first answer of any call; raises the first `ExchangeFailure` when none gives one.

        `has_older`: the venue still offers the older call. A ban, a limit and refused keys are raised at once: asking
        again is no help against them.
        """
        both = (_OLDER, _NEWER) if self._first is _OLDER else (_NEWER, _OLDER)
        calls = both if has_older else (_NEWER,)
        waiting: dict[asyncio.Future[PositionsRead], int] = {}
        failures: list[ExchangeFailure] = []
        asked, due_s, now_s = 0, 0.0, asyncio.get_running_loop().time
        try:
            while asked < len(calls) or any(number < AWAITED_MAX for number in waiting.values()):
                at_once = asked < len(calls) and asked == len(failures)
                if at_once or now_s() >= due_s:
                    waiting[asyncio.create_task(self._read(calls[asked % len(calls)]))] = asked
                    asked, due_s = asked + 1, now_s() + ASKED_AGAIN_S
                left_s = max(0.0, due_s - now_s())
                done, _ = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                for answer in done:
                    call = calls[waiting.pop(answer) % len(calls)]
                    try:
                        read = answer.result()
                    except (RateLimited, AuthRefused):
                        raise
                    except ExchangeFailure as failure:
                        failures.append(failure)
                    else:
                        self._first = call
                        return read
        finally:
            for left in waiting:
                left.cancel()
        raise failures[0]
