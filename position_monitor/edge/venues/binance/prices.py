"""Prices that are asked for apart from the positions: what arms orders by the last trade, and a second witness.

A row of a position carries the mark only. Where `working_type = "CONTRACT_PRICE"` arms the orders by the last trade,
its price is read beside each read of positions (weight 1 or 2), and waited for a moment only: without it the mark
stands for it. Before a position is closed at market one price is read by itself, from another part of the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Final

from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import PositionsRead
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.failures import unusable
from position_monitor.edge.venues.binance.rows import LastPriceRow, MarkPriceRow, list_of_rows, parse_object
from position_monitor.edge.venues.binance.wire import BinanceWire
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import ExchangeFailure

WAIT_S: Final = 0.5
"""Longest time a read of positions waits for the last prices; one that is under way then is used by the next read."""
FRESH_S: Final = 3.0
"""How old a last price may be."""
MARK_AGE_MAX_MS: Final = 10_000
"""A mark older than this by the venue's clock comes from a machine that lags: it is no witness."""


class BinancePrices:
    """Remembers only what was read in the last seconds."""

    def __init__(self, wire: BinanceWire) -> None:
        self.armed_by_last: Callable[[PositionKey], bool] | None = None
        """Which positions have orders that the last trade arms; None where no setting asks for it."""
        self._wire = wire
        self._last: Mapping[str, Decimal] = {}
        self._read_at_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def completed(self, read: PositionsRead) -> PositionsRead:
        """The positions with the last prices of those that want one and have one. Raises nothing."""
        if self.armed_by_last is None:
            return read
        symbols = {position.symbol for position in read.positions if self.armed_by_last(position.key)}
        if not symbols:
            return read
        last = await self._prices(symbols)
        positions = [replace(p, last_price=last.get(p.symbol)) if p.symbol in symbols else p for p in read.positions]
        return replace(read, positions=tuple(positions))

    async def witness(self, symbol: str, working_type: WorkingType) -> Decimal:
        """The price that arms orders of this type, read just now; raises `ExchangeFailure`."""
        params = {"symbol": symbol}
        if working_type is WorkingType.CONTRACT_PRICE:
            body = await self._wire.call(Endpoint.LAST_PRICE, params, Lane.STOP)
            last = parse_object(Endpoint.LAST_PRICE, LastPriceRow, body)
            if last.symbol != symbol:
                raise unusable(Endpoint.LAST_PRICE, "the answer was about another symbol")
            return last.price
        body = await self._wire.call(Endpoint.MARK_PRICE, params, Lane.STOP)
        mark = parse_object(Endpoint.MARK_PRICE, MarkPriceRow, body)
        if mark.symbol != symbol or abs(self._wire.time.now_ms() - mark.time) > MARK_AGE_MAX_MS:
            raise unusable(Endpoint.MARK_PRICE, "the answer was old, or about another symbol")
        return mark.mark_price

    def end(self) -> None:
        """Nobody reads any more."""
        if self._reading is not None:
            self._reading.cancel()

    async def _prices(self, symbols: set[str]) -> Mapping[str, Decimal]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(symbols))
        await asyncio.wait({self._reading}, timeout=WAIT_S)
        fresh = self._wire.time.local.monotonic_s() - self._read_at_s <= FRESH_S
        return self._last if fresh else {}

    async def _read(self, symbols: set[str]) -> None:
        """One symbol costs 1 weight, all of them 2. What cannot be read is missing."""
        params = {"symbol": next(iter(symbols))} if len(symbols) == 1 else {}
        last: dict[str, Decimal] = {}
        try:
            body = await self._wire.call(Endpoint.LAST_PRICE, params, Lane.READ)
            rows = list_of_rows(Endpoint.LAST_PRICE, [body] if params else body)
        except ExchangeFailure:
            return
        for raw in rows:
            if raw.get("symbol") in symbols:
                with suppress(ExchangeFailure):  # one malformed row costs its symbol, never the others (D8)
                    row = parse_object(Endpoint.LAST_PRICE, LastPriceRow, raw)
                    last[row.symbol] = row.price
        self._last, self._read_at_s = last, self._wire.time.local.monotonic_s()
