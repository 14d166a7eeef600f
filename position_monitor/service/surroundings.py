"""The process as the daemon's surroundings: settings in force, rights by the lease, advice, streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from position_monitor.core.decision.ownership import mode_of
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.control import NO_CONTROL, Control
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.outside import Advice
from position_monitor.core.observation.stream_events import MarkPrice
from position_monitor.core.publication import control_words
from position_monitor.daemon.surroundings import Settings
from position_monitor.edge.ai_engine import AdvicePoller, Question
from position_monitor.edge.candles import CandleReader
from position_monitor.edge.redis.state import HeldByOther, RedisState, Stale, Unavailable
from position_monitor.service.control import OperatorControl
from position_monitor.service.reloading import ConfigInForce
from position_monitor.service.streams import Streams


@dataclass(frozen=True, slots=True)
class ProcessSurroundings:
    """Answers the daemon from what the process has at hand (`daemon/surroundings.py`)."""

    in_force: ConfigInForce
    store: RedisState
    advisor: AdvicePoller
    streams: Streams
    candles: CandleReader
    operator: OperatorControl | None = None
    """None where no request of an operator can come: then none is in force."""

    @property
    def settings(self) -> Settings:
        """The configuration in force, as the daemon sees it."""
        return self.in_force.settings

    @property
    def full_sweep_s(self) -> float:
        """How often every order list of the account is read."""
        return self.in_force.config.loop.full_sweep_s

    def mode(self, *, second_writer: bool) -> Mode:
        """What may be done now: the state of ownership (invariant 9, `core/decision/ownership.py`)."""
        return mode_of(
            observes=self.in_force.config.protection.mode == "observe",
            lease=self.store.lease_state().standing,
            second_writer=second_writer,
        )

    def control(self) -> Control:
        """The pauses and holds of the operator that are in force now."""
        return self.operator.now() if self.operator is not None else NO_CONTROL

    def degraded_reasons(self, mode: Mode, *, foreign_order: str) -> Sequence[str]:
        """What keeps a fully covered account from PROTECTED."""
        reasons = [self.in_force.exit_plan.degraded_reason, self._why_not_owner(mode, foreign_order)]
        reasons += control_words.reasons(self.control())
        return [reason for reason in reasons if reason]

    def _why_not_owner(self, mode: Mode, foreign_order: str) -> str:
        """What is missing to the rights of an owner, in words."""
        if mode is Mode.OBSERVE:
            return "protection.mode is observe: nothing is written"
        if mode is Mode.SECOND_WRITER:
            return f"a second daemon writes ({foreign_order} is not of this process): only missing stops are placed"
        lease = self.store.lease_state()
        match lease:
            case HeldByOther(owner=owner):
                return f"{owner} holds the lease: this daemon stands by"
            case Stale() | Unavailable():
                return f"no lease ({lease.reason}): missing stops are placed, nothing is removed"
            case _:
                return ""

    def advice(self, symbol: str) -> Advice | None:
        """Valid advice about a symbol, if there is any."""
        return self.advisor.advice(symbol)

    def advice_missing(self, symbol: str) -> str:
        """Why there is no advice about a symbol, in words; empty where there is one."""
        return self.advisor.missing(symbol)

    def ask_advice(self, questions: Mapping[str, Question]) -> None:
        """Which symbols to ask the AI engine about, and at which price."""
        self.advisor.watch(questions)

    def market(self, symbol: str) -> MarketState | None:
        """Volatility, trend and regime of a symbol at its last closed candle, if they are there."""
        return self.candles.market(symbol)

    def market_missing(self, symbol: str) -> str:
        """Why there is no market state of a symbol, in words; empty where there is one."""
        return self.candles.missing(symbol)

    def order_accepted(self, client_id: str) -> None:
        """The user stream must speak of this order soon."""
        self.streams.expect(client_id)

    def events_delivered(self) -> bool:
        """Whether the user stream would tell of changes of the orders."""
        return self.streams.events_delivered()

    def streamed_mark(self, symbol: str) -> MarkPrice | None:
        """The mark price of a symbol as streamed; None when there is no fresh one."""
        return self.streams.mark(symbol)

    def positions_read(self) -> None:
        """This daemon reads positions, so it may have the lease."""
        self.store.positions_read()
