"""The time stop: a position that has gone nowhere for too long (S8).

Age counts from the creation of the backstop that rests, so a restart changes nothing. It acts only where profile or
regime ask for it, only below a small profit, and only on positions that were opened since the policy is live here:
everything else that is old would be closed at the first start.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
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


class TimeCase(StrEnum):
    """How a time limit stands for a position, in words. The first that holds counts."""

    OFF = "switched off by the setting time_stop"
    NO_BACKSTOP = "waits: no first stop of ours rests, and its age is that of the position"
    ADOPTED = "exempt: the position is older than this policy here, or nobody knows (time_stop_adopted)"
    RUNG_TAKEN = "ended: a take-profit was filled"
    YOUNG = "waits: the position is not old enough"
    NO_PROFIT_FIGURE = "waits: the profit cannot be told now"
    IN_PROFIT = "old enough, but the position shows enough profit"
    ACTS = "acts now"


class TimeNow(NamedTuple):
    """A time limit as it stands for a position now."""

    limit: TimeLimit
    case: TimeCase
    age_ms: int | None
    """Of the first stop; None without one."""
    wish: TimeStop
    """What happens to a position that is too old."""
    level: Level | None
    """Where its stop would go at the mark of now; None where it is closed instead, or nothing is done."""


def time_stop(
    view: ExitView, limit: TimeLimit | None, source: str, *, r: Decimal, profit: Decimal | None, gone: int
) -> TooOld:
    """What the time stop asks for now.

    `profit` is the profit of the mark in R, None where it cannot be told; `gone` is the furthest rung that took its
    profit (the nearest is 1), 0 for none.
    """
    if limit is None or view.since_ms is None or _case(view, limit, profit, gone) is not TimeCase.ACTS:
        return NOT_TOO_OLD
    assert profit is not None
    age_ms, side, settings = view.now_ms - view.since_ms, view.position.side, view.settings
    hours, most = (Decimal(ms) / _HOUR_MS for ms in (age_ms, limit.max_ms))
    if settings.exits.time_stop is TimeStop.CLOSE:
        way = limit.below_r * r
        level = view.position.entry_price + (way if side is Side.LONG else -way)
        text = f"it is {hours:.1f} h old, more than {most:.1f} h, and shows {profit:.2f} R, less than {limit.below_r} R"
        return TooOld(close=CloseReason(text, level, settings.working_type, by_loss=False))
    return TooOld(stop=_near_the_mark(view, limit, source))


def time_now(
    view: ExitView, limit: TimeLimit | None, source: str, *, profit: Decimal | None, gone: int
) -> TimeNow | None:
    """The time limit as it stands for a position now, for whoever explains its exits; None without one."""
    if limit is None:
        return None
    return TimeNow(
        limit=limit,
        case=_case(view, limit, profit, gone),
        age_ms=None if view.since_ms is None else view.now_ms - view.since_ms,
        wish=view.settings.exits.time_stop,
        level=_near_the_mark(view, limit, source) if view.settings.exits.time_stop is TimeStop.TIGHTEN else None,
    )


def _case(view: ExitView, limit: TimeLimit, profit: Decimal | None, gone: int) -> TimeCase:
    """Whether the limit acts now, else what keeps it from that."""
    if view.settings.exits.time_stop is TimeStop.OFF:
        return TimeCase.OFF
    if view.since_ms is None:
        return TimeCase.NO_BACKSTOP
    if _is_adopted(view):
        return TimeCase.ADOPTED
    if 0 < limit.before_rung <= gone:
        return TimeCase.RUNG_TAKEN
    if view.now_ms - view.since_ms <= limit.max_ms:
        return TimeCase.YOUNG
    if profit is None:
        return TimeCase.NO_PROFIT_FIGURE
    return TimeCase.IN_PROFIT if profit >= limit.below_r else TimeCase.ACTS


def _near_the_mark(view: ExitView, limit: TimeLimit, source: str) -> Level:
    """Where the stop of a position goes that is too old."""
    side = view.position.side
    price = stop_trigger(against(view.mark, side, view.settings.stop_loss_min_pct), side, view.instrument.tick)
    inputs = {"mark_price": view.mark, "max_hours": Decimal(limit.max_ms) / _HOUR_MS, "below_r": limit.below_r}
    return Level(view.instrument.nearest_permitted(price), source, inputs)


def _is_adopted(view: ExitView) -> bool:
    """Whether the position is older than the policy here, or nobody knows."""
    if view.settings.exits.time_stop_adopted:
        return False
    return view.live_since_ms is None or epoch_began_ms(view.epoch) < view.live_since_ms
