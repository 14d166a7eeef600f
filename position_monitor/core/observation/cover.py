"""What counts as a stop. This one predicate is used to plan, to approve and to judge (DESIGN 9).

A peer lost positions because its "is it protected?" test and its planner disagreed; here they cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.money import HUNDRED, beyond, distance_pct, tighter
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import PositionKey, Side

_NOTHING = Decimal(0)

COVERING = frozenset({Purpose.STOP})
"""A stop-limit may rest unfilled below the market and a trailing stop may not be active yet: neither is cover."""

TAKING_PROFIT = frozenset({Purpose.TAKE_PROFIT, Purpose.TAKE_PROFIT_LIMIT, Purpose.LIMIT})


def belongs_to(order: LiveOrder, key: PositionKey, *, hedged: bool) -> bool:
    """Whether an order can only reduce this position of an account that is, or is not, in hedge mode.

    An order that names a leg does nothing to a position of an account in one-way mode, nor the other way round.
    """
    return order.reduces and order.hedged is hedged and order.key == key


def why_not_cover(order: LiveOrder, position: Position, settings: ProtectionSettings) -> str:
    """Empty when the order is stop cover for the position; otherwise the reason it is not, in words."""
    if order.purpose not in COVERING or not belongs_to(order, position.key, hedged=position.hedged):
        return "not a reducing stop of this position"
    if order.status is not OrderStatus.NEW:
        return f"status is {order.status}, only NEW protects"
    trigger = order.trigger_price
    if trigger is None or trigger <= 0:
        return "it has no trigger price"
    if order.caveat:
        return order.caveat
    liquidation = position.liquidation_ahead
    if liquidation is not None and not tighter(trigger, liquidation, position.side):
        return f"its trigger {trigger} lies beyond the liquidation price {liquidation}"
    # Where the price that arms it could not be read, nobody knows whether it has passed: the venue says that it rests.
    if position.has_price_arming(order.working_type):
        price = position.price_arming(order.working_type)
        if beyond(price, trigger, position.side):
            return f"the price {price} has passed its trigger {trigger}"
    return "" if order.tag is not None else _why_not_foreign(trigger, position, settings)


def _why_not_foreign(trigger: Decimal, position: Position, settings: ProtectionSettings) -> str:
    if settings.held:
        return ""
    if not settings.respect_foreign_orders:
        return "foreign orders are ignored by configuration"
    anchor = position.entry_price if position.entry_price > 0 else position.mark_price
    loses = beyond(trigger, anchor, position.side)
    if loses and distance_pct(trigger, anchor) > settings.foreign_stop_max_pct:
        return f"foreign and further than {settings.foreign_stop_max_pct} % from the entry"
    return ""


class Cover(NamedTuple):
    """The stop cover of one position: the orders that count, and what they add up to."""

    orders: tuple[LiveOrder, ...]
    quantity: Decimal
    """Covered quantity, at most the position's."""
    pct: Decimal
    stop_price: Decimal | None
    """The tightest trigger among the orders that count."""
    whole_price: Decimal | None
    """The tightest level at which the *whole* position is stopped; None while it is not fully covered."""
    worst_loss: Decimal | None
    """Loss in quote units if each stop fills at its trigger; None while not fully covered or without an entry."""

    @property
    def full(self) -> bool:
        """Whether the whole position is covered."""
        return self.pct >= HUNDRED


NO_COVER = Cover.__new__(
    Cover, orders=(), quantity=_NOTHING, pct=_NOTHING, stop_price=None, whole_price=None, worst_loss=None
)
"""Nothing is known to cover the position."""


def cover_of(position: Position, orders: Iterable[LiveOrder], settings: ProtectionSettings) -> Cover:
    """Sum the stop cover of a position over mixed close-all and quantity stops."""
    stops = tuple([order for order in orders if not why_not_cover(order, position, settings)])
    whole, total = position.quantity, _NOTHING
    for order in stops:
        total += order.part_of(whole)
    quantity = min(total, whole)
    pct = HUNDRED if 0 < whole <= total else quantity / whole * HUNDRED
    met = _by_tightness(position, stops) if len(stops) > 1 else stops
    price = met[0].trigger_price if met else None
    if pct < HUNDRED:
        return Cover.__new__(
            Cover, orders=stops, quantity=quantity, pct=pct, stop_price=price, whole_price=None, worst_loss=None
        )
    loss = _worst_loss(position, met) if position.entry_price > 0 else None
    return Cover.__new__(
        Cover,
        orders=stops,
        quantity=quantity,
        pct=pct,
        stop_price=price,
        whole_price=_whole_price(position, met),
        worst_loss=loss,
    )


def _by_tightness(position: Position, stops: Sequence[LiveOrder]) -> Sequence[LiveOrder]:
    """The stops in the order an adverse price meets them."""
    return sorted(stops, key=lambda order: order.trigger_price or _NOTHING, reverse=position.side is Side.LONG)


def _whole_price(position: Position, met: Sequence[LiveOrder]) -> Decimal | None:
    left = position.quantity
    for order in met:
        left -= order.part_of(left)
        if left <= 0:
            return order.trigger_price
    return None


def _worst_loss(position: Position, met: Sequence[LiveOrder]) -> Decimal:
    """Fill the stops in the order the falling price meets them, each for what is then left of the position."""
    left, loss = position.quantity, _NOTHING
    for order in met:
        part = min(order.part_of(left), left)
        move = position.entry_price - (order.trigger_price or _NOTHING)
        loss += part * (move if position.side is Side.LONG else -move)
        left -= part
    return loss


def counts_as_target(order: LiveOrder, key: PositionKey, *, hedged: bool) -> bool:
    """Whether an order takes profit on this position (used to count foreign quantity toward the ladder)."""
    if not belongs_to(order, key, hedged=hedged) or order.purpose not in TAKING_PROFIT:
        return False
    if order.status not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
        return False
    price = order.limit_price if order.purpose is Purpose.LIMIT else order.trigger_price
    return price is not None and price > 0


def stopped_by(position: Position, stops: Iterable[LiveOrder], price: Decimal) -> Decimal:
    """How much of the position is stopped at `price` or before an adverse move reaches it; `stops` count as cover."""
    total = Decimal(0)
    for order in stops:
        if not tighter(price, order.trigger_price or Decimal(0), position.side):
            total += order.part_of(position.quantity)
    return min(total, position.quantity)


def loosened_at(
    position: Position, before: Iterable[LiveOrder], after: Iterable[LiveOrder], settings: ProtectionSettings
) -> Decimal | None:
    """The price at which less of the position would be stopped than before; None when nothing loosens (invariant 8)."""
    had, kept = cover_of(position, before, settings).orders, cover_of(position, after, settings).orders
    for stop in had:
        price = stop.trigger_price or Decimal(0)
        if stopped_by(position, kept, price) < stopped_by(position, had, price):
            return price
    return None


def outdated_backstop(order: LiveOrder, epoch: str, settings: ProtectionSettings) -> bool:
    """Whether a backstop of ours may be replaced: only with `rebase_on_add`, and only one of an earlier epoch."""
    return settings.rebase_on_add and order.role is Role.BACKSTOP and order.epoch != epoch
