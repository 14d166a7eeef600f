"""The live book of a position: the orders that rest for it (DESIGN 1), sorted once for all who ask.

Sorting goes by symbol, direction and client id alone. Whether an order can only *reduce* the position is another
question, and `cover.belongs_to` answers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from position_monitor.core import ids
from position_monitor.core.cover import STOP_KINDS
from position_monitor.core.evidence import key_of
from position_monitor.core.model import LiveOrder, OrderStatus, PositionKey, Role


class RestingRung(NamedTuple):
    """A resting take-profit of ours with what its client id says."""

    order: LiveOrder
    rung: int
    epoch: str


class LiveBook(NamedTuple):
    """The live orders of one position, ours and foreign."""

    stops: tuple[LiveOrder, ...]
    """Stop-market orders of anybody in any status: what may count as cover."""
    resting: tuple[LiveOrder, ...]
    """Orders of ours that rest."""
    ladder: tuple[RestingRung, ...]
    """The take-profits among them, nearest rung first."""
    in_flight: tuple[LiveOrder, ...]
    """Orders of ours that are being triggered or partly filled: left alone."""
    foreign: tuple[LiveOrder, ...]


EMPTY = LiveBook((), (), (), (), ())
"""Nothing rests for the position."""


def live_books(orders: Iterable[LiveOrder]) -> dict[PositionKey, LiveBook]:
    """The live book of every position that any of the orders belongs to."""
    by_key: dict[PositionKey, list[LiveOrder]] = {}
    for order in orders:
        by_key.setdefault(key_of(order), []).append(order)
    return {key: _sorted(of_key) for key, of_key in by_key.items()}


def _sorted(orders: Iterable[LiveOrder]) -> LiveBook:
    stops: list[LiveOrder] = []
    resting: list[LiveOrder] = []
    ladder: list[RestingRung] = []
    in_flight: list[LiveOrder] = []
    foreign: list[LiveOrder] = []
    for order in orders:
        if order.kind in STOP_KINDS:
            stops.append(order)
        if not ids.is_ours(order.client_id):
            foreign.append(order)
        elif order.status is OrderStatus.NEW:
            resting.append(order)
            owned = ids.parse(order.client_id)
            if owned is not None and owned.role is Role.TAKE_PROFIT:
                ladder.append(RestingRung(order, owned.rung, owned.epoch))
        elif not order.status.terminal:
            in_flight.append(order)
    ladder.sort(key=lambda rung: (rung.rung, rung.order.order_id))
    return LiveBook(tuple(stops), tuple(resting), tuple(ladder), tuple(in_flight), tuple(foreign))
