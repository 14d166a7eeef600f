"""The venue in memory: one object, explicit time, no I/O.

Call `advance_to(now_ms)` before each batch of calls; every call settles the world
completely (fills, triggers, expiries, liquidations) before it returns, queues its
user-stream events for `drain_events()`, and writes the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from position_monitor.paper.algo import AlgoService
from position_monitor.paper.errors import refusal
from position_monitor.paper.events import UserEvent, account_update, leverage_update, multi_assets_update
from position_monitor.paper.faults import Fault
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.liquidation import Liquidation
from position_monitor.paper.listenkeys import ListenKeys
from position_monitor.paper.matching import Matching
from position_monitor.paper.orders import AlgoOrder, PlainOrder
from position_monitor.paper.parameters import Params
from position_monitor.paper.trader import Trader
from position_monitor.paper.trading import Trading
from position_monitor.paper.triggers import Triggers
from position_monitor.paper.views import LiveView, Past, View
from position_monitor.paper.world import MarginMove, World

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
        self.past = Past(world)
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
        account = self.world.account
        if account.hedge == hedge:
            raise refusal(-4059)
        if self.world.plain.open_count or self.world.algo.open_count:
            raise refusal(-4067)
        if account.open_positions():
            raise refusal(-4068)
        account.hedge = hedge
        self.world.note("mode_changed", origin, "", hedge=hedge)

    def force_hedge(self, hedge: bool) -> None:
        """The mode flips under open positions and orders (a fault; the venue forbids it)."""
        account = self.world.account
        if account.hedge == hedge:
            return
        self.trader.convert_mode(hedge)
        self.world.note("mode_changed", "venue", "", hedge=hedge, forced=True)

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """POST /fapi/v1/leverage: -4028, -4161, -2028."""
        instrument = self.world.instrument(symbol)
        account = self.world.account
        config = account.config_of(symbol)
        if not 1 <= leverage <= instrument.brackets[0].max_leverage:
            raise refusal(-4028, f"Leverage {leverage} is not valid")
        held = [leg for leg in account.positions.get(symbol, {}).values() if leg.amount]
        if held and config.isolated and leverage < config.leverage:
            raise refusal(-4161)
        notional = sum((abs(leg.amount) for leg in held), Decimal(0))
        if notional * self.world.market.mark(symbol) > instrument.max_notional_at(leverage):
            raise refusal(-2027)
        account.set_leverage(symbol, leverage)
        self.world.note("leverage_changed", "api", symbol, leverage=leverage)
        self.world.emit(leverage_update(symbol, leverage, self.now_ms))

    def set_margin_type(self, symbol: str, isolated: bool) -> None:
        """POST /fapi/v1/marginType: -4046 unchanged, -4047 with orders, -4048 with a position."""
        self.world.instrument(symbol)
        account = self.world.account
        if account.config_of(symbol).isolated == isolated:
            raise refusal(-4046)
        if isolated and account.multi_assets:
            raise refusal(-4168)
        if self.world.plain.open_of(symbol) or self.world.algo.open_of(symbol):
            raise refusal(-4047)
        if any(leg.amount for leg in account.positions.get(symbol, {}).values()):
            raise refusal(-4048)
        account.set_isolated(symbol, isolated)
        self.world.note("margin_type_changed", "api", symbol, isolated=isolated)
        legs = list(account.positions.get(symbol, {}).values())
        self.world.emit(
            account_update(account, legs, self.world.market.mark(symbol), "MARGIN_TYPE_CHANGE", self.now_ms)
        )

    def move_margin(self, symbol: str, side: str, amount: Decimal) -> None:
        """POST /fapi/v1/positionMargin, negative to take margin out: -4049 cross, -4054 flat, -4050 and -4051."""
        self.world.instrument(symbol)
        account = self.world.account
        leg = account.position(symbol, side)
        if not account.config_of(symbol).isolated:
            raise refusal(-4049)
        if not leg.amount:
            raise refusal(-4054)
        if amount > account.available(self.matching.order_margin()):
            raise refusal(-4050)
        if -amount > account.removable_margin(leg):
            raise refusal(-4051)
        account.move_margin(leg, amount, self.now_ms)
        self.world.margin_moves.append(MarginMove(symbol, side, amount, self.now_ms))
        self.world.note("margin_moved", "api", symbol, side=side, amount=str(amount))
        mark = self.world.market.mark(symbol)
        self.world.emit(account_update(account, [leg], mark, "MARGIN_TRANSFER", self.now_ms))
        self._settle((symbol,))

    def set_multi_assets(self, multi_assets: bool) -> None:
        """POST /fapi/v1/multiAssetsMargin: -4171 unchanged, -4167 with isolated symbols, -4170 with orders."""
        account = self.world.account
        if account.multi_assets == multi_assets:
            raise refusal(-4171)
        if multi_assets and any(config.isolated for config in account.config.values()):
            raise refusal(-4167)
        if self.world.plain.open_count:
            raise refusal(-4170)
        account.multi_assets = multi_assets
        self.world.note("multi_assets_changed", "api", "", multi_assets=multi_assets)
        self.world.emit(multi_assets_update(multi_assets, self.now_ms))

    def change_instrument(self, symbol: str, **changes: Decimal | str | int) -> Instrument:
        """Filters or status change at run time, as the venue announces now and then."""
        known = self.world.instrument(symbol)
        if unknown := set(changes) - set(Instrument.__slots__):
            raise ValueError(f"unknown instrument fields {sorted(unknown)}")
        changed = replace(known, **changes)  # type: ignore[arg-type]
        self.world.instruments[symbol] = changed
        self.world.note("filters_changed", "venue", symbol, fields=sorted(changes))
        return changed

    # -- faults and reading -------------------------------------------------

    def add_fault(self, name: str, **settings: object) -> Fault:
        """Switch a fault on; one-shot faults act at once."""
        rule = self.world.faults.add(name, **settings)
        if name == "stale_reads":
            self.past.record()
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
        if not self.world.faults.has("stale_reads"):
            self.past.forget()
        return removed

    def view(self, symbol: str | None, path: str) -> View:
        """What a read of this path sees now."""
        rule = self.world.faults.take(("stale_reads",), symbol=symbol, path=path, method="GET")
        return LiveView(self.world) if rule is None else self.past.ago(rule.delay_ms)

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
        if self.world.faults.has("stale_reads"):
            self.past.record()

    def _price_moved(self, symbol: str) -> None:
        world = self.world
        if symbol in world.account.positions:
            world.account.revalue(symbol)
        if world.algo.open_of(symbol):
            self.triggers.on_price(symbol)
        if world.plain.open_of(symbol):
            self.matching.fill_resting(symbol)
        if symbol in world.account.positions:
            self.liquidation.check(symbol)
