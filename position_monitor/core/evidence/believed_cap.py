"""How many conditional orders the venue takes, as its refusals for want of room show: at times fewer than documented.

`VenueTraits` has the documented number. Where it refuses a stop although fewer rest, its own number is
smaller, and take-profits of ours hold the places: what rested then is believed to be all it takes, so that ladders give
way (invariant 3). It is lowered once and not again while that is believed: a venue that says so of one symbol only
must not cost the others all their ladders.
"""

from __future__ import annotations

from typing import NamedTuple

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.refusal import Refusal

BELIEVED_MS = 600_000
FRESH_MS = 60_000
TRIES_MIN = 2
"""After the first refusal every list of the account is read again: only the next one is about what was counted."""


class BelievedCap(NamedTuple):
    """What rested when a stop was refused for want of a slot."""

    most: int
    since_ms: int


def after_counting(before: BelievedCap | None, evidence: Evidence, resting: int, now_ms: int) -> BelievedCap | None:
    """What is believed now that `resting` conditional orders of the account were counted; None: the usual cap."""
    if before is not None and resting <= before.most and abs(now_ms - before.since_ms) < BELIEVED_MS:
        return before
    return BelievedCap(resting, now_ms) if _refused_lately(evidence, before, now_ms) else None


def _refused_lately(evidence: Evidence, before: BelievedCap | None, now_ms: int) -> bool:
    since_ms = before.since_ms if before is not None else 0
    return any(
        refused.refusal is Refusal.CAPACITY and refused.at_ms > since_ms and abs(now_ms - refused.at_ms) < FRESH_MS
        for belief in evidence.keys.values()
        if len(belief.stops_refused.tries_at_ms) >= TRIES_MIN
        for refused in belief.stops_refused.orders.values()
    )
