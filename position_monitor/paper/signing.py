"""Requests as received, and the check of key, timestamp and signature."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from position_monitor.paper.errors import missing, refusal
from position_monitor.paper.parameters import Params

_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)$")
DEFAULT_WINDOW = "5000"  # ms
WIDEST_WINDOW_MS = 60_000
AHEAD_MS = 1_000  # a timestamp may lie this far in the server's future


@dataclass(slots=True)
class Request:
    """One API request.  `trusted` ones come from memory and need no signature;
    `charged` ones were counted against the budgets before.

    Nobody changes one; it is not frozen because a frozen one takes three times as long to make."""

    method: str
    path: str
    params: Params = field(default_factory=dict)
    api_key: str = ""
    signed_text: str = field(default="", repr=False)
    signature: str = field(default="", repr=False)
    trusted: bool = False
    charged: bool = False


def received(method: str, path: str, query: str, body: str, api_key: str) -> Request:
    """The request of a raw query string and form body.

    The signed text is query then body, without the signature, which must be the
    last parameter of the part that carries it.
    """
    signature, parts = "", []
    for part in (query, body):
        match = _SIGNATURE.search(part)
        if match:
            signature = match.group(1)
            part = part[: match.start()]
        parts.append(part)
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    params = dict(pairs)
    misplaced = params.pop("signature", "")  # not last: part of the text, so it cannot match
    return Request(method, path, params, api_key, "".join(parts), signature or misplaced)


class Gatekeeper:
    """Knows the one API key and its secret."""

    def __init__(self, api_key: str, api_secret: str) -> None:
        self._api_key = api_key
        self._secret = api_secret.encode()

    def check_key(self, request: Request) -> None:
        """-2014 without a usable key, -2015 with a wrong one."""
        if request.trusted:
            return
        if not request.api_key or not request.api_key.isprintable() or " " in request.api_key:
            raise refusal(-2014)
        if request.api_key != self._api_key:
            raise refusal(-2015)

    def check_signed(self, request: Request, server_time_ms: int) -> None:
        """Key, then timestamp and recvWindow (-1021), then signature (-1022)."""
        if request.trusted:
            return
        self.check_key(request)
        check_time(request.params, server_time_ms)
        if not request.signature:
            raise missing("signature")
        if not self.matches(request.signed_text, request.signature):
            raise refusal(-1022)

    def matches(self, text: str, signature: str) -> bool:
        """Whether the signature is the HMAC-SHA256 of the text."""
        wanted = hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, signature.lower())


def check_time(params: Params, server_time_ms: int) -> None:
    """Timestamp within recvWindow behind and one second ahead of the server."""
    stamp, window = params.get("timestamp", ""), params.get("recvWindow", DEFAULT_WINDOW)
    if not stamp:
        raise missing("timestamp")
    if not stamp.isdigit() or not window.isdigit():
        raise refusal(-1100, "Illegal characters found in parameter 'timestamp'.")
    sent_ms, window_ms = int(stamp), int(window)
    if window_ms > WIDEST_WINDOW_MS:
        raise refusal(-1131, "recvWindow must be less than 60000.")
    if sent_ms > server_time_ms + AHEAD_MS:
        raise refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if server_time_ms - sent_ms > window_ms:
        raise refusal(-1021)
