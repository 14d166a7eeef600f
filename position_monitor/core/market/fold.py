"""The candles of one symbol, added up to a `MarketState` (S20, S21). The state has a fixed size, no candle is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from position_monitor.core.market.candles import INTERVAL_MS, Candle
from position_monitor.core.market.regime import RegimeInForce
from position_monitor.core.market.wilder import Wilder
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.regime_settings import RegimeThresholds

CANDLES_IN_A_ROW_MIN: Final = 30
"""With fewer closed candles in a row before now there is no ATR (S20)."""
LIFETIME_MS: Final = 2 * INTERVAL_MS
"""How long after its last close a state may be used (S20)."""


@dataclass(slots=True)
class MarketFold:
    """What is remembered of one symbol's candles."""

    last_open_ms: int | None = field(default=None, init=False)
    """When the last candle that was added began; None before the first."""
    _in_a_row: int = field(default=0, init=False)
    _wilder: Wilder = field(default_factory=Wilder, init=False)
    _in_force: RegimeInForce = field(default_factory=RegimeInForce, init=False)
    _state: MarketState | None = field(default=None, init=False)

    @property
    def closed_at_ms(self) -> int | None:
        """When the last candle closed; None before the first."""
        return None if self.last_open_ms is None else self.last_open_ms + INTERVAL_MS

    def add(self, candles: Iterable[Candle], thresholds: RegimeThresholds) -> None:
        """Take further closed candles, as `closed_candles` gives them.

        Where candles are missing in between, the one after the gap is not measured against the one before it, and the
        candles in a row are counted anew. Thresholds may change from one call to the next: they hold from then on.
        """
        regime: Regime | None = None
        last: Candle | None = None
        for last in candles:
            if self.last_open_ms is None or last.open_ms == self.last_open_ms + INTERVAL_MS:
                self._in_a_row += 1
            else:
                self._in_a_row = 1
                self._wilder.gap()
            self.last_open_ms = last.open_ms
            self._wilder.add(last.high, last.low, last.close)
            regime = self._regime_after(last, thresholds)
        if last is not None:
            self._state = None if regime is None else self._state_after(last, regime)

    def _regime_after(self, candle: Candle, thresholds: RegimeThresholds) -> Regime | None:
        """What is in force after this candle; None while an indicator is not known, or nothing moves at all."""
        atr, adx = self._wilder.atr, self._wilder.adx
        if atr is None or adx is None or atr <= 0:
            return None
        atr_pct = six_digits(atr) / six_digits(candle.close) * HUNDRED
        return self._in_force.close(atr_pct, six_digits(adx), thresholds)

    def _state_after(self, candle: Candle, regime: Regime) -> MarketState:
        """The state at the close of the last candle: nobody asks for that of an earlier one."""
        wilder, closed_at_ms = self._wilder, candle.open_ms + INTERVAL_MS
        assert wilder.atr is not None and wilder.adx is not None, "Invariant: a regime is made from both"
        return MarketState(
            atr=six_digits(wilder.atr),
            close=six_digits(candle.close),
            adx=six_digits(wilder.adx),
            plus_di=six_digits(wilder.plus_di),
            minus_di=six_digits(wilder.minus_di),
            regime=regime,
            closed_at_ms=closed_at_ms,
            expires_at_ms=closed_at_ms + LIFETIME_MS,
        )

    def state(self, now_ms: int) -> MarketState | None:
        """The state at the last close, unless something is missing; `now_ms` is the venue's time."""
        return None if self.missing(now_ms) else self._state

    def missing(self, now_ms: int) -> str:
        """Why there is no state, in words that need no further explanation; empty when there is one."""
        closed_at_ms = self.closed_at_ms
        if closed_at_ms is None:
            return "no candle was read yet"
        if now_ms >= closed_at_ms + LIFETIME_MS:
            return f"the last candle closed {(now_ms - closed_at_ms) // 60_000} min ago"
        if self._in_a_row < CANDLES_IN_A_ROW_MIN:
            return f"{self._in_a_row} closed candles in a row of {CANDLES_IN_A_ROW_MIN} that are needed"
        return "" if self._state is not None else "the price did not move"


def six_digits(value: float) -> Decimal:
    """A float cut to six significant digits (S21)."""
    return Decimal(f"{value:.6g}")
