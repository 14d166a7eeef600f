"""What the AI engine's advice does to distances: the stop only nearer, the ladder stretched as a whole (DESIGN 9)."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.core.model.outside import Advice
from position_monitor.core.model.settings import ProtectionSettings, Rung

_FULL_CONFIDENCE = Decimal("0.80")
_LEAST_CONFIDENCE = Decimal("0.20")


def weight_of(advice: Advice, now_ms: int) -> Decimal | None:
    """How much of the advice counts: half from 0.20 confidence, all from 0.80; None below, or when it has expired."""
    if now_ms >= advice.expires_at_ms or advice.confidence < _LEAST_CONFIDENCE:
        return None
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
