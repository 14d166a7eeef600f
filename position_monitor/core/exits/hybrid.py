"""Hybrid TP/SL, what LEGACY means by default: a ladder, a lock after each rung, a trail, and advice (DESIGN 9).

The stop begins at its distance from the entry. It moves to breakeven when the first rung took its profit, to the level
of rung n-1 after rung n (S6), and follows the mark as soon as that is better than the entry. Advice may bring the stop
nearer, and stretches a ladder when it is placed; one that rests stays (S9, 12.6).
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits.advice import advised_now, advised_stop_pct, stretched, weight_of, why_ignored
from position_monitor.core.exits.answer import exits_from, tightest_before_the_mark
from position_monitor.core.exits.distances import Distances, bounded_stop_pct
from position_monitor.core.exits.kept_ladders import kept_in_r
from position_monitor.core.exits.levels import levels_of
from position_monitor.core.exits.locks import locked, locks_of
from position_monitor.core.exits.rungs_done import furthest_done
from position_monitor.core.exits.stepped_back import stepped_back
from position_monitor.core.exits.trail import trail_of
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.rungs import RUNGS_MAX
from position_monitor.core.model.settings import ProtectionSettings, Rung

_OWN = LevelSource.HYBRID


def rungs(settings: ProtectionSettings) -> tuple[Rung, ...]:
    """The configured ladder."""
    return settings.ladder


def exits(view: ExitView) -> Exits:
    """The tightest of the stop from the entry, breakeven and the trail; the ladder from the entry."""
    distances, why_not_advised = _distances(view)
    levels = stepped_back(view, levels_of(view, distances))
    if why_not_advised:
        levels = levels._replace(notes=(*levels.notes, why_not_advised))
    if view.position.entry_price <= 0:
        return exits_from(view, levels, stop=levels.stop, trail=None)
    trail, trailed = trail_of(view, view.settings.trailing_pct, _OWN)
    stop, targets = levels.stop, levels.targets
    if not levels.crossed:
        locks = locks_of(view.settings, None, RUNGS_MAX)
        gone = furthest_done(view, targets)
        secured = locked(view, locks, targets, _OWN, r=view.r, gone=gone) if gone or view.settings.exits.locks else ()
        stop = tightest_before_the_mark(view, stop, (*secured, trailed))
    stays = view.settings.exits.advised
    return exits_from(view, levels, stop=stop, trail=trail, also=kept_in_r(view), ladder_stays=stays)


def _distances(view: ExitView) -> tuple[tuple[Distances, ...], str]:
    """The policy's own distances, behind advised ones that bring the stop nearer; and why advice does not count."""
    advice = view.advice
    weight = weight_of(advice, view.now_ms) if advice is not None else None
    if advice is None or weight is None:
        return _own(view.settings), ""
    if why := why_ignored(advice, view.settings):
        return _own(view.settings), why
    return _advised(view.settings, weight, advised_now(view, advice), advice.take_profit_pct), ""


@lru_cache(maxsize=512)
def _own(settings: ProtectionSettings) -> tuple[Distances, ...]:
    return (Distances(bounded_stop_pct(settings.stop_loss_pct, settings), _OWN, rungs(settings), _OWN),)


@lru_cache(maxsize=2_048)
def _advised(
    settings: ProtectionSettings, weight: Decimal, stop_loss_pct: Decimal | None, take_profit_pct: Decimal | None
) -> tuple[Distances, ...]:
    ladder, source = rungs(settings), _OWN
    if take_profit_pct is not None:
        ladder, source = stretched(ladder, take_profit_pct, weight, settings), LevelSource.AI
    own_pct = bounded_stop_pct(settings.stop_loss_pct, settings)
    stop_pct = bounded_stop_pct(advised_stop_pct(own_pct, stop_loss_pct, weight), settings)
    stop_source = LevelSource.AI if stop_pct != own_pct else _OWN
    advised = Distances(stop_pct, stop_source, ladder, source)
    return (advised, Distances(own_pct, _OWN, ladder, source)) if stop_pct < own_pct else (advised,)
