"""The regime of a market from its volatility and its trend, with hysteresis (3.4, S3), and its direction (S10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Final

from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.core.model.sides import Side

CLOSES: Final = 2
"""A new regime is in force after this many closes in a row that ask for it (S3)."""
_ABOVE: Final = Decimal("1.1")
_BELOW: Final = Decimal("0.9")
_AT_THE_EDGE: Final = Decimal(1)
"""An edge between two classes of volatility is crossed 10 % beyond it."""


class Volatility(IntEnum):
    """How far a market moves in a candle."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    EXTREME = 3


@dataclass(slots=True)
class RegimeInForce:
    """The regime of one symbol, close by close. Starts with what the first close alone says (12.9)."""

    regime: Regime | None = field(default=None, init=False)
    """What is in force; None before the first close."""
    volatility: Volatility = field(default=Volatility.NORMAL, init=False)
    """The class of volatility, with hysteresis."""
    trending: bool = field(default=False, init=False)
    """Whether ADX says trend, with hysteresis."""
    _asked: Regime | None = field(default=None, init=False)
    """Another regime that the last closes asked for."""
    _closes: int = field(default=0, init=False)

    def close(self, atr_pct: Decimal, adx: Decimal, thresholds: RegimeThresholds) -> Regime:
        """Take the next closed candle (`atr_pct`: ATR in percent of the close) and say what is in force after it."""
        first = self.regime is None
        self.volatility = _volatility(atr_pct, thresholds, None if first else self.volatility)
        self.trending = adx >= (thresholds.ranging_below_adx if self.trending else thresholds.trending_from_adx)
        asked = _regime(self.volatility, adx, thresholds, trending=self.trending)
        if self.regime is None or asked is self.regime:
            self.regime, self._asked, self._closes = asked, None, 0
            return asked
        self._closes = self._closes + 1 if asked is self._asked else 1
        self._asked = asked
        if self._closes >= CLOSES:
            self.regime, self._asked, self._closes = asked, None, 0
        return self.regime


def _volatility(atr_pct: Decimal, thresholds: RegimeThresholds, before: Volatility | None) -> Volatility:
    """The class of this close. Each edge between the class before and the new one must be left 10 % behind."""
    now = _class_of(atr_pct, thresholds, _AT_THE_EDGE)
    if now == before:
        return before
    if before is None:
        return Volatility(now)
    up, down = _class_of(atr_pct, thresholds, _ABOVE), _class_of(atr_pct, thresholds, _BELOW)
    return Volatility(min(max(before, up), down))


def _class_of(atr_pct: Decimal, thresholds: RegimeThresholds, part: Decimal) -> int:
    """How many edges, each taken times `part`, lie behind."""
    behind = atr_pct >= thresholds.low_below_pct * part
    return behind + (atr_pct >= thresholds.high_from_pct * part) + (atr_pct >= thresholds.extreme_from_pct * part)


def _regime(volatility: Volatility, adx: Decimal, thresholds: RegimeThresholds, *, trending: bool) -> Regime:
    """The first that holds, in the order of 3.4."""
    if volatility is Volatility.EXTREME:
        return Regime.EXTREME_VOL
    if trending:
        return Regime.TRENDING
    if volatility is Volatility.HIGH:
        return Regime.HIGH_VOL
    if volatility is Volatility.LOW:
        return Regime.LOW_VOL
    return Regime.RANGING if adx < thresholds.ranging_below_adx else Regime.NORMAL_VOL


def local_direction(market: MarketState) -> Side | None:
    """Where the market goes by its own candles; None where neither side is stronger (S10)."""
    if market.plus_di == market.minus_di:
        return None
    return Side.LONG if market.plus_di > market.minus_di else Side.SHORT
