"""The entry point of this room, and the one table that chooses a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.exits import hybrid, static
from position_monitor.core.exits.view import Exits, ExitView
from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.settings import Policy, ProtectionSettings, Rung


class _Chosen(NamedTuple):
    exits: Callable[[ExitView], Exits]
    rungs: Callable[[ProtectionSettings], tuple[Rung, ...]]
    """The ladder by the settings alone, before advice and bounds."""


_POLICIES: Mapping[Policy, _Chosen] = MappingProxyType({
    Policy.STATIC: _Chosen(static.exits, static.rungs),
    Policy.HYBRID: _Chosen(hybrid.exits, hybrid.rungs),
})  # fmt: skip


def exits_for(view: ExitView) -> Exits:
    """Where a position should get out now, under the policy that its settings name. Raises nothing of its own."""
    return _POLICIES[view.settings.policy].exits(view)


def share_up_to(rung: int, settings: ProtectionSettings) -> Decimal:
    """The part of a position (0 to 1) that the policy lets be closed by the time this rung is reached (invariant 16).

    By the settings alone: the gate checks take-profits with it, apart from what a policy answered.
    """
    ladder = _POLICIES[settings.policy].rungs(settings)
    if rung >= len(ladder) - 1:
        return Decimal(1)
    return sum((one.share_pct for one in ladder[: rung + 1]), Decimal(0)) / HUNDRED
