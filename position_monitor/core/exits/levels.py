"""Levels of a policy: measured from the entry, or anchored to the mark where the price has passed that (DESIGN 9).

What is measured from the entry needs no mark, so it is remembered from cycle to cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from position_monitor.core.exits.distances import Distances
from position_monitor.core.exits.liquidation import furthest_point, kept_before_liquidation, least_stop
from position_monitor.core.exits.permitted import at_permitted_price, price_to_try
from position_monitor.core.exits.targets import targets_from_entry, targets_in_r
from position_monitor.core.exits.view import ExitView, Obstacle
from position_monitor.core.model.desired import Level, LevelSource, Target
from position_monitor.core.model.instruments import PriceGrid
from position_monitor.core.model.money import against, beyond, distance_pct, plain, stop_trigger, tighter
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side


class Levels(NamedTuple):
    """A stop and a ladder that follow from one set of distances."""

    stop: Level
    """At a price that the venue permits, and not too near the liquidation price where there is room for that."""
    targets: tuple[Target, ...]
    """Nearest first; empty while the entry price is unknown."""
    crossed: bool = False
    """The price has already passed the stop: it is anchored to the mark instead."""
    notes: tuple[str, ...] = ()
    obstacle: Obstacle = Obstacle.NONE
    least: Decimal | None = None
    """The least stop (`liquidation.py`); None without a liquidation price ahead."""


def levels_of(view: ExitView, choices: Sequence[Distances]) -> Levels:
    """The levels of the first choice whose stop the price has not passed; of the first where it has passed them all.

    A level that only advice brought so near gives way to the policy's own: anchored to the mark it could lose more than
    without advice.
    """
    ahead = view.position.liquidation_ahead
    levels = _levels_at(view, choices[0], ahead)
    if levels.crossed:
        for distances in choices[1:]:
            other = _levels_at(view, distances, ahead)
            if not other.crossed:
                levels = other
                break
    venue = view.instrument
    if venue.lowest_price > venue.highest_price:  # the grid is so coarse that no price lies in the range
        stop = levels.stop._replace(price=price_to_try(levels.stop.price, view))
        return levels._replace(stop=stop, targets=(), obstacle=Obstacle.NO_PRICE)
    if ahead is None:
        return levels
    return levels._replace(least=least_stop(view, view.mark if levels.crossed else view.position.entry_price))


def _levels_at(view: ExitView, distances: Distances, ahead: Decimal | None) -> Levels:
    """The levels of one choice; `ahead` is the liquidation price ahead of the position."""
    position = view.position
    entry, grid = position.entry_price, view.instrument.grid
    if entry <= 0:
        stop, obstacle = _anchored(view, distances)
        note = "entry price was 0: stop anchored to the mark, take-profits held"
        return Levels(stop, (), notes=(note,), obstacle=obstacle)
    side = position.side
    binding = ahead if ahead is not None and _binds(ahead, entry, distances, view) else None
    levels = from_entry(
        entry=entry, side=side, grid=grid, settings=view.settings, distances=distances, liquidation=binding
    )
    if ahead is not None and not tighter(levels.stop.price, ahead, side):
        levels = _entry_beyond_liquidation(levels, view)
    if not beyond(view.mark, levels.stop.price, side):
        return levels
    stop, obstacle = _anchored(view, distances)
    targets, notes = _ladder(
        entry=entry, side=side, grid=grid, settings=view.settings, distances=distances, risk_pct=distances.stop_pct
    )
    word = "mark" if position.last_price is None else "last price"
    note = f"the {word} {plain(view.mark)} is beyond the desired stop: anchored to the {word}"
    return Levels(stop, targets, crossed=True, notes=(note, *notes), obstacle=obstacle)


def _binds(ahead: Decimal, entry: Decimal, distances: Distances, view: ExitView) -> bool:
    """Whether the liquidation price has a part in the levels from the entry. It moves with every price, they do not."""
    side = view.position.side
    point = furthest_point(entry, side, ahead, view.settings)
    return point is not None and tighter(point, _policy_stop(entry, side, distances), side)


def _policy_stop(entry: Decimal, side: Side, distances: Distances) -> Decimal:
    """Where the policy wants the stop, on no grid."""
    in_r = distances.in_r
    if in_r is None:
        return against(entry, side, distances.stop_pct)
    return entry - in_r.stop_distance if side is Side.LONG else entry + in_r.stop_distance


@lru_cache(maxsize=2_048)
def from_entry(
    entry: Decimal,
    side: Side,
    grid: PriceGrid,
    settings: ProtectionSettings,
    distances: Distances,
    liquidation: Decimal | None,
) -> Levels:
    """The levels measured from the entry. The mark has no part in them, so they are remembered.

    Called by position: every cycle asks for every position, and the memory finds such a call faster.
    """
    stop_pct, in_r = distances.stop_pct, distances.in_r
    if in_r is None:
        inputs = {"entry_price": entry, "stop_loss_pct": stop_pct}
    else:
        inputs = {"entry_price": entry, "distance": in_r.stop_distance, **in_r.inputs}
    level = Level(_policy_stop(entry, side, distances), distances.stop_source, inputs)
    level = kept_before_liquidation(level, anchor=entry, side=side, liquidation=liquidation, settings=settings)
    price = grid.nearest(stop_trigger(level.price, side, grid.tick))
    risk_pct = min(stop_pct, distance_pct(price, entry))
    targets, notes = _ladder(
        entry=entry,
        side=side,
        grid=grid,
        settings=settings,
        distances=distances,
        risk_pct=risk_pct,
        placed=abs(entry - price),
    )
    return Levels(level._replace(price=price), targets, notes=notes)


def _ladder(
    *,
    entry: Decimal,
    side: Side,
    grid: PriceGrid,
    settings: ProtectionSettings,
    distances: Distances,
    risk_pct: Decimal,
    placed: Decimal | None = None,
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The ladder in percent or in R. `placed` is the distance at which the stop comes to rest, if from the entry."""
    in_r = distances.in_r
    if in_r is None:
        return targets_from_entry(
            entry=entry, side=side, grid=grid, settings=settings, distances=distances, risk_pct=risk_pct
        )
    r = in_r.r or placed or in_r.stop_distance
    source = distances.target_source
    return targets_in_r(entry=entry, side=side, grid=grid, settings=settings, source=source, ladder=in_r, r=r)


def _entry_beyond_liquidation(levels: Levels, view: ExitView) -> Levels:
    """The stop lies beyond the liquidation price: it is kept before that as measured from the mark.

    That is so where the entry itself lies beyond it, as it may with cross margin when other positions lose.
    """
    stop, obstacle = _before_liquidation(levels.stop, view)
    return levels._replace(stop=stop, obstacle=obstacle)


def _anchored(view: ExitView, distances: Distances) -> tuple[Level, Obstacle]:
    """A stop at the policy's distance from the mark: the price has passed its own level, or the entry is unknown."""
    position, stop_pct = view.position, distances.stop_pct
    inputs = {"entry_price": position.entry_price, "mark_price": view.mark, "stop_loss_pct": stop_pct}
    level = Level(against(view.mark, position.side, stop_pct), LevelSource.REANCHOR, inputs, anchored=True)
    return _before_liquidation(level, view)


def _before_liquidation(level: Level, view: ExitView) -> tuple[Level, Obstacle]:
    """A level kept before the liquidation price, as measured from the mark, at a price that the venue permits."""
    side, ahead = view.position.side, view.position.liquidation_ahead
    level = kept_before_liquidation(level, anchor=view.mark, side=side, liquidation=ahead, settings=view.settings)
    return at_permitted_price(level, view)
