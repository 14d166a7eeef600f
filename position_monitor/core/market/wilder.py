"""Average true range, directional indicators and their index by Wilder (1978), seeded as TA-Lib seeds them (3.5, S21).

Candle by candle, without history. ATR is known from candle n + 1 on, +DI and -DI likewise, ADX from candle 2n on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

PERIOD: Final = 14
"""n of every indicator here."""


@dataclass(slots=True)
class Smoothed:
    """A mean of the first n values, from then on each value moves it by the n-th part of the difference."""

    period: int
    value: float | None = field(default=None, init=False)
    """None until n values came."""
    _count: int = field(default=0, init=False)
    _total: float = field(default=0.0, init=False)

    def add(self, value: float) -> None:
        """Take the next value."""
        if self.value is not None:
            self.value += (value - self.value) / self.period
            return
        self._count += 1
        self._total += value
        if self._count == self.period:
            self.value = self._total / self.period


@dataclass(slots=True)
class Decaying:
    """A sum of the first n - 1 values, from then on it loses its n-th part before each value is added."""

    period: int
    value: float = field(default=0.0, init=False)
    count: int = field(default=0, init=False)

    def add(self, value: float) -> None:
        """Take the next value."""
        self.count += 1
        self.value += value if self.count < self.period else value - self.value / self.period


@dataclass(slots=True)
class Wilder:
    """The indicators of one symbol."""

    period: int = PERIOD
    _last: tuple[float, float, float] | None = field(default=None, init=False)
    """High, low and close of the candle before; None before the first, and after a gap."""
    _atr: Smoothed = field(init=False)
    _plus: Decaying = field(init=False)
    _minus: Decaying = field(init=False)
    _ranges: Decaying = field(init=False)
    _adx: Smoothed = field(init=False)
    _dx: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._atr, self._adx = Smoothed(self.period), Smoothed(self.period)
        self._plus, self._minus, self._ranges = (Decaying(self.period) for _ in range(3))

    @property
    def atr(self) -> float | None:
        """Average true range, in units of price."""
        return self._atr.value

    @property
    def adx(self) -> float | None:
        """Average directional index, 0 to 100."""
        return self._adx.value

    @property
    def plus_di(self) -> float:
        """Positive directional indicator, 0 to 100; 0 while nothing moved."""
        return self._directional(self._plus)

    @property
    def minus_di(self) -> float:
        """Negative directional indicator, 0 to 100; 0 while nothing moved."""
        return self._directional(self._minus)

    def gap(self) -> None:
        """Candles are missing: the next one is not measured against the last one."""
        self._last = None

    def add(self, high: float, low: float, close: float) -> None:
        """Take the next closed candle."""
        last, self._last = self._last, (high, low, close)
        if last is None:
            return
        high_before, low_before, close_before = last
        true_range = max(high - low, abs(high - close_before), abs(low - close_before))
        up, down = high - high_before, low_before - low
        self._atr.add(true_range)
        self._ranges.add(true_range)
        self._plus.add(up if up > down and up > 0 else 0.0)
        self._minus.add(down if down > up and down > 0 else 0.0)
        if self._ranges.count >= self.period:
            self._adx.add(self._directional_index())

    def _directional(self, moves: Decaying) -> float:
        ranges = self._ranges.value
        return 100 * moves.value / ranges if ranges > 0 else 0.0

    def _directional_index(self) -> float:
        """DX of this candle; without any movement that of the candle before."""
        plus, minus = self._directional(self._plus), self._directional(self._minus)
        if plus + minus > 0:
            self._dx = 100 * abs(plus - minus) / (plus + minus)
        return self._dx
