"""A symbol in which a position was closed and whose records are not final, and when it is tried next."""

from __future__ import annotations

from dataclasses import dataclass

from position_monitor.core.performance.lives import Life
from position_monitor.service.records.reading import SymbolHistory

SETTLE_S = 1.0
"""How long after a position was closed its fills are asked for first."""
AGAIN_S = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Pauses between tries while fills and income do not agree; then the last one again and again."""

PATIENT_TRIES = 5
"""Tries after which fills that contradict themselves are taken as they are, for a provisional record."""


@dataclass(slots=True)
class DueSymbol:
    """A symbol whose records are not final."""

    history: SymbolHistory
    since_ms: int
    after_ms: int = 0
    """A life that ended later than this is expected; 0 where none is."""
    tries: int = 0
    next_s: float = float("-inf")

    def expect(self, after_ms: int, now_s: float) -> None:
        """A position was closed after this time of the venue."""
        self.after_ms = max(self.after_ms, after_ms)
        self.tries, self.next_s = 0, now_s + SETTLE_S

    def wait(self, pause_s: float, now_s: float) -> None:
        """Nothing more is tried for so long."""
        self.next_s = now_s + pause_s

    def again(self, now_s: float) -> None:
        """It is not final yet: try again, less and less often; soon while older fills are looked through."""
        self.wait(AGAIN_S[0 if self.history.looks_back else min(self.tries, len(AGAIN_S) - 1)], now_s)
        self.tries += 1

    def is_ready(self, life: Life) -> bool:
        """Whether a record may be made of a life: its beginning names it, so that must be known, or never to be had;
        and fills that contradict themselves are most likely not all listed yet."""
        if life.contradicted and self.tries < PATIENT_TRIES:
            return False
        return life.whole or self.history.exhausted
