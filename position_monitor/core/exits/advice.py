"""What the AI engine's advice does to distances: the stop only nearer, the ladder stretched as a whole (DESIGN 9, S9).

Advice is permanent, because stops never loosen: one glitch of the engine would tighten for the whole life of a
position. So advice that looks like another unit is ignored whole and never clamped into the bounds, an advised stop
keeps a part of the policy's own distance, and a stop that rests moves only when two answers in a row agree. The action
that the engine names, and whether it is against the position, changes nothing.
"""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.money import plain
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.settings import ProtectionSettings, Rung

_FULL_CONFIDENCE = Decimal("0.80")
_LEAST_CONFIDENCE = Decimal("0.20")
_OF_OWN_DISTANCE = Decimal("0.60")
"""An advised stop keeps at least this part of the policy's own distance."""
_AGREEING_WITHIN = Decimal("0.10")
"""Two answers agree when their stops differ by no more than this part of the nearer one."""
_UNIT_ERROR = Decimal(2)
"""Beyond twice a bound, or below half of one, a value is taken to be in another unit: 0.025 that means 2.5 %."""


def weight_of(advice: Advice, now_ms: int) -> Decimal | None:
    """How much of the advice counts: half from 0.20 confidence, all from 0.80; None below, or when it has expired."""
    if now_ms >= advice.expires_at_ms or advice.confidence < _LEAST_CONFIDENCE:
        return None
    return Decimal(1) if advice.confidence >= _FULL_CONFIDENCE else Decimal("0.5")


def why_ignored(advice: Advice, settings: ProtectionSettings) -> str:
    """Why the values of an advice are ignored as a whole, in words; empty where they may count."""
    for word, pct, low, high in (
        ("stop", advice.stop_loss_pct, settings.stop_loss_min_pct, settings.stop_loss_max_pct),
        ("take-profit", advice.take_profit_pct, settings.target_min_pct, settings.target_max_pct),
    ):
        if pct is not None and not low / _UNIT_ERROR <= pct <= high * _UNIT_ERROR:
            return (
                f"advice ignored: its {word} was {plain(pct)} %, expected {plain(low / _UNIT_ERROR)} to "
                f"{plain(high * _UNIT_ERROR)} %; is it in another unit?"
            )
    return ""


def advised_stop_pct(own_pct: Decimal, advised_pct: Decimal | None, weight: Decimal) -> Decimal:
    """The policy's own stop distance, brought nearer by advice, but not by more than two fifths of it.

    Advice never makes it wider (invariant 8).
    """
    if advised_pct is None:
        return own_pct
    return min(own_pct, max(own_pct + weight * (advised_pct - own_pct), own_pct * _OF_OWN_DISTANCE))


def advised_now(view: ExitView, advice: Advice) -> Decimal | None:
    """The stop distance that advice may ask for now; None while it may not move the stop that rests.

    Where a stop of ours rests, the answer before this one must be fresh as well and agree; the wider of the two counts.
    """
    now_pct = advice.stop_loss_pct
    if view.resting is None or now_pct is None:
        return now_pct
    before = advice.before
    if before is None or before.stop_loss_pct is None or weight_of(before, view.now_ms) is None:
        return None
    nearer, wider = sorted((now_pct, before.stop_loss_pct))
    return wider if wider - nearer <= nearer * _AGREEING_WITHIN else None


def stretched(
    rungs: tuple[Rung, ...], advised_pct: Decimal, weight: Decimal, settings: ProtectionSettings
) -> tuple[Rung, ...]:
    """The whole ladder moved by the factor that advice asks of the take-profit distance."""
    factor = 1 + weight * (advised_pct / settings.take_profit_pct - 1)
    return tuple([Rung(rung.target_pct * factor, rung.share_pct, rung.kind) for rung in rungs])
