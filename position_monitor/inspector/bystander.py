"""The surroundings of a daemon that is only asked what it would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from position_monitor.config import Config
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import Control
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.core.observation.stream_events import MarkPrice
from position_monitor.daemon.surroundings import Settings
from position_monitor.edge.ai_engine import AdvicePoller, Question
from position_monitor.edge.candles import CandleReader
from position_monitor.inspector.in_force import PublishedControl


@dataclass(frozen=True, slots=True)
class Bystander:
    """Surroundings of a daemon that is only asked what it would do: no streams, the rights of an owner."""

    config: Config
    settings: Settings
    candles: CandleReader
    advisor: AdvicePoller
    published: PublishedControl
    """The pauses and holds that the daemon has published."""

    @property
    def full_sweep_s(self) -> float:
        """How often every order list of the account is read."""
        return self.config.loop.full_sweep_s

    def mode(self, *, second_writer: bool) -> Mode:
        """What the daemon of this configuration may do where it is the only one."""
        return Mode.LIVE if self.config.protection.mode == "live" else Mode.OBSERVE

    def control(self) -> Control:
        """What the daemon has published to be in force."""
        return self.published.now()

    def degraded_reasons(self, mode: Mode, *, foreign_order: str) -> Sequence[str]:
        """Nothing is reported."""
        return ()

    def advice(self, symbol: str) -> Advice | None:
        """As the AI engine answered for this look."""
        return self.advisor.advice(symbol)

    def advice_missing(self, symbol: str) -> str:
        """Why there is none."""
        return self.advisor.missing(symbol)

    def ask_advice(self, questions: Mapping[str, Question]) -> None:
        """What it is asked about, it is asked by the inspector."""

    def market(self, symbol: str) -> MarketState | None:
        """As the daemon would have it, from candles that were read for this look."""
        return self.candles.market(symbol)

    def market_missing(self, symbol: str) -> str:
        """Why there is none."""
        return self.candles.missing(symbol)

    def order_accepted(self, client_id: str) -> None:
        """Nothing is sent."""

    def events_delivered(self) -> bool:
        """There is no stream."""
        return False

    def streamed_mark(self, symbol: str) -> MarkPrice | None:
        """There is no stream."""
        return None

    def positions_read(self) -> None:
        """There is no lease."""
