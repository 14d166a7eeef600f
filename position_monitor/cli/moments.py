"""Points in time, as somebody types them and as they are shown: always in UTC, and said so."""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime

_SPAN = re.compile(r"(?P<count>\d{1,6}(\.\d{1,3})?)(?P<unit>[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
SINCE_FORMS = "a span as 90s, 15m, 2h, 3d, or a time as 2026-01-31, 2026-01-31T03:00 (UTC unless it names a zone)"


def now_ms() -> int:
    """The wall clock of this host, ms UTC."""
    return time.time_ns() // 1_000_000


def since_ms(text: str) -> int:
    """`2h` ago, or an ISO time, in ms UTC. Raises `argparse.ArgumentTypeError` with the forms that are understood."""
    text = text.strip()
    if span := _SPAN.fullmatch(text.lower()):
        return round((time.time() - float(span["count"]) * _UNITS_S[span["unit"]]) * 1000)
    try:
        moment_then = datetime.fromisoformat(text)
        if moment_then.tzinfo is None:
            moment_then = moment_then.replace(tzinfo=UTC)
        return max(0, round(moment_then.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"was {text!r}, expected {SINCE_FORMS}") from None


def moment(at_ms: int) -> str:
    """`2026-01-31 03:12:45 UTC`."""
    return f"{day(at_ms)} {clock(at_ms)} UTC"


def day(at_ms: int) -> str:
    """`2026-01-31`."""
    return _utc(at_ms).strftime("%Y-%m-%d")


def clock(at_ms: int) -> str:
    """`03:12:45`."""
    return _utc(at_ms).strftime("%H:%M:%S")


def _utc(at_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)  # a time that no calendar has: anybody may have written it
