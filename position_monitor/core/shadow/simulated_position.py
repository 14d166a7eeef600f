"""The values of a simulated position: a path of prices, what a policy may know, and the book it keeps.

`simulating.py` moves them along. Everything is immutable: whoever keeps one keeps all there is to know.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.reasons import FillRole

_ZERO = Decimal(0)


class PricePoint(NamedTuple):
    """One price of the kind that arms the orders."""

    price: Decimal
    at_ms: int
    continuous: bool = True
    """Whether the price took every value between the point before and this one. False after a gap."""
    heard: bool = False
    """Whether it is a mark that was heard: a stop that it triggers is filled no better than there."""


class Look(NamedTuple):
    """What the policy may know at one moment, beside the book itself. Nothing of it may be younger than `at_ms`."""

    mark: Decimal
    at_ms: int
    market: MarketState | None = None
    advice: Advice | None = None
    liquidation: Decimal | None = None
    live_since_ms: int | None = None
    """Since when the policy is live; older positions are exempt from the time stop (exits.md 12.5)."""


class Entry(NamedTuple):
    """How a position began."""

    account: str
    key: PositionKey
    epoch: str
    """`ids.epoch_of` of the moment it began."""
    quantity: Decimal
    price: Decimal
    instrument: Instrument
    settings: ProtectionSettings
    hedged: bool = False


class SimulatedRung(NamedTuple):
    """One take-profit of the simulated ladder."""

    number: int
    """As in client ids (`core/model/rungs.py`): it may stand for several configured rungs."""
    price: Decimal
    quantity: Decimal
    kind: RungKind


class SimulatedFill(NamedTuple):
    """One exit. `quantity` of `held` was closed: the part counts where the user changes the position by hand (S17)."""

    at_ms: int
    price: Decimal
    """Before slippage."""
    quantity: Decimal
    held: Decimal
    role: FillRole
    reason: str
    """As of an exit of a record; `HORIZON` where the book was valued at the end of its time."""
    maker: bool = False
    """Whether it rested as a limit order."""
    no_better_than: Decimal | None = None
    """Of a stop that a mark triggered: that mark. In a fast market it lies further beyond the level than any usual
    slippage; the worse of both is the fill, never their sum."""


class SimulatedPosition(NamedTuple):
    """A position and the book that one policy keeps for it."""

    entry: Entry
    """`price` and `quantity` are the average entry and the sum of all that was added."""
    quantity: Decimal
    """What is left; 0 when it is over."""
    at_ms: int
    """Time of the last price, decision or addition. Nothing older may be given any more."""
    since_ms: int
    """When its first stop was placed: its age counts from then (S8)."""
    pin: int
    backstop: Decimal
    """Its first stop: R is the distance to it (S1)."""
    stop: Decimal
    """The tightest that rests."""
    stop_source: str
    anchored: bool
    rungs: tuple[SimulatedRung, ...] = ()
    """Nearest first."""
    rungs_done: frozenset[int] = frozenset()
    fills: tuple[SimulatedFill, ...] = ()
    profile: str = ""
    regime: str = ""
    asked_to_close: int = 0
    """Looks in a row that wanted it closed at market."""
    levels: tuple[Decimal, ...] = ()
    """Where its take-profits rested, whatever became of them: a stop at one of them is a lock."""

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.quantity <= 0

    @property
    def r(self) -> Decimal:
        """R in units of price; 0 where the first stop lies at the average entry or beyond it."""
        way = self.entry.price - self.backstop
        return max(way if self.entry.key.side is Side.LONG else -way, _ZERO)
