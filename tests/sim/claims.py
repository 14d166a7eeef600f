"""What daemons claim about themselves: that one watches, who owns the account, that time passed, when they reload, and
that somebody else writes orders with their prefix.

Each rule needs a world in which nothing excuses the opposite; where the world may excuse it, the rule is silent. No
code of the daemon in here.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from tests.sim.truth import is_own

MINUTE_MS = 60_000
GOODBYE_MS = 1_500
"""How long after a clean stop the state may still claim that the daemon watches."""
OWNERLESS_MS = 60_000
"""How long a daemon that wants the lease may be without any owner: two lease times, for one that it does not trust
first, the pause between two reloads, and some checks."""
RELOADS_1M_MAX = 13
"""One in five seconds."""
CLOCK_MOVED = "clock moved"
SECOND_DAEMON = "a second daemon is at work"
RELOADED = ("Configuration reloaded", "The configuration was not reloaded")
UNSURE_OF_REDIS = frozenset({"redis_down", "redis_hung", "redis_flushed", "lease_evicted", "cut_from_redis"})
UNSURE_OF_REDIS |= {"any_value_in_redis", "lease_of_nobody", "redis_of_its_own"}
UNSURE_OF_TIME = frozenset({"clock_step", "suspend", "suspend_after_stop"})
UNSURE_OF_VENUE = frozenset({"cut_from_venue"})
TWO_TIMES = frozenset({"clock_skew"})
"""The venue states another time than that by which it stamps orders, so nobody can say which came first."""


class Claims:
    """Remembers who ended, who wants to own, and what was said; judges it."""

    def __init__(self, host: Iterable[str], *, foggy: bool) -> None:
        """`host`: what happens to the hosts; `foggy`: reads may fail, so that an owner rightly leaves the lease."""
        met = frozenset(host)
        self._clocks_hold = not UNSURE_OF_TIME & met
        self._redis_holds = self._clocks_hold and not UNSURE_OF_REDIS & met
        self._stamps_hold = self._clocks_hold and not TWO_TIMES & met
        self._owners_hold = self._redis_holds and not foggy and not UNSURE_OF_VENUE & met
        self._ended_ms: dict[str, int] = {}
        """Owner's name of a daemon that was stopped in order -> when it had ended."""
        self._wanting: dict[str, int] = {}
        """Owner's name of a daemon that wants the lease -> since when."""
        self._ownerless_since_ms: int | None = None
        self._reloads: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=RELOADS_1M_MAX + 1))
        self._began: dict[int, int] = {}
        """Daemon that began while no other one ran -> when."""
        self._wrote: dict[int | None, int] = {}
        """Daemon -> when the venue last took an order from it; None stands for a hand that nobody can name."""

    # -- what happens

    def ended(self, owner: str, at_ms: int) -> None:
        """A daemon was stopped in order and has ended."""
        self._ended_ms[owner] = at_ms

    def begins(self, daemon: int, at_ms: int, *, alone: bool) -> None:
        """A daemon starts, while others run or alone."""
        if alone:
            self._began[daemon] = at_ms

    def entry(self, entry: Any, speaker: int | None) -> None:
        """One entry of the venue's journal."""
        if entry.kind == "order_accepted" and entry.origin != "venue" and is_own(entry.detail):
            self._wrote[speaker] = entry.at_ms

    def said(self, daemon: int, text: str, at_ms: int) -> list[str]:
        """A line of the journal."""
        if SECOND_DAEMON in text and not self._another_wrote(daemon):
            return [f"INV-17: daemon {daemon} says that another one writes, and none has since it began: {text}"]
        if CLOCK_MOVED in text and self._clocks_hold:
            return [f"INV-17: daemon {daemon} says that its clock moved, and no clock did: {text}"]
        if not any(words in text for words in RELOADED):
            return []
        times = self._reloads[daemon]
        times.append(at_ms)
        if len(times) <= RELOADS_1M_MAX or times[-1] - times[0] >= MINUTE_MS:
            return []
        times.clear()
        return [f"INV-10: daemon {daemon} read its configuration {RELOADS_1M_MAX + 1} times within a minute"]

    def _another_wrote(self, daemon: int) -> bool:
        """Whether the venue took an order with our prefix from another hand since a daemon began, or may have."""
        since_ms = self._began.get(daemon)
        if since_ms is None or not self._stamps_hold:
            return True
        return any(at_ms >= since_ms for hand, at_ms in self._wrote.items() if hand != daemon)

    # -- judging, every half second

    def after_the_end(self, status: Mapping[str, str], at_ms: int) -> list[str]:
        """The state of a daemon that was stopped claims nothing."""
        owner = status.get("owner", "")
        ended_ms = self._ended_ms.get(owner)
        if ended_ms is None or not self._redis_holds or at_ms - ended_ms <= GOODBYE_MS:
            return []
        if (status["risk_status"], status["mode"]) == ("UNKNOWN", "stopped"):
            return []
        del self._ended_ms[owner]
        return [f"INV-17: {owner} was stopped, and its state says {status['risk_status']}, {status['mode']}"]

    def owner_is(self, holder: str, wanting: Iterable[str], at_ms: int) -> list[str]:
        """The lease belongs to one of those that want it, as soon as there is one."""
        names = set(wanting)
        self._wanting = {name: self._wanting.get(name, at_ms) for name in names}
        if holder in names or not names or not self._owners_hold:
            self._ownerless_since_ms = None
            return []
        if self._ownerless_since_ms is None:
            self._ownerless_since_ms = at_ms
        since_ms = max(self._ownerless_since_ms, min(self._wanting.values()))
        if at_ms - since_ms <= OWNERLESS_MS:
            return []
        self._ownerless_since_ms = at_ms
        who = f"{holder}, which does not want it" if holder else "nobody"
        return [f"INV-9: {', '.join(sorted(names))} want the lease for {at_ms - since_ms} ms, and {who} has it"]
