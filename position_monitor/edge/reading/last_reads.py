"""The last look at each symbol: what is used again where its order lists are not read (`schedule.py` decides that).

What is used again keeps the time of its read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import SIDES, PositionKey
from position_monitor.core.observation.reads import PositionsRead, SymbolObservation
from position_monitor.edge.clock import Clock

BELIEVED_S = 10.0
"""How long what rested is taken to rest while the order lists of its symbol cannot be read. After that a stop is tried:
it is refused where it is not needed."""
_NONE: frozenset[PositionKey] = frozenset()


@dataclass(slots=True)
class LastReads:
    """What was last seen of every symbol that matters, where it was readable."""

    clock: Clock
    _observations: dict[str, SymbolObservation] = field(default_factory=dict, init=False)
    _complete: dict[str, SymbolObservation] = field(default_factory=dict, init=False)
    """The last complete look at each symbol, however long ago."""
    _orders_at_s: dict[str, float] = field(default_factory=dict, init=False)
    """When the order lists of a symbol were last read (monotonic)."""

    @property
    def orders_read_at_s(self) -> Mapping[str, float]:
        """When the order lists of each symbol were last read (monotonic)."""
        return self._orders_at_s

    def changed(self, symbol: str, positions: PositionsRead) -> bool:
        """Whether the position of a symbol is not as last read, or not there: then its orders may be others as well."""
        last, now = self._observations.get(symbol), positions.of(symbol)
        if last is None or not now or symbol in positions.unreadable or len(now) != len(last.positions):
            return True
        for p, q in zip(now, last.positions, strict=True):
            if p.quantity != q.quantity or p.entry_price != q.entry_price or p.key != q.key or p.hedged != q.hedged:
                return True
        return False

    def same_orders(self, symbol: str, resting: tuple[LiveOrder, ...]) -> tuple[LiveOrder, ...]:
        """The orders as an object of before where they are as before: what was worked out from it is kept with it."""
        last = self._observations.get(symbol)
        return last.orders if last is not None and last.orders == resting else resting

    def again(self, symbol: str, positions: PositionsRead, instrument: Instrument | None) -> SymbolObservation:
        """A position read just now with the orders that were last read."""
        held, last = positions.of(symbol), self._observations[symbol]
        again = SymbolObservation(
            symbol=symbol,
            instrument=instrument,
            positions=held,
            zero_keys=(zeros := zero_keys(symbol, held, positions)),
            zero_at_ms=zero_times(zeros, positions) if zeros else {},
            orders=last.orders,
            positions_read_at_ms=positions.began_at_ms,
            orders_read_at_ms=last.orders_read_at_ms,
            confirmed_orders=last.confirmed_orders,
            orders_reused=True,
        )
        self._observations[symbol] = again
        return again

    def keep(self, observation: SymbolObservation) -> None:
        """Remember a look just made. After an incomplete one `again` has no lists, only `believed` has."""
        if observation.readable:
            self._observations[observation.symbol] = observation
            self._orders_at_s[observation.symbol] = self.clock.monotonic_s()
            self._complete[observation.symbol] = observation
        else:
            self._observations.pop(observation.symbol, None)

    def believed(self, symbol: str) -> tuple[LiveOrder, ...]:
        """The orders of a symbol whose lists cannot be read: those of the last complete look, while it is recent."""
        recent = self.clock.monotonic_s() - self._orders_at_s.get(symbol, float("-inf")) <= BELIEVED_S
        last = self._complete.get(symbol) if recent else None
        return last.orders if last is not None else ()

    def mark(self, key: PositionKey) -> Decimal | None:
        """The mark price of the last complete look at a position."""
        last = self._complete.get(key.symbol)
        position = last.position(key) if last is not None else None
        return position.mark_price if position is not None else None

    def forget_all_but(self, symbols: set[str]) -> None:
        """Keep nothing about symbols that matter no more."""
        for name in self._observations.keys() - symbols:
            del self._observations[name]
        for name in self._complete.keys() - symbols:
            del self._complete[name]
        for name in self._orders_at_s.keys() - symbols:
            del self._orders_at_s[name]


def zero_keys(symbol: str, held: tuple[Position, ...], *reads: PositionsRead | None) -> frozenset[PositionKey]:
    """The positions of a symbol that a row said are zero."""
    saying = [read.zero_keys for read in reads if read is not None and read.zero_keys]
    if not saying:
        return _NONE
    both = frozenset([PositionKey(symbol, side) for side in SIDES])
    return both.intersection(frozenset().union(*saying)).difference([position.key for position in held])


def zero_times(zeros: frozenset[PositionKey], *reads: PositionsRead | None) -> dict[PositionKey, int]:
    """The newest venue time that a row stated for each of the positions that are zero."""
    return {key: max([read.zero_at_ms.get(key, 0) for read in reads if read is not None], default=0) for key in zeros}
