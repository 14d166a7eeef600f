"""One position from its opening to its last fill, step by step, with a daemon that dies at every step.

The script only moves the price. What a step leads to is read at the venue: which rung was filled, where the tightest
stop of ours rests, that everything is covered after every single journal entry, and that nothing is written while
nothing happens.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tests.sim.market_made import MadeMarket
from tests.sim.records_model import KeptRecords
from tests.sim.stage import Stage
from tests.sim.stage_process import Process

BTC = "BTCUSDT"
ENTRY = Decimal(42_000)
QUANTITY = "0.238"
TICK = Decimal("0.1")
STEP_S = 60.0
TREMBLE = Decimal(8)
"""At most twice this, 0.04 %, from the middle."""
SETTLE_S = 16.0
"""Three looks: what a step leads to has been done and read back by then."""


class StageOfALife(Stage):
    """A stage on which BTCUSDT alone trades."""

    def __init__(self, config: Mapping[str, Any], *, side: str, hedge: bool, market: MadeMarket | None) -> None:
        super().__init__(hedge=hedge, config=config)
        self.side = side
        self.market = market
        self.records = KeptRecords()
        for symbol, instrument in self.world.instruments.items():
            if symbol != BTC:
                self.world.instruments[symbol] = dataclasses.replace(instrument, status="SETTLING")

    @property
    def daemon(self) -> Process:
        """The process that runs now."""
        return self.processes[-1]

    def begin(self, *, stream: bool = False) -> Process:
        """Start a daemon with nothing remembered."""
        daemon = self.start(records=self.records, stream=stream)
        if self.market is not None:
            daemon.transport.rewrites.append(self.market.answer)
        return daemon

    def put(self, price: Decimal) -> None:
        """The mark moves here. The last trade is where a market order of this side of the account is filled at it."""
        self.engine.set_price(BTC, price, price)

    async def opened(self, *, stream: bool = False, mark: Decimal | None = None) -> None:
        """A daemon runs, the candles were read if there are any, and the position is opened at exactly `ENTRY`.

        With a `mark` that is there at once, before the daemon looks.
        """
        self.begin(stream=stream)
        await self.run(10)
        candles = self.daemon.service.candles
        if self.market is not None:
            await self.until("candles", lambda: candles.market(BTC) is not None, within_s=60)
        self.engine.set_price(BTC, ENTRY, ENTRY - TICK if self.side == "LONG" else ENTRY)
        self.trade("open", BTC, self.side, QUANTITY)
        if mark is not None:
            self.put(mark)
        await self.until("covered", lambda: self.covered(BTC, self.side))
        await self.run(SETTLE_S)

    async def again(self, *, empty_redis: bool, stream: bool = False) -> None:
        """kill -9, and another daemon with nothing remembered."""
        self.daemon.kill()
        if empty_redis:
            self.redis.flush()
        self.begin(stream=stream)
        await self.run(SETTLE_S)

    # -- looking

    @property
    def stop(self) -> Decimal:
        """The tightest stop of ours that rests."""
        prices = [order.trigger for order in self.stops(BTC, self.side)]
        return max(prices) if self.side == "LONG" else min(prices)

    @property
    def rungs(self) -> list[tuple[Decimal, Decimal]]:
        """The take-profits that rest, nearest first: price and quantity."""
        rows = [(order.trigger, order.quantity) for order in self.targets(BTC, self.side)]
        return sorted(rows, reverse=self.side == "SHORT")

    @property
    def held(self) -> Decimal:
        """How much is open."""
        return self.size(BTC, self.side)

    def writes(self) -> int:
        """Journal entries about orders of ours, whatever became of them."""
        return len(self.entries(ours=True))

    async def quiet(self, seconds: float) -> None:
        """Nothing is written while nothing happens."""
        before = self.writes()
        await self.run(seconds)
        assert self.writes() == before, [entry.detail for entry in self.entries(ours=True)[before:]]

    async def hours(self, hours: float) -> None:
        """Let hours pass in long steps."""
        for _ in range(max(1, round(hours * 3600 / STEP_S))):
            await asyncio.sleep(STEP_S)
            self.observe()

    async def hours_of_quiet(self, hours: float) -> None:
        """The same, in which nothing is written."""
        before = self.writes()
        await self.hours(hours)
        assert self.writes() == before, [entry.detail for entry in self.entries(ours=True)[before:]]

    async def trembling(self, hours: float) -> None:
        """The same while the mark goes up and down by less than a stop is moved for."""
        middle, before = self.world.market.mark(BTC), self.writes()
        for number in range(round(hours * 60)):
            self.put(middle + (number % 5 - 2) * TREMBLE)
            await asyncio.sleep(STEP_S)
            self.observe()
        self.put(middle)
        assert self.writes() == before, [entry.detail for entry in self.entries(ours=True)[before:]]

    def must_stand(self) -> None:
        """Covered, published as PROTECTED by whoever runs, and no order of ours twice."""
        self.observe()
        published = self.published(BTC, self.side)
        assert self.covered(BTC, self.side), self.book()
        assert published["verdict"] == "PROTECTED", (published["verdict"], published["reason"], self.book())
        self.must_be_tidy()


def stop_levels(stage: Stage, symbol: str, side: str) -> list[Decimal]:
    """The tightest resting stop of ours after each journal entry, repetitions dropped."""
    return list(_tightest(stage, symbol, side))


def _tightest(stage: Stage, symbol: str, side: str) -> Iterator[Decimal]:
    resting: dict[int, Decimal] = {}
    last: Decimal | None = None
    for entry in stage.entries(symbol=symbol, ours=True):
        if entry.detail["type"] != "STOP_MARKET" or entry.kind == "order_refused":
            continue
        if entry.detail["status"] == "NEW":
            resting[entry.detail["order_id"]] = Decimal(entry.detail["trigger"])
        else:
            resting.pop(entry.detail["order_id"], None)
        if resting:
            tightest = max(resting.values()) if side == "LONG" else min(resting.values())
            if tightest != last:
                yield tightest
            last = tightest
