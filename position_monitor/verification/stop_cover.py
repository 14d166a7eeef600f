"""How much of a position the stops that rest would close: judged from the documents, not from the daemon's code.

DESIGN 1: PROTECTED is stop cover of at least the whole quantity, on the right side, with triggers before liquidation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from position_monitor.verification.expectations import ForeignStops
from position_monitor.verification.venue_rows import WORKING_TYPES, Leg, VenueOrder, VenuePosition

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class StopCover:
    """The stops that count for one position, tightest first, and what each other stop lacks."""

    stops: tuple[VenueOrder, ...]
    quantity: Decimal
    """At most the position's."""
    pct: Decimal
    lacking: tuple[str, ...]
    """Why each stop-like order that does not count does not: one sentence each."""

    @property
    def whole(self) -> bool:
        """Whether all of the position is covered."""
        return self.pct >= HUNDRED

    @property
    def described(self) -> str:
        """In words, with the reasons of what does not count."""
        text = f"stops that rest cover {self.pct.normalize():f} %" if self.stops else "no stop that rests covers it"
        return f"{text} ({'; '.join(self.lacking)})" if self.lacking and not self.whole else text


def stop_cover(position: VenuePosition, orders: Iterable[VenueOrder], foreign: ForeignStops) -> StopCover:
    """The cover of a position by the orders of its symbol and side."""
    stops: list[VenueOrder] = []
    lacking: list[str] = []
    for order in orders:
        if not order.type.startswith("STOP") and order.type != "TRAILING_STOP_MARKET":
            continue
        why = why_none(order, position, foreign)
        if why:
            lacking.append(f"{order.client_id}: {why}")
        else:
            stops.append(order)
    total = sum((position.quantity if stop.close_all else stop.quantity for stop in stops), Decimal(0))
    quantity = min(total, position.quantity)
    stops.sort(key=lambda stop: stop.trigger_price, reverse=position.side is Leg.LONG)
    pct = HUNDRED if quantity == position.quantity else quantity / position.quantity * HUNDRED
    return StopCover(tuple(stops), quantity, pct, tuple(lacking))


def why_none(order: VenueOrder, position: VenuePosition, foreign: ForeignStops) -> str:
    """Why an order is no stop cover for the position; empty when it is."""
    trigger = order.trigger_price
    reasons = (
        (order.type != "STOP_MARKET", f"{order.type} may not fill"),
        (not order.reduces or order.side != position.side, "it is not bound to reduce the position"),
        (order.hedged != position.hedged, "it is of another position mode"),
        (order.status != "NEW", f"its status is {order.status}"),
        (trigger <= 0, "it has no trigger price"),
        (order.working_type not in WORKING_TYPES, f"its working type is {order.working_type}"),
        (order.price_protect, "priceProtect may hold it back"),
        (order.good_till_ms > 0, "it expires"),
        (not _before_liquidation(trigger, position), f"its trigger {trigger} lies beyond the liquidation price"),
        (_passed(order, position), f"the mark {position.mark_price} has passed its trigger {trigger}"),
    )
    why = next((words for lacks, words in reasons if lacks), "")
    return why or ("" if order.ours else foreign.why_none(trigger, position))


def _worse(price: Decimal, than: Decimal, side: Leg) -> bool:
    """Whether a price lies further into the loss of a position."""
    return price < than if side is Leg.LONG else price > than


def _before_liquidation(trigger: Decimal, position: VenuePosition) -> bool:
    """Whether an adverse move meets the trigger first.

    With cross margin in hedge mode the venue states one price for both legs: for one it lies where that leg wins.
    """
    liquidation = position.liquidation_price
    if liquidation is None or not _worse(liquidation, position.mark_price, position.side):
        return True
    return _worse(liquidation, trigger, position.side)


def _passed(order: VenueOrder, position: VenuePosition) -> bool:
    """Whether the mark is beyond the trigger; an order armed by the last price is not judged by the mark."""
    if order.working_type != "MARK_PRICE" or position.mark_price <= 0:
        return False
    return _worse(position.mark_price, order.trigger_price, position.side)
