"""Times as other services of the stack write them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

_SECONDS_BELOW: Final = 100_000_000_000
"""A number below this is a time in seconds, otherwise in milliseconds (until the year 5138)."""
_LATEST_MS: Final = 10**15
"""No time is later than this, in ms (the year 33658)."""


def epoch_ms_of(stamp: str | int | Decimal) -> int | None:
    """A timestamp as ms UTC: ISO 8601 (without a zone it is UTC), or a number of seconds or milliseconds."""
    try:
        if isinstance(stamp, str):
            moment = datetime.fromisoformat(stamp)
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        if not -_LATEST_MS < stamp < _LATEST_MS:
            return None
        time_ms = round(stamp * 1000) if stamp < _SECONDS_BELOW else round(stamp)
    except (ValueError, OverflowError):
        return None
    return time_ms if time_ms > 0 else None
