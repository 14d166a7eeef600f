"""One look at the exchange with the daemon's own observer and core, and empty memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from position_monitor import __version__
from position_monitor.config import Config
from position_monitor.core.decision.decide import Decision
from position_monitor.core.decision.history import History, after_judging
from position_monitor.core.decision.risk import AccountRisk, account_risk
from position_monitor.core.exits.live_policy import SwitchesSince
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.publication import control_words, sentence
from position_monitor.core.publication.position_state import position_state
from position_monitor.core.publication.state import AccountState
from position_monitor.daemon import Daemon
from position_monitor.edge.ai_engine import AdvicePoller, AiEngine, Question
from position_monitor.edge.candles import CandleReader
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.http.rate_budget import SHARE_USED_UP, BudgetLimits
from position_monitor.edge.reading.account_observation import AccountObservation
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import ExchangeFailure, Unreachable, Unreadable
from position_monitor.inspector.bystander import Bystander
from position_monitor.inspector.in_force import PublishedControl
from position_monitor.inspector.inspected import Inspection, inspected_exits, inspected_position
from position_monitor.service import candle_settings_from, open_daemon, open_exchange, settings_from

ADVICE_WITHIN_S = 5.0
"""How long a look waits for the AI engine."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """What an inspector holds while it is connected."""

    exchange: BinanceUsdm
    daemon: Daemon
    around: Bystander
    engine: AiEngine | None


class Inspector:
    """Looks (at first with two reads). Nothing is ever sent: the cycle of the daemon inside is not run.

    It lives beside a daemon on the same address, so it uses the command line's share of the request weight only. One
    that is `kept` stays connected between looks: what hardly changes is then not read again for each.
    """

    def __init__(
        self, config: Config, *, kept: bool = False, advised: bool = False, switches: Sequence[SwitchesSince] = ()
    ) -> None:
        """`advised`: the AI engine is asked once, as the daemon would ask it.

        `switches`: which exit switches the daemon has had, oldest first, where somebody can say; a process that just
        began cannot.
        """
        self._config = config
        self._switches = switches
        self._advised = advised
        self._clock = SystemClock()
        self._kept = kept
        self._open: _Opened | None = None

    async def look(self) -> Inspection:
        """Read and decide. Raises `ExchangeFailure` when positions or the account could not be read."""
        try:
            if self._open is None:
                opened = self._open = self._opened()
                await opened.exchange.prepare()
                _, decision = await opened.daemon.look()
                # What needs a second read before it is done (a ladder) is shown as it will be, so this was not the one.
                await self._ask_advice(opened.around.advisor, decision)
            inspection = await self._look(self._open)
        except ExchangeFailure as failure:
            failure.came_from(f"{self._config.exchange.id} at {self._config.exchange.place}", _advice(failure))
            if not self._kept:
                await self.aclose()
            raise
        if not self._kept:
            await self.aclose()
        return inspection

    async def aclose(self) -> None:
        """Release connections; a further look opens them again."""
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.exchange.aclose()
            if opened.engine is not None:
                await opened.engine.close()

    def _opened(self) -> _Opened:
        config, clock = self._config, self._clock
        exchange = open_exchange(config, clock, BudgetLimits.of_command_line())
        settings = settings_from(config, exchange.traits, self._switches)
        wanted = candle_settings_from(config)
        candles = CandleReader(exchange, clock, lambda: wanted)
        section = config.ai_engine
        engine = AiEngine(section.url, clock, timeout_s=section.timeout_s) if self._advised and section.url else None
        published = PublishedControl(config, clock)
        around = Bystander(config, settings, candles, advisor=AdvicePoller(engine, clock), published=published)
        return _Opened(exchange, open_daemon(exchange, clock, around), around, engine)

    @staticmethod
    async def _ask_advice(advisor: AdvicePoller, decision: Decision | None) -> None:
        """Ask the AI engine once about every open position; what has not answered in time has not answered."""
        if decision is not None:
            advisor.watch({key.symbol: Question(one.position.mark_price) for key, one in decision.judgements.items()})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ADVICE_WITHIN_S):
                    await advisor.poll_once()

    async def _look(self, opened: _Opened) -> Inspection:
        exchange, daemon = opened.exchange, opened.daemon
        await opened.around.published.read()
        await opened.around.candles.load(daemon.evidence.symbols())
        waited = exchange.requests_that_waited
        observed, decision = await daemon.look(sweep=False)
        if decision is None:
            raise ExchangeFailure(f"the positions could not be read: {observed.failure}")
        unread = [one for one in observed.symbols.values() if not one.readable]
        if unread and exchange.requests_that_waited > waited:
            raise ExchangeFailure(f"not everything could be read: {SHARE_USED_UP}")  # else it would look like a fault
        now_ms = self._clock.now_ms()
        history, _ = after_judging(
            history=History(),
            judgements=decision.judgements,
            observed=observed.symbols,
            evidence=daemon.evidence,
            settings=daemon.rules.evidence,
            now_ms=now_ms,
        )
        positions = tuple(
            inspected_position(
                judgement=judgement,
                observed=observed,
                plan=decision.plans[key.symbol],
                state=position_state(history.tracks[key], control=opened.around.control()),
                exits=inspected_exits(decision.inputs.get(key), opened.around),
            )
            for key, judgement in sorted(decision.judgements.items())
        )
        orphans = tuple(
            held for plan in decision.plans.values() for held in plan.held if held.key not in decision.judgements
        )
        return Inspection(self._account(history, observed, opened), positions, orphans)

    def _account(self, history: History, observed: AccountObservation, opened: _Opened) -> AccountState:
        mode, exchange = opened.daemon.desk.mode(), opened.exchange
        ai_engine = opened.around.advisor.status() if self._advised else "not asked"
        plan = self._config.exit_plan()
        degraded = [plan.degraded_reason] if plan.degraded_reason else []
        degraded += control_words.reasons(opened.around.control())
        risk: AccountRisk = account_risk(
            history.judgements, unreadable="", degraded=degraded, unread=observed.unreadable_positions
        )
        now_ms = self._clock.now_ms()
        return AccountState(
            risk_status=RiskStatus(risk.status),
            mode=mode.published,
            positions=risk.positions,
            protected=risk.protected,
            coverage_pct=risk.coverage_pct,
            exposed_notional=risk.exposed_notional,
            unknown_notional=risk.unknown_notional,
            unread=risk.unread,
            environment=self._config.exchange.environment,
            status_line=sentence.cycle(risk, history.judgements, mode, failure=""),
            reason=risk.reason,
            exit_mode=f"{plan.requested} (live: {plan.live})",
            conflicts=tuple(plan.conflicts),
            ai_engine=str(ai_engine),
            circuit_breaker="not asked",
            observed_at_ms=observed.observed_at_ms,
            published_at_ms=now_ms,
            cycle_ms=0,
            api_weight_1m=exchange.api_weight_1m,
            version=__version__,
            config_hash=self._config.config_hash,
            owner="",
            epoch=0,
            sequence=0,
            control=opened.around.control().in_force,
        )


def _advice(failure: ExchangeFailure) -> str:
    """What to do about a failure that nobody but the way to the exchange explains: its own answers name their cause."""
    if failure.said or not isinstance(failure, Unreachable | Unreadable):
        return ""
    return "check exchange.rest_url and exchange.environment, and whether this host reaches it"
