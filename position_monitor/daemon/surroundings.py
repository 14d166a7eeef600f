"""What the daemon asks of the process around it: one protocol, given at construction.

Every answer is instant and nothing here is waited for, so nothing around the daemon can hold back a stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from position_monitor.core.decision.rules import Rules
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import Control
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.edge.ai_engine import Question
from position_monitor.edge.reading.observer import ReadingSurroundings


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration in force, as the daemon sees it. A reload replaces it as a whole."""

    rules: Rules
    """What the core decides by."""
    check_interval_s: float
    cycle_deadline_s: float
    """No new round of a cycle begins after this; what is missing waits for the next cycle."""


class Surroundings(ReadingSurroundings, Protocol):
    """Settings, rights, advice and streams."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    def mode(self, *, second_writer: bool) -> Mode:
        """What may be done now (`core/decision/ownership.py`); `second_writer`: signs of one were read."""
        ...

    def control(self) -> Control:
        """The pauses and holds of the operator that are in force now; they are read in the background."""
        ...

    def degraded_reasons(self, mode: Mode, *, foreign_order: str) -> Sequence[str]:
        """What keeps a fully covered account from being called PROTECTED: conflicts, no lease, and the like.

        `foreign_order` is the sign of a second writer: an order with our prefix that this process did not write.
        """
        ...

    def advice(self, symbol: str) -> Advice | None:
        """Valid advice about a symbol, if there is any. It is fetched in the background and never waited for."""
        ...

    def advice_missing(self, symbol: str) -> str:
        """Why there is no advice about a symbol, in words; empty where there is one."""
        ...

    def ask_advice(self, questions: Mapping[str, Question]) -> None:
        """Which symbols to ask the AI engine about, and at which price."""
        ...

    def market(self, symbol: str) -> MarketState | None:
        """Volatility, trend and regime of a symbol at its last closed candle; None where they are not to be had.

        Candles are read in the background, before a position opens (12.1), and never waited for.
        """
        ...

    def market_missing(self, symbol: str) -> str:
        """Why there is no market state of a symbol, in words; empty where there is one."""
        ...

    def order_accepted(self, client_id: str) -> None:
        """The venue accepted an order: the user stream must speak of it soon."""
        ...

    def positions_read(self) -> None:
        """A cycle could read the positions. A daemon that cannot leaves the lease to others (invariant 9)."""
        ...
