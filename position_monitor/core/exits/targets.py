"""The ladder of a position as levels: distances from the entry, inside every bound, on the venue's grid."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from position_monitor.core.exits.distances import Distances, InR
from position_monitor.core.model.desired import Level, Target
from position_monitor.core.model.instruments import PriceGrid
from position_monitor.core.model.money import (
    HUNDRED,
    ceil_to,
    distance_pct,
    floor_to,
    in_favour,
    target_trigger,
    tighter,
)
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
            level = Level(price, distances.target_source, {"entry_price": entry, "target_pct": pct})
            targets.append(Target(number, level, rung.share_pct / HUNDRED, rung.kind))
    return tuple(targets), _left_out(len(rungs) - len(targets))


def targets_in_r(
    *,
    entry: Decimal,
    side: Side,
    grid: PriceGrid,
    settings: ProtectionSettings,
    source: str,
    ladder: InR,
    r: Decimal,
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The same for rungs in R, whose levels are exact multiples of it before the tick.

    A rung that lies too close to the next joins it (S5): a stop very near the entry would else give several orders at
    one price.
    """
    least, most = entry * settings.target_min_pct / HUNDRED, entry * settings.target_max_pct / HUNDRED
    rungs, targets = ladder.rungs, []
    for number, rung in enumerate(rungs):
        multiple = min(rung.target_r, settings.reward_risk_max)
        if number == len(rungs) - 1:
            multiple = max(multiple, settings.reward_risk_min)
        away = min(max(multiple * r, least), most)
        wanted = _in_profit(entry + away if side is Side.LONG else entry - away, entry, side, grid.tick)
        price = grid.nearest(wanted)
        if price == wanted or tighter(price, entry, side):
            level = Level(price, source, {"entry_price": entry, "target_r": multiple, "r": r})
            targets.append(Target(number, level, rung.share_pct / HUNDRED, rung.kind))
    return merged_where_close(targets, settings.stop_min_move_pct), _left_out(len(rungs) - len(targets))


def merged_where_close(targets: Sequence[Target], nearest_pct: Decimal) -> tuple[Target, ...]:
    """A rung closer to the next than `nearest_pct` of the price joins it, at the level and with the number of that."""
    kept: list[Target] = []
    carried = Decimal(0)
    for number, target in enumerate(targets):
        last = number == len(targets) - 1
        if not last and distance_pct(targets[number + 1].level.price, target.level.price) < nearest_pct:
            carried += target.fraction
            continue
        kept.append(target._replace(fraction=target.fraction + carried) if carried else target)
        carried = Decimal(0)
    return tuple(kept)


def _left_out(count: int) -> tuple[str, ...]:
    return (f"{count} take-profit(s) left out: prices in profit are outside what the venue permits",) if count else ()


def _in_profit(price: Decimal, entry: Decimal, side: Side, tick: Decimal) -> Decimal:
    """The target on the tick grid, at least one tick beyond the entry.

    Where a tick is a large part of the price, rounding toward being reached could end on the losing side.
    """
    trigger = target_trigger(price, side, tick)
    if tighter(trigger, entry, side):
        return trigger
    return floor_to(entry, tick) + tick if side is Side.LONG else max(ceil_to(entry, tick) - tick, tick)
