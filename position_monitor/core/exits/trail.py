"""A stop that follows the mark (S7).

It has no memory of the best mark: the stop that rests is how far it has come, and the ratchet keeps that. It follows
only the price that arms the orders: where that is the last trade and could not be read, no mark stands for it here. The
two may lie further apart than the trail, and a stop made from the wrong one would close the position at once. Staying
where it rests needs no price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.exits.locks import price_at
from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import Level, Trailing
from position_monitor.core.model.money import HUNDRED, against, ceil_to, floor_to, stop_trigger, tighter
from position_monitor.core.model.profiles import TrailStep
from position_monitor.core.model.sides import Side

_CENTS = Decimal("0.01")


def trail_of(view: ExitView, distance_pct: Decimal, source: str) -> tuple[Trailing | None, Level | None]:
    """How the stop follows the mark at this distance, and the level that gives now; neither where trailing is off.

    It acts once that level is at breakeven or better; None before, and while the price that arms the orders is not
    known. The entry price must be known.
    """
    if not view.settings.trailing:
        return None, None
    entry, side = view.position.entry_price, view.position.side
    behind = against(view.mark, side, distance_pct)
    armed = view.position.has_price_arming(view.settings.working_type)
    trail = Trailing(distance_pct, view.mark, armed and not tighter(entry, behind, side))
    if not armed:
        return trail, None
    level = _level_at(view, behind, source, {"mark_price": view.mark, "trailing_pct": distance_pct})
    return trail, None if tighter(entry, level.price, side) else level


class StepNow(NamedTuple):
    """One step of a trail as it stands for a position now."""

    from_r: Decimal | None
    """The profit in R from which it counts; None for a trail that begins where it reaches the entry."""
    from_price: Decimal | None
    """The mark at which that is; None without R."""
    distance: Decimal | None
    """How far behind the mark, in units of price; None where it needs an ATR and there is none."""
    distance_pct: Decimal | None
    """The same in percent of the mark, where the step is written so."""
    distance_atr: Decimal | None
    """The same in average true ranges, where the step is written so."""
    level: Level | None
    """Where it would put the stop at the mark of now, whether it acts or not; None without a distance."""
    acts: bool
    """Whether it is the step that acts now."""


def trail_now(view: ExitView, distance_pct: Decimal, source: str) -> tuple[StepNow, ...]:
    """The one step of `trail_of`, for whoever explains a stop."""
    trail, level = trail_of(view, distance_pct, source)
    if trail is None:
        return ()
    side, share = view.position.side, distance_pct / HUNDRED
    inputs = {"mark_price": view.mark, "trailing_pct": distance_pct}
    would_be = level or _level_at(view, against(view.mark, side, distance_pct), source, inputs)
    return (
        StepNow(
            from_r=None,
            from_price=_reaches_entry_at(view, share),
            distance=view.mark * share,
            distance_pct=distance_pct,
            distance_atr=None,
            level=would_be,
            acts=level is not None,
        ),
    )


def _reaches_entry_at(view: ExitView, share: Decimal) -> Decimal:
    """The first mark on the tick grid at which a level this part of it behind, once rounded, is at the entry."""
    side, tick = view.position.side, view.instrument.tick
    level = stop_trigger(view.position.entry_price, side, tick)
    if side is Side.LONG:
        return floor_to((level - tick) / (1 - share), tick) + tick
    return ceil_to((level + tick) / (1 + share), tick) - tick


def trail_in_r(
    view: ExitView, steps: Sequence[TrailStep], source: str, *, profit: Decimal | None, acts: bool
) -> tuple[Trailing | None, Level | None]:
    """How the stop follows the mark on a curve in R, and the level that gives now.

    The step is that of the profit of the mark seen now; the ratchet keeps what an earlier one reached. Below the entry
    it acts only as far as it tightens (12.3). `profit` is that in R, None where it cannot be told; `acts`: a trail that
    waits for a rung has seen it.
    """
    if not steps or not view.settings.trailing:
        return None, None
    now = _step_at(steps, profit)
    distance = _distance(view, steps[0] if now is None else now)
    if distance is None:
        return None, None
    trail = Trailing((distance / view.mark * HUNDRED).quantize(_CENTS), view.mark, acts and now is not None)
    if not trail.active or now is None:
        return trail, None
    return trail, _step_level(view, now, distance, source)


def steps_now(
    view: ExitView,
    steps: Sequence[TrailStep],
    source: str,
    *,
    r: Decimal,
    profit: Decimal | None,
    acts: bool,
) -> tuple[StepNow, ...]:
    """Every step of `trail_in_r` with the level it gives at the mark of now, for whoever explains a stop."""
    if not view.settings.trailing:
        return ()
    trail, _ = trail_in_r(view, steps, source, profit=profit, acts=acts)
    now, rows = _step_at(steps, profit), []
    for step in steps:
        distance = _distance(view, step)
        rows.append(
            StepNow(
                from_r=step.from_r,
                from_price=price_at(view, step.from_r, r),
                distance=distance,
                distance_pct=step.distance_pct,
                distance_atr=step.distance_atr,
                level=None if distance is None else _step_level(view, step, distance, source),
                acts=step is now and trail is not None and trail.active,
            )
        )
    return tuple(rows)


def _step_at(steps: Sequence[TrailStep], profit: Decimal | None) -> TrailStep | None:
    """The last step that counts at this profit in R; None before the first."""
    now = None
    for step in steps:
        if profit is not None and profit >= step.from_r:
            now = step
    return now


def _step_level(view: ExitView, step: TrailStep, distance: Decimal, source: str) -> Level | None:
    """Where a step puts the stop at the mark of now; None where no price is left behind the mark."""
    behind = view.mark - distance if view.position.side is Side.LONG else view.mark + distance
    if behind <= 0:
        return None
    inputs = {"mark_price": view.mark, "from_r": step.from_r, "distance": distance}
    return _level_at(view, behind, source, inputs)


def _level_at(view: ExitView, behind: Decimal, source: str, inputs: Mapping[str, Decimal]) -> Level:
    """A level behind the mark, at a price that the venue permits."""
    side, venue = view.position.side, view.instrument
    return Level(venue.nearest_permitted(stop_trigger(behind, side, venue.tick)), source, inputs)


def _distance(view: ExitView, step: TrailStep) -> Decimal | None:
    """The distance of a step in units of price; None where it needs an ATR and there is none now."""
    if step.distance_pct is not None:
        return view.mark * step.distance_pct / HUNDRED
    if view.market is None or step.distance_atr is None:
        return None
    return view.market.atr * step.distance_atr
