"""Orders as the venue has them, and the words for what they are."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.sides import PositionKey


class Purpose(StrEnum):
    """What an order does when its price comes. The value is the word for it in the journal, in events and in JSON.

    A venue's reader finds the purpose of what the venue calls otherwise; what it cannot tell is OTHER.
    """

    STOP = "STOP_MARKET"
    """Closes at market when the price goes against the position."""
    STOP_LIMIT = "STOP"
    """Places a limit order then, which may rest unfilled."""
    TAKE_PROFIT = "TAKE_PROFIT_MARKET"
    """Closes at market when the price goes in favour of the position."""
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT"
    TRAILING_STOP = "TRAILING_STOP_MARKET"
    """Follows the price by itself; it may not be active yet."""
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    OTHER = "OTHER"

    @property
    def is_stop(self) -> bool:
        """Whether it is a stop at a fixed price, at market or with a limit."""
        return self in _STOP_PURPOSES


_LIMIT = Purpose.LIMIT
_STOP_PURPOSES = frozenset({Purpose.STOP, Purpose.STOP_LIMIT})


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


_NEW = OrderStatus.NEW
_TERMINAL = frozenset({OrderStatus.FINISHED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


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
    """What an order of ours is for, as its client id says (`core/model/ids.py`). The venue's reader decodes it, once.

    The revision of an intent is in the id's digest only, so it cannot be read back.
    """

    role: Role
    rung: int
    """The rung code: of a take-profit its rung and piece, of a stop its part and whether it was anchored."""
    epoch: str


class LiveOrder(NamedTuple):
    """An order as it was read back from the exchange, in the words of the core: a venue's reader makes them, once."""

    key: PositionKey
    """The position it belongs to: that of its leg in hedge mode, else the one that its direction reduces."""
    order_id: str
    client_id: str
    tag: Tag | None
    """What it is for, when it is ours; None for a foreign order (invariant 5)."""
    purpose: Purpose
    quantity: Decimal | None
    """What is left of it; None for a close-all order, which the exchange sizes itself: the whole position."""
    trigger_price: Decimal | None
    limit_price: Decimal | None
    working_type: WorkingType
    status: OrderStatus
    executed_quantity: Decimal
    reduces: bool
    """Whether it can do nothing but make its position smaller (invariant 1)."""
    hedged: bool
    """Whether it names a leg, as orders of an account in hedge mode do."""
    conditional: bool
    """Whether it takes one of the slots that the venue gives the account for conditional orders."""
    caveat: str
    """Why the venue may withhold or drop it although it rests, in words; empty nearly always."""
    created_at_ms: int
    updated_at_ms: int
    venue_facts: tuple[tuple[str, str | bool | int], ...] = ()
    """What else the venue says, by name, for `plan --json` and `explain --json`. Nothing is decided by it."""
    average_price: Decimal = Decimal(0)
    """At which it was filled so far; zero where it was not, or the venue did not say. Nothing is decided by it."""

    @property
    def symbol(self) -> str:
        """The exchange's symbol id."""
        return self.key.symbol

    @property
    def close_all(self) -> bool:
        """Whether the exchange sizes this order at its trigger."""
        return self.quantity is None

    @property
    def role(self) -> Role | None:
        """What an order of ours is for; None for a foreign one."""
        return None if self.tag is None else self.tag.role

    @property
    def rests(self) -> bool:
        """Whether it waits for its price. A limit order does so too while only a part of it was filled."""
        return self.status is _NEW or (self.status is OrderStatus.PARTIALLY_FILLED and self.purpose is _LIMIT)

    @property
    def is_stop(self) -> bool:
        """Whether it is ours and one of the two layers of a stop."""
        return self.tag is not None and self.tag.role in _STOPS

    @property
    def rung(self) -> int:
        """The rung code of an order of ours; 0 for a foreign one."""
        return 0 if self.tag is None else self.tag.rung

    @property
    def epoch(self) -> str:
        """The epoch that an order of ours was made in; empty, and so before every epoch, for a foreign one."""
        return "" if self.tag is None else self.tag.epoch

    @property
    def price(self) -> Decimal | None:
        """The price at which it acts: its limit where it is a plain limit order, else its trigger."""
        return self.limit_price if self.purpose is _LIMIT else self.trigger_price

    def part_of(self, whole: Decimal) -> Decimal:
        """What it closes of a position of this size, by what it states."""
        return whole if self.quantity is None else self.quantity
