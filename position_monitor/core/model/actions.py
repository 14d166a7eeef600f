"""What is done about a difference between what rests and what should, and what may be done now, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder, WorkingType
from position_monitor.core.model.sides import PositionKey


class Mode(StrEnum):
    """The state of ownership, which says what the daemon may do now. `decision/ownership.py` has the rights of each."""

    LIVE = "live"
    """The owner: the lease is ours, and nobody else writes."""
    STANDBY = "standby"
    """A live other owner holds the lease."""
    PLACE_ONLY = "place_only"
    """No lease: Redis does not say who holds it."""
    STALE_OWNER = "stale_owner"
    """The lease holds a value that nobody renews within our own expiry."""
    SECOND_WRITER = "second_writer"
    """Orders with our prefix appear that this process did not write."""
    PAUSED = "paused"
    """The operator paused what is not protection (`core/model/control.py`)."""
    OBSERVE = "observe"
    """Nothing is written, by configuration."""

    @property
    def published(self) -> str:
        """The word in the published state: live, place_only, paused or observe."""
        match self:
            case Mode.STANDBY:
                return str(Mode.OBSERVE)
            case Mode.STALE_OWNER | Mode.SECOND_WRITER:
                return str(Mode.PLACE_ONLY)
            case _:
                return str(self)


@dataclass(frozen=True, slots=True)
class Place:
    """Send a new order."""

    order: DesiredOrder
    reason: str
    key: PositionKey = field(init=False, repr=False, compare=False)
    """The position it is for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.order.key)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Remove an owned order. `replaced_by` names the client ids that must be read back first, if any."""

    order: LiveOrder
    key: PositionKey
    reason: str
    replaced_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """Send a reduce-only market (or IOC limit) order that closes `quantity` of a position."""

    key: PositionKey
    hedged: bool
    """Whether the account is in hedge mode, so that the order must name its leg."""
    quantity: Decimal
    client_id: str
    limit_price: Decimal | None
    """None for MARKET; otherwise LIMIT IOC at this price."""
    reason: str
    level: Decimal
    """What the reason claims the price has reached, against the position."""
    working_type: WorkingType
    """Which price that is."""
    by_loss: bool = True
    """Whether it is for the loss of the position; else for its age (S8)."""


Action = Place | Cancel | Close


def client_id_of(action: Action) -> str:
    """The id of the order that an action is about."""
    return action.client_id if isinstance(action, Close) else action.order.client_id
