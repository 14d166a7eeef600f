"""Writes that were not read back yet: how they are remembered, and when one counts as not placed (invariants 4, 6)."""

from __future__ import annotations

from dataclasses import replace

from position_monitor.core.evidence.evidence import Awaited, Evidence, with_key
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import Role

AWAITED_PER_POSITION_MAX = 64
PROVED_GRACE_MS = 60_000
"""How long a take-profit that is proven live may stay invisible before it is sent (and proven) again."""
PROVED_STOP_GRACE_MS = 15_000
"""The same for a stop, which may have gone without a word since, and whose position is naked then."""
UNANSWERED_STOP_MS = 5_000
"""A stop that is absent from a readable list this long is sent again, whatever the query for it answers."""
UNSEEN_STOP_MS = 8_000
"""The same where the list cannot be read either: the venue refuses a second order of the id, so nothing is doubled."""
HELD_UP_MS = 6_000
"""How long a request may be held up on its way and still be executed: the venue refuses it by its timestamp after
`recvWindow` (5 s). A take-profit is not placed anew before; a stop is, because twice the cover is better than none."""
MISSES_UNTIL_GONE = 2
"""Targeted queries that must all say "no such order" before a written order counts as not placed."""


def after_write(
    evidence: Evidence,
    symbol: str,
    client_id: str,
    now_ms: int,
    *,
    proved: bool = False,
    live_at_ms: int = 0,
    order: DesiredOrder | None = None,
) -> Evidence:
    """Remember a write (under way, accepted or ambiguous) until its order is read back."""
    wait = Awaited(now_ms, proved=proved, live_at_ms=live_at_ms, order=order)
    awaited = {**evidence.awaited, (symbol, client_id): wait}
    while len(awaited) > AWAITED_PER_POSITION_MAX * max(1, len(evidence.keys)):
        awaited.pop(min(awaited, key=lambda ref: awaited[ref].sent_at_ms))
    return Evidence(evidence.keys, awaited)


def without_write(evidence: Evidence, symbol: str, client_id: str) -> Evidence:
    """The write certainly left nothing behind: nobody has to wait for it."""
    awaited = {ref: wait for ref, wait in evidence.awaited.items() if ref != (symbol, client_id)}
    return Evidence(evidence.keys, awaited)


def after_miss(evidence: Evidence, symbol: str, client_id: str, now_ms: int, grace_ms: int) -> Evidence:
    """A targeted query knew no order of this id: after enough misses and the grace time an awaited one was not placed,
    and one that vanished left no trace."""
    wait = evidence.awaited.get((symbol, client_id))
    if wait is None:
        return _after_vanished_miss(
            evidence=evidence, symbol=symbol, client_id=client_id, now_ms=now_ms, grace_ms=grace_ms
        )
    awaited = dict(evidence.awaited)
    wait = replace(wait, misses=wait.misses + 1)
    is_target = wait.order is not None and wait.order.role is Role.TAKE_PROFIT
    if wait.proved:
        grace_ms = max(grace_ms, PROVED_GRACE_MS if is_target else PROVED_STOP_GRACE_MS)
    elif is_target:
        grace_ms = max(grace_ms, HELD_UP_MS)
    if wait.misses >= MISSES_UNTIL_GONE and abs(now_ms - wait.sent_at_ms) >= grace_ms:
        del awaited[(symbol, client_id)]
    else:
        awaited[(symbol, client_id)] = wait
    return Evidence(evidence.keys, awaited)


def after_silence(evidence: Evidence, symbol: str, client_id: str, now_ms: int, *, listed: bool) -> Evidence:
    """A query for an awaited stop gave no answer. After a while it counts as not placed, so that it is sent again.

    `listed`: the list of conditional orders was readable and does not show it. The id stays the same, so the worst of a
    wrong guess is a refusal as a duplicate. Take-profits wait for an answer.
    """
    wait = evidence.awaited.get((symbol, client_id))
    if wait is None or wait.order is None or not wait.order.role.is_stop:
        return evidence
    grace_ms = PROVED_STOP_GRACE_MS if wait.proved else UNANSWERED_STOP_MS if listed else UNSEEN_STOP_MS
    if abs(now_ms - wait.sent_at_ms) < grace_ms:
        return evidence
    return without_write(evidence, symbol, client_id)


def _after_vanished_miss(evidence: Evidence, symbol: str, client_id: str, now_ms: int, grace_ms: int) -> Evidence:
    for key, belief in evidence.keys.items():
        gone = belief.vanished.get(client_id) if key.symbol == symbol else None
        if gone is None:
            continue
        vanished = {**belief.vanished, client_id: gone._replace(misses=gone.misses + 1)}
        if gone.misses + 1 >= MISSES_UNTIL_GONE and abs(now_ms - gone.since_ms) >= grace_ms:
            del vanished[client_id]
        return with_key(evidence, key, belief._replace(vanished=vanished))
    return evidence
