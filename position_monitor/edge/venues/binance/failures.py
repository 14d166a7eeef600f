"""From an answer, or the lack of one, to our failure tree (`errors.py`).

Only the numeric code, the HTTP status and the transport's cause decide. The texts quote the venue's own message after
everything that could be an address, a key or a signature was taken out (invariant 15).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from position_monitor.edge.clock import VenueClock
from position_monitor.edge.http.rate_budget import BAN_PAUSE_S, FRONT_DOOR_PAUSE_S
from position_monitor.edge.http.rate_windows import WINDOW_GUARD_MS
from position_monitor.edge.venues.binance.codes import ORDER_COUNT, code_for
from position_monitor.edge.venues.transport import Endpoint, NotJson, Reply, TransportCause
from position_monitor.errors import (
    Ambiguous,
    AuthRefused,
    ExchangeFailure,
    RateLimited,
    Refused,
    Unreachable,
    Unreadable,
)

_SERVICE_UNAVAILABLE: Final = "service unavailable"
"""The venue's own words for a 503 that certainly did nothing; any other 503 may have executed."""
_DEFAULT_WAIT_S: Final = {403: FRONT_DOOR_PAUSE_S, 418: BAN_PAUSE_S}
_MINUTE_MS: Final = 60_000
_ORDER_COUNT_WAIT_S: Final = 10
_BAN_MAX_MS: Final = 3 * 24 * 3600 * 1000
"""The longest ban the venue documents: a nonsensical end must not silence the guardian for ever."""
_MESSAGE_MAX = 160
_NAMED_SECRET: Final = re.compile(r"\S*(?:signature|apikey|api-key=|secret|timestamp)\s*[=:]\s*\S*", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\S*://\S*")
_QUERY: Final = re.compile(r"\?\S*=\S*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


def failure_of_transport(endpoint: Endpoint, cause: TransportCause) -> ExchangeFailure:
    """No complete answer came. For a write only NOT_SENT is certain; everything else may have executed."""
    text = _with_path(endpoint, cause.value)
    if cause is TransportCause.NOT_SENT:
        return Unreachable(text)
    if endpoint.is_write:
        return Ambiguous(text)
    if cause in (TransportCause.PARTIAL_BODY, TransportCause.TOO_LARGE):
        return Unreadable(text)
    return Unreachable(text)


def failure_of_reply(endpoint: Endpoint, reply: Reply, clock: VenueClock) -> ExchangeFailure | None:
    """The failure an answer stands for, or None when it is worth reading (which proves nothing about its form)."""
    code, message = _code_and_message(reply.body)
    front_door = reply.status == 403 and code is None
    if front_door or reply.status in (418, 429) or (code is not None and code_for(code).failure is RateLimited):
        return _rate_limited(endpoint=endpoint, reply=reply, code=code, message=message, clock=clock)
    if code is not None and code < 0:
        return _failure_of_code(endpoint, reply, code, message)
    if 200 <= reply.status < 300:
        if not isinstance(reply.body, NotJson):
            return None
        return _unusable(endpoint, reply.status, _with_path(endpoint, "the answer was not JSON"))
    return _failure_of_status(endpoint, reply)


def unusable(endpoint: Endpoint, why: str) -> ExchangeFailure:
    """A 2xx answer without the documented form: Ambiguous after a write, Unreadable after a read."""
    return _unusable(endpoint, 200, f"{endpoint.spec.title}: {why}")


def _with_path(endpoint: Endpoint, why: str) -> str:
    """The call, why it failed, and its path, never a query: what no answer of the venue's own came from may be a wrong
    address. Host and port are added where they are shown."""
    return f"{endpoint.spec.title}: {why} [{endpoint.spec.method} {endpoint.spec.path}]"


def _unusable(endpoint: Endpoint, status: int, text: str) -> ExchangeFailure:
    return Ambiguous(text, http_status=status) if endpoint.is_write else Unreadable(text, http_status=status)


def _failure_of_code(endpoint: Endpoint, reply: Reply, code: int, message: str) -> ExchangeFailure:
    listed = code_for(code)
    text, said, status = _text(endpoint, code, message), str(code), reply.status
    if status == 503 and _says_unavailable(message):
        return Unreachable(text, said=said, http_status=status)
    if listed.failure is Refused:
        return Refused(text, refusal=listed.refusal, said=said, http_status=status)
    if listed.failure is Ambiguous and not endpoint.is_write:
        return Unreachable(text, said=said, http_status=status)
    return listed.failure(text, said=said, http_status=status)


def _failure_of_status(endpoint: Endpoint, reply: Reply) -> ExchangeFailure:
    """An HTTP error without a code of the venue: a proxy, a gateway or the venue's front."""
    text = _with_path(endpoint, f"HTTP {reply.status} without a code")
    if reply.status in (401, 407, 451, 511):
        return AuthRefused(text, http_status=reply.status)
    if reply.status == 503 and (_says_unavailable(reply.text) or _says_unavailable(_code_and_message(reply.body)[1])):
        return Unreachable(f"{text}, service unavailable", http_status=reply.status)
    if endpoint.is_write:
        return Ambiguous(text, http_status=reply.status)
    failure = Unreachable if reply.status >= 500 or reply.status == 408 else Unreadable
    return failure(text, http_status=reply.status)


def _rate_limited(endpoint: Endpoint, reply: Reply, code: int | None, message: str, clock: VenueClock) -> RateLimited:
    now_ms = clock.local.now_ms()
    stated_ms = None if reply.status == 403 else _stated_wait_ms(reply.headers, message, now_ms, clock.offset_ms)
    wait_ms = stated_ms if stated_ms is not None else _default_wait_ms(reply.status, code, clock)
    if reply.status not in (403, 418):
        # Weight and orders are counted by the minute of the venue's clock: beyond it no limit of before can last.
        wait_ms = min(wait_ms, _to_next_minute_ms(clock))
    text = f"{endpoint.spec.title}: HTTP {reply.status}, no request for {wait_ms / 1000:.1f} s"
    if code is not None:
        text = f"{text} ({_text(endpoint, code, message)})"
    return RateLimited(
        text,
        retry_at_ms=now_ms + wait_ms,
        said="" if code is None else str(code),
        http_status=reply.status,
        end_stated=stated_ms is not None,
        orders_only=code == ORDER_COUNT,  # also where it comes as 429
    )


def _default_wait_ms(status: int, code: int | None, clock: VenueClock) -> int:
    """How long to be silent when the venue does not say: weight is counted by the minute of its clock."""
    if status in _DEFAULT_WAIT_S:
        return round(_DEFAULT_WAIT_S[status] * 1000)
    return _ORDER_COUNT_WAIT_S * 1000 if code == ORDER_COUNT else _to_next_minute_ms(clock)


def _to_next_minute_ms(clock: VenueClock) -> int:
    return _MINUTE_MS - clock.now_ms() % _MINUTE_MS + WINDOW_GUARD_MS


def _stated_wait_ms(headers: Mapping[str, str], message: str, now_ms: int, offset_ms: int) -> int | None:
    """How long the venue said to be silent, in ms; the later of header and message. None when it did not say.

    What lies in the past, or beyond the longest ban that is documented, was not said: it is an accident.
    """
    stated: list[int] = []
    retry_after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII):
        stated.append(int(retry_after) * 1000)
    banned = re.search(r"banned until (\d{13})\b", message)
    if banned:
        stated.append(int(banned.group(1)) - offset_ms - now_ms)
    return max((wait_ms for wait_ms in stated if 0 < wait_ms <= _BAN_MAX_MS), default=None)


def _code_and_message(body: object) -> tuple[int | None, str]:
    if not isinstance(body, dict):
        return None, ""
    raw_code, raw_message = body.get("code"), body.get("msg")
    code: int | None = None
    if isinstance(raw_code, int) and not isinstance(raw_code, bool):
        code = raw_code
    elif isinstance(raw_code, str) and re.fullmatch(r"-?\d{1,9}", raw_code, re.ASCII):
        code = int(raw_code)
    return code, raw_message if isinstance(raw_message, str) else ""


def _says_unavailable(message: str) -> bool:
    return message.strip().rstrip(".").lower() == _SERVICE_UNAVAILABLE


def _text(endpoint: Endpoint, code: int, message: str) -> str:
    said = without_secrets(message).rstrip(".")
    parts = [f"{endpoint.spec.title}: {code}", code_for(code).words, f"the venue said: {said}" if said else ""]
    return ", ".join(part for part in parts if part)


def without_secrets(message: str) -> str:
    """A foreign text made safe to show: no address, no query, no long token, one line, at most 160 characters."""
    text = message[:2000]
    # Most texts hold nothing of the kind, and the patterns go through a text much slower than a look for one character.
    if "://" in text:
        text = _ADDRESS.sub("<address>", text)
    if "=" in text or ":" in text:
        text = _NAMED_SECRET.sub("<removed>", text)
    if "?" in text:
        text = _QUERY.sub("<query>", text)
    text = _TOKEN.sub("<token>", text)
    text = _UNPRINTABLE.sub(" ", text)
    return text.strip()[:_MESSAGE_MAX]
