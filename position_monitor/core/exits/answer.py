"""From levels to `Exits`: what every policy's answer has, whatever its stop and its trail are."""

from __future__ import annotations

from collections.abc import Iterable

from position_monitor.core.exits.breach import close_on_breach
from position_monitor.core.exits.crossed_rungs import beyond_the_mark, passed_rungs
from position_monitor.core.exits.levels import Levels
from position_monitor.core.exits.resting_stop import moves_resting_stop
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.desired import Ladder, Level, Trailing
from position_monitor.core.model.money import beyond, tighter

WORD_MAX = 50
"""A word of the AI engine is shown as received, cut to this many characters."""


def tightest_before_the_mark(view: ExitView, own: Level, others: Iterable[Level | None]) -> Level:
    """The tightest of the policy's own level and others, among those that the mark has not reached.

    A level at or beyond the mark is not wanted: it would be an exit, not a stop.
    """
    side, chosen = view.position.side, own
    for level in others:
        if level is not None and tighter(level.price, chosen.price, side) and not beyond(view.mark, level.price, side):
            chosen = level
    return chosen


def exits_from(
    view: ExitView,
    levels: Levels,
    *,
    stop: Level,
    trail: Trailing | None,
    also: tuple[Ladder, ...] = (),
    ladder_stays: bool = False,
) -> Exits:
    """The answer of a policy that wants its stop at `stop` now."""
    targets = levels.targets
    passed = passed_rungs(targets, view.mark, view.position.side)
    return Exits.__new__(  # as `ExitView` in core/book/exit_view.py
        Exits,
        stop=stop,
        initial_stop=levels.stop,
        moves_resting=moves_resting_stop(view, stop, crossed=levels.crossed),
        crossed=levels.crossed,
        least=levels.least,
        obstacle=levels.obstacle,
        targets=targets,
        passed=passed,
        beyond_last=beyond_the_mark(view) if targets and targets[-1].rung in passed else None,
        trail=trail,
        close=close_on_breach(view),
        profile=view.settings.profile,
        regime=regime_shown(view),
        notes=levels.notes,
        also=also,
        ladder_stays=ladder_stays,
    )


def regime_shown(view: ExitView) -> str:
    """The AI engine's word as it came, else the regime of the candles; empty where there is neither (3.4)."""
    if view.advice is not None and view.advice.regime:
        return view.advice.regime[:WORD_MAX]
    return "" if view.regime is None else str(view.regime)
