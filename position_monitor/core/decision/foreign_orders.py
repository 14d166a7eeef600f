"""Foreign orders on symbols of ours as events: each is announced when it is first listed, and when it is gone.

One list without it proves nothing, because a replica may lag (invariant 7): it is gone after two, each newly read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.evidence.evidence import AGREEING_READS
from position_monitor.core.model.events import Detail, Event
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.observation.reads import SymbolObservation

FOREIGN_REMEMBERED_MAX = 1_000


class ForeignOrder(NamedTuple):
    """A foreign order that was announced."""

    order: LiveOrder
    """As it was listed first."""
    absent_reads: int = 0
    """Lists in a row that did not have it."""


ForeignOrders = Mapping[tuple[str, str], ForeignOrder]
"""By symbol and order id."""
NONE_RESTS: ForeignOrders = MappingProxyType({})


def after_look(
    before: ForeignOrders, observed: Mapping[str, SymbolObservation], now_ms: int
) -> tuple[ForeignOrders, list[Event]]:
    """The foreign orders after a look, and what is new. Those of symbols that were not looked at are forgotten."""
    if not before and not any(observation.live.foreign for observation in observed.values()):
        return NONE_RESTS, []
    current: dict[tuple[str, str], ForeignOrder] = {}
    events: list[Event] = []
    for observation in observed.values():
        earlier = {ref: one for ref, one in before.items() if ref[0] == observation.symbol} if before else {}
        if not observation.readable:
            current |= earlier
            continue
        listed = {(order.symbol, order.order_id): order for order in observation.live.foreign}
        for ref, order in listed.items():
            if len(current) >= FOREIGN_REMEMBERED_MAX:
                break
            current[ref] = ForeignOrder(earlier[ref].order if ref in earlier else order)
            if ref not in earlier:
                events.append(_event("ForeignOrderSeen", order, now_ms))
        for ref, one in earlier.items():
            absent = one.absent_reads + (0 if observation.orders_reused else 1)
            if ref not in listed and absent >= AGREEING_READS:
                events.append(_event("ForeignOrderGone", one.order, now_ms))
            elif ref not in listed and len(current) < FOREIGN_REMEMBERED_MAX:
                current[ref] = one._replace(absent_reads=absent)
    return current, events


def _event(name: str, order: LiveOrder, now_ms: int) -> Event:
    details: dict[str, Detail] = {
        "order_id": order.order_id,
        "client_id": order.client_id,
        "kind": str(order.purpose),
        "trigger_price": "" if order.trigger_price is None else plain(order.trigger_price),
        "quantity": "close-all" if order.quantity is None else plain(order.quantity),
    }
    return Event(name, now_ms, order.symbol, str(order.key.side), details=details)
