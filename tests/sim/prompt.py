"""Promptness: where nothing hinders a daemon, a position is covered within two checks, whatever Redis and streams do.

Only what Redis says of the lease may add to that. A value that expires within a lease time is a live owner as far as
anybody can know, and beside one a daemon places the stop of a position only when it has itself read it naked for two
intervals (invariant 9). What stands there without an end, or for longer, and is renewed by nobody adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.sim.truth import Key


class Prompt:
    """Judges positions that stay exposed."""

    def __init__(self, *, within_s: float, interval_s: float, look_s: float) -> None:
        """`look_s`: time between two looks of the judge."""
        self._look_ms = 1000 * look_s
        self._within_ms = 1000 * within_s
        self._reads_first_ms = 2000 * interval_s
        """Beside a live owner."""
        self._stood_by_ms = -1
        """When every daemon at work last knew of a live other owner."""

    def look(self, at_ms: int, exposed: Mapping[Key, int], *, standing_by: bool) -> list[str]:
        """`exposed` are positions without cover, and for how many ms; `standing_by`: every daemon at work was told of
        another owner, and what it was told has not run out."""
        if standing_by:
            self._stood_by_ms = at_ms
        violations = []
        for key, exposed_ms in exposed.items():
            beside = self._stood_by_ms >= at_ms - exposed_ms
            allowed_ms = self._within_ms + (self._reads_first_ms if beside else 0)
            if 0 <= exposed_ms - allowed_ms < self._look_ms:  # once; what was dust until now is not told later
                violations.append(f"INV-3: {key} is exposed for {exposed_ms} ms and nothing hinders")
        return violations
