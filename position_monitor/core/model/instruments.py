"""The trading rules of a symbol."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple


class PriceGrid(NamedTuple):
    """The prices that the venue permits: all that a level measured from the entry needs of a symbol's rules."""

    tick: Decimal
    lowest: Decimal
    highest: Decimal

    def nearest(self, price: Decimal) -> Decimal:
        """The price, or the bound that it lies beyond."""
        return min(max(price, self.lowest), self.highest)


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
    grid: PriceGrid = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        steps_low = (self.min_price / self.tick).to_integral_value(ROUND_CEILING)
        steps_high = (self.max_price / self.tick).to_integral_value(ROUND_FLOOR)
        object.__setattr__(self, "lowest_price", max(steps_low * self.tick, self.tick))
        object.__setattr__(self, "highest_price", steps_high * self.tick)
        object.__setattr__(self, "grid", PriceGrid(self.tick, self.lowest_price, self.highest_price))

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
