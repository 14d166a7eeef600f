"""The algo service: placing, listing and cancelling conditional orders.

Rules are those of POST /fapi/v1/algoOrder since 2025-12-09; what the pages leave
open is named in docs/paper-exchange.md.  Triggering lives in `triggers.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from position_monitor.paper.amounts import ZERO, parse_integer, plain
from position_monitor.paper.errors import VenueRefusal, missing, not_required, refusal
from position_monitor.paper.events import algo_update
from position_monitor.paper.filters import (
    check_notional,
    check_percent_price,
    check_price,
    check_quantity,
    check_trigger,
)
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.orders import CONDITIONAL_TYPES, STOP_KINDS, AlgoOrder
from position_monitor.paper.parameters import (
    Params,
    amount,
    client_id_of,
    flag,
    good_till_of,
    need,
    optional,
    position_side_of,
    price_match_of,
    self_trade_of,
    side_of,
)
from position_monitor.paper.trading import check_status, matched_price
from position_monitor.paper.world import World

MAX_OPEN_ALGOS = 200  # per account, over all symbols (exchange change log, 2025-12-29)
ALGO_TIF = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "GTE_GTC"})
LOWEST_CALLBACK, HIGHEST_CALLBACK = Decimal("0.1"), Decimal(20)
LIMIT_TYPES = frozenset({"STOP", "TAKE_PROFIT"})
TRAILING = "TRAILING_STOP_MARKET"


class AlgoService:
    """Conditional orders before their trigger."""

    def __init__(self, world: World) -> None:
        self._world = world

    def place(self, params: Params, origin: str = "api") -> AlgoOrder:
        """POST /algoOrder: validate, then rest as NEW."""
        try:
            order = self.validated(params, origin)
        except VenueRefusal as refused:
            self._world.note(
                "order_refused", origin, params.get("symbol", ""), order_kind="algo",
                client_id=params.get("clientAlgoId", ""), side=params.get("side", ""),
                type=params.get("type", ""), quantity=params.get("quantity", ""),
                trigger=params.get("triggerPrice", ""), code=refused.code,
                message=refused.message,
            )  # fmt: skip
            raise
        order.created_ms = order.updated_ms = self._world.now_ms
        self._world.algo.add(order)
        self._world.note("order_accepted", origin, order.symbol, **algo_facts(order))
        self.announce(order)
        return order

    def announce(self, order: AlgoOrder) -> None:
        """Emit the order's current state."""
        instrument = self._world.instruments[order.symbol]
        self._world.emit(algo_update(order, instrument, self._world.now_ms))

    def validated(self, params: Params, origin: str = "api") -> AlgoOrder:
        """The order a request describes, after every rule; nothing has changed yet."""
        if need(params, "algoType") != "CONDITIONAL":
            raise refusal(-1130, "Data sent for parameter 'algoType' is not valid.")
        instrument = self._world.instrument(need(params, "symbol"))
        check_status(instrument)
        side = side_of(params)
        kind = need(params, "type")
        if kind not in CONDITIONAL_TYPES:
            raise refusal(-1116)
        position_side = position_side_of(params, self._world.account.hedge)
        close_position = bool(flag(params, "closePosition"))
        reduce_only = self._reduce_only(params, close_position)
        order = AlgoOrder(
            self._world.next_algo_id(), client_id_of(params, "clientAlgoId") or "",
            instrument.symbol, side, position_side, kind,
            self._quantity(params, kind, close_position), ZERO,
            working_type=working_type_of(params), close_position=close_position,
            price_protect=bool(flag(params, "priceProtect")), reduce_only=reduce_only,
            self_trade=self_trade_of(params), origin=origin,
        )  # fmt: skip
        self._times(order, params)
        self._prices(order, params, instrument)
        self._check_client_id(order)
        self._check_filters(order, instrument)
        self._check_state(order)
        return order

    def _reduce_only(self, params: Params, close_position: bool) -> bool:
        value = flag(params, "reduceOnly")
        if value is not None and (self._world.account.hedge or close_position):
            raise not_required("reduceOnly")
        return bool(value) or close_position

    def _quantity(self, params: Params, kind: str, close_position: bool) -> Decimal:
        quantity = amount(params, "quantity")
        if not close_position:
            if quantity is None:
                raise missing("quantity")
            return quantity
        if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
            raise refusal(
                -4136, f"Target strategy invalid for orderType {kind},closePosition true"
            )
        if quantity is not None:
            raise refusal(-4137)
        return ZERO

    def _times(self, order: AlgoOrder, params: Params) -> None:
        time_in_force = optional(params, "timeInForce") or "GTC"
        if time_in_force not in ALGO_TIF:
            raise refusal(-1115)
        order.time_in_force = "GTE_GTC" if order.close_position else time_in_force
        order.good_till_ms = good_till_of(params, order.time_in_force, self._world.now_ms)

    def _prices(self, order: AlgoOrder, params: Params, instrument: Instrument) -> None:
        price, trigger = amount(params, "price"), amount(params, "triggerPrice")
        limit = order.type in LIMIT_TYPES
        order.price_match = price_match_of(params, limit, price)
        if limit and price is None and order.price_match == "NONE":
            raise missing("price")
        if not limit and price is not None:
            raise not_required("price")
        if order.price_match != "NONE":
            price = matched_price(self._world, instrument, order.side, order.price_match)
        order.price = price or ZERO
        if order.type == TRAILING:
            self._trailing(order, params, trigger)
        elif trigger is None:
            raise missing("triggerPrice")
        else:
            for name in ("callbackRate", "activatePrice"):
                if optional(params, name) is not None:
                    raise not_required(name)
            order.trigger = trigger

    def _trailing(self, order: AlgoOrder, params: Params, trigger: Decimal | None) -> None:
        if trigger is not None:
            raise refusal(-2021)  # seen live: nautilus_trader issue 4192
        rate = amount(params, "callbackRate")
        if rate is None:
            raise missing("callbackRate")
        if not LOWEST_CALLBACK <= rate <= HIGHEST_CALLBACK:
            raise refusal(-1130, "Data sent for parameter 'callbackRate' is not valid.")
        order.callback_rate = rate
        order.activate_price = amount(params, "activatePrice")
        price = self._world.market.working_price(order.symbol, order.working_type)
        if order.activate_price is None:
            order.activated, order.extreme = True, price
        elif (order.activate_price <= price) == (order.side == "SELL"):
            raise refusal(-4135)

    def _check_client_id(self, order: AlgoOrder) -> None:
        if not order.client_id:
            order.client_id = self._world.random_text(22)
        elif self._world.algo.open_client(order.client_id, None) is not None:
            raise refusal(-4116)

    def _check_filters(self, order: AlgoOrder, instrument: Instrument) -> None:
        limit = order.type in LIMIT_TYPES
        if order.activate_price is not None:
            check_trigger(instrument, order.activate_price)
        if order.type != TRAILING:
            check_trigger(instrument, order.trigger)
        if limit:
            check_price(instrument, order.price)
            check_percent_price(
                instrument, order.side, order.price, order.trigger, conditional=True
            )
        if order.close_position:
            return
        check_quantity(instrument, order.quantity, market=not limit)
        if not order.reduce_only:
            reference = order.price or order.trigger
            check_notional(
                instrument, order.quantity, reference or self._world.market.last(order.symbol)
            )

    def _check_state(self, order: AlgoOrder) -> None:
        """What depends on the position, the other orders and the price."""
        world = self._world
        held = world.closable(order.symbol, order.position_side, order.side)
        if order.close_position and (order.position_side, order.side) in (
            ("LONG", "BUY"), ("SHORT", "SELL"),
        ):  # fmt: skip
            raise refusal(-1128)
        if order.time_in_force == "GTE_GTC" and not held:
            raise refusal(-4509)
        if order.close_position and any(_same_close(order, o) for o in self._siblings(order)):
            raise refusal(-4130)
        lenient = world.faults.has("accept_orphans")
        if world.reducing(order.position_side, order.side, order.reduce_only) and (
            not held and not lenient
        ):
            raise refusal(-2022)
        if order.type != TRAILING and self.reached(order):
            raise refusal(-2021)
        if world.algo.open_count >= MAX_OPEN_ALGOS:
            raise refusal(-4045)

    def _siblings(self, order: AlgoOrder) -> list[AlgoOrder]:
        return self._world.algo.open_of(order.symbol)

    def reached(self, order: AlgoOrder) -> bool:
        """Whether the working price is at or beyond the trigger."""
        price = self._world.market.working_price(order.symbol, order.working_type)
        return price >= order.trigger if order.rises else price <= order.trigger

    def find(self, params: Params) -> AlgoOrder | None:
        """The order of algoId or clientAlgoId; the symbol, if sent, must agree."""
        symbol = optional(params, "symbol")
        if symbol is not None:
            self._world.instrument(symbol)
        algo_id, client_id = optional(params, "algoId"), optional(params, "clientAlgoId")
        if algo_id is None and client_id is None:
            raise refusal(
                -1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!"
            )
        if algo_id is None:
            return self._world.algo.by_client(client_id or "", symbol)
        found = self._world.algo.by_id(parse_integer("algoId", algo_id))
        return found if found is not None and symbol in (None, found.symbol) else None

    def cancel(self, params: Params, origin: str = "api") -> AlgoOrder:
        """DELETE /algoOrder: only NEW can be cancelled, all else is -2011."""
        order = self.find(params)
        if order is None or order.status != "NEW":
            self._world.note(
                "cancel_refused", origin, order.symbol if order else params.get("symbol", ""),
                order_kind="algo", code=-2011, client_id=params.get("clientAlgoId", ""),
                order_id=params.get("algoId", ""),
            )  # fmt: skip
            raise refusal(-2011)
        self.end(order, "CANCELED", origin=origin)
        return order

    def cancel_all(self, symbol: str) -> int:
        """DELETE /algoOpenOrders of a symbol; returns how many there were."""
        self._world.instrument(symbol)
        orders = [o for o in self._world.algo.open_of(symbol) if o.status == "NEW"]
        for order in orders:
            self.end(order, "CANCELED")
        return len(orders)

    def end(
        self, order: AlgoOrder, status: str, reason: str = "", origin: str | None = None
    ) -> None:
        """Bring an open order to a final status and say so."""
        if not order.open:
            return
        order.status, order.reason = status, reason
        order.updated_ms = self._world.now_ms
        self._world.algo.close(order)
        self._world.note(
            f"order_{status.lower()}", origin or order.origin, order.symbol, **algo_facts(order)
        )
        self.announce(order)

    def expire_bound(self, symbol: str) -> None:
        """GTE_GTC orders die when the position they would close is gone."""
        world = self._world
        for order in world.algo.open_of(symbol):
            if (
                order.status == "NEW"
                and order.time_in_force == "GTE_GTC"
                and not world.closable(symbol, order.position_side, order.side)
            ):
                self.end(order, "EXPIRED", origin="venue")


def _same_close(order: AlgoOrder, other: AlgoOrder) -> bool:
    return (
        other.close_position
        and other.status in ("NEW", "TRIGGERING")
        and (other.side, other.position_side) == (order.side, order.position_side)
        and (other.type in STOP_KINDS) == (order.type in STOP_KINDS)
    )


def working_type_of(params: Params) -> str:
    """MARK_PRICE or CONTRACT_PRICE (default), else -4031."""
    value = optional(params, "workingType") or "CONTRACT_PRICE"
    if value not in ("MARK_PRICE", "CONTRACT_PRICE"):
        raise refusal(-4031)
    return value


def algo_facts(order: AlgoOrder) -> dict[str, Any]:
    """What the journal says about a conditional order."""
    return {
        "order_kind": "algo", "order_id": order.algo_id, "client_id": order.client_id,
        "side": order.side, "position_side": order.position_side, "type": order.type,
        "quantity": plain(order.quantity), "trigger": plain(order.trigger),
        "price": plain(order.price), "working_type": order.working_type,
        "reduce_only": order.reduce_only, "close_position": order.close_position,
        "status": order.status, "reason": order.reason,
    }  # fmt: skip
