"""What the request budget counts in: windows of the venue's clock, and pauses that grow while it turns us away."""

from __future__ import annotations

import math

WINDOW_GUARD_MS = 50
"""A window is taken as begun this much late, so a small clock error never counts an order into the next window."""
_HEADER_DIGITS_MAX = 6


class GrowingPause:
    """How long to be silent each time the venue turns us away without naming an end one could believe."""

    def __init__(self, first_s: float, most_s: float, growth: float) -> None:
        self._first_s, self._most_s, self._growth = first_s, most_s, growth
        self._pause_s = 0.0
        self._until_s = -math.inf

    def next(self, now_s: float) -> float:
        """When the pause ends that begins now. Of several requests under way at once, the first one counts."""
        if now_s >= self._until_s:
            self._pause_s = min(max(self._growth * self._pause_s, self._first_s), self._most_s)
            self._until_s = now_s + self._pause_s
        return self._until_s

    def over(self) -> None:
        """The venue let us in."""
        self._pause_s, self._until_s = 0.0, -math.inf


class Window:
    """A counter that starts again at each multiple of its length of the venue's clock."""

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.index = 0
        """Which window of the venue's clock runs, counted from its beginning of time."""
        self.used = 0
        """The larger of what we sent and what the venue reported."""
        self.own = 0
        """What we sent."""
        self.reported = 0
        """What the venue reported."""

    def roll(self, venue_ms: int) -> None:
        """Start again when the venue's clock has entered another window."""
        index = (venue_ms - WINDOW_GUARD_MS) // self.length_ms
        if index != self.index:
            self.index, self.used, self.own, self.reported = index, 0, 0, 0

    def add(self, amount: int) -> None:
        """Count what is sent."""
        self.used += amount
        self.own += amount

    def report(self, value: int) -> None:
        """Take the venue's own count in. One far below an earlier one means that its window began after ours."""
        if 2 * value < self.reported:
            self.reported, self.used = value, max(value, self.own)
            return
        self.reported = max(self.reported, value)
        self.used = max(self.used, value)

    def wait_ms(self, venue_ms: int, amount: int, ceiling: int) -> int:
        """0 when `amount` fits now, else the time until the next window."""
        if amount == 0 or self.used + amount <= ceiling:
            return 0
        return (self.index + 1) * self.length_ms + WINDOW_GUARD_MS - venue_ms


def header_count(text: str) -> int | None:
    """The counter in a header of the venue; None where it is nonsense."""
    if not text.isascii() or not text.isdigit() or len(text) > _HEADER_DIGITS_MAX:
        return None
    return int(text)
