"""What other services of the stack say: the AI engine and the circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Advice:
    """The AI engine's opinion about one symbol. It may tighten inside bounds, never widen or remove (invariant 8)."""

    symbol: str
    action: str
    confidence: Decimal
    """0 to 1."""
    regime: str
    take_profit_pct: Decimal | None
    stop_loss_pct: Decimal | None
    trailing_pct: Decimal | None
    issued_at_ms: int
    expires_at_ms: int
    before: Advice | None = None
    """The answer just before this one, at least one poll earlier (S9); None where another answer lay between. It has
    none itself."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The backend's circuit breaker as last read. Advisory: it never blocks protection."""

    active: bool
    until: str
    time_remaining_s: int
    blocked_orders: int
    read_at_ms: int
