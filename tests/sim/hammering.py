"""Invariant 10 from outside: what fails again and again is neither sent nor told without a pause.

Counted at the door of each daemon: orders of one kind for one position that left nothing resting, in any minute; and in
what Redis was told: events of failed writes of one position, in any minute. A few tries may be made at once, for the
facts may change; then it goes at the pace of the checks.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.conduct import Answer
from tests.sim.truth import PREFIX, Key, side_of

MINUTE_MS = 60_000
TRIES_1M_MAX = 22
"""A try for every check of 5 s, six at once because facts changed, and those of the cycle that found it."""
EVENTS_1M_MAX = 6
"""Of one position and one code, from every daemon: one each for its stops and its take-profits."""
NAKED_MS = 15_000
"""A position that had no stop for this long is known to have none: no take-profit of it is sent (invariant 3)."""
FAILED = frozenset({"WriteRefused", "WriteAmbiguous"})

Try = tuple[int, str, str, bool]
"""Daemon, symbol, side of the position, whether it is a take-profit."""


class Hammering:
    """Counts failed tries and what was told of them."""

    def __init__(self) -> None:
        self._failed: dict[Try, deque[int]] = {}

    def answer(self, answer: Answer, at_ms: int, exposed: Mapping[Key, int]) -> list[str]:
        """A request of a daemon ended; `exposed` says for how many ms which positions are without cover."""
        if answer.endpoint is not Endpoint.PLACE_ALGO_ORDER:
            return []
        params = answer.params
        side = side_of(params.get("positionSide", "BOTH"), params["side"])
        key = (answer.daemon, params["symbol"], side, params["type"] != "STOP_MARKET")
        if key[3] and (naked_ms := exposed.get((key[1], side), 0)) >= NAKED_MS:
            return [f"INV-3: a take-profit of {key[1]} {side} was sent, which had no stop for {naked_ms} ms"]
        if answer.status == 200:
            return []
        times = self._failed.setdefault(key, deque(maxlen=TRIES_1M_MAX + 1))
        times.append(at_ms)
        if len(times) <= TRIES_1M_MAX or times[-1] - times[0] >= MINUTE_MS:
            return []
        times.clear()  # told once, and again only after as many more
        what = "take-profits" if key[3] else "stops"
        return [f"INV-10: daemon {key[0]} sent {TRIES_1M_MAX + 1} {what} of {key[1]} {side} in vain within a minute"]


def too_many_events(told: Iterable[str]) -> list[str]:
    """Positions of which failed writes were told more often in a minute than a reader can use, by one process."""
    minutes: Counter[tuple[str, str, str, str, int]] = Counter()
    for text in told:
        event = json.loads(text)
        if event["type"] in FAILED and str(event.get("client_id", PREFIX)).startswith(PREFIX):
            why = f"{event['type']} {event.get('code', '')}"
            process = str(event.get("id", "")).rpartition("-")[0]
            minutes[event["symbol"], event["side"], why, process, event["at_ms"] // MINUTE_MS] += 1
    return [
        f"INV-10: {count} events {why} of {symbol} {side} within a minute"
        for (symbol, side, why, *_), count in sorted(minutes.items())
        if count > EVENTS_1M_MAX
    ]
