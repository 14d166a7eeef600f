"""What is done about a difference between what rests and what should, and what may be done now, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from position_monitor.core.desired import DesiredOrder
from position_monitor.core.model import LiveOrder, PositionKey, PositionSide


class Mode(StrEnum):
    """What the daemon may do now (DESIGN 2.9)."""

    LIVE = "live"
    PLACE_ONLY = "place_only"
    """No lease: missing protection is placed, nothing is removed."""
    OBSERVE = "observe"
    """Nothing is written: by configuration, or a live other owner holds the lease."""


@dataclass(frozen=True, slots=True)
class Place:
    """Send a new order."""

    order: DesiredOrder
    reason: str


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
    position_side: PositionSide
    quantity: Decimal
    client_id: str
    limit_price: Decimal | None
    """None for MARKET; otherwise LIMIT IOC at this price."""
    reason: str


Action = Place | Cancel | Close
