"""From levels to a desired book (DESIGN 9): what should rest on the exchange for one position now.

A desired book is snapped to what already rests wherever that is good enough: an order is replaced only for a reason a
trader would accept, never for a rounding difference. All of it is derived again in every cycle from what was read.
"""

from __future__ import annotations

from collections.abc import Sequence

from position_monitor.core.ladder import RUNGS_MAX
from position_monitor.core.model import DesiredBook, PositionKey
from position_monitor.core.policy import levels_for
from position_monitor.core.stop_book import effective_stop, stop_orders, trailing_of
from position_monitor.core.target_book import take_profits
from position_monitor.core.wanted import NO_RUNGS, BookInputs, RungsAllowed

__all__ = ["NO_RUNGS", "BookInputs", "RungsAllowed", "desired_book", "rungs_allowed", "rungs_for"]

SPARE_TO_GROW = 10
"""One in so many slots for conditional orders must be free before a collapsed ladder grows back."""


def desired_book(inputs: BookInputs) -> DesiredBook:
    """What should rest for one position now."""
    levels = levels_for(inputs.position, inputs.instrument, inputs.settings, inputs.advice, inputs.now_ms)
    stop = effective_stop(inputs, levels, breakeven=bool(inputs.known.done_rungs))
    targets, notes = take_profits(inputs, levels)
    return DesiredBook(
        key=inputs.position.key,
        epoch=inputs.known.epoch,
        stop=stop,
        orders=(*stop_orders(inputs, levels, stop), *targets),
        profile=inputs.settings.profile,
        trailing=trailing_of(inputs),
        regime=inputs.advice.regime if inputs.advice else "",
        notes=(*levels.notes, *notes),
    )


def rungs_for(
    keys: Sequence[PositionKey], reserved: int, conditional_orders_max: int
) -> dict[PositionKey, RungsAllowed]:
    """What each position may hold now, and what a collapsed ladder may grow back to; arguments as `rungs_allowed`."""
    most = rungs_allowed(keys, reserved, conditional_orders_max)
    again = rungs_allowed(keys, reserved + conditional_orders_max // SPARE_TO_GROW, conditional_orders_max)
    return {key: RungsAllowed(most[key], again[key]) for key in keys}


def rungs_allowed(keys: Sequence[PositionKey], reserved: int, conditional_orders_max: int) -> dict[PositionKey, int]:
    """Take-profit rungs each position may hold inside the venue's cap on open conditional orders.

    `reserved` counts what comes first: foreign conditional orders and our stops. One more slot in ten positions
    (at least two) stays free so that a working stop can be placed beside the one it replaces. What is left is spread
    evenly; the remainder goes to the first keys, so the same positions keep it from cycle to cycle.
    """
    spare = max(2, -(-len(keys) // 10))
    free = max(0, conditional_orders_max - reserved - spare)
    each, more = divmod(free, len(keys)) if keys else (0, 0)
    return {key: min(RUNGS_MAX, each + (1 if index < more else 0)) for index, key in enumerate(sorted(keys))}
