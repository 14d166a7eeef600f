"""Verdicts, times and amounts as a page shows them: a word, a sign and a class for each, never colour alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from position_monitor.charts.markup import Markup, element, text
from position_monitor.core.model.verdicts import RiskStatus, Verdict

DATED_MS: Final = 20 * 3_600_000
"""A time so far away is shown with its date; the script of the page has the same figure."""
_SIGNS: Final = {
    "PROTECTED": ("✔", "good"),
    "STOP_ONLY": ("◐", "warn"),
    "DEGRADED": ("▲", "warn"),
    "CLOSING": ("▼", "warn"),
    "UNMANAGED": ("○", "warn"),
    "UNDERCOVERED": ("◑", "bad"),
    "NAKED": ("✖", "bad"),
    "CRITICAL": ("✖", "bad"),
    "UNKNOWN": ("?", "unsure"),
}


def badge(verdict: Verdict | RiskStatus) -> Markup:
    """The verdict with its sign and its frame."""
    sign, kind = _SIGNS[verdict.value]
    mark = element("span", sign, aria_hidden="true", class_="sign-of")
    return element("strong", mark, " ", verdict.value.replace("_", " "), class_=f"badge {kind}")


def moment(at_ms: object) -> Markup:
    """A time of day that a script lets tick (`data-at`); without one it is the time in UTC."""
    if not isinstance(at_ms, int) or not 0 < at_ms < 10**14:
        return text("never")
    whole = datetime.fromtimestamp(at_ms / 1000, UTC)
    return element("time", f"{whole:%H:%M:%S} UTC", datetime=f"{whole:%Y-%m-%dT%H:%M:%SZ}", data_at=at_ms)


def clock_of(at_ms: int, now_ms: int) -> str:
    """The time of day in UTC; the date as well where it is most of a day away."""
    whole = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{whole:%m-%d %H:%M} UTC" if abs(now_ms - at_ms) >= DATED_MS else f"{whole:%H:%M:%S} UTC"


def lasting(duration_ms: object) -> str:
    """A duration in the unit a human would use."""
    if not isinstance(duration_ms, int):
        return "-"
    seconds = max(0, duration_ms) / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def or_dash(value: object) -> str:
    """A text, or a dash where there is none."""
    shown = "" if value is None else str(value)
    return shown if shown.strip() else "-"
