"""What a read shows of another program's stops and of ours, so that ours may give way to them and come back.

Off by default (`yield_to_foreign_stop`); learned all the same, because a reload may switch it on.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from position_monitor.core.evidence.evidence import NO_COUNTS, KeyEvidence
from position_monitor.core.model.money import tightest
from position_monitor.core.model.orders import OrderStatus
from position_monitor.core.observation.live_book import LiveBook


def foreign_stops_seen(before: Mapping[str, int], live: LiveBook) -> Mapping[str, int]:
    """In how many reads in a row each stop of others rested, by the venue's id: a client id of theirs may come back."""
    if not live.foreign:
        return NO_COUNTS
    resting = [order.order_id for order in live.stops if order.tag is None and order.status is OrderStatus.NEW]
    return {order_id: before.get(order_id, 0) + 1 for order_id in resting}


def last_stop_of_ours(before: KeyEvidence | None, epoch: str, live: LiveBook) -> Decimal | None:
    """The tightest level of ours that rests, of this epoch or a later one; what it was before where none does."""
    best: Decimal | None = None
    for own in live.guarding:
        price = own.trigger_price
        if price is not None and own.status is OrderStatus.NEW and own.epoch >= epoch:
            best = price if best is None else tightest(price, best, own.key.side)
    if best is None and before is not None and before.epoch == epoch:
        return before.last_stop
    return best
