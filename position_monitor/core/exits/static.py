"""The floor: one stop and one take-profit, from the entry, and nothing else (DESIGN 9).

It needs the entry and the mark only, so it is what rests when all else fails.
"""

from __future__ import annotations

from functools import lru_cache

from position_monitor.core.exits.answer import exits_from
from position_monitor.core.exits.distances import Distances, bounded_stop_pct
from position_monitor.core.exits.kept_ladders import kept_in_r
from position_monitor.core.exits.levels import levels_of
from position_monitor.core.exits.stepped_back import stepped_back
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.settings import ProtectionSettings, Rung


def rungs(settings: ProtectionSettings) -> tuple[Rung, ...]:
    """The one take-profit, for the whole position."""
    return (Rung(settings.take_profit_pct, HUNDRED),)


def exits(view: ExitView) -> Exits:
    """Stop and take-profit at their configured distances from the entry."""
    levels = stepped_back(view, levels_of(view, _own(view.settings)))
    return exits_from(view, levels, stop=levels.stop, trail=None, also=kept_in_r(view))


@lru_cache(maxsize=512)
def _own(settings: ProtectionSettings) -> tuple[Distances, ...]:
    stop_pct = bounded_stop_pct(settings.stop_loss_pct, settings)
    return (Distances(stop_pct, LevelSource.STATIC, rungs(settings), LevelSource.STATIC),)
