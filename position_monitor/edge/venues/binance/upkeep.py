"""What is known between reads: clock, trading rules, position mode, leverages. Old knowledge stays on failure."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from loguru import logger

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.observation.reads import PositionsRead
from position_monitor.edge.http.rate_budget import Lane
from position_monitor.edge.venues.binance.instruments import TRADING_STATUS, instruments_from
from position_monitor.edge.venues.binance.rows import (
    AccountConfigRow,
    PositionModeRow,
    SymbolConfigRow,
    list_of_rows,
    parse_object,
)
from position_monitor.edge.venues.binance.wire import BinanceWire
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import AuthRefused, ExchangeFailure, RateLimited

CLOCK_EVERY_S: Final = 300.0
CLOCK_STEP_MS: Final = 250
"""A jump of our wall clock against the monotonic clock beyond this is measured at once (C2, C3)."""
INSTRUMENTS_EVERY_S: Final = 24 * 3600.0
INSTRUMENTS_FLAGGED_EVERY_S: Final = 1.0
"""After a refusal that says a tick, a step or a status changed: a stop may be waiting for the new rules (weight 1)."""
INSTRUMENTS_UNKNOWN_S: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""While a symbol without usable rules is asked for: pauses before the attempts that are made for it. The first one is
made at once, whatever was loaded before; the last pause stays."""
INSTRUMENT_LOADS_1M_MAX: Final = 10
"""However many symbols are unknown or refused: each load is of every symbol, and takes the processor a while."""
RULES_PATIENCE_S: Final = 0.5
"""How long a read of positions waits for the rules of a symbol that is new."""
UNKNOWN_MAX: Final = 200
"""Symbols that are waited for; further ones come with the next load all the same, which is of every symbol."""
MODE_EVERY_S: Final = 60.0
MODE_SHOWN_EVERY_S: Final = 300.0
"""While rows of open positions show the mode (they do in every cycle, and the venue changes it for nobody who holds
one), the call only says whether the account may trade."""
SETTINGS_CHANGED_EVERY_S: Final = 2.0
"""After an event that told of changed settings, so that a flood of such events costs little."""
LEVERAGES_EVERY_S: Final = 600.0
LEVERAGES_UNKNOWN_EVERY_S: Final = 30.0


