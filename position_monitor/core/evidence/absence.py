"""What a read without a position teaches, and which signs say that it is open or flat (invariant 7)."""

from __future__ import annotations

from collections.abc import Mapping

from position_monitor.core.evidence.endings import left_under_way
from position_monitor.core.evidence.evidence import STALE_REPLICA_MS, Belief
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.live_book import LiveBook
from position_monitor.core.observation.reads import SymbolObservation

FLAT_SPACING_MS = 1_000
"""Reads closer together than this count once as absence: a stale replica repeats itself within milliseconds."""


def after_absent_read(belief: Belief, key: PositionKey, live: LiveBook, observation: SymbolObservation) -> Belief:
    """The evidence of a position that a read does not list: one more agreeing read, and whether it says "flat"."""
    belief = _with_open_order(belief, live, observation.positions_read_at_ms)
    read_at_ms = observation.positions_read_at_ms
    spaced = belief.absent_reads == 0 or abs(read_at_ms - belief.last_absent_at_ms) >= FLAT_SPACING_MS
    zero_at_ms = max(belief.zero_at_ms, _zero_at_ms(key, observation))
    return belief._replace(
        present_reads=0,
        blind_reads=0,
        absent_reads=belief.absent_reads + (1 if spaced else 0),
        last_absent_at_ms=read_at_ms if spaced else belief.last_absent_at_ms,
        zero_at_ms=zero_at_ms,
        flat_sign=belief.flat_sign or _says_flat(belief, key, observation, zero_at_ms),
        listed_reads=belief.listed_reads if observation.orders_reused else listed_reads(belief.listed_reads, live),
        fired=belief.fired if observation.orders_reused else left_under_way(belief, live, observation.observed_at_ms),
        firing_since_ms=0,
    )


def with_open_sign(belief: Belief, at_ms: int, now_ms: int) -> Belief:
    """A sign that the position is open, of the venue's time `at_ms`. An older sign of flat is worth nothing now."""
    opened_at_ms = max(belief.opened_at_ms, at_ms)
    return belief._replace(
        opened_at_ms=opened_at_ms,
        open_heard_at_ms=now_ms,
        appeared_at_ms=belief.appeared_at_ms or now_ms,
        absent_reads=0 if at_ms > belief.opened_at_ms else belief.absent_reads,
        flat_sign=belief.flat_sign and belief.zero_at_ms > opened_at_ms,
    )


def _with_open_order(belief: Belief, live: LiveBook, now_ms: int) -> Belief:
    """A close-all order that rests tells that its position was open when the venue took it: without one it refuses it.

    A replica that lags shows the position flat as it was before that moment; the order in the list is newer.
    """
    taken_at_ms = max((order.created_at_ms for order in live.close_alls), default=0)
    return with_open_sign(belief, taken_at_ms, now_ms) if taken_at_ms > belief.opened_at_ms else belief


def _zero_at_ms(key: PositionKey, observation: SymbolObservation) -> int:
    """The newest venue time at which this look says that the position was flat; 0 when it does not say."""
    opposite = observation.position(PositionKey(key.symbol, key.side.opposite))
    turned_at_ms = opposite.updated_at_ms if opposite is not None and not opposite.hedged else 0
    return max(turned_at_ms, observation.zero_at_ms.get(key, 0))


def _says_flat(belief: Belief, key: PositionKey, observation: SymbolObservation, zero_at_ms: int) -> bool:
    """Whether a sign of flat is believed: no sign of open is newer, by the venue's own time (invariant 7).

    Where the venue states no time, or the row of a moment at which it was open, the sign counts once no replica can lag
    behind the last sign of open any more.
    """
    opposite = observation.position(PositionKey(key.symbol, key.side.opposite))
    if key not in observation.zero_keys and (opposite is None or opposite.hedged):
        return False
    if zero_at_ms >= belief.opened_at_ms:  # of one millisecond the last of several fills may be: then it is flat
        return True
    return abs(observation.positions_read_at_ms - belief.open_heard_at_ms) >= STALE_REPLICA_MS


def listed_reads(before: Mapping[str, int], live: LiveBook) -> dict[str, int]:
    """How many reads in a row listed each order of ours that rests, after one more."""
    resting = [own.client_id for own in live.resting]
    return {client_id: before.get(client_id, 0) + 1 for client_id in resting}
