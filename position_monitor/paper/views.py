"""What a read sees: the live world, or the world as it was some time ago (a replica that lags).

A view is consistent with itself: positions, margins, marks and orders of one moment.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import Protocol

from position_monitor.paper.account import Account, Position
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.orders import AlgoOrder, PlainOrder, copied
from position_monitor.paper.world import World

SNAPSHOTS_KEPT = 20_000


class View(Protocol):
    """The account, marks and orders as one reader sees them at `at_ms`."""

    @property
    def at_ms(self) -> int:
        """The moment that is shown."""

    @property
    def account(self) -> Account:
        """Positions, wallet and modes."""

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The contracts that are listed."""

    def mark(self, symbol: str) -> Decimal:
        """Mark price."""

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


def _all_legs(account: Account) -> list[Position]:
    positions = account.positions
    return [leg for symbol in sorted(positions) for _, leg in sorted(positions[symbol].items())]


class LiveView:
    """The present."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.account = world.account
        self.mark = world.market.mark

    @property
    def at_ms(self) -> int:
        """Now."""
        return self._world.now_ms

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The contracts that are listed."""
        return self._world.listed()

    def legs(self) -> list[Position]:
        """Every known position leg."""
        return _all_legs(self._world.account)

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


class _PastMarks:
    """Mark prices of one moment."""

    def __init__(self, marks: dict[str, Decimal]) -> None:
        self._marks = marks

    def mark(self, symbol: str) -> Decimal:
        """Mark price then; zero for a contract that was not listed yet."""
        return self._marks.get(symbol, Decimal(0))


class PastView:
    """A copy of account, marks and open orders taken at one moment.  What did not change since the view before is
    shared with it: most views differ in prices only."""

    def __init__(self, world: World, before: PastView | None = None) -> None:
        self._at_ms = world.now_ms
        self.stamp = (world.revision, world.market.revision)
        marks = _PastMarks({symbol: quote.mark for symbol, quote in world.market.quotes.items()})
        self.mark = marks.mark
        self._instruments = dict(world.listed())
        self._legs: list[Position]
        self._plain: dict[int, PlainOrder]
        self._algo: dict[int, AlgoOrder]
        if before is not None and before.stamp[0] == world.revision:
            self._account = world.account.copied(marks, before.account)
            self._legs, self._plain, self._algo = before._legs, before._plain, before._algo
        else:
            self._account = world.account.copied(marks)
            self._legs = _all_legs(self._account)
            self._plain = {o.order_id: copied(o) for o in world.plain.open_all()}
            self._algo = {o.algo_id: copied(o) for o in world.algo.open_all()}

    @property
    def at_ms(self) -> int:
        """When the copy was taken."""
        return self._at_ms

    @property
    def account(self) -> Account:
        """The account then."""
        return self._account

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The contracts that were listed then."""
        return self._instruments

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
        return seen if seen or order.created_ms > self._at_ms else order

    def plain_as_seen(self, order: PlainOrder) -> PlainOrder | None:
        """As it was; an order that had ended before is shown as it ended."""
        seen = self._plain.get(order.order_id)
        return seen if seen or order.created_ms > self._at_ms else order


class Past:
    """Snapshots, kept only while a lagging-read fault wants them, and no longer than the longest lag."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: list[PastView] = []
        self._shown_ms: dict[int, int] = {}

    def record(self) -> None:
        """Take a snapshot if the world changed since the last one."""
        world = self._world
        if self._kept and self._kept[-1].stamp == (world.revision, world.market.revision):
            return
        self._kept.append(PastView(world, self._kept[-1] if self._kept else None))
        oldest_ms = world.now_ms - world.faults.longest_lag_ms()
        while len(self._kept) > 1 and (self._kept[1].at_ms <= oldest_ms or len(self._kept) > SNAPSHOTS_KEPT):
            del self._kept[0]

    def forget(self) -> None:
        """Drop all snapshots."""
        self._kept.clear()
        self._shown_ms.clear()

    def ago(self, delay_ms: int) -> View:
        """The world as it was then, or as far back as is known."""
        return self._at(self._world.now_ms - delay_ms)

    def behind(self, rule_id: int, lag_ms: int) -> View:
        """As `ago`, for one replica: it never shows an older moment than it has shown before."""
        wanted_ms = max(self._world.now_ms - lag_ms, self._shown_ms.get(rule_id, 0))
        self._shown_ms[rule_id] = wanted_ms
        return self._at(wanted_ms)

    def _at(self, wanted_ms: int) -> View:
        if not self._kept:
            return LiveView(self._world)
        return self._kept[max(0, bisect_right(self._kept, wanted_ms, key=lambda one: one.at_ms) - 1)]
