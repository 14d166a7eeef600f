"""Hybrid TP/SL, what LEGACY means by default: a ladder, breakeven after its first rung, a trail, and advice (DESIGN 9).

The stop begins at its distance from the entry. It moves to breakeven when the first rung took its profit, and follows
the mark as soon as that is better than breakeven. Advice may bring the first stop nearer and stretch the ladder.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from position_monitor.core.exits.advice import NO_WEIGHT, advised_stop_pct, stretched, weight_of_advice
from position_monitor.core.exits.answer import exits_from, tightest_before_the_mark
from position_monitor.core.exits.distances import Distances, bounded_stop_pct
from position_monitor.core.exits.levels import levels_of
from position_monitor.core.exits.locks import breakeven_lock
from position_monitor.core.exits.stepped_back import stepped_back
from position_monitor.core.exits.trail import trail_of
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.settings import ProtectionSettings, Rung

_OWN = LevelSource.HYBRID


def rungs(settings: ProtectionSettings) -> tuple[Rung, ...]:
    """The configured ladder."""
    return settings.ladder


def exits(view: ExitView) -> Exits:
    """The tightest of the stop from the entry, breakeven and the trail; the ladder from the entry."""
    settings = view.settings
    weight = weight_of_advice(view)
    if weight > 0 and view.advice is not None:
        choices = _choices(settings, weight, view.advice.stop_loss_pct, view.advice.take_profit_pct)
    else:
        choices = _choices(settings, NO_WEIGHT, None, None)
    levels = stepped_back(view, levels_of(view, choices))
    if view.position.entry_price <= 0:
        return exits_from(view, levels, stop=levels.stop, trail=None)
    trail, trailed = trail_of(view, settings.trailing_pct, _OWN)
    stop = levels.stop
    if not levels.crossed:
        stop = tightest_before_the_mark(view, stop, (breakeven_lock(view, _OWN), trailed))
    return exits_from(view, levels, stop=stop, trail=trail)


@lru_cache(maxsize=2_048)
def _choices(
    settings: ProtectionSettings, weight: Decimal, advised_stop: Decimal | None, advised_target: Decimal | None
) -> tuple[Distances, ...]:
    """The advised distances and, where advice brought the stop nearer, the policy's own stop behind them."""
    ladder, source = rungs(settings), _OWN
    if advised_target is not None:
        ladder, source = stretched(ladder, advised_target, weight, settings), LevelSource.AI
    own_pct = bounded_stop_pct(settings.stop_loss_pct, settings)
    stop_pct = bounded_stop_pct(advised_stop_pct(settings.stop_loss_pct, advised_stop, weight), settings)
    stop_source = LevelSource.AI if weight > 0 and stop_pct != settings.stop_loss_pct else _OWN
    own = Distances(own_pct, _OWN, ladder, source)
    advised = Distances(stop_pct, stop_source, ladder, source)
    return (advised, own) if stop_pct < own_pct else (advised,)
