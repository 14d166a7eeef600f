"""What the dynamic policy does in each regime, and where one regime ends and the next begins (exits.md 3.1, 3.4, S3).

No figure here has evidence from a real market: they are defaults to be measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from position_monitor.core.model.market import Regime


@dataclass(frozen=True, slots=True)
class RegimeSettings:
    """Distances of one regime. ATR is the average true range of one hour; R is the distance of the first stop."""

    k1: Decimal
    """Distance of the stop from the entry, in ATR."""
    k2: Decimal
    """Distance of the target from the entry, in ATR, before the bounds: the target is k2/k1 times R."""
    breakeven_r: Decimal
    """Profit in R from which the stop stands at breakeven."""
    trail_atr: Decimal
    """How far the trailing stop stays behind the best mark, in ATR."""
    max_hours: Decimal
    """Age in hours from which the time stop may act (S8)."""


@dataclass(frozen=True, slots=True)
class RegimeThresholds:
    """Where regimes begin and end."""

    low_below_pct: Decimal = Decimal("0.5")
    """ATR below this many percent of the close is the volatility class LOW."""
    high_from_pct: Decimal = Decimal("1.5")
    """From here on the class is HIGH; between is NORMAL."""
    extreme_from_pct: Decimal = Decimal("3")
    """From here on the class is EXTREME."""
    trending_from_adx: Decimal = Decimal(25)
    """ADX at which a trend begins."""
    ranging_below_adx: Decimal = Decimal(20)
    """ADX below which a trend ends, and below which a market ranges."""


class RegimeTable(Mapping[Regime, RegimeSettings]):
    """The settings of every regime: immutable and hashable, so that settings which carry it stay hashable.

    CHOP has the settings of HIGH_VOL (exits.md 3.4), so that a lookup never fails for any regime.
    """

    __slots__ = ("_hash", "_rows")

    def __init__(self, rows: Mapping[Regime, RegimeSettings]) -> None:
        """`rows` names the six regimes of the table; raises `KeyError` when one is missing."""
        named = {regime: rows[Regime.HIGH_VOL if regime is Regime.CHOP else regime] for regime in Regime}
        self._rows = named
        self._hash = tuple(named.items()).__hash__()

    def __getitem__(self, regime: Regime) -> RegimeSettings:
        """The settings of one regime."""
        return self._rows[regime]

    def __iter__(self) -> Iterator[Regime]:
        """Every regime, in the order of the enumeration."""
        return iter(self._rows)

    def __len__(self) -> int:
        """How many regimes there are."""
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Whether every regime has the same settings."""
        return self is other or (isinstance(other, RegimeTable) and self._rows == other._rows)

    def __hash__(self) -> int:
        """Worked out once."""
        return self._hash


def _row(numbers: str) -> RegimeSettings:
    """A row of table 3.1: k1, k2, breakeven, trail, hours."""
    return RegimeSettings(*map(Decimal, numbers.split()))


DEFAULT_REGIMES: Final[Mapping[Regime, RegimeSettings]] = RegimeTable(
    {
        Regime.LOW_VOL: _row("1.2 3.5 0.3 1.8 48"),
        Regime.NORMAL_VOL: _row("1.5 3.0 0.5 2.0 36"),
        Regime.HIGH_VOL: _row("2.0 4.0 0.8 2.5 24"),
        Regime.EXTREME_VOL: _row("2.5 5.0 1.0 3.0 12"),
        Regime.TRENDING: _row("1.8 4.5 0.4 2.5 72"),
        Regime.RANGING: _row("1.0 2.0 0.3 1.5 18"),
    }
)
"""Table 3.1."""
