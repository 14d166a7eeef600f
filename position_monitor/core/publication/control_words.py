"""Pauses and holds in words, for the journal, the published state and the command line (DESIGN 5, 7)."""

from __future__ import annotations

from collections.abc import Sequence

from position_monitor.core.decision.control_answers import Answer
from position_monitor.core.model.control import EVERY_SYMBOL, Control, ControlRequest, ControlType
from position_monitor.core.model.events import Event


def moment(at_ms: int) -> str:
    """A time in UTC, to the second.

    The day is counted from the first of March of the year 0, so that a leap day is the last of its year (the usual
    calculation of the civil calendar).
    """
    days, seconds = divmod(at_ms // 1000, 86_400)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = 400 * era + year_of_era + (month <= 2)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d} {clock} UTC"


def in_words(request: ControlRequest) -> str:
    """One pause or hold in force: what it does, until when, who wanted it and why."""
    until = f"until {moment(request.until_ms)} by {request.by}: {request.reason}"
    if request.type is ControlType.HOLD:
        return f"hold of {request.subject}: a stop of the user's own is accepted {until}"
    return f"paused ({request.subject}): only missing stops are placed {until}"


def reasons(control: Control) -> list[str]:
    """Why an account under these is not called PROTECTED: it is not watched by its usual rules."""
    return [in_words(request) for request in control.in_force]


def accepted(request: ControlRequest, remark: str) -> str:
    """The journal line of a request that was accepted."""
    if request.type is ControlType.RESUME:
        why = f": {request.reason}" if request.reason else ""
        return f"▶️ Resumed ({request.subject}) by {request.by}{why} ({remark})"
    sign = "⏸️" if request.type is ControlType.PAUSE else "✋"
    return f"{sign} {in_words(request)}" + (f" ({remark})" if remark else "")


def refused(answer: Answer) -> str:
    """The journal line of a request that was refused."""
    request = answer.request
    what = f"{request.type} of {request.subject} by {request.by}" if request is not None else "request"
    return f"An operator's {what} (id {answer.request_id or 'none'}) was refused: {answer.text}"


def ends_soon(request: ControlRequest, left_ms: int) -> str:
    """The reminder before it ends."""
    left = f"{left_ms // 60_000} min" if left_ms >= 60_000 else f"{max(0, left_ms) // 1000} s"
    return f"⏳ In {left} it ends by itself: {in_words(request)}"


def ended(request: ControlRequest) -> str:
    """The line when it has ended."""
    return f"▶️ The {request.type} of {request.subject} by {request.by} has ended: the usual rules hold again"


def event_of(answer: Answer, now_ms: int) -> Event:
    """The event that answers a request."""
    request = answer.request
    details: dict[str, str | int | bool] = {"request_id": answer.request_id, "text": answer.text}
    if request is not None:
        details |= {"request": request.type.value, "until_ms": request.until_ms}
        details |= {"reason": request.reason, "by": request.by}
    return Event(
        type="ControlAccepted" if answer.accepted else "ControlRefused",
        at_ms=now_ms,
        symbol="" if request is None or request.symbol == EVERY_SYMBOL else request.symbol,
        side="" if request is None or request.side is None else str(request.side),
        details=details,
    )


def summary(requests: Sequence[ControlRequest], now_ms: int) -> list[str]:
    """What is in force, for a screen: the time that is left instead of the moment."""
    lines = []
    for one in requests:
        left_min = max(0, one.until_ms - now_ms) // 60_000
        left = f"{left_min // 60} h {left_min % 60} min" if left_min >= 60 else f"{left_min} min"
        lines.append(f"{one.type} of {one.subject}, {left} left (by {one.by}): {one.reason}")
    return lines
