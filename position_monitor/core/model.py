"""The words of the domain as frozen values (DESIGN 1). Money is `Decimal`; times are integer ms UTC.

What was read and how it is judged. What should rest is in `desired.py`, what is done about it in `actions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """The direction of a position."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def opposite(self) -> Side:
        """The other direction."""
        return Side.SHORT if self is Side.LONG else Side.LONG

    @property
    def exit_order_side(self) -> OrderSide:
        """The order side that reduces a position of this direction."""
        return _EXIT_SIDES[self]


class OrderSide(StrEnum):
    """The direction of an order, in the venue's spelling."""

    BUY = "BUY"
    SELL = "SELL"


SIDES = (Side.LONG, Side.SHORT)
"""Both, for loops that are run for every position in every cycle: an enumeration walks through itself in Python."""
_LONG = Side.LONG
_EXIT_SIDES = {Side.LONG: OrderSide.SELL, Side.SHORT: OrderSide.BUY}


class PositionSide(StrEnum):
    """The venue's `positionSide`: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


_ONE_WAY = PositionSide.BOTH
_LEGS = {Side.LONG: PositionSide.LONG, Side.SHORT: PositionSide.SHORT}
_SIDE_OF_LEG = {leg: side for side, leg in _LEGS.items()}
_SIDE_REDUCED_BY = {direction: side for side, direction in _EXIT_SIDES.items()}


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
    """What an order of ours is for. The one-letter code is part of the client id (`core/ids.py`)."""

    BACKSTOP = "backstop"
    WORKING_STOP = "working_stop"
    TAKE_PROFIT = "take_profit"
    CLOSE = "close"


class PositionKey(NamedTuple):
    """One position of the account: the exchange's own symbol id and the side. A tuple: it is hashed very often."""

    symbol: str
    side: Side

    def __str__(self) -> str:
        return f"{self.symbol}:{self.side}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """Trading rules of one symbol. Quantities in base units, prices and notional in quote units."""

    symbol: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_min_quantity: Decimal
    market_max_quantity: Decimal
    min_price: Decimal
    max_price: Decimal
    min_notional: Decimal
    percent_up: Decimal
    """PERCENT_PRICE multiplier above the mark for limit orders, e.g. 1.05."""
    percent_down: Decimal
    status: str = "TRADING"
    contract_type: str = "PERPETUAL"
    lowest_price: Decimal = field(init=False, repr=False, compare=False)
    """The lowest and the highest price on the tick grid that PRICE_FILTER permits."""
    highest_price: Decimal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        steps_low = (self.min_price / self.tick).to_integral_value(ROUND_CEILING)
        steps_high = (self.max_price / self.tick).to_integral_value(ROUND_FLOOR)
        object.__setattr__(self, "lowest_price", max(steps_low * self.tick, self.tick))
        object.__setattr__(self, "highest_price", steps_high * self.tick)

    def permits(self, price: Decimal) -> bool:
        """Whether PRICE_FILTER lets a price through; the grid is another question."""
        return self.lowest_price <= price <= self.highest_price

    def nearest_permitted(self, price: Decimal) -> Decimal:
        """The price, or the bound of PRICE_FILTER that it lies beyond."""
        return min(max(price, self.lowest_price), self.highest_price)

    @property
    def least_quantity(self) -> Decimal:
        """The smallest quantity of a market-type order: a stop or a take-profit with a quantity."""
        return max(self.min_quantity, self.market_min_quantity)


@dataclass(frozen=True, slots=True)
class Position:
    """An open position as it was read: `quantity` is its absolute size, never zero."""

    symbol: str
    side: Side
    quantity: Decimal
    entry_price: Decimal
    """Average entry; zero when the venue did not say."""
    mark_price: Decimal
    liquidation_price: Decimal | None
    unrealized_pnl: Decimal
    leverage: int | None
    hedged: bool
    """Whether the account was in hedge mode, so orders need `positionSide` and no `reduceOnly`."""
    updated_at_ms: int
    """The venue's time of the last change of this position; 0 when the venue did not say."""
    unread: str = ""
    """What of its row could not be read, and why. Side, size and some price are right: enough for a stop."""
    last_price: Decimal | None = None
    """Price of the last trade, where it arms the orders of this position (`working_type = CONTRACT_PRICE`) and could be
    read; else None."""
    key: PositionKey = field(init=False, repr=False, compare=False)
    """Symbol and side."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", PositionKey(self.symbol, self.side))

    @property
    def position_side(self) -> PositionSide:
        """The `positionSide` that orders for this position carry."""
        return _LEGS[self.side] if self.hedged else _ONE_WAY

    @property
    def arming_price(self) -> Decimal:
        """The price that arms the orders we place: the mark, or the last trade where that is configured and read."""
        return self.mark_price if self.last_price is None else self.last_price

    def price_arming(self, working_type: WorkingType) -> Decimal:
        """The price that arms an order of this working type; the mark where the last price was not read."""
        last = self.last_price
        return self.mark_price if last is None or working_type is WorkingType.MARK_PRICE else last

    @property
    def notional(self) -> Decimal:
        """Absolute value at the mark price, in quote units."""
        return self.quantity * self.mark_price

    @property
    def liquidation_ahead(self) -> Decimal | None:
        """The liquidation price where a loss of this position leads to it, else None.

        In hedge mode with cross margin the venue reports one price for both legs of a symbol; for the smaller leg it
        lies on the side where that leg wins, and a stop cannot be "before" it.
        """
        price = self.liquidation_price
        if price is None:
            return None
        ahead = price < self.mark_price if self.side is _LONG else price > self.mark_price
        return price if ahead else None

    @property
    def loss_pct(self) -> Decimal:
        """Adverse move of the mark from the entry in percent; negative while in profit, 0 without an entry."""
        if self.entry_price <= 0:
            return Decimal(0)
        move = (self.entry_price - self.mark_price) / self.entry_price * 100
        return move if self.side is Side.LONG else -move


class LiveOrder(NamedTuple):
    """An order as it was read back from the exchange."""

    symbol: str
    order_id: str
    client_id: str
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
    def key(self) -> PositionKey:
        """The position an exit order belongs to, by its leg in hedge mode, else by the side its direction reduces."""
        return PositionKey(self.symbol, _SIDE_OF_LEG.get(self.position_side) or _SIDE_REDUCED_BY[self.side])


class Verdict(StrEnum):
    """The protection of one position (DESIGN 1)."""

    PROTECTED = "PROTECTED"
    STOP_ONLY = "STOP_ONLY"
    UNDERCOVERED = "UNDERCOVERED"
    NAKED = "NAKED"
    UNKNOWN = "UNKNOWN"
    CLOSING = "CLOSING"
    UNMANAGED = "UNMANAGED"


class RiskStatus(StrEnum):
    """The protection of the account (DESIGN 1)."""

    PROTECTED = "PROTECTED"
    DEGRADED = "DEGRADED"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Advice:
    """The AI engine's opinion about one symbol. It may tighten inside bounds, never widen or remove (invariant 8)."""

    symbol: str
    action: str
    confidence: Decimal
    """0 to 1."""
    regime: str
    take_profit_pct: Decimal | None
    stop_loss_pct: Decimal | None
    trailing_pct: Decimal | None
    issued_at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """The backend's circuit breaker as last read. Advisory: it never blocks protection."""

    active: bool
    until: str
    time_remaining_s: int
    blocked_orders: int
    read_at_ms: int
