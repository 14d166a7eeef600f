"""Take-profits of ours that another hand removed: once may be a mistake, again and again is a fight (invariant 10).

A user at a web page, a bot that clears what it did not place, a second daemon with a Redis of its own: whoever removes
a ladder as often as it is placed would else be answered at once each time, with a whole ladder. Only the pace follows
from it, and only for take-profits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from position_monitor.core.evidence.refusals import MINUTE_MS, TRIES_AT_ONCE_MAX

KEPT = 64


class ForeignRemoval(NamedTuple):
    """One take-profit of ours that was cancelled, and not by this process."""

    rung: int
    at_ms: int
    """When that arrived here, by our clock."""


ForeignRemovals = Mapping[str, ForeignRemoval]
"""By client id, the newest last."""


def after_removal(before: ForeignRemovals, client_id: str, rung: int, now_ms: int) -> ForeignRemovals:
    """One more; what is older than a minute is forgotten."""
    lately = [(one, gone) for one, gone in before.items() if abs(now_ms - gone.at_ms) < MINUTE_MS]
    return dict([*lately, (client_id, ForeignRemoval(rung, now_ms))][-KEPT:])


def without_own(before: ForeignRemovals, client_id: str) -> ForeignRemovals:
    """This one was removed by this process: the event of it came before the answer."""
    return {one: gone for one, gone in before.items() if one != client_id} if client_id in before else before


def too_often(removals: ForeignRemovals, now_ms: int, pause_ms: int) -> bool:
    """Whether some rung was removed as often as is answered at once, the last one less than `pause_ms` ago."""
    lately = [gone for gone in removals.values() if abs(now_ms - gone.at_ms) < MINUTE_MS]
    if not any(abs(now_ms - gone.at_ms) < pause_ms for gone in lately):
        return False
    return max(Counter(gone.rung for gone in lately).values()) >= TRIES_AT_ONCE_MAX
