"""What should rest on the exchange for a position, with the reasons, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.model.book_cases import StopCase, TargetCase
from position_monitor.core.model.orders import Purpose, Role, WorkingType
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.sides import PositionKey, Side


class LevelSource(StrEnum):
    """Where a level came from (DESIGN 9)."""

    STATIC = "static"
    HYBRID = "hybrid"
    DYNAMIC = "dynamic"
    BRAIN = "brain"
    AI = "ai"
    LIQUIDATION = "liquidation"
    REANCHOR = "reanchor"
    OPERATOR = "operator"
    RATCHET = "ratchet"


class Level(NamedTuple):
    """A price with its provenance."""

    price: Decimal
    source: str
    """A `LevelSource` value, or `brain:<profile>`."""
    inputs: Mapping[str, Decimal] = MappingProxyType({})
    """The figures it was made from, by name. They become words only where somebody reads them."""
    anchored: bool = False
    """Whether a stop was measured from the mark because the price was beyond the policy's own level (or the entry was
    unknown). The rung in its client id says so, and it is not tightened to the entry's distance while losing."""


class Target(NamedTuple):
    """One take-profit rung before sizing: `fraction` of the quantity (0 to 1] at `level`."""

    rung: int
    level: Level
    fraction: Decimal
    kind: RungKind = RungKind.MARKET


class Ladder(NamedTuple):
    """A whole ladder before sizing: its rungs, nearest first, and what never gets a target."""

    targets: tuple[Target, ...]
    runner: Decimal = Decimal(0)
    """Part of the position (0 to 1) that runs with the stop (S4)."""


class Trailing(NamedTuple):
    """How the stop follows the best mark. Carried by the book from the start; acted on by later policies."""

    distance_pct: Decimal
    best_mark: Decimal
    active: bool


class CloseReason(NamedTuple):
    """Why a position is to be closed at market, and what must be true of the price for that."""

    text: str
    level: Decimal
    """The price has reached it, against the position."""
    working_type: WorkingType
    """Which price: the one that arms the stop, or the mark, of which the loss is made."""
    by_loss: bool = True
    """Whether it is for the loss of the position; else for its age (S8)."""


_LIMIT, _TAKE_PROFIT = Purpose.LIMIT, Role.TAKE_PROFIT


class DesiredOrder(NamedTuple):
    """An order that should rest: a close-all order has `quantity` None and is sized by the exchange."""

    symbol: str
    side: Side
    role: Role
    rung: int
    purpose: Purpose
    trigger_price: Decimal
    """The price at which it acts; of a plain limit order its limit."""
    quantity: Decimal | None
    hedged: bool
    """Whether the account is in hedge mode, so that the order must name its leg."""
    working_type: WorkingType
    client_id: str
    source: str

    @property
    def close_all(self) -> bool:
        """Whether the exchange sizes this order at its trigger."""
        return self.quantity is None

    @property
    def is_limit(self) -> bool:
        """Whether it is a take-profit that rests as a limit order. Stops never are."""
        return self.purpose is _LIMIT and self.role is _TAKE_PROFIT

    @property
    def key(self) -> PositionKey:
        """The position this order protects."""
        return PositionKey(self.symbol, self.side)


class DesiredBook(NamedTuple):
    """What should rest on the exchange for one position, with the reasons."""

    key: PositionKey
    epoch: str
    stop: Level
    """The effective stop: the tightest level the policy, the clamp and the ratchet ask for."""
    orders: tuple[DesiredOrder, ...]
    """Orders that are ours to hold, stops first. A level a foreign order already holds is absent."""
    stop_case: StopCase
    """Why the stops are wanted as they are."""
    target_case: TargetCase
    """The same of the take-profits."""
    profile: str
    trailing: Trailing | None = None
    regime: str = ""
    notes: tuple[str, ...] = ()
    obstacle: str = ""
    """Why no stop can protect the position, whoever places it; empty nearly always."""
    stop_behind: str = ""
    """Why the stop does not rest where the policy wants it by now; empty nearly always."""
    close: CloseReason | None = None
    """Why the policy wants the position closed at market; None nearly always."""
    r: Decimal | None = None
    """R, the distance from the entry to the backstop (S1); None under a policy that does not count in it."""
    failed: str = ""
    """Why the policy could not answer, so that the floor protects (S14); empty nearly always."""

    @property
    def stops(self) -> tuple[DesiredOrder, ...]:
        """The backstop and the working stop, if they are ours to hold."""
        return tuple(order for order in self.orders if order.role.is_stop)

    @property
    def take_profits(self) -> tuple[DesiredOrder, ...]:
        """The rungs of the ladder, nearest first."""
        return tuple(order for order in self.orders if order.role is Role.TAKE_PROFIT)
