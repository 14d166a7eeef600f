"""What the configuration says that a comparison needs: where keys are, what is left alone, what counts as a stop."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from position_monitor.config import Config
from position_monitor.verification.venue_rows import Leg, VenuePosition

QUIET_LISTS_S: Final = 17.0
"""How long the daemon may take to read the lists of a quiet symbol again, a slow answer included."""


@dataclass(frozen=True, slots=True)
class ForeignStops:
    """Whether a stop that is not the daemon's counts (`foreign_orders`), and how far from the entry it may be."""

    respected: bool
    distance_max_pct: Decimal
    held: bool = False
    """An operator's hold is in force: a stop of his own counts wherever it lies (DESIGN 5)."""

    def why_none(self, trigger: Decimal, position: VenuePosition) -> str:
        """Why a foreign stop with this trigger does not count; empty when it does."""
        if self.held:
            return ""
        if not self.respected:
            return "it is foreign, and foreign_orders is ignore"
        anchor = position.entry_price if position.entry_price > 0 else position.mark_price
        loss = anchor - trigger if position.side is Leg.LONG else trigger - anchor
        if anchor > 0 and loss / anchor * 100 > self.distance_max_pct:
            return f"it is foreign and further than {self.distance_max_pct} % from the entry"
        return ""


@dataclass(frozen=True, slots=True)
class Expectations:
    """The configuration, as far as it matters here."""

    account: str
    environment: str
    prefix: str
    check_interval_s: float
    config: Config

    @classmethod
    def of(cls, config: Config) -> Expectations:
        """Taken from the configuration."""
        return cls(
            account=config.account,
            environment=config.exchange.environment,
            prefix=config.redis.prefix,
            check_interval_s=config.loop.check_interval_s,
            config=config,
        )

    @property
    def stale_after_ms(self) -> int:
        """How old a claim may be: three check intervals, as long as its key lives (DESIGN 5), and a second more.

        Order lists of a symbol in which nothing happened are read every 15 s or with the check after (docs/streams.md),
        and a claim is as old as its oldest part. So with short intervals a claim may be older than three of them.
        """
        return round(max(3 * self.check_interval_s, QUIET_LISTS_S + self.check_interval_s) * 1_000) + 1_000

    def is_unmanaged(self, key: str) -> bool:
        """Whether the operator listed a position (`BTCUSDT:LONG`) as left alone, by its symbol or by both."""
        unmanaged = self.config.symbols.unmanaged
        return key in unmanaged or key.rpartition(":")[0] in unmanaged

    def foreign_stops(self, symbol: str, *, held: bool = False) -> ForeignStops:
        """What is said of foreign stops for a symbol; `held`: while an operator's hold is in force."""
        base, own = self.config.protection, self.config.symbols.overrides.get(symbol)
        orders = (own.foreign_orders if own else None) or base.foreign_orders
        far = own.foreign_stop_max_pct if own and own.foreign_stop_max_pct is not None else base.foreign_stop_max_pct
        return ForeignStops(orders == "respect", far, held)
