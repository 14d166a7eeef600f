"""How orders of ours ended, as events: filled at a price, or gone without us (DESIGN 5).

A fill says what the venue said of it and no more. What it earned and what it cost is clear when the record of the
position is final, and until then those fields are null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.events import Detail, Event
from position_monitor.core.model.money import plain
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Role, Tag
from position_monitor.core.model.rungs import rung_words
from position_monitor.core.model.sides import SIDES, PositionKey
from position_monitor.core.observation.stream_events import AlgoEvent

NOBODY_FINDS_IT = "the exchange neither lists it nor finds it"


class OrderEnd(NamedTuple):
    """The end of one order of ours, as the venue told it."""

    key: PositionKey
    client_id: str
    order_id: str
    tag: Tag
    status: OrderStatus
    """OTHER where nobody knows: no list shows it, and no question finds it."""
    price: Decimal
    """Average price of what was filled; zero where the venue did not say."""
    quantity: Decimal
    """What was filled; zero where it was not, or the venue did not say."""
    reason: str
    """The venue's words, or ours where it said nothing; may be empty."""
    at_ms: int
    """The venue's time of the end."""

    @property
    def filled(self) -> bool:
        """Whether something of it was filled for certain."""
        return self.price > 0 or self.quantity > 0


def end_in_event(event: AlgoEvent) -> OrderEnd | None:
    """The end that an event tells of; None where the order lives, is foreign, or closed at market."""
    if event.tag is None or event.tag.role is Role.CLOSE or not event.status.terminal:
        return None
    return OrderEnd(
        key=event.key,
        client_id=event.client_id,
        order_id=event.order_id,
        tag=event.tag,
        status=event.status,
        price=event.average_price if event.executed_quantity > 0 else Decimal(0),
        quantity=event.executed_quantity,
        reason=event.reason,
        at_ms=event.at_ms,
    )


def end_in_answer(order: LiveOrder, *, reason: str = "") -> OrderEnd | None:
    """The end that the answer to a question for an order tells of; None as for an event."""
    if order.tag is None or order.tag.role is Role.CLOSE:
        return None
    return OrderEnd(
        key=order.key,
        client_id=order.client_id,
        order_id=order.order_id,
        tag=order.tag,
        status=order.status if not reason else OrderStatus.OTHER,
        price=order.average_price,
        quantity=order.executed_quantity,
        reason=reason,
        at_ms=order.updated_at_ms,
    )


def lost_without_trace(before: Evidence, after: Evidence, misses: Iterable[tuple[str, str]]) -> Iterator[LiveOrder]:
    """The orders that rested, that no list shows, and of which the venue knew nothing often enough: they count as gone.

    `misses`: symbol and client id of questions that it answered with "no such order".
    """
    for symbol, client_id in misses:
        for key in (PositionKey(symbol, side) for side in SIDES):
            belief, later = before.of(key), after.of(key)
            gone = belief.vanished.get(client_id) if belief is not None else None
            if gone is not None and later is not None and client_id not in later.vanished:
                yield gone.order


def filled(end: OrderEnd) -> Event:
    """A stop fired, or a take-profit was filled."""
    details: dict[str, Detail] = {
        "client_id": end.client_id,
        "order_id": end.order_id,
        "role": str(end.tag.role),
        "rungs": rung_words(end.tag.rung) if end.tag.role is Role.TAKE_PROFIT else "",
        "price": plain(end.price) if end.price > 0 else None,
        "quantity": plain(end.quantity) if end.quantity > 0 else None,
        "result_gross": None,
        "fees": None,
        "result_net": None,
    }
    kind = "TakeProfitFilled" if end.tag.role is Role.TAKE_PROFIT else "StopFired"
    return Event(kind, end.at_ms, end.key.symbol, str(end.key.side), details=details)


def vanished(end: OrderEnd, now_ms: int) -> Event:
    """An order of ours does not rest any more, its position is open, and this process did not remove it."""
    details: dict[str, Detail] = {
        "client_id": end.client_id,
        "order_id": end.order_id,
        "role": str(end.tag.role),
        "rungs": rung_words(end.tag.rung) if end.tag.role is Role.TAKE_PROFIT else "",
        "status": str(end.status),
        "reason": end.reason,
    }
    return Event("OrderVanished", now_ms, end.key.symbol, str(end.key.side), details=details)
