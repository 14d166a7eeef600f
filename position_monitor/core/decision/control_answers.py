"""Whether a request of an operator is accepted, and the word for it when it is not (DESIGN 5, `P:control`).

The stream may hold anything: whoever may write to it is named by Redis (docs/redis.md), what counts is decided here. A
request that is refused changes nothing. Of two that contradict each other the later one counts, in the order in which
Redis took them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from position_monitor.core.model.control import (
    EVERY_SYMBOL,
    Control,
    ControlRequest,
    ControlType,
    after_request,
)
from position_monitor.core.model.sides import Side

LONGEST_MS: Final = 7 * 24 * 3_600_000
"""A pause or a hold ends within seven days: one that is forgotten must not outlive a week."""
CLOCKS_APART_MS: Final = 60_000
"""How far the clock of who asks may be ahead of ours."""
IN_FORCE_MAX: Final = 50
"""Pauses and holds in force at a time (invariant 10)."""
ID_LENGTH_MAX: Final = 100
TEXT_LENGTH_MAX: Final = 200
"""Of a reason, and of the name of who asks."""
SYMBOL_LENGTH_MAX: Final = 40


class Answer(NamedTuple):
    """What is answered to one request."""

    request_id: str
    """Empty where the request has none that can be read."""
    accepted: bool
    text: str
    """Why it was refused; or what there is to say of a request that was accepted."""
    request: ControlRequest | None
    """None where it could not be read."""


class Unreadable(ValueError):
    """A request has not the form of one; the text says what was expected."""


def request_from(data: object) -> ControlRequest:
    """A request out of the JSON value that stands in the stream. Raises `Unreadable`."""
    if not isinstance(data, Mapping):
        raise Unreadable("expected a JSON object")
    kind = _text(data, "type", ID_LENGTH_MAX)
    if kind not in set(ControlType):
        raise Unreadable(f"type was {kind!r}; expected pause, resume or hold")
    resumes = kind == ControlType.RESUME
    return ControlRequest(
        id=request_id_of(data),
        type=ControlType(kind),
        symbol=_symbol(data),
        side=_side(data),
        until_ms=0 if resumes and data.get("until_ms") in (None, 0) else _time(data, "until_ms"),
        reason=_text(data, "reason", TEXT_LENGTH_MAX, least=0),
        by=_text(data, "by", TEXT_LENGTH_MAX),
        at_ms=_time(data, "at_ms"),
    )


def request_id_of(data: object) -> str:
    """The id of a request. Raises `Unreadable`."""
    if not isinstance(data, Mapping):
        raise Unreadable("expected a JSON object")
    return _text(data, "id", ID_LENGTH_MAX)


def _text(data: Mapping[str, Any], name: str, most: int, *, least: int = 1) -> str:
    value = data.get(name, "" if least == 0 else None)
    text = value.strip() if isinstance(value, str) else None
    if text is None or not least <= len(text) <= most or not text.isprintable():
        raise Unreadable(f"{name}: expected a text of {least} to {most} characters")
    return text


def _time(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 10**14:
        raise Unreadable(f"{name}: expected a time in ms UTC as a whole number")
    return value


def _symbol(data: Mapping[str, Any]) -> str:
    text = _text(data, "symbol", SYMBOL_LENGTH_MAX)
    if text != EVERY_SYMBOL and any(char in " :/*" for char in text):
        raise Unreadable("symbol: expected the exchange's id such as BTCUSDT, or *")
    return text.upper()


def _side(data: Mapping[str, Any]) -> Side | None:
    value = data.get("side")
    if value in (None, ""):
        return None
    if not isinstance(value, str) or value not in set(Side):
        raise Unreadable("side: expected LONG, SHORT or nothing")
    return Side(value)


def answer_to(
    request: ControlRequest,
    control: Control,
    *,
    arrived_ms: int,
    used_before: bool,
    is_listed: Callable[[str], bool],
) -> tuple[Control, Answer]:
    """What is in force after a request, and the answer.

    `control` is what was in force when it arrived; `used_before`: another request had the same id; `is_listed` says
    whether the venue lists a symbol (true where the list could not be read).
    """
    why = _why_refused(request, control, arrived_ms, used_before=used_before, is_listed=is_listed)
    if why:
        return control, Answer(request.id, False, why, request)
    after = after_request(control, request)
    return after, Answer(request.id, True, _remark(request, control, after), request)


def _why_refused(
    request: ControlRequest, control: Control, arrived_ms: int, *, used_before: bool, is_listed: Callable[[str], bool]
) -> str:
    resumes = request.type is ControlType.RESUME
    if used_before:
        return "replayed: a request with this id was answered before"
    if request.at_ms > arrived_ms + CLOCKS_APART_MS:
        ahead_s = (request.at_ms - arrived_ms) // 1000
        return f"from the future: at_ms is {ahead_s} s ahead of this clock, at most {CLOCKS_APART_MS // 1000} s are"
    if request.until_ms and request.until_ms <= arrived_ms:
        return f"expired: it ended {(arrived_ms - request.until_ms) // 1000} s ago"
    if request.until_ms and request.until_ms <= request.at_ms:
        return "contradictory: it ends before it was asked for"
    if not (resumes or request.reason):
        return "without a reason: say why, for whoever reads it at night"
    if request.until_ms - min(arrived_ms, request.at_ms) > LONGEST_MS + CLOCKS_APART_MS:
        return f"too long: at most {LONGEST_MS // 86_400_000} days"
    if request.symbol != EVERY_SYMBOL and not is_listed(request.symbol):
        return f"unknown symbol: the exchange does not list {request.symbol}"
    if resumes:
        return _why_not_resumed(request, control)
    if len(after_request(control, request).in_force) > IN_FORCE_MAX:
        return f"too many: {IN_FORCE_MAX} pauses and holds are in force already"
    return ""


def _why_not_resumed(request: ControlRequest, control: Control) -> str:
    """A part of what was paused as a whole cannot be resumed: nobody would see at a glance what is paused then."""
    if any(one.lies_within(request) for one in control.in_force):
        return ""
    wider = next((one for one in control.in_force if one.touches(request)), None)
    if wider is None:
        return ""
    return f"contradictory: the {wider.type} in force is of {wider.subject}; resume that as a whole"


def _remark(request: ControlRequest, before: Control, after: Control) -> str:
    if request.type is not ControlType.RESUME:
        return ""
    ended = len(before.in_force) - len(after.in_force)
    left = [f"the {one.type} of {one.subject} stays in force" for one in after.in_force if one.touches(request)]
    return "; ".join([_ended(ended) if ended else "nothing was in force", *left])


def _ended(count: int) -> str:
    return "1 pause or hold ended" if count == 1 else f"{count} pauses and holds ended"
