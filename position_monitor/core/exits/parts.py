"""What the stop of a policy is chosen from, part by part, for whoever explains it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.exits.locks import LockNow
from position_monitor.core.exits.time_stop import TimeNow
from position_monitor.core.exits.trail import StepNow


class Parts(NamedTuple):
    """Every part that may set the stop of a position beside the first stop: those that do now, and those that wait.

    Made with the same functions as the policy's answer, and never needed for it.
    """

    takes_advice: bool = False
    """Whether the policy takes advice of the AI engine."""
    crossed: bool = False
    """Whether the price has passed the first stop, so that no lock and no trail counts."""
    profit_r: Decimal | None = None
    """The profit of the mark in R; None where the policy does not count in it, or it cannot be told."""
    locks: tuple[LockNow, ...] = ()
    trail: tuple[StepNow, ...] = ()
    """Steps of the trail, the least profit first; none: it does not trail."""
    trail_after_rung: int = 0
    """The trail waits until this rung (the nearest is 1) took its profit; 0: it does not wait for one."""
    time: TimeNow | None = None
    """None: without a time limit."""
    rungs_gone: int = 0
    """The furthest rung (the nearest is 1) that is gone; 0 for none."""


NO_PARTS = Parts()
