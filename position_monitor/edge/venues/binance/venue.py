"""Binance USDⓈ-M as an `Exchange`: reads that are valid or raise, writes that are sent once.

Nothing here knows ccxt. One help only is given to writes: a request the venue turned away because of its timestamp
(-1021, -5028; documented as not executed) is stamped anew after measuring the clock, and sent once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from loguru import logger

from position_monitor.core.decision.guard import Approved
from position_monitor.core.market.candles import Candle
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder, WorkingType
from position_monitor.core.model.refusal import Refusal
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.reads import OrdersRead, PositionsRead
from position_monitor.edge.clock import Clock
from position_monitor.edge.http.rate_budget import Lane, RateBudget
from position_monitor.edge.venues.binance import writes
from position_monitor.edge.venues.binance.candles import read_candles, read_turnovers
from position_monitor.edge.venues.binance.history import BinanceHistory
from position_monitor.edge.venues.binance.instruments import TRADING_STATUS
from position_monitor.edge.venues.binance.position_list import PositionList
from position_monitor.edge.venues.binance.prices import BinancePrices
from position_monitor.edge.venues.binance.queries import answered_order, query_request
from position_monitor.edge.venues.binance.reads import orders_from, positions_from
from position_monitor.edge.venues.binance.rows import ListenKeyRow, parse_object
from position_monitor.edge.venues.binance.traits import TRAITS
from position_monitor.edge.venues.binance.upkeep import BinanceUpkeep
from position_monitor.edge.venues.binance.wire import BinanceWire
from position_monitor.edge.venues.transport import Endpoint, Transport
from position_monitor.errors import ExchangeFailure, Refused

ORDER_LISTS_KEPT_MAX: Final = 100
REMOVAL_WEIGHT: Final = 8
"""Zero rows, both lists and the removal itself."""
_NO_PLAIN_LIST_YET: Final = "open orders: no answer yet"
_GONE_STATUSES: Final = frozenset({404, 405, 410})
"""HTTP statuses of a call that the venue does not offer (any more)."""


class BinanceUsdm:
    """One account at Binance USDⓈ-M."""

    def __init__(self, transport: Transport, clock: Clock, budget: RateBudget | None = None) -> None:
        self._wire = BinanceWire(transport, clock, budget)
        self._upkeep = BinanceUpkeep(self._wire)
        self._prices = BinancePrices(self._wire)
        self.history: Final = BinanceHistory(self._wire)
        self.answers: Final = self._wire.answers
        self.weight_by_lane: Final = self._wire.budget.weight_by_lane
        self._clock = clock
        self._rows_endpoint = Endpoint.POSITION_ROWS
        self._list = PositionList(lambda call: self._read_positions(call, None))
        self._order_lists: dict[str | None, tuple[object, object, OrdersRead]] = {}
        """The bodies of the last two order lists, and what was read from them."""
        self._without_plain: dict[str | None, tuple[object, int]] = {}
        """The list of conditional orders of reads whose plain list is still waited for, and when they were begun."""

    traits: Final = TRAITS
    """What the venue grants an account, and what its reads cost."""

    @property
    def api_weight_1m(self) -> int:
        """Request weight used in the running minute on this IP, as the venue last reported it."""
        return self._wire.budget.api_weight_1m

    @property
    def foreign_weight_1m(self) -> int:
        """Part of `api_weight_1m` that another program on this IP used."""
        return self._wire.budget.foreign_weight_1m

    @property
    def own_weight_1m(self) -> int:
        """Part of `api_weight_1m` that this program used."""
        return self._wire.budget.own_weight_1m

    @property
    def has_spare_weight(self) -> bool:
        """Whether the minute has weight left for a removal and the read just before it."""
        return self._wire.budget.has_room(Lane.OTHER_WRITE, REMOVAL_WEIGHT)

    @property
    def requests_that_waited(self) -> int:
        """How many requests the rate budget did not let go at once, since the start."""
        return self._wire.budget.waits

    @property
    def banned_until_ms(self) -> int:
        """When the venue is next asked whether its ban of our address is over; 0 when it has not banned it."""
        return self._wire.budget.banned_until_ms

    @property
    def key_refused(self) -> str:
        """Why the venue refused our key when it was last asked something signed; empty where it took it."""
        return self._wire.key_refused

    @property
    def clock_offset_ms(self) -> int:
        """The venue's clock minus ours; beyond 500 ms either way the host's time needs attention (C1)."""
        return self._wire.time.offset_ms

    @property
    def can_trade(self) -> bool:
        """What the venue last said about the account's permission to trade."""
        return self._upkeep.can_trade

    def venue_now_ms(self) -> int:
        """The venue's clock as last measured, ms UTC."""
        return self._wire.time.now_ms()

    def settings_changed(self) -> None:
        """Read position mode and leverages at the next `refresh`."""
        self._upkeep.settings_due = True

    async def prepare(self) -> None:
        """Measure the clock, load instruments, position mode and leverages; raises `ExchangeFailure`."""
        await self._upkeep.prepare()

    async def refresh(self) -> None:
        """Upkeep of one cycle. Every due step is tried, what was known stays, then the first failure is raised."""
        await self._upkeep.refresh()

    def instrument(self, symbol: str) -> Instrument | None:
        """Trading rules of `symbol` as last loaded; status ABSENT when the venue stopped listing it."""
        return self._upkeep.instrument(symbol)

    async def read_positions(self) -> PositionsRead:
        """Every open position of the account (v3, weight 5); where that fails or hangs, by the older call (v2)."""
        return await self._list.read(has_older=self._rows_endpoint is Endpoint.POSITION_ROWS)

    def arm_by_last(self, armed_by_last: Callable[[PositionKey], bool] | None) -> None:
        """Which positions are read together with their last price."""
        self._prices.armed_by_last = armed_by_last

    async def read_price(self, symbol: str, working_type: WorkingType) -> Decimal:
        """The price that arms orders of this type (weight 1), from market data and not from the account."""
        return await self._prices.witness(symbol, working_type)

    async def read_position_rows(self, symbol: str) -> PositionsRead:
        """The rows of one symbol (weight 5), zero rows too.

        v2 lists them always; where the venue no longer offers it, v3, which lists them while orders rest.
        """
        try:
            return await self._read_positions(self._rows_endpoint, symbol)
        except ExchangeFailure as failure:
            if failure.http_status not in _GONE_STATUSES or self._rows_endpoint is Endpoint.POSITIONS:
                raise
        logger.warning("the exchange does not offer the older position list: zero rows come from the newer one")
        self._rows_endpoint = Endpoint.POSITIONS
        return await self._read_positions(Endpoint.POSITIONS, symbol)

    async def read_orders(self, symbol: str | None) -> OrdersRead:
        """Both lists at the same time (weight 2 for one symbol, 80 for all).

        The first lists of a symbol are what its first stop waits for: they go before those of all others. Raises when
        the list of conditional orders is not valid; without the plain one the answer says so.
        """
        params = {} if symbol is None else {"symbol": symbol}
        lane = Lane.READ if symbol is None else Lane.HELD if symbol in self._order_lists else Lane.POSITIONS
        began_at_ms = self._clock.now_ms()
        plain_call = asyncio.create_task(self._wire.call(Endpoint.OPEN_ORDERS, params, lane))
        try:
            algo = await self._wire.call(Endpoint.OPEN_ALGO_ORDERS, params, lane)
            if not plain_call.done():
                self._without_plain[symbol] = (algo, began_at_ms)
            plain = await plain_call
        except ExchangeFailure as failure:
            if not plain_call.done() or plain_call.exception() is not failure:
                raise
            return orders_from([], algo, began_at_ms=began_at_ms, symbol=symbol, plain_unread=str(failure))
        finally:
            self._without_plain.pop(symbol, None)
            plain_call.cancel()
            plain_call.add_done_callback(_noted)
        last = self._order_lists.get(symbol)
        if last is not None and last[0] is plain and last[1] is algo:
            return replace(last[2], began_at_ms=began_at_ms)  # word for word as the last time
        read = orders_from(plain, algo, began_at_ms=began_at_ms, symbol=symbol)
        if len(self._order_lists) >= ORDER_LISTS_KEPT_MAX:
            self._order_lists.clear()
        self._order_lists[symbol] = (plain, algo, read)
        return read

    def orders_so_far(self, symbol: str) -> OrdersRead | None:
        """The list of conditional orders where it arrived and the plain one is still waited for; told once.

        A stop does not wait for the plain list (`core/observation/needs.py`).
        """
        if (answer := self._without_plain.pop(symbol, None)) is None:
            return None
        algo, began_at_ms = answer
        try:
            return orders_from([], algo, began_at_ms=began_at_ms, symbol=symbol, plain_unread=_NO_PLAIN_LIST_YET)
        except ExchangeFailure:
            return None

    async def query_order(self, symbol: str, client_id: str) -> LiveOrder | None:
        """One of our orders by client id; None when the venue knows none (-2013, which may be lag)."""
        endpoint, params = query_request(symbol, client_id)
        try:
            body = await self._wire.call(endpoint, params, Lane.HELD)
        except Refused as refused:
            if refused.refusal is Refusal.NO_SUCH_ORDER:
                return None
            raise
        return answered_order(symbol, client_id, body)

    async def place(self, approved: Approved[Place]) -> str:
        """Send an order that is to rest, once; returns the venue's id.

        The venue does not refuse the id of a limit order that ended: who sends it anew asks for it first.
        """
        order = approved.action.order
        params = writes.place_request(order)
        body = await self._wire.call(writes.placing_call(order), params, writes.place_lane(approved.action))
        return writes.placed_order_id(order, body)

    async def cancel(self, approved: Approved[Cancel]) -> None:
        """Cancel by the venue's id in the list the order was read from; -2011 and -2013 are Refused."""
        endpoint, params = writes.cancel_request(approved.action)
        body = await self._wire.call(endpoint, params, Lane.OTHER_WRITE)
        writes.check_canceled(approved.action, body)

    async def close(self, approved: Approved[Close]) -> None:
        """Send a reducing order once. The venue does not refuse a used client id here: read before sending again."""
        params = writes.close_request(approved.action)
        body = await self._wire.call(Endpoint.PLACE_ORDER, params, Lane.STOP)
        writes.check_closed(approved.action, body)

    def trading_symbols(self) -> Collection[str]:
        """Every contract that trades now, by the trading rules as last loaded."""
        return [name for name, rules in self._upkeep.instruments.items() if rules.status == TRADING_STATUS]

    async def read_candles(
        self, symbol: str, working_type: WorkingType, *, first_ms: int, count: int
    ) -> Sequence[Candle]:
        """Candles of an hour, oldest first, in the background; raises `ExchangeFailure`."""
        return await read_candles(self._wire, symbol, working_type, first_ms=first_ms, count=count)

    async def read_turnovers(self) -> Mapping[str, Decimal]:
        """Turnover of the last day by symbol, in quote units, in the background; raises `ExchangeFailure`."""
        return await read_turnovers(self._wire)

    async def open_user_stream(self) -> str:
        """A listen key for the user data stream, valid for 60 min (the same one while it lives). It is a secret."""
        body = await self._wire.call(Endpoint.OPEN_USER_STREAM, {}, Lane.READ)
        return parse_object(Endpoint.OPEN_USER_STREAM, ListenKeyRow, body).listen_key

    async def keep_user_stream(self) -> None:
        """Extend the listen key by 60 min; -1125 is Refused: open a new one and read everything again."""
        await self._wire.call(Endpoint.KEEP_USER_STREAM, {}, Lane.READ)

    async def aclose(self) -> None:
        """Release connections."""
        self._prices.end()
        await self._wire.aclose()

    async def _read_positions(self, endpoint: Endpoint, symbol: str | None) -> PositionsRead:
        if symbol is not None:
            await self._upkeep.try_mode()  # zero rows say something only where the mode is known
        hedged = self._upkeep.hedged
        params = {} if symbol is None else {"symbol": symbol}
        began_at_ms = self._clock.now_ms()
        body = await self._wire.call(endpoint, params, Lane.POSITIONS if symbol is None else Lane.HELD)
        read = positions_from(
            endpoint,
            body,
            hedged=hedged,
            leverages=self._upkeep.leverages,
            began_at_ms=began_at_ms,
            symbol=symbol,
        )
        self._upkeep.learn_from(read)
        await self._upkeep.rules_for(position.symbol for position in read.positions)
        if symbol is not None and body and not (read.positions or read.zero_keys or read.unreadable):
            self._wire.mode_flagged = True  # rows that say nothing in the mode we know: it may be another one by now
        return await self._prices.completed(read)


def _noted(call: asyncio.Future[object]) -> None:
    """A call that nobody waits for any more may have failed: asyncio complains where nobody looks."""
    if not call.cancelled():
        call.exception()
