"""What the AI engine's advice does to distances: the stop only nearer, the ladder stretched as a whole (DESIGN 9)."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.settings import ProtectionSettings, Rung

NO_WEIGHT = Decimal(0)
_FULL_CONFIDENCE = Decimal("0.80")
_LEAST_CONFIDENCE = Decimal("0.20")


def weight_of_advice(view: ExitView) -> Decimal:
    """How much of the advice counts: none below 0.20 confidence or when it expired, half up to 0.80, all from there."""
    advice = view.advice
    if advice is None or view.now_ms >= advice.expires_at_ms or advice.confidence < _LEAST_CONFIDENCE:
        return NO_WEIGHT
    return Decimal(1) if advice.confidence >= _FULL_CONFIDENCE else Decimal("0.5")


def advised_stop_pct(own_pct: Decimal, advised_pct: Decimal | None, weight: Decimal) -> Decimal:
    """The policy's own stop distance, brought nearer by advice; advice never makes it wider (invariant 8)."""
    if advised_pct is None:
        return own_pct
    return min(own_pct, own_pct + weight * (advised_pct - own_pct))


def stretched(
    rungs: tuple[Rung, ...], advised_pct: Decimal, weight: Decimal, settings: ProtectionSettings
) -> tuple[Rung, ...]:
    """The whole ladder moved by the factor that advice asks of the take-profit distance."""
    factor = 1 + weight * (advised_pct / settings.take_profit_pct - 1)
    return tuple([Rung(rung.target_pct * factor, rung.share_pct) for rung in rungs])
