"""What the algo service accepts: the rules of POST /fapi/v1/algoOrder since 2025-12-09.

What the pages leave open is named in docs/paper-exchange.md.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.amounts import ZERO
from position_monitor.paper.errors import missing, not_required, refusal
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

ALGO_TIF = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "GTE_GTC"})
LOWEST_CALLBACK, HIGHEST_CALLBACK = Decimal("0.1"), Decimal(20)
LIMIT_TYPES = frozenset({"STOP", "TAKE_PROFIT"})
TRAILING = "TRAILING_STOP_MARKET"


class AlgoRules:
    """Turns request parameters into an order, or refuses."""

    def __init__(self, world: World) -> None:
        self._world = world

    def validated(self, params: Params, origin: str = "api") -> AlgoOrder:
        """The order a request describes, after every rule; nothing has changed yet."""
        if need(params, "algoType") != "CONDITIONAL":
            raise refusal(-1130, "Data sent for parameter 'algoType' is not valid.")
        instrument = self._world.instrument(need(params, "symbol"))
        side = side_of(params)
        kind = need(params, "type")
        if kind not in CONDITIONAL_TYPES:
            raise refusal(-1116)
        position_side = position_side_of(params, self._world.account.hedge)
        close_position = bool(flag(params, "closePosition"))
        reduce_only = self._reduce_only(params, close_position)
        check_status(instrument, self._world.reducing(position_side, side, reduce_only))
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
            raise refusal(-4136, f"Target strategy invalid for orderType {kind},closePosition true")
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
        elif order.activate_price <= price if order.side == "SELL" else order.activate_price >= price:
            raise refusal(-2021)

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
            check_percent_price(instrument, order.side, order.price, order.trigger, conditional=True)
        if order.close_position:
            return
        check_quantity(instrument, order.quantity, market=not limit)
        if not order.reduce_only:
            reference = order.price or order.trigger
            check_notional(instrument, order.quantity, reference or self._world.market.last(order.symbol))

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
        if order.close_position and any(_same_close(order, other) for other in world.algo.open_of(order.symbol)):
            raise refusal(-4130)
        lenient = world.faults.has("accept_orphans")
        if world.reducing(order.position_side, order.side, order.reduce_only) and (not held and not lenient):
            raise refusal(-2022)
        if order.type != TRAILING and reached(world, order):
            raise refusal(-2021)
        if world.algo.open_count >= world.conditional_orders_max:
            raise refusal(-4045)


def reached(world: World, order: AlgoOrder) -> bool:
    """Whether the working price is at or beyond the trigger."""
    price = world.market.working_price(order.symbol, order.working_type)
    return price >= order.trigger if order.rises else price <= order.trigger


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
