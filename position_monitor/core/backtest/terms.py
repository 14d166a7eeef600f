"""What a simulated position lives under: the venue's rules, the settings of the policy, and what trading costs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import against
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side

_ZERO = Decimal(0)
_BPS = Decimal(10_000)
FUNDING_EVERY_MS = 8 * 3_600_000
"""Funding is booked at 00, 08 and 16 o'clock UTC where no file says otherwise."""


class CostRole(StrEnum):
    """Orders by what they lose against the price they were meant for."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    CLOSE = "close"


class Costs(NamedTuple):
    """What trading costs. Fees are percent of the notional, slippage and funding basis points of the price."""

    fee_pct: Decimal = Decimal("0.05")
    maker_fee_pct: Decimal = Decimal("0.02")
    """Of a take-profit that rests as a limit order."""
    slippage_bps: Mapping[CostRole, Decimal] = dict.fromkeys(CostRole, Decimal(5))
    """By role; a limit order has none."""
    funding_bps: Decimal = Decimal(1)
    """Paid at each funding time, whatever the side: it is taken to be against the position. Without part in a position
    whose rates come from a file."""

    def filled_at(self, price: Decimal, side: Side, role: CostRole, *, opens: bool = False) -> Decimal:
        """What an order at market gets where `price` was meant: worse by the slippage of its role."""
        bps = self.slippage_bps.get(role, _ZERO)
        worse = bps if opens else -bps
        return price * (1 + (worse if side is Side.LONG else -worse) / _BPS)

    def fee(self, price: Decimal, quantity: Decimal, *, maker: bool) -> Decimal:
        """The fee of one fill."""
        return price * quantity * (self.maker_fee_pct if maker else self.fee_pct) / 100


NO_COSTS = Costs(_ZERO, _ZERO, {}, _ZERO)


class Margin(NamedTuple):
    """How a position is margined, for its liquidation price: isolated, with one rate of maintenance margin."""

    leverage: Decimal
    maintenance_pct: Decimal = Decimal("0.5")

    def liquidation_price(self, entry: Decimal, side: Side) -> Decimal | None:
        """Where the venue takes over; None where nothing above zero leads there."""
        price = against(entry, side, max(100 / self.leverage - self.maintenance_pct, _ZERO))
        return price if price > 0 else None


class FundingRate(NamedTuple):
    """One funding of a contract, as its venue booked it."""

    at_ms: int
    rate: Decimal
    """A fraction of the notional: 0.0001 is one basis point. Above zero the longs pay the shorts."""
    mark: Decimal | None = None
    """The mark price of that time; None: not stated."""


class Terms(NamedTuple):
    """Everything about a simulated position that does not change while it lives."""

    instrument: Instrument
    settings: ProtectionSettings
    costs: Costs
    margin: Margin | None = None
    """None: it is never liquidated."""
    hedged: bool = False
    """Whether the account is in hedge mode, where the venue's least notional counts for take-profits as well."""
    account: str = "backtest"
    funding: tuple[FundingRate, ...] | None = None
    """The rates of its contract by time; None: the constant of the costs."""


class Entry(NamedTuple):
    """One position of the list of entries."""

    line: int
    """Where it stands in the file."""
    at_ms: int
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    """What was paid; None: the open of the first candle, and the slippage of an entry."""
