"""Every failure this program knows by name.

PositionMonitorError
├── ConfigError            bad configuration: exit 78, nothing started
├── BadInput               a file that the operator named cannot be used: says where and why
└── ExchangeFailure        a call to the exchange did not give a usable answer
    ├── Refused            the venue said no; the request had no effect; carries what the refusal means
    ├── Ambiguous          a write may or may not have taken effect: query by client id, never resend blindly
    ├── Unreadable         a reply arrived and is not what the venue documents; never means "flat"
    ├── Unreachable        the request certainly never left or certainly failed: safe to try again later
    ├── RateLimited        429, 418 or an order-count limit; carries when to speak again
    ├── ClockSkewed        the venue refused our timestamp: measure the offset, then try again
    ├── AuthRefused        key, IP or permission: a human must act
    └── RequestInvalid     our own fault (malformed request): never retried unchanged
"""

from __future__ import annotations

from position_monitor.core.model.refusal import Refusal


class PositionMonitorError(Exception):
    """Base of all failures raised by this program."""


class ConfigError(PositionMonitorError):
    """The configuration is unusable: says the key, the value that was found and what is allowed."""


class BadInput(PositionMonitorError):
    """A file or a value that a command was given cannot be used: says the file, the line and what is expected."""


class ExchangeFailure(PositionMonitorError):
    """A call to the exchange failed. The text never holds a URL, a signature or a key (invariant 15).

    `said` is the venue's own name of the failure, a number or a word as text, or empty: for people, asked by nobody.
    `http_status` is the HTTP status, or None.
    """

    def __init__(self, message: str, *, said: str = "", http_status: int | None = None) -> None:
        super().__init__(message)
        self.said = said
        self.http_status = http_status

    def came_from(self, place: str, advice: str = "") -> None:
        """Say in the text where the call went, for whoever reads it without the configuration: name, host and port;
        and what to do, where there is something."""
        self.args = (f"{place}: {self}" + (f"; {advice}" if advice else ""),)


class Refused(ExchangeFailure):
    """The venue refused the request and nothing happened. `refusal` is what that means, as the venue classified it."""

    def __init__(
        self, message: str, *, refusal: Refusal = Refusal.OTHER, said: str = "", http_status: int | None = None
    ) -> None:
        super().__init__(message, said=said, http_status=http_status)
        self.refusal = refusal


class Ambiguous(ExchangeFailure):
    """The outcome of a write is unknown: it may be resting. Only a query by client id decides."""


class Unreadable(ExchangeFailure):
    """An answer came and did not have the documented form. It is evidence of nothing."""


class Unreachable(ExchangeFailure):
    """The request certainly had no effect: connection refused, or the venue said it failed completely."""


class RateLimited(ExchangeFailure):
    """The venue's limits were reached. No further request before `retry_at_ms` (local clock, ms UTC).

    `end_stated` is False where the venue named no end that one could believe, so that `retry_at_ms` is a guess.
    `orders_only`: the limit counts orders, so reading goes on.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_at_ms: int,
        said: str = "",
        http_status: int | None = None,
        end_stated: bool = True,
        orders_only: bool = False,
    ) -> None:
        super().__init__(message, said=said, http_status=http_status)
        self.retry_at_ms = retry_at_ms
        self.end_stated = end_stated
        self.orders_only = orders_only


class ClockSkewed(ExchangeFailure):
    """The venue refused our timestamp; the request had no effect."""


class AuthRefused(ExchangeFailure):
    """The venue refused the key, its IP address or its permissions."""


class RequestInvalid(ExchangeFailure):
    """The request was malformed: a defect of ours. It is reported and never retried unchanged."""
