"""Which part of the policy a stop that rests comes from, for whoever explains it (invariant 13)."""

from __future__ import annotations

from typing import NamedTuple

from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.explanation import Explanation, PartKind, PartRef, part_at_price
from position_monitor.core.model import ids
from position_monitor.core.model.market import Regime
from position_monitor.core.model.orders import LiveOrder, Role
from position_monitor.core.model.pins import NO_ATR, profile_pinned, regime_pinned


class StopOrigin(NamedTuple):
    """The tightest stop that covers a position now, and where it comes from."""

    order: LiveOrder
    foreign: bool
    """Whether another program or a person placed it."""
    part: PartRef
    """The part of the policy that gives its level. For a working stop whose level no part gives any more: OTHER, it was
    moved there earlier and never moves back (invariant 8)."""
    anchored: bool = False
    """Whether it was measured from the price in a loss when it was placed, not from the entry."""
    profile: str = ""
    """What its id says was chosen when the position was opened; empty where it says nothing."""
    regime: Regime | None = None
    no_atr: bool = False


def stop_origin(inputs: BookInputs, explanation: Explanation) -> StopOrigin | None:
    """The stop that would act first among those that count as cover; None while none does."""
    tightest = inputs.cover.stop_price
    order = next((one for one in inputs.cover.orders if one.trigger_price == tightest), None)
    if order is None or tightest is None:
        return None
    tag = order.tag
    if tag is None:
        return StopOrigin(order, foreign=True, part=PartRef(PartKind.OTHER))
    if tag.role is not Role.BACKSTOP:
        return StopOrigin(order, False, part_at_price(tightest, explanation), ids.is_anchored(order.rung))
    pin = ids.part_of(order.rung)
    return StopOrigin(
        order=order,
        foreign=False,
        part=PartRef(PartKind.FIRST_STOP),
        anchored=ids.is_anchored(order.rung),
        profile=profile_pinned(pin),
        regime=regime_pinned(pin),
        no_atr=pin == NO_ATR,
    )
