"""An open position as it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.sides import PositionKey, Side

_LONG = Side.LONG


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
    """Whether the account was in hedge mode, so that its orders name their leg."""
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
    def arming_price(self) -> Decimal:
        """The price that arms the orders we place: the mark, or the last trade where that is configured and read."""
        return self.mark_price if self.last_price is None else self.last_price

    def price_arming(self, working_type: WorkingType) -> Decimal:
        """The price that arms an order of this working type; the mark where the last price was not read."""
        last = self.last_price
        return self.mark_price if last is None or working_type is WorkingType.MARK_PRICE else last

    def has_price_arming(self, working_type: WorkingType) -> bool:
        """Whether the price that arms an order of this working type was read; else the mark stands for it."""
        return working_type is WorkingType.MARK_PRICE or self.last_price is not None

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
