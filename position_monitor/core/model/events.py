"""A fact that happened, as a value. `core/publication/announce.py` and `core/decision/history.py` make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A fact that happened, for the event stream. `type` is past tense (DESIGN 5)."""

    type: str
    at_ms: int
    symbol: str = ""
    side: str = ""
    details: Mapping[str, str | int | bool] | None = None
