"""How long an answer is waited for: longer while everything is slow, and as usual again with the first quick answer.

A venue whose every answer takes a second more than the time-out does all that it is asked, and nothing of it would ever
be learned. So each time-out lets the next request wait longer, up to a bound. One endpoint that hangs beside others
that answer changes nothing for those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

GROWTH: Final = 1.6
"""By how much a time-out lets the next request wait longer: 4, 6.4, 10.2, 16.4, 20 s."""
QUICK_SHARE: Final = 0.5
"""An answer within this share of the usual time-out was a quick one."""


@dataclass(slots=True)
class Patience:
    """The time-out of the next request, in seconds."""

    usual_s: float
    most_s: float
    _now_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.most_s = max(self.usual_s, self.most_s)
        self._now_s = self.usual_s

    @property
    def timeout_s(self) -> float:
        """How long to wait for the next answer."""
        return self._now_s

    def timed_out(self, after_s: float) -> None:
        """A request was given up after so long. Of several that waited side by side, only the first counts."""
        if after_s >= self._now_s:
            self._now_s = min(self.most_s, self._now_s * GROWTH)

    def answered(self, after_s: float) -> None:
        """An answer came after so long."""
        if after_s <= QUICK_SHARE * self.usual_s:
            self._now_s = self.usual_s
