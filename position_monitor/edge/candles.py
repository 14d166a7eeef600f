"""Candles of every contract that trades, read in the background and added up symbol by symbol (S20, 12.1).

An ATR must be there before a position opens, so not only held symbols are read: those first, then the others by their
turnover. One request at a time, spread in time; each symbol once with 300 candles, and after each closed hour only what
is missing. No candle is kept. Nothing here is waited for: who asks gets what is there, or a word why there is nothing,
and then the floor protects. Where no policy needs candles, none is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from loguru import logger

from position_monitor.core.market.candles import INTERVAL_MS, Candle, CandlesRefused, closed_candles
from position_monitor.core.market.fold import MarketFold
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.edge.background import sleep_or_wake
from position_monitor.edge.clock import Clock
from position_monitor.errors import ExchangeFailure, RateLimited, Refused

FIRST_CANDLES: Final = 300
"""Closed candles of the first load, and the most that are asked for later: where more are missing there is a gap."""
SETTLE_MS: Final = 5_000
"""A candle is asked for this long after its close, by the venue's clock."""
FIRST_PAUSE_S: Final = 3.0
"""Pause after a first load: 20 a minute, so 600 symbols take half an hour (12.1)."""
PAUSE_S: Final = 1.5
"""Pause after any other request: 600 symbols take a quarter of an hour."""
TURNOVER_PAUSE_S: Final = 60.0
"""Pause after the turnover of all symbols, which costs as much as a minute of candles."""
TURNOVER_EVERY_S: Final = 24 * 3600.0
TURNOVER_AGAIN_S: Final = 3600.0
"""When the turnover is asked for again after it could not be read; until then the order is by name."""
NOTHING_DUE_S: Final = 5.0
AGAIN_FIRST_S: Final = 30.0
AGAIN_MOST_S: Final = 600.0
"""When a symbol whose candles could not be read is tried again: each time after twice as long."""
FAILURE_PAUSE_MOST_S: Final = 60.0
"""Longest pause while nothing can be read at all."""
FAILURES_BEFORE_WARNING: Final = 3
"""After this many answers in a row that were none it is said that candles cannot be read."""
SYMBOLS_MAX: Final = 2_000
_AT_ONCE: Final = 50
"""Candles that are added up before the loop has a turn: 300 at once would hold up a stop."""


class CandleSource(Protocol):
    """The venue, as far as candles go (`edge/exchange.py`)."""

    def venue_now_ms(self) -> int:
        """The venue's clock as last measured, ms UTC."""
        ...

    def trading_symbols(self) -> Collection[str]:
        """Every contract that trades now."""
        ...

    async def read_candles(
        self, symbol: str, working_type: WorkingType, *, first_ms: int, count: int
    ) -> Sequence[Candle]:
        """Up to `count` candles of an hour from the one that began at `first_ms` on; raises `ExchangeFailure`."""
        ...

    async def read_turnovers(self) -> Mapping[str, Decimal]:
        """Turnover of the last day by symbol; raises `ExchangeFailure`."""
        ...


@dataclass(frozen=True, slots=True)
class CandleSettings:
    """What the configuration in force says of candles."""

    wanted: bool
    """Whether a policy in use needs them."""
    thresholds: RegimeThresholds
    working_type: Callable[[str], WorkingType]
    """The price that arms the orders of a symbol: its noise is what a stop must bear (S20)."""


@dataclass(slots=True)
class _Market:
    """The candles of one symbol, added up, and how reading them goes."""

    working_type: WorkingType
    fold: MarketFold = field(default_factory=MarketFold)
    failures: int = 0
    """In a row."""
    again_at_s: float = float("-inf")
    problem: str = ""


