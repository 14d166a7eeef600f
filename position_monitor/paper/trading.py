"""Plain orders: validation in the venue's order, placing, amending, cancelling, finding."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.paper.amounts import ZERO, parse_integer
from position_monitor.paper.errors import VenueRefusal, missing, not_required, refusal
from position_monitor.paper.events import order_update
from position_monitor.paper.filters import (
    check_notional,
    check_percent_price,
    check_price,
    check_quantity,
    market_price_allowed,
)
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.matching import Matching, order_facts
from position_monitor.paper.orders import CONDITIONAL_TYPES, PlainOrder
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
from position_monitor.paper.world import Amendment, World

PLAIN_TIF = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI"})
CLOSING_ONLY = frozenset({"PRE_SETTLE", "PRE_DELIVERING"})
"""Contract states of the half hour before settlement: positions may be closed, none opened."""
ENDED = frozenset({"PENDING_TRADING", "DELIVERING", "DELIVERED", "SETTLING", "CLOSE"})
"""Contract states in which every order is -4108."""
RESPONSE_TYPES = frozenset({"ACK", "RESULT"})


class Trading:
    """Orders of the matching engine's endpoints."""

    def __init__(self, world: World, matching: Matching) -> None:
        self._world = world
        self._matching = matching

    def place(self, params: Params, origin: str = "api") -> PlainOrder:
        """POST /order: validate, accept, execute."""
        try:
            order = self.validated(params, origin)
        except VenueRefusal as refused:
            self._note_refusal(params, origin, refused)
            raise
        self._matching.accept(order)
        if order.type == "MARKET" or self._matching.crosses(order):
            self._matching.take(order)
        elif order.time_in_force in ("IOC", "FOK"):
            self._matching.end(order, "EXPIRED", "EXPIRED")
        return order

    def _note_refusal(self, params: Params, origin: str, refused: VenueRefusal) -> None:
        self._world.note(
            "order_refused", origin, params.get("symbol", ""), order_kind="plain",
            client_id=params.get("newClientOrderId", ""), side=params.get("side", ""),
            type=params.get("type", ""), quantity=params.get("quantity", ""),
            code=refused.code, message=refused.message,
        )  # fmt: skip

    def validated(self, params: Params, origin: str = "api") -> PlainOrder:
        """The order a request describes, after every rule; nothing has changed yet."""
        instrument = self._world.instrument(need(params, "symbol"))
        side = side_of(params)
        order_type = type_of(params)
        position_side = position_side_of(params, self._world.account.hedge)
        reduce_only = self._reduce_only(params)
        check_status(instrument, self._world.reducing(position_side, side, reduce_only))
        if flag(params, "closePosition"):
            raise refusal(-4136)
        quantity, price = amount(params, "quantity"), amount(params, "price")
        time_in_force = time_in_force_of(params, order_type)
        match = price_match_of(params, order_type == "LIMIT", price)
        if optional(params, "stopPrice") is not None:
            raise not_required("stopPrice")
        if (optional(params, "newOrderRespType") or "ACK") not in RESPONSE_TYPES:
            raise refusal(-1136)
        client_id = client_id_of(params, "newClientOrderId") or self._world.random_text(22)
        if self._world.plain.open_client(client_id, instrument.symbol) is not None:
            raise refusal(-4116)
        if quantity is None:
            raise missing("quantity")
        order = PlainOrder(
            self._world.next_order_id(), client_id, instrument.symbol, side, position_side,
            order_type, quantity, self._limit_price(instrument, side, order_type, price, match),
            time_in_force, reduce_only, price_match=match, self_trade=self_trade_of(params),
            good_till_ms=good_till_of(params, time_in_force, self._world.now_ms), origin=origin,
        )  # fmt: skip
        self._check(order, instrument)
        return order

    def _reduce_only(self, params: Params) -> bool:
        value = flag(params, "reduceOnly")
        if value is not None and self._world.account.hedge:
            raise not_required("reduceOnly")
        return bool(value)

    def _limit_price(self, instrument: Instrument, side: str, kind: str, price: Decimal | None, match: str) -> Decimal:
        if kind == "MARKET":
            if price is not None:
                raise not_required("price")
            return ZERO
        if match != "NONE":
            return matched_price(self._world, instrument, side, match)
        if price is None:
            raise missing("price")
        return price

    def _check(self, order: PlainOrder, instrument: Instrument) -> None:
        """Filters first, then what depends on the position and the book."""
        world, market = self._world, order.type == "MARKET"
        best = self._matching.best(order.symbol, order.side)
        check_quantity(instrument, order.quantity, market)
        if not market:
            check_price(instrument, order.price)
            check_percent_price(instrument, order.side, order.price, world.market.mark(order.symbol))
        if not order.reduce_only:
            check_notional(instrument, order.quantity, best if market else order.price)
        if len(world.plain.open_of(order.symbol)) >= instrument.max_orders:
            raise refusal(-2025)
        self._check_reducing(order)
        self._matching.check_margin(order, best if market else order.price)
        if market and not market_price_allowed(instrument, order.side, best, world.market.mark(order.symbol)):
            raise refusal(-4131)
        if order.time_in_force == "FOK" and not self._matching.crosses(order):
            raise refusal(-5021)
        if order.time_in_force == "GTX" and self._matching.crosses(order):
            raise refusal(-5022)

    def _check_reducing(self, order: PlainOrder, replaced: PlainOrder | None = None) -> None:
        """-2022 without a position to reduce; -4118 when resting reduce-only orders leave too little of it.  A lone
        reduce-only order larger than the position is clipped; in hedge mode the closing side of a leg is not
        reduce-only by its own word, and more than the leg holds is -2022."""
        world = self._world
        if not world.reducing(order.position_side, order.side, order.reduce_only):
            return
        held = world.closable(order.symbol, order.position_side, order.side)
        if not held or (order.quantity > held and order.position_side != "BOTH"):
            raise refusal(-2022)
        resting = sum(
            (
                other.remaining for other in world.plain.open_of(order.symbol)
                if other is not replaced
                and (other.side, other.position_side) == (order.side, order.position_side)
                and world.reducing(other.position_side, other.side, other.reduce_only)
            ),
            ZERO,
        )  # fmt: skip
        if resting and resting + order.quantity > held:
            raise refusal(-4118)
        order.quantity = min(order.quantity, held)

    def find(self, params: Params) -> PlainOrder | None:
        """The order of orderId or origClientOrderId, open or closed."""
        symbol = need(params, "symbol")
        self._world.instrument(symbol)
        order_id = optional(params, "orderId")
        client_id = optional(params, "origClientOrderId")
        if order_id is None and client_id is None:
            raise refusal(
                -1102,
                "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
            )
        if order_id is None:
            return self._world.plain.by_client(client_id or "", symbol)
        found = self._world.plain.by_id(parse_integer("orderId", order_id))
        return found if found is not None and found.symbol == symbol else None

    def cancel(self, params: Params, origin: str = "api") -> PlainOrder:
        """DELETE /order; anything not open is -2011."""
        order = self.find(params)
        if order is None or not order.open:
            self._world.note(
                "cancel_refused", origin, params["symbol"], order_kind="plain", code=-2011,
                client_id=params.get("origClientOrderId", ""), order_id=params.get("orderId", ""),
            )  # fmt: skip
            raise refusal(-2011)
        self._matching.end(order, "CANCELED", "CANCELED")
        return order

    def cancel_all(self, symbol: str) -> int:
        """DELETE /allOpenOrders; returns how many there were."""
        self._world.instrument(symbol)
        orders = self._world.plain.open_of(symbol)
        for order in orders:
            self._matching.end(order, "CANCELED", "CANCELED")
        return len(orders)

    def amend(self, params: Params) -> PlainOrder:
        """PUT /order: new price and quantity of a resting LIMIT order."""
        order = self.find(params)
        side = side_of(params)
        quantity, price = amount(params, "quantity"), amount(params, "price")
        if order is None or not order.open:
            raise refusal(-2013)
        if order.type != "LIMIT":
            raise refusal(-5025)
        if side != order.side:
            raise refusal(-1117)
        if quantity is None or price is None:
            raise missing("quantity" if quantity is None else "price")
        if (quantity, price) == (order.quantity, order.price):
            raise refusal(-5027)
        self._check_amendment(order, quantity, price)
        self._remember(order, quantity, price)
        order.quantity, order.price, order.updated_ms = quantity, price, self._world.now_ms
        self._world.note("order_amended", order.origin, order.symbol, **order_facts(order))
        self._world.emit(order_update(order, "AMENDMENT", self._world.now_ms, None))
        if self._matching.crosses(order):
            self._matching.take(order)
        return order

    def _remember(self, order: PlainOrder, quantity: Decimal, price: Decimal) -> None:
        world = self._world
        count = 1 + sum(1 for one in world.amendments if one.order_id == order.order_id)
        world.amendments.append(
            Amendment(world.next_trade_id(), order.order_id, order.client_id, order.symbol, (order.price, price),
                      (order.quantity, quantity), world.now_ms, count)
        )  # fmt: skip

    def _check_amendment(self, order: PlainOrder, quantity: Decimal, price: Decimal) -> None:
        world, instrument = self._world, self._world.instruments[order.symbol]
        check_quantity(instrument, quantity, market=False)
        check_price(instrument, price)
        check_percent_price(instrument, order.side, price, world.market.mark(order.symbol))
        if not order.reduce_only:
            check_notional(instrument, quantity, price)
        wanted = PlainOrder(
            order.order_id, order.client_id, order.symbol, order.side, order.position_side,
            order.type, quantity, price, reduce_only=order.reduce_only,
        )  # fmt: skip
        self._check_reducing(wanted, replaced=order)
        if wanted.quantity != quantity:
            raise refusal(-4118)
        self._matching.check_margin(wanted, price)


