"""The band of prices in which no level of a position can change, and how long it holds (exits.md 9.2).

A decision is a function of the close, the time and the market. Its parts say at which price each lock and each step of
the trail would move the stop (`core/exits/parts.py`, made by the policies themselves). The band ends at the nearest of
these. It may be too narrow, which costs a look that changes nothing; it is never too wide. Where that is not certain
there is no band, and every candle is looked at. `tests/core/backtest/test_fast_walk.py` holds it to that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.exits.locks import LockNow
from position_monitor.core.exits.parts import Parts
from position_monitor.core.exits.policies import asks_the_market, exits_for, parts_for
from position_monitor.core.exits.time_stop import TimeCase, TimeNow
from position_monitor.core.exits.trail import StepNow
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.book_cases import StopCase, TargetCase
from position_monitor.core.model.money import HUNDRED, against, in_favour, tighter, tightest
from position_monitor.core.model.settings import OnBreach, TimeStop
from position_monitor.core.model.sides import Side

_QUIET_TARGETS = (TargetCase.STANDS, TargetCase.RUNNER, TargetCase.SWITCHED_OFF)
_QUIET_STOPS = (StopCase.BACKSTOP_ALONE, StopCase.BACKSTOP_LOOSER)
_QUIET_TIMES = (TimeCase.OFF, TimeCase.ADOPTED, TimeCase.RUNG_TAKEN)


class Heed(NamedTuple):
    """Which changes of the market can change a level."""

    turns: bool = False
    """Another regime or direction."""
    figures: bool = False
    """Every closed hour: a level is made from the ATR."""


class Band(NamedTuple):
    """A close inside of it, at a time before its end, changes nothing. Prices are floats, as the candles are."""

    better: float
    """A close this far in favour, or further, may move the stop."""
    worse: float
    """A close this far against it, or further, may."""
    until_ms: int | None
    """A close after this moment may; None: time changes nothing."""
    heed: Heed


def band(view: ExitView, wanted: WantedOrders) -> Band | None:
    """The band after a look at which nothing was wanted but what rests; None where every candle is to be looked at."""
    if wanted.stop_case not in _QUIET_STOPS or wanted.target_case not in _QUIET_TARGETS:
        return None
    answer = exits_for(view)
    if view.resting is None or view.resting.anchored or answer.failed or answer.crossed or answer.close is not None:
        return None
    parts = parts_for(view, answer)
    if parts.crossed or (parts.time is not None and parts.time.case in _UNCERTAIN):
        return None
    side = view.position.side
    needed = in_favour(view.resting.price, side, view.settings.stop_min_move_pct)
    better = _nearest(_better(view, answer, parts, needed), side)
    worse = _furthest(_worse(view, answer, parts.time), side)
    unbounded = math.inf if side is Side.LONG else -math.inf
    return Band(
        better=unbounded if better is None else float(better),
        worse=-unbounded if worse is None else float(worse),
        until_ms=_until_ms(view, parts.time),
        heed=_heed(view, parts),
    )


_UNCERTAIN = (TimeCase.NO_BACKSTOP, TimeCase.NO_PROFIT_FIGURE)


def _better(view: ExitView, answer: Exits, parts: Parts, needed: Decimal) -> Iterator[Decimal]:
    """Prices in favour from which a part of the policy may ask for a stop that is tighter by its least move."""
    last = _last_rung(view, answer)
    if last is not None and tighter(last, view.mark, view.position.side):
        yield last
    for lock in parts.locks:
        price = _lock_moves_at(view, lock, needed)
        if price is not None:
            yield price
    if parts.trail_after_rung <= parts.rungs_gone:
        for step in parts.trail:
            price = _step_moves_at(view, step, needed)
            if price is not None:
                yield price
    if parts.time is not None and parts.time.case is TimeCase.ACTS:
        yield _behind_reaches(view, needed, share=view.settings.stop_loss_min_pct / HUNDRED)


def _lock_moves_at(view: ExitView, lock: LockNow, needed: Decimal) -> Decimal | None:
    """A lock moves the stop once it counts and the mark is beyond its level; None while only a fill can make it."""
    side, level = view.position.side, lock.level
    if level is None or tighter(needed, level.price, side):
        return None
    if lock.counts:
        return level.price
    if lock.lock.at_r is None:
        return None
    return view.mark if lock.from_price is None else _a_tick_before(view, lock.from_price)


def _step_moves_at(view: ExitView, step: StepNow, needed: Decimal) -> Decimal | None:
    """A step of the trail moves the stop once it counts and its level is tight enough; None without a distance."""
    side = view.position.side
    if step.distance_pct is not None:
        reaches = _behind_reaches(view, needed, share=step.distance_pct / HUNDRED)
    elif step.distance is not None:
        reaches = _a_tick_before(view, needed + step.distance if side is Side.LONG else needed - step.distance)
    else:
        return None
    return reaches if step.from_price is None else tightest(reaches, _a_tick_before(view, step.from_price), side)


def _behind_reaches(view: ExitView, needed: Decimal, *, share: Decimal) -> Decimal:
    """A mark before that at which a level this share of it behind, rounded to its tick, is as tight as needed."""
    level = _a_tick_before(view, needed)
    return level / (1 - share) if view.position.side is Side.LONG else level / (1 + share)


def _a_tick_before(view: ExitView, price: Decimal) -> Decimal:
    """A tick less in favour: levels are rounded to ticks, prices of candles are not."""
    tick = view.instrument.tick
    return price - tick if view.position.side is Side.LONG else price + tick


def _last_rung(view: ExitView, answer: Exits) -> Decimal | None:
    """The last rung of a ladder with a runner, where the mark alone says that only the runner is left: it was not
    filled, and none rests (S4)."""
    if not answer.runner or view.rungs_rest or not answer.targets:
        return None
    last = answer.targets[-1]
    return None if view.rungs_done and max(view.rungs_done) >= last.rung else last.level.price


def _worse(view: ExitView, answer: Exits, time: TimeNow | None) -> Iterator[Decimal]:
    """Prices against the position from which a part of the policy may ask for something else."""
    position, side, settings = view.position, view.position.side, view.settings
    yield answer.initial_stop.price
    last = _last_rung(view, answer)
    if last is not None and not tighter(last, view.mark, side):
        yield last
    if settings.on_breach is OnBreach.CLOSE:
        yield against(position.entry_price, side, settings.max_loss_pct)
    if time is not None and time.case is TimeCase.IN_PROFIT:
        way = time.limit.below_r * (answer.r or Decimal(0))
        yield position.entry_price + (way if side is Side.LONG else -way)


def _until_ms(view: ExitView, time: TimeNow | None) -> int | None:
    if time is None or time.case in _QUIET_TIMES or view.since_ms is None:
        return None
    if time.case is TimeCase.YOUNG:
        return view.since_ms + time.limit.max_ms
    if time.case is TimeCase.ACTS and time.wish is not TimeStop.TIGHTEN:
        return view.now_ms
    return None


def _heed(view: ExitView, parts: Parts) -> Heed:
    """Nothing, where the policy never asks the market. Without a pin what was decided at entry is decided anew."""
    if not asks_the_market(view.settings):
        return Heed()
    return Heed(turns=True, figures=not view.pin or any(step.distance_pct is None for step in parts.trail))


def _nearest(prices: Iterable[Decimal], side: Side) -> Decimal | None:
    """Of the prices in favour the first one that it reaches."""
    return min(prices, default=None) if side is Side.LONG else max(prices, default=None)


def _furthest(prices: Iterable[Decimal], side: Side) -> Decimal | None:
    """Of the prices against the position the first one that it reaches."""
    return max(prices, default=None) if side is Side.LONG else min(prices, default=None)
