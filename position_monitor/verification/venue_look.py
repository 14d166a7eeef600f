"""One look at the exchange: all positions, and the plain and conditional orders of their symbols."""

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
POSITIONS_WEIGHT: Final = 5
LISTS_WEIGHT: Final = 2 * 40
"""Request weight of both order lists of the whole account; those of one symbol weigh 1 each."""
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
    """Read the positions, then both order lists. Raises `VenueUnread`.

    Symbol by symbol where that weighs less than the lists of the whole account: orders elsewhere protect nothing.
    """
    began_ms = now_ms()
    await reads.make_room(POSITIONS_WEIGHT + 2)
    positions = [one for one in await _rows(reads, POSITIONS, position_of) if one is not None]
    symbols = sorted({position.symbol for position in positions})
    asked: list[str | None] = [*symbols] if 2 * len(symbols) < LISTS_WEIGHT else [None]
    await reads.make_room(min(2 * len(symbols), LISTS_WEIGHT))
    orders: defaultdict[str, list[VenueOrder]] = defaultdict(list)
    for symbol in asked:
        for path, read in ((ALGO_ORDERS, algo_order_of), (PLAIN_ORDERS, plain_order_of)):
            for order in await _rows(reads, path, read, symbol):
                orders[order.symbol].append(order)
    return VenueLook(
        began_ms=began_ms,
        positions={position.key: position for position in positions},
        orders={symbol: tuple(some) for symbol, some in orders.items()},
    )


async def _rows(reads: SignedReads, path: str, read: Callable[[Row], Thing], symbol: str | None = None) -> list[Thing]:
    body = await reads.ask(path, {} if symbol is None else {"symbol": symbol})
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