class CandleReader:
    """Reads candles while they are wanted. `watch`, `market` and `missing` are instant; `run` does the rest."""

    def __init__(self, source: CandleSource, clock: Clock, settings: Callable[[], CandleSettings]) -> None:
        """`settings` gives what is in force now; after a change of it `follow` must be called."""
        self._source = source
        self._clock = clock
        self._settings = settings
        self._markets: dict[str, _Market] = {}
        self._held: frozenset[str] = frozenset()
        self._turnovers: Mapping[str, Decimal] = {}
        self._turnovers_due_s = float("-inf")
        self._failures = 0
        """Answers in a row that were none, about whatever symbols."""
        self._wake = asyncio.Event()

    def watch(self, held: Iterable[str]) -> None:
        """The symbols with an open position: they are read first, one of which nothing is there at once."""
        self._held = frozenset(held)
        if self._held - self._markets.keys() and self._settings().wanted:
            self._wake.set()

    def follow(self) -> None:
        """The configuration changed: begin to read, or stop."""
        self._wake.set()

    def market(self, symbol: str) -> MarketState | None:
        """The state of a symbol at its last closed candle; None where there is none that may be used (`missing`)."""
        entry = self._in_use(symbol)
        return entry.fold.state(self._source.venue_now_ms()) if entry is not None else None

    def missing(self, symbol: str) -> str:
        """Why there is no state of a symbol, in words; empty where there is one."""
        if not self._settings().wanted:
            return "candles are not read (exit.candles)"
        entry = self._in_use(symbol) or _Market(WorkingType.MARK_PRICE)
        reason = entry.fold.missing(self._source.venue_now_ms())
        return f"{reason}: {entry.problem}" if reason and entry.problem else reason

    def _in_use(self, symbol: str) -> _Market | None:
        """The candles of a symbol, if they are what the settings in force ask for."""
        entry, settings = self._markets.get(symbol), self._settings()
        usable = entry is not None and settings.wanted and entry.working_type is settings.working_type(symbol)
        return entry if usable else None

    async def run(self) -> None:
        """Read for ever, until cancelled. Nothing the venue does ends it."""
        while True:
            if self._settings().wanted:
                await sleep_or_wake(self._clock, await self.step(), self._wake)
            else:
                self._markets.clear()
                self._wake.clear()
                await self._wake.wait()

    async def step(self) -> float:
        """Send the one request that is most due, if any; gives the seconds until the next step."""
        symbol = self._due(sorted(self._held))
        if symbol is None and self._clock.monotonic_s() >= self._turnovers_due_s and self._source.trading_symbols():
            return await self._read_turnovers()
        symbol = symbol or self._due(self._others())
        return NOTHING_DUE_S if symbol is None else await self._read(symbol)

    def _others(self) -> list[str]:
        """Every contract that trades, the largest turnover first. What is neither held nor trades is forgotten."""
        trading = self._source.trading_symbols()
        if trading:
            for symbol in self._markets.keys() - self._held - set(trading):
                del self._markets[symbol]
        nothing = Decimal(0)
        return sorted(trading, key=lambda name: (-self._turnovers.get(name, nothing), name))[:SYMBOLS_MAX]

    def _due(self, symbols: Iterable[str]) -> str | None:
        """The first symbol of which a closed candle is missing; one that failed the last time only after the others."""
        now_s, newest_ms, settings = self._clock.monotonic_s(), self._newest_ms(), self._settings()
        again: str | None = None
        for symbol in symbols:
            entry = self._markets.get(symbol)
            if entry is None or entry.working_type is not settings.working_type(symbol):
                return symbol
            last_ms = entry.fold.last_open_ms
            if last_ms is not None and last_ms >= newest_ms:
                continue
            if not entry.failures:
                return symbol
            if again is None and now_s >= entry.again_at_s:
                again = symbol
        return again

    def _newest_ms(self) -> int:
        """When the newest candle began that is closed for long enough to be asked for."""
        settled_ms = self._source.venue_now_ms() - SETTLE_MS
        return settled_ms - settled_ms % INTERVAL_MS - INTERVAL_MS

    async def load(self, symbols: Iterable[str]) -> None:
        """Read what is missing of these symbols now, one after another: for a look that ends with its answer.

        What cannot be read stays missing; where the budget is short the rest is not asked for.
        """
        for symbol in sorted(symbols) if self._settings().wanted else ():
            if self._due((symbol,)) is not None:
                try:
                    await self._fetch(symbol)
                except RateLimited:
                    return
                except (ExchangeFailure, CandlesRefused) as failure:
                    self._put_off(symbol, str(failure))

    async def _read(self, symbol: str) -> float:
        """Read what is missing of one symbol; gives the seconds until the next request."""
        pause_s = PAUSE_S if symbol in self._markets else FIRST_PAUSE_S
        try:
            await self._fetch(symbol)
        except RateLimited as failure:
            return self._later(failure)
        except (CandlesRefused, Refused) as failure:
            self._put_off(symbol, str(failure))
            return pause_s
        except ExchangeFailure as failure:
            self._put_off(symbol, str(failure))
            return max(pause_s, self._failed(str(failure)))
        except Exception as defect:  # a defect of ours must not end the reading (invariant 12)
            self._put_off(symbol, f"candles could not be read ({type(defect).__name__})")
            return max(pause_s, self._failed(type(defect).__name__))
        self._succeeded(symbol)
        return pause_s

    async def _fetch(self, symbol: str) -> None:
        """One request about one symbol; raises `ExchangeFailure`, or `CandlesRefused` for what cannot be believed."""
        entry = self._markets.get(symbol)
        working_type = self._settings().working_type(symbol)
        if entry is None or entry.working_type is not working_type:
            entry = self._markets[symbol] = _Market(working_type)
        newest_ms, last_ms = self._newest_ms(), entry.fold.last_open_ms
        missing = FIRST_CANDLES if last_ms is None else (newest_ms - last_ms) // INTERVAL_MS
        count = min(missing, FIRST_CANDLES)
        first_ms = newest_ms - (count - 1) * INTERVAL_MS
        read = await self._source.read_candles(symbol, working_type, first_ms=first_ms, count=count)
        fresh = closed_candles(read, after_ms=-1 if last_ms is None else last_ms, now_ms=self._source.venue_now_ms())
        if not fresh:
            raise CandlesRefused("the venue has no candle of the last hour")
        thresholds = self._settings().thresholds
        for first in range(0, len(fresh), _AT_ONCE):
            entry.fold.add(fresh[first : first + _AT_ONCE], thresholds)
            await asyncio.sleep(0)

    async def _read_turnovers(self) -> float:
        """Ask which contracts are traded most; gives the seconds until the next request."""
        self._turnovers_due_s = self._clock.monotonic_s() + TURNOVER_AGAIN_S
        try:
            self._turnovers = await self._source.read_turnovers()
        except RateLimited as failure:
            return self._later(failure)
        except Exception as failure:
            logger.debug("the turnover of the contracts was not read: {}", type(failure).__name__)
        else:
            self._turnovers_due_s = self._clock.monotonic_s() + TURNOVER_EVERY_S
        return TURNOVER_PAUSE_S

    def _later(self, failure: RateLimited) -> float:
        """The budget is short, or the venue wants silence: the background is dropped first."""
        return min(max((failure.retry_at_ms - self._clock.now_ms()) / 1000, NOTHING_DUE_S), FAILURE_PAUSE_MOST_S)

    def _put_off(self, symbol: str, problem: str) -> None:
        """Note why a symbol was not read, and when it is tried again."""
        entry = self._markets[symbol]
        entry.failures += 1
        entry.problem = problem
        wait_s = min(AGAIN_FIRST_S * 2 ** min(entry.failures - 1, 10), AGAIN_MOST_S)
        entry.again_at_s = self._clock.monotonic_s() + wait_s

    def _failed(self, problem: str) -> float:
        """The venue gave no usable answer; gives a pause that grows while it gives none to anything."""
        self._failures += 1
        if self._failures == FAILURES_BEFORE_WARNING:
            logger.warning("Candles cannot be read, new positions get the floor: {}", problem)
        return min(2.0 ** min(self._failures, 10), FAILURE_PAUSE_MOST_S)

    def _succeeded(self, symbol: str) -> None:
        entry = self._markets[symbol]
        if self._failures >= FAILURES_BEFORE_WARNING:
            logger.info("Candles are read again")
        self._failures = entry.failures = 0
        entry.problem = ""
