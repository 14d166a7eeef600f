"""The entry point of this room, and the one table that chooses a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.exits import brain, dynamic, hybrid, static
from position_monitor.core.exits.parts import NO_PARTS, Parts
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.settings import Policy, ProtectionSettings, Rung

_REASON_MAX = 200
"""Characters of a failure that are published."""


class _Chosen(NamedTuple):
    exits: Callable[[ExitView], Exits]
    shares: Callable[[ProtectionSettings, int], tuple[tuple[Decimal, ...], ...]]
    """For each ladder that may be placed, by the settings alone: the part of a position closed by each rung."""
    parts: Callable[[ExitView], Parts]
    """What its stop is chosen from."""
    asks_the_market: bool
    """Whether volatility and regime have a part in it."""


def _of_rungs(
    rungs: Callable[[ProtectionSettings], tuple[Rung, ...]],
) -> Callable[..., tuple[tuple[Decimal, ...], ...]]:
    """The shares of a ladder that takes the whole position."""

    @lru_cache(maxsize=512)
    def shares(settings: ProtectionSettings, pin: int) -> tuple[tuple[Decimal, ...], ...]:
        del pin
        total, shares_of = Decimal(0), []
        for rung in rungs(settings)[:-1]:
            total += rung.share_pct / HUNDRED
            shares_of.append(total)
        return ((*shares_of, Decimal(1)),)

    return shares


_POLICIES: Mapping[Policy, _Chosen] = MappingProxyType({
    Policy.STATIC: _Chosen(static.exits, _of_rungs(static.rungs), static.parts, False),
    Policy.HYBRID: _Chosen(hybrid.exits, _of_rungs(hybrid.rungs), hybrid.parts, False),
    Policy.DYNAMIC: _Chosen(dynamic.exits, _of_rungs(static.rungs), dynamic.parts, True),
    Policy.BRAIN: _Chosen(brain.exits, brain.shares, brain.parts, True),
})  # fmt: skip
_IN_PERCENT = (Policy.STATIC, Policy.HYBRID)


def exits_for(view: ExitView) -> Exits:
    """Where a position should get out now, under the policy that its settings name.

    Where that policy cannot answer (an unknown profile, a ladder that does not add up, a figure that is none), the
    answer is the floor's, for this position alone, and `failed` says why (S14).
    """
    try:
        answer = _POLICIES[view.settings.policy].exits(view)
        if not (answer.stop.price.is_finite() and answer.initial_stop.price.is_finite()):
            raise ValueError("its stop was no number")
    except Exception as failure:
        reason = f"the policy {view.settings.policy} failed: {_said(failure)}; the floor protects"
        answer = static.exits(view)
        return answer._replace(notes=(*answer.notes, reason), failed=reason)
    return answer


def parts_for(view: ExitView, answer: Exits) -> Parts:
    """What the stop of this answer was chosen from; nothing where the policy failed and the floor answered."""
    return NO_PARTS if answer.failed else _POLICIES[view.settings.policy].parts(view)


def asks_the_market(settings: ProtectionSettings) -> bool:
    """Whether the policy of these settings asks for volatility or regime: for another one no candle changes a level."""
    return _POLICIES[settings.policy].asks_the_market


def _said(failure: Exception) -> str:
    """A failure in words: its kind and its text, cut."""
    return f"{type(failure).__name__} {failure}".strip()[:_REASON_MAX]


def share_up_to(rung: int, settings: ProtectionSettings, pin: int = 0) -> Decimal:
    """The part of a position (0 to 1) that the policy lets be closed by the time this rung is reached (invariant 16).

    By the settings alone, and by what was pinned at entry (`core/model/pins.py`): the gate checks take-profits with it,
    apart from what a policy answered. A runner is never part of it. Where the regime chooses the profile, the profile
    that lets the most be closed counts.
    """
    ladders = _POLICIES[settings.policy].shares(settings, pin)
    return max(ladder[min(rung, len(ladder) - 1)] for ladder in ladders)


def share_within(distance_pct: Decimal, settings: ProtectionSettings) -> Decimal:
    """The part of a position (0 to 1) that configured distances let be closed within this distance from the entry.

    Nothing under a policy whose distances are in R: there only the number of a rung counts.
    """
    if settings.policy not in _IN_PERCENT:
        return Decimal(0)
    return sum((rung.share_pct for rung in settings.ladder if rung.target_pct <= distance_pct), Decimal(0)) / HUNDRED
