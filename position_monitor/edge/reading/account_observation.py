"""What one round of reading found, and how single answers become parts of it. Values and pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.observation.needs import Fact
from position_monitor.core.observation.reads import OrdersRead, PositionsRead, SymbolObservation


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """Everything one round of reading found."""

    symbols: Mapping[str, SymbolObservation]
    failure: str = ""
    """Why the position list could not be read, or empty. Then `symbols` is empty and nothing may be concluded."""
    misses: tuple[tuple[str, str], ...] = ()
    """(symbol, client id) of orders of ours that no list shows and that a targeted query did not find either."""
    unanswered: tuple[tuple[str, str], ...] = ()
    """(symbol, client id) of awaited orders that are not listed and whose query gave no answer."""
    swept: bool = False
    unreadable_positions: Mapping[str, str] = field(default_factory=dict)
    """Symbols whose position rows were malformed, with what was wrong: there may be a position nobody sees."""
    conditional_orders_elsewhere: int = 0
    """Open conditional orders on symbols without a position of ours: they use up the account's cap as well."""
    weight: int = 0
    """Request weight of this look, near enough to plan the next one."""
    positions_read_at_ms: int = 0
    """When the list of positions was asked for; 0 where that failed."""

    ends: tuple[LiveOrder, ...] = ()
    """Orders of ours that a targeted query showed to have ended."""

    @property
    def observed_at_ms(self) -> int:
        """How old the oldest part of it is that could be read; 0 where nothing could."""
        if self.failure:
            return 0
        times = [observation.observed_at_ms for observation in self.symbols.values() if observation.readable]
        return min([*times, self.positions_read_at_ms])


def unread_facts(symbol: str, positions: PositionsRead, orders: OrdersRead | None) -> tuple[frozenset[Fact], str]:
    """The facts about a symbol that are missing, and why in words (`core/observation/needs.py`)."""
    unread: set[Fact] = set()
    reasons: list[str] = []
    if row := positions.unreadable.get(symbol, ""):
        unread.add(Fact.ROW)
        reasons.append(row)
    if orders is None:
        unread |= {Fact.CONDITIONAL_ORDERS, Fact.PLAIN_ORDERS}
        reasons.append("its open orders could not be read")
    elif spoiled := orders.unreadable.get(symbol, ""):
        unread |= {Fact.CONDITIONAL_ORDERS, Fact.PLAIN_ORDERS}
        reasons.append(spoiled)
    elif orders.plain_unread:
        unread.add(Fact.PLAIN_ORDERS)
        reasons.append(orders.plain_unread)
    return frozenset(unread), "; ".join(reasons)


def swept_lists(whole: OrdersRead, expected: set[str]) -> dict[str, OrdersRead]:
    """A sweep as the lists of every symbol it speaks of; of `expected` ones without a row it says that none rests."""
    symbols = expected | {order.symbol for order in whole.orders}
    return dict.fromkeys(symbols, whole)


def with_order(observation: SymbolObservation, order: LiveOrder) -> SymbolObservation:
    """The observation with an order that only a targeted query showed."""
    confirmed = observation.confirmed_orders | {order.client_id}
    return replace(observation, orders=(*observation.orders, order), confirmed_orders=confirmed)


def has_ours(orders: Iterable[LiveOrder]) -> bool:
    """Whether an order of ours is among them."""
    return any(order.tag is not None for order in orders)


def opened_or_grown(positions: PositionsRead, before: Mapping[str, SymbolObservation]) -> set[str]:
    """Symbols of which an answer lists a position that was not there before, or was smaller."""
    sizes = {position.key: position.quantity for observation in before.values() for position in observation.positions}
    return {one.symbol for one in positions.positions if one.quantity > sizes.get(one.key, Decimal(0))}
