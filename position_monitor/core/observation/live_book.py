"""The live book of a position: the orders that rest for it (DESIGN 1), sorted once for all who ask.

Sorting goes by position and owner alone. Whether an order can only *reduce* the position is another
question, and `cover.belongs_to` answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from position_monitor.core.model.orders import LiveOrder, OrderStatus, Role
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.cover import COVERING


@dataclass(frozen=True, slots=True)
class LiveBook:
    """The live orders of one position, ours and foreign."""

    stops: tuple[LiveOrder, ...] = ()
    """Stop-market orders of anybody in any status: what may count as cover."""
    close_alls: tuple[LiveOrder, ...] = ()
    """Resting close-all stops of anybody: the venue allows one."""
    owned: tuple[LiveOrder, ...] = ()
    """Ours, in any status."""
    guarding: tuple[LiveOrder, ...] = ()
    """The stops among them."""
    resting: tuple[LiveOrder, ...] = ()
    """Ours that rest, a limit order of which a part was filled among them."""
    working: tuple[LiveOrder, ...] = ()
    """The working stops among them."""
    ladder: tuple[LiveOrder, ...] = ()
    """The take-profits among those that rest, nearest rung first."""
    in_flight: tuple[LiveOrder, ...] = ()
    """Ours that are being triggered: left alone."""
    foreign: tuple[LiveOrder, ...] = ()


NOTHING_RESTS = LiveBook()


class SymbolOrders(tuple[LiveOrder, ...]):
    """The open orders of one symbol as they were read.

    What they amount to is worked out when somebody first asks and kept with them: in a quiet account the same orders
    are looked at in every cycle.
    """

    @cached_property
    def by_position(self) -> Mapping[PositionKey, LiveBook]:
        """The live book of every position that any of the orders belongs to."""
        by_key: dict[PositionKey, list[LiveOrder]] = {}
        for order in self:
            by_key.setdefault(order.key, []).append(order)
        return {key: sorted_book(orders) for key, orders in by_key.items()}

    @cached_property
    def foreign(self) -> tuple[LiveOrder, ...]:
        """The orders that are not ours."""
        return tuple(order for order in self if order.tag is None)

    @cached_property
    def conditional(self) -> int:
        """Conditional orders: each takes one of the slots the venue gives the account."""
        return sum([order.conditional for order in self])

    @cached_property
    def before_ladders(self) -> int:
        """Slots that no ladder may take: those of foreign conditional orders and of our working stops."""
        slots = 0
        for order in self:
            tag = order.tag
            slots += order.conditional if tag is None else tag.role is Role.WORKING_STOP
        return slots


def sorted_book(orders: Iterable[LiveOrder]) -> LiveBook:
    """The orders of one position, sorted."""
    stops: list[LiveOrder] = []
    close_alls: list[LiveOrder] = []
    owned: list[LiveOrder] = []
    guarding: list[LiveOrder] = []
    resting: list[LiveOrder] = []
    in_flight: list[LiveOrder] = []
    foreign: list[LiveOrder] = []
    for order in orders:
        if order.purpose in COVERING:
            stops.append(order)
        if _is_close_all_stop(order):
            close_alls.append(order)
        if order.tag is None:
            foreign.append(order)
            continue
        owned.append(order)
        if order.tag.role.is_stop:
            guarding.append(order)
        if order.rests:
            resting.append(order)
        elif not order.status.terminal:
            in_flight.append(order)
    ladder = [own for own in resting if own.role is Role.TAKE_PROFIT]
    ladder.sort(key=lambda own: (rungs_of(own.rung)[-1], own.rung, own.order_id))
    return LiveBook(
        stops=tuple(stops),
        close_alls=tuple(close_alls),
        owned=tuple(owned),
        guarding=tuple(guarding),
        resting=tuple(resting),
        working=tuple([own for own in resting if own.role is Role.WORKING_STOP]),
        ladder=tuple(ladder),
        in_flight=tuple(in_flight),
        foreign=tuple(foreign),
    )


def _is_close_all_stop(order: LiveOrder) -> bool:
    return (
        order.close_all
        and order.purpose.is_stop
        and order.status is OrderStatus.NEW
        and order.trigger_price is not None
    )
