"""No hammering (invariant 10): what one daemon asks, writes, announces and says within a minute is always bounded.

And where it is hopeless, because every order for a position is refused for the same reason which no price can change,
it is bounded closely: tried again with each check, told a few times a minute.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.conduct import NO_ANSWER, Answer
from tests.sim.truth import Key, side_of

MINUTE_MS = 60_000
MOST = {"requests": 1_500, "orders": 150, "events": 600, "journal lines": 800}
"""Of one daemon within a minute, in the worst of states: several times what the swarm shows."""
FOR_A_TRADE = {"requests": 10, "orders": 5}
"""And beside that for each change of a position: two stops and three rungs anew, and a few looks at it."""
HOPELESS_LINES_MAX = 5
PRICES = frozenset({-2021, -1021, -1003, -1015})
"""Refusals that end by themselves: the price comes back, the clock is read again, the minute ends."""
SUMMARY = "protected ("
"""In the line about the whole account, which is due to whatever changed anywhere."""


class Calm:
    """Counts over rolling minutes."""

    def __init__(self, *, interval_s: float) -> None:
        self._tries = round(MINUTE_MS / 1000 / interval_s)
        """What one order that is tried with each check comes to."""
        self._times: dict[tuple[int, str], deque[int]] = defaultdict(deque)
        self._refused: dict[tuple[int, Key], deque[tuple[int, int]]] = defaultdict(deque)
        """Daemon and position -> (ms, code) of the refusals since anything else came of an order."""
        self._lines: dict[tuple[int, str], deque[int]] = defaultdict(deque)
        """Daemon and symbol -> when a line about it was said."""
        self._changed: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=50))
        """Symbol -> when its position, its orders or its rules changed: then a new try is due."""
        self._traded: deque[int] = deque()
        """When any position changed."""
        self._told: set[object] = set()

    # -- what happens

    def entry(self, entry: Any) -> None:
        """One journal entry."""
        traded = entry.position_before != entry.position_after
        if traded:
            _recent(self._traded, entry.at_ms).append(entry.at_ms)
        if traded or entry.kind == "filters_changed" or entry.origin != "api":
            self._changed[entry.symbol].append(entry.at_ms)

    def answer(self, answer: Answer, at_ms: int) -> list[str]:
        """A request of a daemon ended."""
        said = self._count(answer.daemon, "requests", at_ms)
        if answer.endpoint not in (Endpoint.PLACE_ALGO_ORDER, Endpoint.PLACE_ORDER):
            return said
        said += self._count(answer.daemon, "orders", at_ms)
        key = (answer.params["symbol"], side_of(answer.params.get("positionSide", "BOTH"), answer.params["side"]))
        refused = self._refused[answer.daemon, key]
        code = answer.body.get("code", 0) if isinstance(answer.body, dict) else 0
        hopeless = answer.status not in (NO_ANSWER, 200) and answer.status < 500 and code not in PRICES
        if not hopeless or (refused and refused[-1][1] != code):
            refused.clear()
        if hopeless:
            refused.append((at_ms, code))
            said += self._too_often(answer.daemon, key, at_ms)
        return said

    def announced(self, daemon: int, events: int, at_ms: int) -> list[str]:
        """So many events were published."""
        return [words for _ in range(events) for words in self._count(daemon, "events", at_ms)]

    def said(self, daemon: int, text: str, at_ms: int) -> list[str]:
        """A line of the journal that an operator sees."""
        said = self._count(daemon, "journal lines", at_ms)
        if SUMMARY in text:
            return said
        for (number, (symbol, side)), refused in self._refused.items():
            if number == daemon and symbol in text:
                lines = _recent(self._lines[daemon, symbol], at_ms)
                lines.append(at_ms)
                since_ms, last_ms = (refused[0][0], refused[-1][0]) if refused else (at_ms, 0)
                lasting = at_ms - since_ms >= MINUTE_MS > at_ms - last_ms
                if lasting and len(lines) > HOPELESS_LINES_MAX + 2 * self._changes(symbol, at_ms):
                    code = refused[-1][1]
                    said += self._once(
                        ("lines", daemon, symbol, side),
                        f"INV-10: daemon {daemon} said {len(lines)} lines about {symbol} within a minute, "
                        f"whose orders are all refused with {code}: {text}",
                    )
        return said

    # -- judging

    def _too_often(self, daemon: int, key: Key, at_ms: int) -> list[str]:
        refused = self._refused[daemon, key]
        while at_ms - refused[0][0] > 2 * MINUTE_MS:
            refused.popleft()
        tries = sum(1 for ms, _ in refused if at_ms - ms < MINUTE_MS)
        if tries <= self._tries + 1 + self._changes(key[0], at_ms):
            return []
        return self._once(
            ("tries", daemon, key),
            f"INV-10: daemon {daemon} sent {tries} orders for {key} within a minute, all refused with {refused[-1][1]}",
        )

    def _changes(self, symbol: str, at_ms: int) -> int:
        return sum(1 for ms in (*self._changed[symbol], *self._changed[""]) if at_ms - ms < MINUTE_MS)

    def _count(self, daemon: int, what: str, at_ms: int) -> list[str]:
        times = self._times[daemon, what]
        times.append(at_ms)
        if len(times) <= MOST[what] or len(_recent(times, at_ms)) <= MOST[what]:
            return []
        most = MOST[what] + FOR_A_TRADE.get(what, 0) * len(_recent(self._traded, at_ms))
        if len(times) <= most:
            return []
        return self._once((daemon, what), f"INV-10: more than {most} {what} of daemon {daemon} within a minute")

    def _once(self, what: object, words: str) -> list[str]:
        if what in self._told:
            return []
        self._told.add(what)
        return [words]


def _recent(times: deque[int], at_ms: int) -> deque[int]:
    while times and at_ms - times[0] >= MINUTE_MS:
        times.popleft()
    return times
