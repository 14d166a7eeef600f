"""Where a stop may lie at all: on the losing side of the mark, before the liquidation, at a price the venue takes.

The policy puts every level through here, whatever it was measured from: the entry of a cross-margin position may lie
anywhere, also beyond its liquidation price, and the venue's PRICE_FILTER may begin above a level or end below it.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import ceil_to, floor_to, stop_trigger
from position_monitor.core.model.sides import Side


def fitted_stop(
    price: Decimal, side: Side, mark: Decimal, liquidation: Decimal | None, instrument: Instrument
) -> Decimal | None:
    """The permitted stop price nearest to `price`, rounded toward less loss; None when there is no permitted one.

    `liquidation` is the liquidation price ahead of the position, None without one.
    """
    tick, lowest, highest = instrument.tick, instrument.lowest_price, instrument.highest_price
    if side is Side.LONG:
        highest = min(highest, ceil_to(mark, tick) - tick)
        if liquidation is not None:
            lowest = max(lowest, floor_to(liquidation, tick) + tick)
    else:
        lowest = max(lowest, floor_to(mark, tick) + tick)
        if liquidation is not None:
            highest = min(highest, ceil_to(liquidation, tick) - tick)
    if lowest > highest:
        return None
    return min(max(stop_trigger(price, side, tick), lowest), highest)
