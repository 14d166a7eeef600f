"""What the end of a look at the whole account teaches: who was exposed, what is over, and who is forgotten."""

from __future__ import annotations

from collections.abc import Container, Mapping

from position_monitor.core.evidence.crossing import NOT_CROSSED
from position_monitor.core.evidence.evidence import Belief, Evidence
from position_monitor.core.model.settings import EvidenceSettings
from position_monitor.core.model.sides import PositionKey


def after_exposure(evidence: Evidence, exposed: Mapping[PositionKey, bool], now_ms: int) -> Evidence:
    """Count, once a cycle, whose cover was not whole in its read; one read with full cover ends the count.

    A position that is not among them, because it could not be read, keeps its count: nothing is known of it.
    """
    keys: dict[PositionKey, Belief] = {}
    for key, is_exposed in exposed.items():
        belief = evidence.keys.get(key)
        if belief is None or not (is_exposed or belief.exposed_reads):
            continue
        count = belief.exposed_reads + 1 if is_exposed else 0
        since_ms = belief.exposed_since_ms if belief.exposed_reads else now_ms
        keys[key] = belief._replace(exposed_reads=count, exposed_since_ms=since_ms)
    return Evidence({**evidence.keys, **keys}, evidence.awaited) if keys else evidence


def pruned(evidence: Evidence, settings: EvidenceSettings) -> Evidence:
    """Forget positions that are proven flat and have no order of ours left.

    One that hangs on its way to the market is left as well: that it is about the life that ended must be remembered, or
    it would be taken for the stop of the next one.
    """
    left = {
        key: belief for key, belief in evidence.keys.items() if not belief.flat_proven(settings) or _has_left(belief)
    }
    return Evidence(left, evidence.awaited)


def _has_left(belief: Belief) -> bool:
    """Whether an order of ours rests, or is under way for all we know."""
    return bool(belief.listed_reads) or any(not one.ended_at_ms for one in belief.fired.values())


def after_decision(
    evidence: Evidence, covered: Mapping[PositionKey, bool], closing: Container[PositionKey], now_ms: int
) -> Evidence:
    """What a look at the whole account ends: refusals of a stop at full cover, the reasons to close that are gone.

    `covered` says of each position that was read whether its cover is full; `closing` are those to be closed.
    """
    changed: dict[PositionKey, Belief] = {}
    for key, full in covered.items():
        belief = evidence.keys.get(key)
        if belief is None:
            continue
        if full and (belief.crossed.count or belief.stop_refused):
            belief = changed[key] = belief._replace(crossed=NOT_CROSSED, stop_refused="")
        if key in closing:
            if not belief.closing_since_ms:
                changed[key] = belief._replace(closing_since_ms=now_ms)
        elif belief.closing_since_ms or belief.close_budget_refused:
            changed[key] = belief._replace(closing_since_ms=0, close_budget_refused=False)
    return Evidence({**evidence.keys, **changed}, evidence.awaited) if changed else evidence
