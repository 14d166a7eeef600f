"""One look at the exchange: positions, plain orders and conditional orders of the whole account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from position_monitor.verification.signed_reads import SignedReads, VenueUnread, now_ms
from position_monitor.verification.venue_rows import (
    Row,
    RowUnread,
    VenueOrder,
    VenuePosition,
    algo_order_of,
    plain_order_of,
    position_of,
)

POSITIONS: Final = "/fapi/v3/positionRisk"
PLAIN_ORDERS: Final = "/fapi/v1/openOrders"
ALGO_ORDERS: Final = "/fapi/v1/openAlgoOrders"
LOOK_WEIGHT: Final = 5 + 40 + 40 + 1
"""Request weight of one look, with the question for the time."""
_ROWS_MAX: Final = 20_000

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class VenueLook:
    """What the venue said, and when it was asked first, by this host's clock."""

    began_ms: int
    positions: Mapping[str, VenuePosition]
    """By `BTCUSDT:LONG`."""
    orders: Mapping[str, tuple[VenueOrder, ...]]
    """By symbol."""

    def orders_of(self, position: VenuePosition) -> tuple[VenueOrder, ...]:
        """The orders of its symbol on its side."""
        return tuple(order for order in self.orders.get(position.symbol, ()) if order.side == position.side)

    @property
    def order_count(self) -> int:
        """How many orders rest in all."""
        return sum(len(orders) for orders in self.orders.values())


async def look_at(reads: SignedReads) -> VenueLook:
    """Read all three lists, positions last. Raises `VenueUnread`.

    Orders are read before positions: a position that is opened meanwhile is then listed without its stop, which a
    second look corrects; the other way round one that closed would look protected.
    """
    began_ms = now_ms()
    algos = await _rows(reads, ALGO_ORDERS, algo_order_of)
    plains = await _rows(reads, PLAIN_ORDERS, plain_order_of)
    positions = [one for one in await _rows(reads, POSITIONS, position_of) if one is not None]
    orders: defaultdict[str, list[VenueOrder]] = defaultdict(list)
    for order in (*algos, *plains):
        orders[order.symbol].append(order)
    return VenueLook(
        began_ms=began_ms,
        positions={position.key: position for position in positions},
        orders={symbol: tuple(some) for symbol, some in orders.items()},
    )


async def _rows(reads: SignedReads, path: str, read: Callable[[Row], Thing]) -> list[Thing]:
    body = await reads.ask(path)
    if not isinstance(body, list) or len(body) > _ROWS_MAX:
        raise VenueUnread(f"the exchange at {reads.place} answered with something that is no list [GET {path}]")
    try:
        return [read(row) for row in body if _is_object(row)]
    except RowUnread as unread:
        raise VenueUnread(f"a row of the exchange at {reads.place} cannot be read: {unread} [GET {path}]") from None


def _is_object(row: object) -> bool:
    if not isinstance(row, Mapping):
        raise RowUnread(f"a row was {type(row).__name__}; expected an object")
    return True
