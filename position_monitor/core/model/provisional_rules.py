"""Trading rules made up for a symbol whose rules are not known: enough to place its stop (invariant 3).

The venue accepts a trigger price on the symbol's tick grid only. Ticks are far below a thousandth of the price, and
powers of ten or their halves and fifths; so a price cut to four significant digits lies on nearly every grid. Where it
does not, the venue refuses it as off the grid and one digit less is tried. A size that was read from a position is a
multiple of the step by itself.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.positions import Position

PROVISIONAL_STATUS = "PROVISIONAL"
_DIGITS = 4
_DIGITS_MIN = 2
_UNBOUNDED = Decimal(10**15)
_NOTHING = Decimal(0)


def provisional_rules(position: Position, grid_refusals: int) -> Instrument:
    """Rules for one position. `grid_refusals` counts how often the venue said that a number was off its grid."""
    digits = max(_DIGITS_MIN, _DIGITS - grid_refusals)
    price = position.mark_price if position.mark_price > 0 else position.entry_price
    tick = Decimal(1).scaleb(price.adjusted() - digits + 1)
    exponent = position.quantity.normalize().as_tuple().exponent
    step = Decimal(1).scaleb(min(exponent, 0) if isinstance(exponent, int) else 0)
    return Instrument(
        symbol=position.symbol,
        tick=tick,
        step=step,
        min_quantity=step,
        max_quantity=_UNBOUNDED,
        market_min_quantity=_NOTHING,
        market_max_quantity=_UNBOUNDED,
        min_price=_NOTHING,
        max_price=_UNBOUNDED,
        min_notional=_NOTHING,
        percent_up=Decimal("1.05"),
        percent_down=Decimal("0.95"),
        status=PROVISIONAL_STATUS,
    )


def rules_of(instrument: Instrument | None, position: Position, grid_refusals: int) -> Instrument:
    """The rules of the venue, or provisional ones where the venue's are not known."""
    return instrument if instrument is not None else provisional_rules(position, grid_refusals)
