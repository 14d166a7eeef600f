"""The venue in memory: one object, explicit time, no I/O.

Call `advance_to(now_ms)` before each batch of calls; every call settles the world
completely (fills, triggers, expiries, liquidations) before it returns, queues its
user-stream events for `drain_events()`, and writes the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from position_monitor.paper.algo import AlgoService
from position_monitor.paper.errors import refusal
from position_monitor.paper.events import UserEvent
from position_monitor.paper.faults import LAGGING, Fault
from position_monitor.paper.funding import Funding
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.liquidation import Liquidation
from position_monitor.paper.listenkeys import ListenKeys
from position_monitor.paper.listing import MATCHING, Listing
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from position_monitor.paper.parameters import Params
from position_monitor.paper.settings import Settings
from position_monitor.paper.trader import Trader
from position_monitor.paper.trading import Trading
from position_monitor.paper.triggers import Triggers
from position_monitor.paper.views import LiveView, Past, View
from position_monitor.paper.world import World

Result = TypeVar("Result")


class Engine:
    """The paper exchange without its network edges."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.offset_ms = 0
        self.matching = Matching(world)
        self.trading = Trading(world, self.matching)
        self.algos = AlgoService(world)
        self.triggers = Triggers(world, self.algos, self.matching)
        self.liquidation = Liquidation(world, self.matching)
        self.listen_keys = ListenKeys(world)
        self.trader = Trader(world, self.matching)
        self.settings = Settings(world, self.matching, self.trader)
        self.listing = Listing(world, self.matching, self.algos)
        self.funding = Funding(world, self.matching)
        self.past = Past(world)
        self._present = LiveView(world)
        self._countdowns: dict[str, int] = {}
        self.cuts: list[str | None] = []  # routes to disconnect, None = all

    # -- time ---------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The engine's time, ms UTC."""
        return self.world.now_ms

    def server_time_ms(self) -> int:
        """What `GET /time` says and request timestamps are judged by: without the
        engine's offset, with the clock-skew fault."""
        skew = self.world.faults.first("clock_skew")
        return self.world.now_ms - self.offset_ms + (skew.delay_ms if skew else 0)

    def advance_to(self, now_ms: int) -> None:
        """Move time forward, running what falls due at its own moment."""
        while (timer := self.world.pop_due(now_ms)) is not None:
            self.world.now_ms = max(self.world.now_ms, timer.at_ms)
            timer.action()
            self._settle(())
        self.world.now_ms = max(self.world.now_ms, now_ms)

    # -- prices -------------------------------------------------------------

    def set_price(self, symbol: str, mark: Decimal | None = None, last: Decimal | None = None) -> None:
        """Put a symbol's mark and/or last price and settle the consequences."""
        self.world.instrument(symbol)
        for name, price in (("mark", mark), ("last", last)):
            if price is not None and not (price.is_finite() and price > 0):
                raise ValueError(f"{name} was {price}; a price above 0 is expected")
        self.world.market.set_price(symbol, self.now_ms, mark, last)
        self._settle((symbol,))

    def step_prices(self, symbols: Iterable[str] | None = None) -> list[str]:
        """One step of the price walk; returns the symbols that moved."""
        moved = self.world.market.step(self.now_ms, symbols)
        self._settle(moved)
        return moved

    # -- orders -------------------------------------------------------------

    def place_order(self, params: Params, origin: str = "api") -> PlainOrder:
        """POST /fapi/v1/order."""
        return self._settled(lambda: self.trading.place(params, origin))

    def cancel_order(self, params: Params, origin: str = "api") -> PlainOrder:
        """DELETE /fapi/v1/order."""
        return self._settled(lambda: self.trading.cancel(params, origin))

    def amend_order(self, params: Params) -> PlainOrder:
        """PUT /fapi/v1/order."""
        return self._settled(lambda: self.trading.amend(params))

    def cancel_all_orders(self, symbol: str) -> int:
        """DELETE /fapi/v1/allOpenOrders."""
        return self._settled(lambda: self.trading.cancel_all(symbol))

    def place_algo(self, params: Params, origin: str = "api") -> AlgoOrder:
        """POST /fapi/v1/algoOrder."""
        order = self._settled(lambda: self.algos.place(params, origin))
        self.triggers.placed(order)
        return order

    def cancel_algo(self, params: Params, origin: str = "api") -> AlgoOrder:
        """DELETE /fapi/v1/algoOrder."""
        return self._settled(lambda: self.algos.cancel(params, origin))

    def cancel_all_algos(self, symbol: str) -> int:
        """DELETE /fapi/v1/algoOpenOrders."""
        return self._settled(lambda: self.algos.cancel_all(symbol))

    def fill_part(self, params: Params, quantity: Decimal) -> PlainOrder:
        """Some of a resting limit order is executed at its price, whatever the market is."""
        order = self.trading.find(params)
        if order is None or not order.open or order.type != "LIMIT":
            raise refusal(-2013)
        self._settled(lambda: self.matching.fill_part(order, quantity))
        return order

    def countdown_cancel(self, symbol: str, countdown_ms: int) -> None:
        """POST /fapi/v1/countdownCancelAll: plain orders of the symbol, after a silence."""
        self.world.instrument(symbol)
        number = self._countdowns[symbol] = self._countdowns.get(symbol, 0) + 1
        if countdown_ms:
            self.world.schedule(countdown_ms, lambda: self._countdown_due(symbol, number))

    def _countdown_due(self, symbol: str, number: int) -> None:
        if self._countdowns.get(symbol) == number:
            self.trading.cancel_all(symbol)

    def trade(self, action: str, symbol: str, side: str | None, quantity: Decimal | None) -> list[PlainOrder]:
        """A trader's market orders: open, add, reduce, close, flip."""
        return self._settled(lambda: self.trader.act(action, symbol, side, quantity))

    # -- account settings ---------------------------------------------------

    def set_hedge(self, hedge: bool, origin: str = "api") -> None:
        """Position mode: -4059 unchanged, -4067 with orders, -4068 with positions."""
        self._settled(lambda: self.settings.set_hedge(hedge, origin))

    def force_hedge(self, hedge: bool) -> None:
        """The mode flips under open positions and orders (a fault; the venue forbids it)."""
        self._settled(lambda: self.settings.force_hedge(hedge))

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """POST /fapi/v1/leverage."""
        self._settled(lambda: self.settings.set_leverage(symbol, leverage))

    def set_margin_type(self, symbol: str, isolated: bool) -> None:
        """POST /fapi/v1/marginType."""
        self._settled(lambda: self.settings.set_margin_type(symbol, isolated))

    def move_margin(self, symbol: str, side: str, amount: Decimal) -> None:
        """POST /fapi/v1/positionMargin, negative to take margin out."""
        self.settings.move_margin(symbol, side, amount)
        self._settle((symbol,))

    def set_multi_assets(self, multi_assets: bool) -> None:
        """POST /fapi/v1/multiAssetsMargin."""
        self._settled(lambda: self.settings.set_multi_assets(multi_assets))

    # -- contracts ----------------------------------------------------------

    def list_symbol(self, symbol: str, price: str, tick: str, step: str, **settings: Any) -> Instrument:  # noqa: ANN401
        """A contract appears in mid-run; settings are those of `make_instrument`, and `status`."""
        return self._settled(lambda: self.listing.add(symbol, price, tick, step, **settings))

    def set_status(self, symbol: str, status: str) -> Instrument:
        """A contract stops or resumes trading (BREAK, PRE_SETTLE, SETTLING, CLOSE, TRADING, ...)."""
        changed = self.listing.set_status(symbol, status)
        self._settle((symbol,))
        return changed

    def settle_symbol(self, symbol: str, price: Decimal | None = None) -> None:
        """The venue expires the contract's orders and closes its positions; it is CLOSE afterwards."""
        self._settled(lambda: self.listing.settle(symbol, price))

    def delist_symbol(self, symbol: str) -> None:
        """The contract is gone: not in `exchangeInfo`, -1121 to every request."""
        self._settled(lambda: self.listing.delist(symbol))

    def charge_funding(self, rate: Decimal, symbol: str | None = None) -> Decimal:
        """Charge funding now; returns what the wallet received."""
        return self._settled(lambda: self.funding.charge(rate, symbol))

    def change_instrument(self, symbol: str, **changes: Decimal | str | int) -> Instrument:
        """Filters or status change at run time, as the venue announces now and then."""
        return self.listing.change(symbol, **changes)

    # -- faults and reading -------------------------------------------------

    def add_fault(self, name: str, **settings: object) -> Fault:
        """Switch a fault on; one-shot faults act at once."""
        rule = self.world.faults.add(name, **settings)
        if name in LAGGING:
            self.past.record()
        if rule.lasts_ms is not None:
            self.world.schedule(rule.lasts_ms, lambda: self._expire_fault(rule.fault_id))
        if name == "listen_key_expire":
            self.listen_keys.expire()
            self.world.faults.remove(fault_id=rule.fault_id)
        if name == "ws_disconnect":
            self.cuts.append(rule.path)
            self.world.faults.remove(fault_id=rule.fault_id)
        return rule

    def remove_fault(self, name: str | None = None, fault_id: int | None = None) -> int:
        """Switch faults off; returns how many."""
        removed = self.world.faults.remove(name, fault_id)
        if not self.world.faults.of(LAGGING):
            self.past.forget()
        return removed

    def _expire_fault(self, fault_id: int) -> None:
        self.remove_fault(fault_id=fault_id)

    def view(self, symbol: str | None, path: str) -> View:
        """What a read of positions or open orders by this path sees now."""
        if not self.world.faults.of(LAGGING):
            return self._present
        if (behind := self._replica(symbol, path)) is not None:
            return behind
        rule = self.world.faults.take(("stale_reads",), symbol=symbol, path=path, method="GET")
        return self._present if rule is None else self.past.ago(rule.delay_ms)

    def replica(self, symbol: str | None, path: str) -> View:
        """What any other read of this path sees now: the present unless its replica lags."""
        return self._replica(symbol, path) or self._present

    def _replica(self, symbol: str | None, path: str) -> View | None:
        rule = self.world.faults.standing("replica_lag", symbol, path)
        return None if rule is None else self.past.behind(rule.fault_id, rule.lag_ms(self.now_ms))

    def drain_events(self) -> list[UserEvent]:
        """User-stream events since the last call, after the stream faults."""
        outbox, faults = self.world.outbox, self.world.faults
        out: list[UserEvent] = []
        while outbox:
            event = outbox.popleft()
            if faults.take(("ws_silent", "ws_drop"), symbol=event.symbol, path=event.name):
                continue
            out.append(event)
            if faults.take(("ws_duplicate",), symbol=event.symbol, path=event.name):
                out.append(event)
        if len(out) > 1 and faults.take(("ws_reorder",)):
            faults.shuffle(out)
        return out

    # -- settling -----------------------------------------------------------

    def _settled(self, action: Callable[[], Result]) -> Result:
        try:
            return action()
        finally:
            self._settle(())

    def _settle(self, moved: Iterable[str]) -> None:
        """Let every consequence of prices and fills happen."""
        for symbol in moved:
            self._price_moved(symbol)
        touched = self.matching.touched
        while touched:
            symbol = next(iter(touched))
            del touched[symbol]
            self.triggers.finish_children()
            self.algos.expire_bound(symbol)
            self.matching.expire_reducers(symbol)
            self.liquidation.check(symbol)
        self.triggers.finish_children()
        if self.world.faults.of(LAGGING):
            self.past.record()

    def _price_moved(self, symbol: str) -> None:
        world = self.world
        if symbol in world.account.positions:
            world.account.revalue(symbol)
        if world.instruments[symbol].status not in MATCHING:
            return
        self.triggers.on_price(symbol)
        self.matching.fill_resting(symbol)
        if symbol in world.account.positions:
            self.liquidation.check(symbol)
