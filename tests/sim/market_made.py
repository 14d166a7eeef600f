"""Candles by hand: a market of one symbol whose ATR and regime are known figures, answered in place of the venue's own.

Every candle has the same range, so the ATR is that range to the last digit. What lies between one candle and the next
makes the ADX: nothing, a step in one direction, or steps up and down of which one is longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from position_monitor.core.market.candles import INTERVAL_MS
from position_monitor.edge.venues.transport import Endpoint
from tests.sim.virtual_time import EPOCH_MS

MIDDLE = 42_000


@dataclass(frozen=True)
class MadeMarket:
    """How the candles of an hour follow each other; all figures in units of price."""

    range: int
    """High less low of each: the ATR."""
    step: int = 0
    """From the middle of one to the middle of the next; the ADX is 100 with one, and 0 without."""
    back: int = 0
    """Every second step goes back by so much instead: the ADX is about 100 (step - back) / (step + back)."""

    def answer(self, endpoint: Endpoint, params: Mapping[str, str], body: Any) -> Any:
        """What the venue answers, with candles of this market where an hour's were asked for."""
        if endpoint is not Endpoint.MARK_CANDLES or params.get("interval") != "1h":
            return body
        return [self.row(int(row[0])) for row in body]

    def row(self, open_ms: int) -> list[Any]:
        """The candle of one hour, as the venue writes it."""
        number = (open_ms - EPOCH_MS) // INTERVAL_MS
        if self.back:
            pairs, odd = divmod(number, 2)
            middle = MIDDLE + pairs * (self.step - self.back) + odd * self.step
        else:
            middle = MIDDLE + number * self.step
        half = self.range // 2
        high, low, close = (f"{price}.0" for price in (middle + half, middle - half, middle))
        return [open_ms, close, high, low, close, "0", open_ms + INTERVAL_MS - 1, "0", 1, "0", "0", "0"]


RANGING = MadeMarket(420)
"""ATR 1 % of the price, no direction."""
RANGING_NARROW = MadeMarket(400)
RANGING_WIDE = MadeMarket(600)
NORMAL_VOL = MadeMarket(420, step=11, back=7)
TREND_UP = MadeMarket(420, step=10)
TREND_DOWN = MadeMarket(420, step=-10)
HIGH_VOL = MadeMarket(840, step=11, back=7)
"""ATR 2 %, neither a trend nor without direction."""
CHOPPY = MadeMarket(840)
"""ATR 2 %, no direction: HIGH_VOL, of which the Exit Brain makes CHOP."""
