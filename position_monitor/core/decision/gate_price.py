"""The gate's checks of an order's numbers: on the venue's grid, and on the right side of the mark (invariant 1)."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.decision.gate import GateInputs
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import beyond, ceil_to, floor_to, is_multiple, reached, tighter
from position_monitor.core.model.orders import Role
from position_monitor.core.model.positions import Position
from position_monitor.core.model.provisional_rules import provisional_rules
from position_monitor.core.model.sides import Side


def why_not_on_grid(order: DesiredOrder, position: Position | None, gate: GateInputs) -> str:
    """Why the venue's filters (PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE) would refuse an order, or empty.

    A stop is checked against provisional rules while the venue's are not known, and may lie outside the range of prices
    where that range has none for it: its rules are read rarely, and one that is refused costs nothing.
    """
    instrument = _rules_of(position, gate)
    if instrument is None or (gate.observation.instrument is None and order.role is Role.TAKE_PROFIT):
        return "the venue's trading rules for the symbol are not known"
    if order.trigger_price <= 0 or not is_multiple(order.trigger_price, instrument.tick):
        return f"trigger was {order.trigger_price}; expected a positive multiple of {instrument.tick}"
    if order.quantity is not None and not is_multiple(order.quantity, instrument.step):
        return f"quantity was {order.quantity}; expected a multiple of {instrument.step}"
    permitted = instrument.min_price <= order.trigger_price <= instrument.max_price
    if not permitted and not (
        order.role.is_stop and position is not None and _tightest_price(position, instrument) is None
    ):
        return f"trigger was {order.trigger_price}; expected {instrument.min_price} to {instrument.max_price}"
    least, most = max(instrument.min_quantity, instrument.market_min_quantity), instrument.market_max_quantity
    if order.quantity is not None and not least <= order.quantity <= max(most, instrument.step):
        return f"quantity was {order.quantity}; expected {least} to {most} in one market-type order"
    return ""


def why_wrong_price(order: DesiredOrder, position: Position | None, gate: GateInputs) -> str:
    """The wrong-side check before every send: a long's stop below the mark and above liquidation, its target above."""
    instrument = _rules_of(position, gate)
    if position is None or instrument is None:
        return ""
    mark, trigger, side = position.price_arming(order.working_type), order.trigger_price, position.side
    if order.role is Role.TAKE_PROFIT:
        return f"target {trigger} is not beyond the mark {mark}" if reached(mark, trigger, side) else ""
    if beyond(mark, trigger, side):
        return f"stop {trigger} is on the wrong side of the mark {mark}"
    liquidation = position.liquidation_ahead
    if liquidation is not None and not tighter(trigger, liquidation, side):
        if (better := _tightest_price(position, instrument)) is None or not tighter(better, liquidation, side):
            return ""  # the venue takes none before it: one that may come too late is better than none
        return f"stop {trigger} lies beyond the liquidation price {liquidation}"
    return ""


def _rules_of(position: Position | None, gate: GateInputs) -> Instrument | None:
    """The venue's trading rules, or the ones made up for a stop while they are not known."""
    if gate.observation.instrument is not None or position is None or gate.belief is None:
        return gate.observation.instrument
    return provisional_rules(position, gate.belief.grid_refusals)


def _tightest_price(position: Position, instrument: Instrument) -> Decimal | None:
    """The price next to the mark at which the venue would take a stop; None when its rules permit none. They may be
    older than the venue's: then one is tried at any price (invariant 3)."""
    mark, tick = position.arming_price, instrument.tick
    if position.side is Side.LONG:
        price = min(ceil_to(mark, tick) - tick, floor_to(instrument.max_price, tick))
    else:
        price = max(floor_to(mark, tick) + tick, ceil_to(instrument.min_price, tick))
    return price if instrument.min_price <= price <= instrument.max_price and price > 0 else None
