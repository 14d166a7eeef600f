"""The ladder of a position as levels: distances from the entry, inside every bound, on the venue's grid."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.distances import Distances
from position_monitor.core.model.desired import Level, Target
from position_monitor.core.model.instruments import PriceGrid
from position_monitor.core.model.money import HUNDRED, ceil_to, floor_to, in_favour, target_trigger, tighter
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side


def targets_from_entry(
    *,
    entry: Decimal,
    side: Side,
    grid: PriceGrid,
    settings: ProtectionSettings,
    distances: Distances,
    risk_pct: Decimal,
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The rungs from the entry, inside the reward:risk bounds; and notes about them.

    `risk_pct` is R in percent of the entry. No rung lies beyond the largest reward:risk, the last not within the least.
    The mark has no part in it: the ladder of a position stays the same from cycle to cycle. A rung goes to the nearest
    price that the venue permits; one for which none lies in profit is left out.
    """
    rungs, targets = distances.rungs, []
    for number, rung in enumerate(rungs):
        pct = min(rung.target_pct, risk_pct * settings.reward_risk_max)
        if number == len(rungs) - 1:
            pct = max(pct, risk_pct * settings.reward_risk_min)
        pct = min(max(pct, settings.target_min_pct), settings.target_max_pct)
        wanted = _in_profit(in_favour(entry, side, pct), entry, side, grid.tick)
        price = grid.nearest(wanted)
        if price == wanted or tighter(price, entry, side):
            inputs = {"entry_price": entry, "target_pct": pct}
            targets.append(Target(number, Level(price, distances.target_source, inputs), rung.share_pct / HUNDRED))
    left_out = len(rungs) - len(targets)
    note = f"{left_out} take-profit(s) left out: prices in profit are outside what the venue permits"
    return tuple(targets), (note,) if left_out else ()


def _in_profit(price: Decimal, entry: Decimal, side: Side, tick: Decimal) -> Decimal:
    """The target on the tick grid, at least one tick beyond the entry.

    Where a tick is a large part of the price, rounding toward being reached could end on the losing side.
    """
    trigger = target_trigger(price, side, tick)
    if tighter(trigger, entry, side):
        return trigger
    return floor_to(entry, tick) + tick if side is Side.LONG else max(ceil_to(entry, tick) - tick, tick)
