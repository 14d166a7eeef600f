"""What a read teaches of another program at the same position: whose the close-all slot is, how often its stops rested.

That ours may give way to its stops and come back is off by default (`yield_to_foreign_stop`); what it takes is learned
all the same, because a reload may switch it on.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from position_monitor.core.evidence.evidence import NO_COUNTS, Belief
from position_monitor.core.model.money import beyond, tightest
from position_monitor.core.model.orders import OrderStatus, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.observation.cover import belongs_to
from position_monitor.core.observation.live_book import LiveBook


def foreign_stop_reads(before: Mapping[str, int], live: LiveBook) -> Mapping[str, int]:
    """In how many reads in a row each stop of others rested, by the venue's id: a client id of theirs may come back."""
    if not live.foreign:
        return NO_COUNTS
    resting = [order.order_id for order in live.stops if order.tag is None and order.status is OrderStatus.NEW]
    return {order_id: before.get(order_id, 0) + 1 for order_id in resting}


def last_stop_of_ours(before: Belief | None, epoch: str, position: Position, live: LiveBook) -> Decimal | None:
    """The tightest level at which a stop of ours rested in this epoch (or a later one), until the price passes it."""
    best: Decimal | None = None
    for own in live.guarding:
        price = own.trigger_price
        if price is not None and own.status is OrderStatus.NEW and own.epoch >= epoch:
            best = price if best is None else tightest(price, best, own.key.side)
    last = before.last_stop if before is not None and before.epoch == epoch else None
    if last is None or beyond(position.arming_price, last, position.side):
        return best
    return last if best is None else tightest(best, last, position.side)


def slot_is_foreign(belief: Belief, position: Position, live: LiveBook) -> bool:
    """Whether somebody else's close-all stop is the cover: two looks found it, and none of ours beside it. After a
    restart, whether a working stop of ours says that it was: without that, a backstop would rest beside it."""
    if any(order.tag is None and belongs_to(order, position.key, hedged=position.hedged) for order in live.close_alls):
        return belief.present_reads > 0 and not live.guarding
    if belief.present_reads or not belief.inherited or any(own.role is Role.BACKSTOP for own in live.owned):
        return False
    return any(own.role is Role.WORKING_STOP and own.epoch == belief.epoch for own in live.resting)
