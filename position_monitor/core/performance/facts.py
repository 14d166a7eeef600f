"""What the venue says of the past, as plain values: fills, orders, income. Money and sizes are `Decimal`, times ms UTC.

A venue's reader makes them, once; no number and no word of the venue goes further.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import NamedTuple

from position_monitor.core.model.orders import LiveOrder, Purpose, Role, Tag, WorkingType
from position_monitor.core.model.sides import PositionKey, Side


class Fill(NamedTuple):
    """One execution of an order of the account, whoever sent it."""

    symbol: str
    leg: Side | None
    """The leg of an account in hedge mode; None in one-way mode."""
    trade_id: int
    """The venue's number of the execution; within a symbol a later one is larger."""
    order_id: str
    """The order of the matching engine that was filled."""
    at_ms: int
    buys: bool
    price: Decimal
    quantity: Decimal
    """In base units, above zero."""
    fee: Decimal
    """What was paid, in `fee_asset`; below zero for a rebate."""
    fee_asset: str
    realised: Decimal
    """Profit that this fill realised, in `settle_asset`, without fees."""
    settle_asset: str
    maker: bool

    @property
    def signed_quantity(self) -> Decimal:
        """What it adds to the signed size of its leg."""
        return self.quantity if self.buys else -self.quantity


class IncomeKind(StrEnum):
    """What a row of the account's income is about."""

    REALISED = "realised"
    FEE = "fee"
    FUNDING = "funding"
    CLEARANCE = "clearance"
    """What the venue takes for a liquidation."""


class Income(NamedTuple):
    """One movement of the wallet; `amount` above zero was received."""

    symbol: str
    kind: IncomeKind
    amount: Decimal
    asset: str
    at_ms: int
    trade_id: int | None
    """The execution it comes from; None where there is none."""


class Forced(StrEnum):
    """Who closed a position when it was the venue itself (S15)."""

    LIQUIDATION = "LIQUIDATION"
    ADL = "ADL"
    SETTLEMENT = "SETTLEMENT"


class PastOrder(NamedTuple):
    """An order of the account as the venue remembers it, whether it rests or has ended."""

    key: PositionKey
    """The position it belongs to, as of a `LiveOrder`."""
    order_id: str
    executing_id: str
    """The order of the matching engine that its fills name; empty for a conditional order that never got so far."""
    client_id: str
    tag: Tag | None
    """What it is for, when it is ours; None for a foreign order."""
    purpose: Purpose
    quantity: Decimal | None
    """As ordered; None for a close-all order."""
    trigger_price: Decimal | None
    limit_price: Decimal | None
    working_type: WorkingType
    reduces: bool
    created_at_ms: int
    ended_at_ms: int
    """When it ended; 0 while it rests."""
    forced: Forced | None = None

    @classmethod
    def of(cls, order: LiveOrder, *, executing_id: str = "", ended_at_ms: int = 0) -> PastOrder:
        """A listed order as the venue will remember it; by default as one that still rests."""
        return cls(
            key=order.key,
            order_id=order.order_id,
            executing_id=executing_id,
            client_id=order.client_id,
            tag=order.tag,
            purpose=order.purpose,
            quantity=order.quantity,
            trigger_price=order.trigger_price,
            limit_price=order.limit_price,
            working_type=order.working_type,
            reduces=order.reduces,
            created_at_ms=order.created_at_ms,
            ended_at_ms=ended_at_ms,
        )

    @property
    def role(self) -> Role | None:
        """What an order of ours is for; None for a foreign one."""
        return None if self.tag is None else self.tag.role

    @property
    def is_backstop(self) -> bool:
        """Whether it is our close-all stop."""
        return self.role is Role.BACKSTOP and self.quantity is None


class PriceRange(NamedTuple):
    """The lowest and the highest mark price in a stretch of time, and when they were."""

    low: Decimal
    low_at_ms: int
    high: Decimal
    high_at_ms: int

    def including(self, price: Decimal, at_ms: int) -> PriceRange:
        """The range with one more price in it; of equal extremes the first one stays."""
        if self.low <= price <= self.high:
            return self
        if price < self.low:
            return self._replace(low=price, low_at_ms=at_ms)
        return self._replace(high=price, high_at_ms=at_ms)

    def joined(self, other: PriceRange) -> PriceRange:
        """Both stretches as one."""
        return self.including(other.low, other.low_at_ms).including(other.high, other.high_at_ms)


def range_of(price: Decimal, at_ms: int) -> PriceRange:
    """The range of one price."""
    return PriceRange(price, at_ms, price, at_ms)


def joined(stretches: Iterable[PriceRange | None]) -> PriceRange | None:
    """Several stretches as one; None where there is none."""
    ranges = [stretch for stretch in stretches if stretch is not None]
    return reduce(PriceRange.joined, ranges) if ranges else None
