"""A fact that happened, as a value. `core/publication/announce.py` and `core/decision/history.py` make most of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Detail = str | int | bool | None
"""One field of an event. None: not known; it is null in the stream."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact that happened, for the event stream. `type` is past tense (DESIGN 5)."""

    type: str
    at_ms: int
    symbol: str = ""
    side: str = ""
    details: Mapping[str, Detail] | None = None
