"""The time stop: a position that has gone nowhere for too long (S8).

Age counts from the creation of the backstop that rests, so a restart changes nothing. It acts only where profile or
regime ask for it, only below a small profit, and only on positions that were opened since the policy is live here:
everything else that is old would be closed at the first start.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import CloseReason, Level
from position_monitor.core.model.ids import epoch_began_ms
from position_monitor.core.model.money import against, stop_trigger
from position_monitor.core.model.profiles import TimeLimit
from position_monitor.core.model.settings import TimeStop
from position_monitor.core.model.sides import Side

_HOUR_MS = Decimal(3_600_000)


class TooOld(NamedTuple):
    """What becomes of a position that is too old: its stop comes near the mark, or it is closed."""

    stop: Level | None = None
    close: CloseReason | None = None


NOT_TOO_OLD = TooOld()


def time_stop(
    view: ExitView, limit: TimeLimit | None, source: str, *, r: Decimal, profit: Decimal | None, gone: int
) -> TooOld:
    """What the time stop asks for now.

    `profit` is the profit of the mark in R, None where it cannot be told; `gone` is the furthest rung that took its
    profit (the nearest is 1), 0 for none.
    """
    if limit is None or view.since_ms is None or profit is None or profit >= limit.below_r:
        return NOT_TOO_OLD
    age_ms = view.now_ms - view.since_ms
    wish = view.settings.exits.time_stop
    if age_ms <= limit.max_ms or wish is TimeStop.OFF or _is_adopted(view):
        return NOT_TOO_OLD
    if 0 < limit.before_rung <= gone:
        return NOT_TOO_OLD
    side, settings = view.position.side, view.settings
    hours, most = (Decimal(ms) / _HOUR_MS for ms in (age_ms, limit.max_ms))
    if wish is TimeStop.CLOSE:
        way = limit.below_r * r
        level = view.position.entry_price + (way if side is Side.LONG else -way)
        text = f"it is {hours:.1f} h old, more than {most:.1f} h, and shows {profit:.2f} R, less than {limit.below_r} R"
        return TooOld(close=CloseReason(text, level, settings.working_type, by_loss=False))
    price = stop_trigger(against(view.mark, side, settings.stop_loss_min_pct), side, view.instrument.tick)
    inputs = {"mark_price": view.mark, "max_hours": most, "below_r": limit.below_r}
    return TooOld(stop=Level(view.instrument.nearest_permitted(price), source, inputs))


def _is_adopted(view: ExitView) -> bool:
    """Whether the position is older than the policy here, or nobody knows."""
    if view.settings.exits.time_stop_adopted:
        return False
    return view.live_since_ms is None or epoch_began_ms(view.epoch) < view.live_since_ms
