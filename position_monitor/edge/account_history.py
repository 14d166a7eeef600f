"""The seam to what the venue remembers: fills, orders, income, mark prices of the past. Read in the background only.

Every method raises one of the `ExchangeFailure` classes and nothing else. Nothing here is on the way to a stop: the
calls share one small part of the request budget and are the first to be turned away (exits.md 8, 10).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from position_monitor.core.performance.facts import Fill, Income, PastOrder, PriceRange
from position_monitor.core.shadow.candle_walk import PriceCandle


class AccountHistory(Protocol):
    """What a venue tells of the past of an account. Times are its own, ms UTC; `since` and `until` are included."""

    @property
    def orders_kept_ms(self) -> int:
        """How long after its creation it remembers an order that ended without a fill."""
        ...

    @property
    def fills_kept_ms(self) -> int:
        """How far back it lists fills."""
        ...

    async def fills(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[Fill, ...]:
        """Every fill of the account in a symbol, oldest first."""
        ...

    async def past_orders(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[PastOrder, ...]:
        """Every order of a symbol that was made in this time and is remembered, resting ones included."""
        ...

    async def income(self, *, since_ms: int, until_ms: int) -> tuple[Income, ...]:
        """Every movement of the wallet that comes from positions, of all symbols."""
        ...

    async def mark_range(self, symbol: str, *, since_ms: int, until_ms: int) -> PriceRange | None:
        """The extremes of the mark by candles of one minute; None where it has none."""
        ...

    async def mark_minutes(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[PriceCandle, ...]:
        """The mark by candles of one minute that begin from `since_ms` on and closed until `until_ms`, oldest first;
        the first of them where there are too many for one answer."""
        ...

    async def mark_of_asset(self, asset: str, settle_asset: str, minute_ms: int) -> Decimal | None:
        """What one unit of an asset was worth at the end of a minute; None where no contract says so."""
        ...
