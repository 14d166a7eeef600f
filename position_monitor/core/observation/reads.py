"""What was read from the exchange, with the time it was read: the only ground decisions stand on (invariant 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.live_book import SymbolOrders
from position_monitor.core.observation.needs import EVERYTHING, Deed, Fact, allows

Row = TypeVar("Row", Position, LiveOrder)


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each symbol, in their order: an account may hold hundreds, and each symbol is asked for."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.symbol, []).append(row)
    return groups


@dataclass(frozen=True, slots=True)
class PositionsRead:
    """One schema-valid answer about positions.

    `zero_keys` are rows that said quantity 0: positive evidence of flat, unlike a row that is absent (invariant 7).
    `unreadable` names symbols whose rows were malformed, with what was wrong. A position of such a symbol is listed all
    the same where its side, its size and some price could be read: that is enough for its stop and for nothing else.
    `zero_at_ms` is the venue's time of the last change in the row that said zero, 0 where it did not say.
    """

    positions: tuple[Position, ...]
    zero_keys: frozenset[PositionKey]
    unreadable: Mapping[str, str]
    hedged: bool
    began_at_ms: int
    """Local time just before the request was sent: what the answer can at least claim."""
    symbol: str | None = None
    """None when every symbol of the account was asked for; otherwise the only symbol this answer speaks about."""
    zero_at_ms: Mapping[PositionKey, int] = field(default_factory=dict)
    _by_symbol: Mapping[str, list[Position]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_symbol", _grouped(self.positions))

    def of(self, symbol: str) -> tuple[Position, ...]:
        """The open positions of one symbol."""
        return tuple(self._by_symbol.get(symbol, ()))


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """One schema-valid answer from both open-order lists, or from the list of conditional orders alone."""

    orders: tuple[LiveOrder, ...]
    unreadable: Mapping[str, str]
    began_at_ms: int
    symbol: str | None = None
    """None when every symbol of the account was asked for."""
    plain_unread: str = ""
    """Why the list of plain orders is missing from this answer, or empty."""
    by_symbol: Mapping[str, list[LiveOrder]] = field(init=False, repr=False, compare=False)
    """The orders of each symbol that has any."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_symbol", _grouped(self.orders))

    def of(self, symbol: str) -> SymbolOrders:
        """The open orders of one symbol."""
        return SymbolOrders(self.by_symbol.get(symbol, ()))

    def covers(self, symbol: str) -> bool:
        """Whether this answer speaks about `symbol` and could be read for it."""
        return (self.symbol is None or self.symbol == symbol) and symbol not in self.unreadable


@dataclass(frozen=True, slots=True)
class SymbolObservation:
    """Everything known about one symbol in one cycle."""

    symbol: str
    instrument: Instrument | None
    positions: tuple[Position, ...]
    """None, one, or in hedge mode up to two positions."""
    zero_keys: frozenset[PositionKey]
    orders: tuple[LiveOrder, ...]
    positions_read_at_ms: int
    orders_read_at_ms: int
    """0 when the order lists were not read (or not readable) in this observation."""
    unreadable: str = ""
    """Why this symbol could not be read completely, or empty."""
    confirmed_orders: frozenset[str] = field(default_factory=frozenset)
    """Client ids in `orders` that were absent from the lists and found by a targeted query (listing lag)."""

    orders_reused: bool = False
    """The order lists are those of the observation before, with their time: they teach nothing a second time."""
    unread: frozenset[Fact] = field(default_factory=frozenset)
    """The facts that are missing; everything where `unreadable` says why and nobody named them."""
    zero_at_ms: Mapping[PositionKey, int] = field(default_factory=dict)
    """The venue's time of the last change in the rows behind `zero_keys`, where they said it."""

    live: SymbolOrders = field(init=False, repr=False, compare=False)
    """The orders with what they amount to."""
    readable: bool = field(init=False, repr=False, compare=False)
    """Whether positions and both order lists were read and valid."""

    def __post_init__(self) -> None:
        live = self.orders if isinstance(self.orders, SymbolOrders) else SymbolOrders(self.orders)
        was_read = self.positions_read_at_ms > 0 and self.orders_read_at_ms > 0
        if not self.unread and (self.unreadable or not was_read):
            object.__setattr__(self, "unread", EVERYTHING)
        object.__setattr__(self, "orders", live)
        object.__setattr__(self, "live", live)
        object.__setattr__(self, "readable", not self.unread)

    def allows(self, deed: Deed) -> bool:
        """Whether enough was read for a deed (`core/observation/needs.py`)."""
        return allows(deed, self.unread)

    @property
    def observed_at_ms(self) -> int:
        """The age of the oldest part: a verdict may claim nothing newer."""
        return min(self.positions_read_at_ms, self.orders_read_at_ms)

    def position(self, key: PositionKey) -> Position | None:
        """The open position of `key`, or None when none was listed."""
        return next((position for position in self.positions if position.key == key), None)
