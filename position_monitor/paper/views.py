"""What a read sees: the live world, or the world as it was some time ago (a stale replica)."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from position_monitor.paper.account import Position
from position_monitor.paper.orders import AlgoOrder, PlainOrder, copied
from position_monitor.paper.world import World

SNAPSHOTS_KEPT = 5_000


class View(Protocol):
    """Positions and orders as one reader sees them."""

    def legs(self) -> list[Position]:
        """Every known position leg, flat ones included, sorted."""

    def plain_open(self, symbol: str | None) -> list[PlainOrder]:
        """Open plain orders."""

    def algo_open(self, symbol: str | None) -> list[AlgoOrder]:
        """Open conditional orders."""

    def algo_as_seen(self, order: AlgoOrder) -> AlgoOrder | None:
        """This order's record in the view, None if the view does not know it yet."""

    def plain_as_seen(self, order: PlainOrder) -> PlainOrder | None:
        """As above for a plain order."""


def _all_legs(world: World) -> list[Position]:
    positions = world.account.positions
    return [leg for symbol in sorted(positions) for _, leg in sorted(positions[symbol].items())]


class LiveView:
    """The present."""

    def __init__(self, world: World) -> None:
        self._world = world

    def legs(self) -> list[Position]:
        """Every known position leg."""
        return _all_legs(self._world)

    def plain_open(self, symbol: str | None) -> list[PlainOrder]:
        """Open plain orders."""
        book = self._world.plain
        return book.open_all() if symbol is None else book.open_of(symbol)

    def algo_open(self, symbol: str | None) -> list[AlgoOrder]:
        """Open conditional orders."""
        book = self._world.algo
        return book.open_all() if symbol is None else book.open_of(symbol)

    def algo_as_seen(self, order: AlgoOrder) -> AlgoOrder | None:
        """The record itself."""
        return order

    def plain_as_seen(self, order: PlainOrder) -> PlainOrder | None:
        """The record itself."""
        return order


class PastView:
    """A copy of positions and open orders taken at one moment."""

    def __init__(self, world: World) -> None:
        self.at_ms = world.now_ms
        self.revision = world.revision
        self._legs = [leg.copy() for leg in _all_legs(world)]
        self._plain = {o.order_id: copied(o) for o in world.plain.open_all()}
        self._algo = {o.algo_id: copied(o) for o in world.algo.open_all()}

    def legs(self) -> list[Position]:
        """Every position leg known then."""
        return self._legs

    def plain_open(self, symbol: str | None) -> list[PlainOrder]:
        """Plain orders open then."""
        return [o for o in self._plain.values() if symbol in (None, o.symbol)]

    def algo_open(self, symbol: str | None) -> list[AlgoOrder]:
        """Conditional orders open then."""
        return [o for o in self._algo.values() if symbol in (None, o.symbol)]

    def algo_as_seen(self, order: AlgoOrder) -> AlgoOrder | None:
        """As it was; an order that had ended before is shown as it ended."""
        seen = self._algo.get(order.algo_id)
        return seen if seen or order.created_ms > self.at_ms else order

    def plain_as_seen(self, order: PlainOrder) -> PlainOrder | None:
        """As it was; an order that had ended before is shown as it ended."""
        seen = self._plain.get(order.order_id)
        return seen if seen or order.created_ms > self.at_ms else order


class Past:
    """Snapshots, kept only while a stale-read fault wants them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: deque[PastView] = deque(maxlen=SNAPSHOTS_KEPT)

    def record(self) -> None:
        """Take a snapshot if the world changed since the last one."""
        if not self._kept or self._kept[-1].revision != self._world.revision:
            self._kept.append(PastView(self._world))

    def forget(self) -> None:
        """Drop all snapshots."""
        self._kept.clear()

    def ago(self, delay_ms: int) -> View:
        """The world as it was then, or as far back as is known."""
        wanted = self._world.now_ms - delay_ms
        while len(self._kept) > 1 and self._kept[1].at_ms <= wanted:
            self._kept.popleft()
        return self._kept[0] if self._kept else LiveView(self._world)
