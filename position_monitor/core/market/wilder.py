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
class Moves:
    """Sums of the moves up and down and of the true ranges: of the first n - 1 candles, from then on each loses its
    n-th part before the next value is added."""

    period: int
    plus: float = field(default=0.0, init=False)
    minus: float = field(default=0.0, init=False)
    ranges: float = field(default=0.0, init=False)
    count: int = field(default=0, init=False)

    def add(self, up: float, down: float, true_range: float) -> None:
        """Take the moves of the next candle."""
        self.count += 1
        if self.count >= self.period:
            up -= self.plus / self.period
            down -= self.minus / self.period
            true_range -= self.ranges / self.period
        self.plus += up
        self.minus += down
        self.ranges += true_range

    def in_percent(self) -> tuple[float, float]:
        """The directional indicators, +DI and -DI; 0 while nothing moved."""
        if self.ranges <= 0:
            return 0.0, 0.0
        return 100 * self.plus / self.ranges, 100 * self.minus / self.ranges


@dataclass(slots=True)
class Wilder:
    """The indicators of one symbol."""

    period: int = PERIOD
    _last: tuple[float, float, float] | None = field(default=None, init=False)
    """High, low and close of the candle before; None before the first, and after a gap."""
    _atr: Smoothed = field(init=False)
    _moves: Moves = field(init=False)
    _adx: Smoothed = field(init=False)
    _dx: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._atr, self._adx = Smoothed(self.period), Smoothed(self.period)
        self._moves = Moves(self.period)

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
        return self._moves.in_percent()[0]

    @property
    def minus_di(self) -> float:
        """Negative directional indicator, 0 to 100; 0 while nothing moved."""
        return self._moves.in_percent()[1]

    def gap(self) -> None:
        """Candles are missing: the next one is not measured against the last one."""
        self._last = None

    def add(self, high: float, low: float, close: float) -> None:
        """Take the next closed candle."""
        last, self._last = self._last, (high, low, close)
        if last is None:
            return
        high_before, low_before, close_before = last
        true_range = max(high, close_before) - min(low, close_before)
        up, down = high - high_before, low_before - low
        self._atr.add(true_range)
        self._moves.add(
            up if up > down and up > 0 else 0.0,
            down if down > up and down > 0 else 0.0,
            true_range,
        )
        if self._moves.count >= self.period:
            self._adx.add(self._directional_index())

    def _directional_index(self) -> float:
        """DX of this candle; without any movement that of the candle before."""
        plus, minus = self._moves.in_percent()
        if plus + minus > 0:
            self._dx = 100 * abs(plus - minus) / (plus + minus)
        return self._dx
