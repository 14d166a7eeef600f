"""Orders as the venue has them, and the words for what they are."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.sides import SIDE_OF_LEG, SIDE_REDUCED_BY, OrderSide, PositionKey, PositionSide


class OrderKind(StrEnum):
    """Order types in the venue's spelling; everything unknown becomes OTHER and is only ever foreign."""

    STOP_MARKET = "STOP_MARKET"
    STOP = "STOP"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    OTHER = "OTHER"


class OrderStatus(StrEnum):
    """Life cycle of an order. Only NEW protects (invariant 6)."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    OTHER = "OTHER"

    @property
    def terminal(self) -> bool:
        """Whether the order can no longer rest or execute."""
        return self in _TERMINAL


_TERMINAL = frozenset({OrderStatus.FINISHED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


class OrderList(StrEnum):
    """Which of the venue's two open-order lists an order lives in; it decides the cancel endpoint."""

    PLAIN = "plain"
    ALGO = "algo"


class WorkingType(StrEnum):
    """Which price arms a conditional order."""

    MARK_PRICE = "MARK_PRICE"
    CONTRACT_PRICE = "CONTRACT_PRICE"


class Role(StrEnum):
    """What an order of ours is for. The one-letter code is part of the client id (`core/model/ids.py`)."""

    BACKSTOP = "backstop"
    WORKING_STOP = "working_stop"
    TAKE_PROFIT = "take_profit"
    CLOSE = "close"

    @property
    def is_stop(self) -> bool:
        """Whether it is one of the two layers of a stop."""
        return self in _STOPS


_STOPS = frozenset({Role.BACKSTOP, Role.WORKING_STOP})


class Tag(NamedTuple):
    """Whose an order of ours is, as its client id says (`core/model/ids.py`). The venue's reader decodes it, once.

    The revision of an intent is in the id's digest only, so it cannot be read back.
    """

    role: Role
    rung: int
    """The rung code: of a take-profit its rung and piece, of a stop its part and whether it was anchored."""
    epoch: str


class LiveOrder(NamedTuple):
    """An order as it was read back from the exchange."""

    symbol: str
    order_id: str
    client_id: str
    tag: Tag | None
    """What it is for, when it is ours; None for a foreign order (invariant 5)."""
    order_list: OrderList
    kind: OrderKind
    side: OrderSide
    position_side: PositionSide
    quantity: Decimal
    """Remaining quantity; zero for a close-all order, which the exchange sizes itself."""
    close_all: bool
    reduce_only: bool
    trigger_price: Decimal | None
    price: Decimal | None
    working_type: WorkingType
    price_protect: bool
    status: OrderStatus
    executed_quantity: Decimal
    good_till_ms: int
    """Expiry, or 0 for none."""
    created_at_ms: int
    updated_at_ms: int

    @property
    def role(self) -> Role | None:
        """What an order of ours is for; None for a foreign one."""
        return None if self.tag is None else self.tag.role

    @property
    def is_stop(self) -> bool:
        """Whether it is ours and one of the two layers of a stop."""
        return self.tag is not None and self.tag.role.is_stop

    @property
    def rung(self) -> int:
        """The rung code of an order of ours; 0 for a foreign one."""
        return 0 if self.tag is None else self.tag.rung

    @property
    def epoch(self) -> str:
        """The epoch that an order of ours was made in; empty, and so before every epoch, for a foreign one."""
        return "" if self.tag is None else self.tag.epoch

    @property
    def key(self) -> PositionKey:
        """The position an exit order belongs to, by its leg in hedge mode, else by the side its direction reduces."""
        return PositionKey(self.symbol, SIDE_OF_LEG.get(self.position_side) or SIDE_REDUCED_BY[self.side])
