"""What the closed candles of a market say: its volatility, its trend and the regime in force (S3, S20, S21)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Regime(StrEnum):
    """How a market moves. The words are those of the `EXIT_REGIME_*` variables (exits.md 3.1)."""

    LOW_VOL = "LOW_VOL"
    NORMAL_VOL = "NORMAL_VOL"
    HIGH_VOL = "HIGH_VOL"
    EXTREME_VOL = "EXTREME_VOL"
    TRENDING = "TRENDING"
    RANGING = "RANGING"
    CHOP = "CHOP"
    """Only the AI engine says so: high volatility without direction. The dynamic policy treats it as HIGH_VOL."""


@dataclass(frozen=True, slots=True)
class MarketState:
    """The indicators of one symbol at its last closed candle.

    Indicators are worked out as floats and cut to six significant digits before they become `Decimal` (S21), once a
    candle, so that the same candle gives the same object and levels that follow from it can be remembered.
    """

    atr: Decimal
    """Average true range, in units of price."""
    close: Decimal
    adx: Decimal
    plus_di: Decimal
    minus_di: Decimal
    regime: Regime
    """With hysteresis: what is in force, not what the last candle alone would say (S3)."""
    closed_at_ms: int
    """When the last candle closed."""
    expires_at_ms: int
    """From then on there is no ATR: two intervals after the close (S20)."""
