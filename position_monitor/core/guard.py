"""The order gate: only an `Approved` action reaches the exchange (DESIGN 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from position_monitor.core.model import Cancel, Close, Place

A = TypeVar("A", Place, Cancel, Close)


@dataclass(frozen=True, slots=True)
class Approved(Generic[A]):
    """An action that was checked against invariants 1, 2, 4 and 5. Built by `approve` only."""

    action: A
