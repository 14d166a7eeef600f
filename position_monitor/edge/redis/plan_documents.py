"""What comes next for the stop of a position (`plan` in `P:position:<SYMBOL>:<SIDE>`), to JSON values and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from position_monitor.core.model.money import plain
from position_monitor.core.publication.state import ExitPlan, PlannedLock, PlannedTrail
from position_monitor.edge.redis.published_text import figure

STEPS_MAX: Final = 50
"""Locks, and steps of a trail, that are read; a configuration has a tenth of it."""


def plan_document(plan: ExitPlan | None) -> dict[str, Any] | None:
    """What comes next for the stop of a position; None where nobody can say."""
    if plan is None:
        return None
    return {
        "initial_stop": _text(plan.initial_stop),
        "r": _text(plan.r),
        "rungs_done": plan.rungs_done,
        "trail_after_rung": plan.trail_after_rung,
        "trail": [
            {
                "from_price": _text(step.from_price),
                "distance_pct": _text(step.distance_pct),
                "distance_atr": _text(step.distance_atr),
            }
            for step in plan.trail
        ],
        "locks": [
            {
                "stop_price": _text(lock.stop_price),
                "after_rung": lock.after_rung,
                "from_price": _text(lock.from_price),
            }
            for lock in plan.locks
        ],
    }


def read_plan(document: object) -> ExitPlan | None:
    """The same back as a value; None without one. Raises ValueError, TypeError, KeyError or `InvalidOperation`."""
    if not isinstance(document, Mapping):
        return None
    return ExitPlan(
        initial_stop=_price(document["initial_stop"]),
        r=_optional_price(document["r"]),
        rungs_done=int(document["rungs_done"]),
        trail_after_rung=int(document["trail_after_rung"]),
        trail=tuple(
            PlannedTrail(*(_optional_price(step[name]) for name in ("from_price", "distance_pct", "distance_atr")))
            for step in document["trail"][:STEPS_MAX]
        ),
        locks=tuple(
            PlannedLock(_price(lock["stop_price"]), int(lock["after_rung"]), _optional_price(lock["from_price"]))
            for lock in document["locks"][:STEPS_MAX]
        ),
    )


def _optional_price(value: object) -> Decimal | None:
    return None if value is None else _price(value)


def _price(value: object) -> Decimal:
    number = figure(value)
    if not number.is_finite():
        raise ValueError("a price that is none")
    return number


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