class BinanceUpkeep:
    """Holds what changes rarely and says when it is due."""

    def __init__(self, wire: BinanceWire) -> None:
        self.instruments: Mapping[str, Instrument] = {}
        self.skipped: Mapping[str, str] = {}
        self.leverages: Mapping[str, int] = {}
        self.can_trade = True
        self._untradable: dict[str, int] = {}
        """Symbols that were asked for and are not tradable as far as is known (newly listed, unreadable, halted), with
        the number of attempts to load their rules that began since."""
        self.settings_due = False
        """The venue told of a change of leverage or of the account's settings."""
        self._asked: set[str] = set()
        """Those of them that were asked for since the last attempt: the others matter to nobody any more."""
        self._loads_s: deque[float] = deque(maxlen=INSTRUMENT_LOADS_1M_MAX)
        self._loading: asyncio.Future[None] | None = None
        self._wire = wire
        self._hedged: bool | None = None
        self._mode_shown = False
        """The last read of positions had rows of the mode we know."""
        self._leverage_unknown = False
        self._instruments_at_s = -math.inf
        self._mode_at_s = -math.inf
        self._leverages_at_s = -math.inf

    async def prepare(self) -> None:
        """Everything anew, side by side where nothing depends on another; raises the first `ExchangeFailure`."""
        await _all(self._load_account(), self.load_instruments())

    async def _load_account(self) -> None:
        """What is signed, once the clock is known well enough for that.

        The first sample contains the opening of the connection, which is near enough for a signature. The second is not
        so late.
        """
        await self._wire.measure_clock(samples=1)
        await _all(self._wire.measure_clock(samples=1), self.load_mode(), self.load_leverages())

    async def refresh(self) -> None:
        """Do what is due; raises the first failure after every due step was tried."""
        first_failure: ExchangeFailure | None = None
        for step in self._due():
            try:
                await step()
            except RateLimited:
                raise
            except ExchangeFailure as failure:
                first_failure = first_failure or failure
        if first_failure is not None:
            raise first_failure

    @property
    def hedged(self) -> bool | None:
        """The position mode as last read, or as open rows showed it; None before either."""
        return self._hedged

    async def try_mode(self) -> None:
        """Read the position mode if it never was. Without it zero rows prove nothing, and that is all."""
        if self._hedged is None:
            try:
                await self.load_mode()
            except ExchangeFailure as failure:
                logger.debug("the position mode was not read: {}", failure)

    def learn_from(self, read: PositionsRead) -> None:
        """Open rows show the mode, and which leverages are still missing."""
        if read.positions and read.hedged != self._hedged:
            self._hedged = read.hedged
            self._wire.mode_flagged = True
        self._mode_shown = bool(read.positions) and read.hedged == self._hedged
        self._leverage_unknown = any(position.leverage is None for position in read.positions)

    def instrument(self, symbol: str) -> Instrument | None:
        """Trading rules as last loaded, or None. A symbol one cannot trade by them is looked up again soon."""
        instrument = self.instruments.get(symbol)
        if instrument is not None and instrument.status == TRADING_STATUS:
            if self._untradable:
                self._untradable.pop(symbol, None)
        elif symbol in self._untradable or len(self._untradable) < UNKNOWN_MAX:
            self._untradable.setdefault(symbol, 0)
            self._asked.add(symbol)
        return instrument

    async def rules_for(self, symbols: Iterable[str]) -> None:
        """Let the rules of these symbols be loaded now where one has none and it is time to ask: its stop needs them.

        Waits for a moment only: what is not there then comes with a later look, and holds nothing else back.
        """
        missing = [symbol for symbol in symbols if self.instrument(symbol) is None]  # each is asked for
        if not missing or not self.instruments:
            return
        if self._loading is None and self._now_s() - self._instruments_at_s >= self._instruments_every_s():
            self._loading = asyncio.create_task(self._try_instruments())
        if self._loading is not None:
            await asyncio.wait({self._loading}, timeout=RULES_PATIENCE_S)

    async def _try_instruments(self) -> None:
        try:
            await self.load_instruments()
        except ExchangeFailure as failure:
            logger.debug("the trading rules were not read: {}", failure)
        finally:
            self._loading = None

    async def load_instruments(self) -> None:
        """Read the trading rules of every symbol; raises `ExchangeFailure` and keeps the old ones."""
        self._instruments_at_s = self._now_s()
        self._loads_s.append(self._instruments_at_s)
        needed = not self.instruments or bool(self._untradable)
        self._untradable = {symbol: tries + 1 for symbol, tries in self._untradable.items() if symbol in self._asked}
        self._asked.clear()
        body = await self._wire.call(Endpoint.EXCHANGE_INFO, {}, Lane.HELD if needed else Lane.READ)
        self.instruments, self.skipped = await instruments_from(body, self.instruments)
        self._wire.instruments_flagged = False
        if self.skipped:
            named = ", ".join(sorted(self.skipped)[:5])
            logger.warning("{} symbols have unreadable trading rules, first: {}", len(self.skipped), named)

    async def load_mode(self) -> None:
        """Read the position mode (weight 5, or 30 by the older call); raises `ExchangeFailure`."""
        self._mode_at_s = self._now_s()
        try:
            body = await self._wire.call(Endpoint.ACCOUNT_CONFIG, {}, self._mode_lane)
            account = parse_object(Endpoint.ACCOUNT_CONFIG, AccountConfigRow, body)
        except (RateLimited, AuthRefused):
            raise
        except ExchangeFailure:
            body = await self._wire.call(Endpoint.POSITION_MODE, {}, self._mode_lane)
            self._hedged = parse_object(Endpoint.POSITION_MODE, PositionModeRow, body).dual_side_position
        else:
            self._hedged = account.dual_side_position
            if self.can_trade and not account.can_trade:
                logger.error("the exchange says this account may not trade: orders will be refused")
            self.can_trade = account.can_trade
        self._wire.mode_flagged = False

    async def load_leverages(self) -> None:
        """Read leverages for display. A failure costs nothing but the figure, so it is not raised (invariant 12)."""
        self._leverages_at_s = self._now_s()
        try:
            body = await self._wire.call(Endpoint.SYMBOL_CONFIG, {}, Lane.READ)
            rows = [
                parse_object(Endpoint.SYMBOL_CONFIG, SymbolConfigRow, row)
                for row in list_of_rows(Endpoint.SYMBOL_CONFIG, body)
            ]
        except ExchangeFailure as failure:
            logger.debug("leverages were not read: {}", failure)
            return
        self.leverages = {row.symbol: row.leverage for row in rows}
        self._leverage_unknown = False

    @property
    def _mode_lane(self) -> Lane:
        """Until the position mode is known, reads of positions need it."""
        return Lane.POSITIONS if self._hedged is None else Lane.READ

    def _due(self) -> list[Callable[[], Awaitable[None]]]:
        now_s, time = self._now_s(), self._wire.time
        steps: list[Callable[[], Awaitable[None]]] = []
        if time.measurements == 0 or time.age_s >= CLOCK_EVERY_S or abs(time.stepped_ms) > CLOCK_STEP_MS:
            steps.append(self._wire.measure_clock)
        every_s = self._instruments_every_s()
        if now_s - self._instruments_at_s >= every_s:
            steps.append(self.load_instruments)
        changed = self.settings_due and now_s - self._leverages_at_s >= SETTINGS_CHANGED_EVERY_S
        every_s = MODE_SHOWN_EVERY_S if self._mode_shown else MODE_EVERY_S
        if changed or self._hedged is None or self._wire.mode_flagged or now_s - self._mode_at_s >= every_s:
            steps.append(self.load_mode)
        every_s = LEVERAGES_UNKNOWN_EVERY_S if self._leverage_unknown else LEVERAGES_EVERY_S
        if changed or now_s - self._leverages_at_s >= every_s:
            self.settings_due = False
            steps.append(self.load_leverages)
        return steps

    def _instruments_every_s(self) -> float:
        """How old the trading rules may be: as long as nobody waits for any, a day."""
        if not self.instruments:
            return 0.0  # nothing can be placed: every cycle tries
        every_s = INSTRUMENTS_EVERY_S
        if self._untradable:
            every_s = INSTRUMENTS_UNKNOWN_S[min([*self._untradable.values(), len(INSTRUMENTS_UNKNOWN_S) - 1])]
        if self._wire.instruments_flagged:
            every_s = min(every_s, INSTRUMENTS_FLAGGED_EVERY_S)
        if len(self._loads_s) == INSTRUMENT_LOADS_1M_MAX:
            every_s = max(every_s, 60 - (self._instruments_at_s - self._loads_s[0]))
        return every_s

    def _now_s(self) -> float:
        return self._wire.time.local.monotonic_s()


async def _all(*steps: Awaitable[None]) -> None:
    """Let every step end, then raise the first failure."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
