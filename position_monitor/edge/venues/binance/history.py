"""What Binance remembers of an account, read in pages that are whole: a page that is full is asked for in two halves.

A request covers seven days at most (Binance, Account Trade List). The lists have a most of rows, and the documentation
does not say for all of them which end is cut off; halving the time asks nothing of that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from position_monitor.core.performance.facts import Fill, Income, PastOrder, PriceRange, joined
from position_monitor.core.shadow.candle_walk import PriceCandle
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.history_rows import (
    candle_range,
    fills_of,
    income_of,
    last_close,
    past_algo_orders,
    past_plain_orders,
    price_candles,
)
from position_monitor.edge.venues.binance.wire import BinanceWire
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import Refused

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
ROWS_MAX: Final = 1_000
CANDLES_MAX: Final = 1_500
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
_MINUTES: Final = ("1m", MINUTE_MS)
_HOURS: Final = ("1h", HOUR_MS)
PAGES_MAX: Final = 64
"""Requests for one list: more are a sign of an account that no record can hold."""


class BinanceHistory:
    """The past of one account at Binance USDⓈ-M. Remembers nothing."""

    orders_kept_ms: Final = 3 * DAY_MS
    """A cancelled or expired order without a fill is not found three days after it was made (Binance, Query Order)."""
    fills_kept_ms: Final = 180 * DAY_MS

    def __init__(self, wire: BinanceWire) -> None:
        self._wire = wire

    async def fills(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[Fill, ...]:
        """Every fill of a symbol, oldest first (weight 5 a week)."""
        rows = await self._all(Endpoint.FILLS, {"symbol": symbol}, since_ms, until_ms)
        by_id = {(fill.trade_id, fill.buys): fill for fill in fills_of(rows) if fill.symbol == symbol}
        return tuple(sorted(by_id.values(), key=lambda fill: (fill.at_ms, fill.trade_id)))

    async def past_orders(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[PastOrder, ...]:
        """Every order of a symbol, conditional ones first (weight 10 a week)."""
        asked = {"symbol": symbol}
        algo = past_algo_orders(await self._all(Endpoint.PAST_ALGO_ORDERS, asked, since_ms, until_ms))
        plain = past_plain_orders(await self._all(Endpoint.PAST_ORDERS, asked, since_ms, until_ms))
        return tuple(dict.fromkeys((*algo, *plain)))

    async def income(self, *, since_ms: int, until_ms: int) -> tuple[Income, ...]:
        """The movements of the wallet that come from positions, of all symbols (weight 30 a page)."""
        return tuple(income_of(await self._all(Endpoint.INCOME, {}, since_ms, until_ms)))

    async def mark_range(self, symbol: str, *, since_ms: int, until_ms: int) -> PriceRange | None:
        """The extremes of the mark price by candles of one minute (weight 1 to 10).

        The whole hours of a longer time are read as such: the extremes of an hour are those of its minutes.
        """
        first_ms, last_ms = since_ms - since_ms % MINUTE_MS, until_ms - until_ms % MINUTE_MS
        if last_ms - first_ms < CANDLES_MAX * MINUTE_MS:
            return await self._range(symbol, _MINUTES, first_ms, last_ms)
        hours_ms, rest_ms = -(-first_ms // HOUR_MS) * HOUR_MS, last_ms - last_ms % HOUR_MS
        parts = (
            await self._range(symbol, _MINUTES, first_ms, hours_ms - MINUTE_MS),
            await self._range(symbol, _HOURS, hours_ms, rest_ms - HOUR_MS),
            await self._range(symbol, _MINUTES, rest_ms, last_ms),
        )
        return joined(parts)

    async def _range(self, symbol: str, candles: tuple[str, int], first_ms: int, last_ms: int) -> PriceRange | None:
        """The extremes of the candles that open from the first to the last of these times."""
        interval_ms = candles[1]
        pages: list[PriceRange | None] = []
        while first_ms <= last_ms:
            count = min(CANDLES_MAX, (last_ms - first_ms) // interval_ms + 1)
            pages.append(candle_range(await self._candles(symbol, candles, first_ms, count)))
            first_ms += count * interval_ms
        return joined(pages)

    async def mark_minutes(self, symbol: str, *, since_ms: int, until_ms: int) -> tuple[PriceCandle, ...]:
        """The mark by candles of one minute that closed until then, oldest first, at most 1,500 (weight 1 to 10)."""
        count = min(CANDLES_MAX, (until_ms - since_ms) // MINUTE_MS)
        if count <= 0:
            return ()
        candles = price_candles(await self._candles(symbol, _MINUTES, since_ms, count))
        return tuple(one for one in candles if since_ms <= one.opened_at_ms and one.closed_at_ms <= until_ms)

    async def mark_of_asset(self, asset: str, settle_asset: str, minute_ms: int) -> Decimal | None:
        """The mark price of an asset's contract at the end of a minute (weight 1)."""
        try:
            return last_close(await self._candles(f"{asset}{settle_asset}", _MINUTES, minute_ms, 1))
        except Refused:
            return None  # there is no such contract

    async def _candles(self, symbol: str, candles: tuple[str, int], begin_ms: int, count: int) -> object:
        interval, interval_ms = candles
        params = {
            "symbol": symbol,
            "interval": interval,
            "startTime": str(begin_ms),
            "endTime": str(begin_ms + count * interval_ms - 1),
            "limit": str(count),
        }
        return await self._wire.call(Endpoint.MARK_CANDLES, params, Lane.BACKGROUND)

    async def _all(
        self, endpoint: Endpoint, params: Mapping[str, str], since_ms: int, until_ms: int
    ) -> list[Mapping[str, object]]:
        """Every row of a list between two times, in the order in which the venue lists them."""
        rows: list[Mapping[str, object]] = []
        weeks = range(since_ms, until_ms + 1, WEEK_MS)
        stretches = [(begin, min(begin + WEEK_MS - 1, until_ms)) for begin in reversed(weeks)]
        for _ in range(PAGES_MAX):
            if not stretches:
                return rows
            begin, end = stretches.pop()
            page = await self._page(endpoint, params, begin, end)
            if len(page) >= ROWS_MAX and begin < end:
                middle = (begin + end) // 2
                stretches += [(middle + 1, end), (begin, middle)]
            else:
                rows += page
            await asyncio.sleep(0)  # whoever places a stop has its turn between two pages
        raise unusable(endpoint, f"it has more than {PAGES_MAX} pages")

    async def _page(
        self, endpoint: Endpoint, params: Mapping[str, str], begin_ms: int, end_ms: int
    ) -> list[Mapping[str, object]]:
        asked = {**params, "startTime": str(begin_ms), "endTime": str(end_ms), "limit": str(ROWS_MAX)}
        body = await self._wire.call(endpoint, asked, Lane.BACKGROUND)
        if not isinstance(body, list):
            raise unusable(endpoint, "the answer was not a list")
        return body
