"""Every failure this program knows by name.

PositionMonitorError
├── ConfigError            bad configuration: exit 78, nothing started
└── ExchangeFailure        a call to the exchange did not give a usable answer
    ├── Refused            the venue said no; the request had no effect
    ├── Ambiguous          a write may or may not have taken effect: query by client id, never resend blindly
    ├── Unreadable         a reply arrived and is not what the venue documents; never means "flat"
    ├── Unreachable        the request certainly never left or certainly failed: safe to try again later
    ├── RateLimited        429, 418 or an order-count limit; carries when to speak again
    ├── ClockSkewed        the venue refused our timestamp: measure the offset, then try again
    ├── AuthRefused        key, IP or permission: a human must act
    └── RequestInvalid     our own fault (malformed request): never retried unchanged
"""

from __future__ import annotations


class PositionMonitorError(Exception):
    """Base of all failures raised by this program."""


class ConfigError(PositionMonitorError):
    """The configuration is unusable: says the key, the value that was found and what is allowed."""


class ExchangeFailure(PositionMonitorError):
    """A call to the exchange failed. The text never holds a URL, a signature or a key (invariant 15).

    `code` is the venue's numeric code (negative), or None; `http_status` the HTTP status, or None.
    """

    def __init__(self, message: str, *, code: int | None = None, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status


class Refused(ExchangeFailure):
    """The venue refused the request and nothing happened. `code` says why (see `edge/venues/binance/codes.py`)."""


class Ambiguous(ExchangeFailure):
    """The outcome of a write is unknown: it may be resting. Only a query by client id decides."""


class Unreadable(ExchangeFailure):
    """An answer came and did not have the documented form. It is evidence of nothing."""


class Unreachable(ExchangeFailure):
    """The request certainly had no effect: connection refused, or the venue said it failed completely."""


class RateLimited(ExchangeFailure):
    """The venue's limits were reached. No further request before `retry_at_ms` (local clock, ms UTC).

    `end_stated` is False where the venue named no end that one could believe, so that `retry_at_ms` is a guess.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_at_ms: int,
        code: int | None = None,
        http_status: int | None = None,
        end_stated: bool = True,
    ) -> None:
        super().__init__(message, code=code, http_status=http_status)
        self.retry_at_ms = retry_at_ms
        self.end_stated = end_stated


class ClockSkewed(ExchangeFailure):
    """The venue refused our timestamp (-1021, -5028); the request had no effect."""


class AuthRefused(ExchangeFailure):
    """The venue refused the key, its IP address or its permissions (-2014, -2015, -1022, ...)."""


class RequestInvalid(ExchangeFailure):
    """The request was malformed: a defect of ours. It is reported and never retried unchanged."""