def check_status(instrument: Instrument, reducing: bool) -> None:
    """A contract that does not trade takes no orders; shortly before its end only such as reduce."""
    status = instrument.status
    if status == "TRADING" or (status in CLOSING_ONLY and reducing):
        return
    if status in CLOSING_ONLY:
        raise refusal(-4140)
    raise refusal(-4108 if status in ENDED else -1122)


def type_of(params: Params) -> str:
    """LIMIT or MARKET; conditional types are -4120, anything else -1116."""
    value = need(params, "type")
    if value in CONDITIONAL_TYPES:
        raise refusal(-4120)
    if value not in ("LIMIT", "MARKET"):
        raise refusal(-1116)
    return value


def time_in_force_of(params: Params, order_type: str) -> str:
    """Mandatory for LIMIT, not allowed for MARKET, else one of the known values (-1115)."""
    value = optional(params, "timeInForce")
    if order_type == "MARKET":
        if value is not None:
            raise not_required("timeInForce")
        return "GTC"
    if value is None:
        raise missing("timeInForce")
    if value not in PLAIN_TIF:
        raise refusal(-1115)
    return value


def matched_price(world: World, instrument: Instrument, side: str, match: str) -> Decimal:
    """The book price a priceMatch asks for."""
    kind, _, depth = match.partition("_")
    levels = (int(depth) - 1 if depth else 0) * instrument.tick
    bid, ask = world.market.bid(instrument.symbol), world.market.ask(instrument.symbol)
    buys = side == "BUY"
    if kind == "OPPONENT":
        return ask + levels if buys else max(instrument.tick, bid - levels)
    return max(instrument.tick, bid - levels) if buys else ask + levels
