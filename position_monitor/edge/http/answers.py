"""A tally of what the venue answered since the start: failures by meaning, and whether it takes our key.

Counting is all it does: nothing that decides asks it. It is told of every answer, so it does as little as can be.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from position_monitor.core.model.refusal import Refusal
from position_monitor.errors import (
    Ambiguous,
    AuthRefused,
    ClockSkewed,
    ExchangeFailure,
    RateLimited,
    Refused,
    RequestInvalid,
    Unreachable,
    Unreadable,
)

_MEANINGS: Final = {
    Ambiguous: "AMBIGUOUS",
    AuthRefused: "AUTHENTICATION",
    ClockSkewed: "CLOCK",
    RateLimited: "RATE_LIMITED",
    RequestInvalid: "REQUEST_INVALID",
    Unreachable: "UNREACHABLE",
    Unreadable: "UNREADABLE",
}
MEANINGS: Final = (*map(str, Refusal), *_MEANINGS.values())
"""All there are, so that each is counted from 0 on and its first one can be seen as an increase."""


class Answers:
    """What was answered so far."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter(dict.fromkeys(MEANINGS, 0))
        """By meaning: a `Refusal` for what the venue refused, else what kind of failure it was."""
        self.access_refused = ""
        """What the venue said when it last refused our key, its address or its permissions; empty while it takes it."""

    def note(self, failure: ExchangeFailure | None, *, signed: bool) -> None:
        """One answer came, or was waited for in vain. `signed`: the request carried our key."""
        if failure is None:
            if signed:
                self.access_refused = ""
            return
        meaning = failure.refusal if isinstance(failure, Refused) else _MEANINGS.get(type(failure), "OTHER")
        self.failures[str(meaning)] += 1
        if isinstance(failure, AuthRefused):
            self.access_refused = str(failure)
