"""One look at the exchange without acting: what `plan`, `explain`, `status --direct` and `check --live` show.

It runs the daemon's own observer and core with empty memory, so it says what a freshly started daemon would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from position_monitor import __version__
from position_monitor.config import Config
from position_monitor.core.book.diff import BookDiff
from position_monitor.core.decision.history import History, after_judging
from position_monitor.core.decision.plan_inputs import Held, Plan
from position_monitor.core.decision.risk import AccountRisk, account_risk
from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.actions import Action, Mode
from position_monitor.core.model.desired import DesiredBook
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.observation.cover import why_not_cover
from position_monitor.core.publication import sentence
from position_monitor.core.publication.position_state import position_state
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.daemon import Daemon
from position_monitor.daemon.surroundings import Settings
from position_monitor.edge.ai_engine import Question
from position_monitor.edge.candles import CandleReader
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.http.rate_budget import SHARE_USED_UP, BudgetLimits
from position_monitor.edge.reading.account_observation import AccountObservation
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import ExchangeFailure
from position_monitor.service import candle_settings_from, open_daemon, open_exchange, settings_from


@dataclass(frozen=True, slots=True)
class InspectedOrder:
    """One live order and how it stands to the desired book."""

    order: LiveOrder
    standing: str
    """wanted, surplus, in flight or foreign."""
    not_cover: str
    """Empty when it counts as stop cover; otherwise why it does not."""


@dataclass(frozen=True, slots=True)
class InspectedPosition:
    """One position with everything that was considered."""

    position: Position
    book: DesiredBook | None
    """None when no book can be made: unmanaged, unreadable, or a symbol without trading rules."""
    orders: tuple[InspectedOrder, ...]
    actions: tuple[Action, ...]
    """What would be done now, in order."""
    held: tuple[Held, ...]
    """What would be done later, each with the reason it waits."""
    state: PositionState


@dataclass(frozen=True, slots=True)
class Inspection:
    """The account at one moment."""

    account: AccountState
    positions: tuple[InspectedPosition, ...]
    orphans: tuple[Held, ...]
    """Orders of ours on positions that are not open, with why they stay for now."""


@dataclass(frozen=True, slots=True)
class Bystander:
    """Surroundings of a daemon that is only asked what it would do: no streams, no advice, the rights of an owner."""

    config: Config
    settings: Settings
    candles: CandleReader

    @property
    def full_sweep_s(self) -> float:
        """How often every order list of the account is read."""
        return self.config.loop.full_sweep_s

    def mode(self, *, second_writer: bool) -> Mode:
        """What the daemon of this configuration may do where it is the only one."""
        return Mode.LIVE if self.config.protection.mode == "live" else Mode.OBSERVE

    def degraded_reasons(self, mode: Mode, *, foreign_order: str) -> Sequence[str]:
        """Nothing is reported."""
        return ()

    def advice(self, symbol: str) -> Advice | None:
        """The AI engine is not asked."""
        return None

    def ask_advice(self, questions: Mapping[str, Question]) -> None:
        """The AI engine is not asked."""

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

    def streamed_mark(self, symbol: str) -> Decimal | None:
        """There is no stream."""
        return None

    def positions_read(self) -> None:
        """There is no lease."""


class Inspector:
    """Looks (at first with two reads). Nothing is ever sent: the cycle of the daemon inside is not run.

    It lives beside a daemon on the same address, so it uses the command line's share of the request weight only. One
    that is `kept` stays connected between looks: what hardly changes is then not read again for each.
    """

    def __init__(self, config: Config, *, kept: bool = False) -> None:
        self._config = config
        self._clock = SystemClock()
        self._kept = kept
        self._open: tuple[BinanceUsdm, Daemon, CandleReader] | None = None

    async def look(self) -> Inspection:
        """Read and decide. Raises `ExchangeFailure` when positions or the account could not be read."""
        try:
            if self._open is None:
                exchange = open_exchange(self._config, self._clock, BudgetLimits.of_command_line())
                settings, wanted = settings_from(self._config, exchange.traits), candle_settings_from(self._config)
                candles = CandleReader(exchange, self._clock, lambda: wanted)
                daemon = open_daemon(exchange, self._clock, Bystander(self._config, settings, candles))
                self._open = exchange, daemon, candles
                await exchange.prepare()
                await daemon.look()  # what needs a second read before it is done (a ladder) is shown as it will be
            inspection = await self._look(*self._open)
        except ExchangeFailure:
            if not self._kept:
                await self.aclose()
            raise
        if not self._kept:
            await self.aclose()
        return inspection

    async def aclose(self) -> None:
        """Release connections; a further look opens them again."""
        if self._open is not None:
            exchange, self._open = self._open[0], None
            await exchange.aclose()

    async def _look(self, exchange: BinanceUsdm, daemon: Daemon, candles: CandleReader) -> Inspection:
        await candles.load(daemon.evidence.symbols())
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
            _inspected(judgement, observed, decision.plans[key.symbol], position_state(history.tracks[key]))
            for key, judgement in sorted(decision.judgements.items())
        )
        orphans = tuple(
            held for plan in decision.plans.values() for held in plan.held if held.key not in decision.judgements
        )
        return Inspection(self._account(history, observed, exchange, daemon.desk.mode()), positions, orphans)

    def _account(self, history: History, observed: AccountObservation, exchange: Exchange, mode: Mode) -> AccountState:
        plan = self._config.exit_plan()
        degraded = [plan.degraded_reason] if plan.degraded_reason else []
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
            ai_engine="not asked",
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
        )


def _inspected(
    judgement: Judgement, observed: AccountObservation, plan: Plan, state: PositionState
) -> InspectedPosition:
    key, position = judgement.position.key, judgement.position
    places = tuple(place for place in (*plan.stops, *plan.take_profits) if place.key == key)
    closes = tuple(close for close in plan.closes if close.key == key)
    cancels = tuple(cancel for cancel in plan.cancels if cancel.key == key)
    orders = tuple(
        InspectedOrder(order, _standing(order, judgement.diff, key), _not_cover(order, judgement))
        for order in observed.symbols[key.symbol].orders
    )
    held = tuple(item for item in plan.held if item.key == key)
    return InspectedPosition(
        position=position,
        book=judgement.book,
        orders=orders,
        actions=(*places, *closes, *cancels),
        held=held,
        state=state,
    )


def _not_cover(order: LiveOrder, judgement: Judgement) -> str:
    if judgement.settings is None:
        return judgement.reason
    return why_not_cover(order, judgement.position, judgement.settings)


def _standing(order: LiveOrder, diff: BookDiff | None, key: PositionKey) -> str:
    if diff is None:
        return "not judged"
    if order in diff.surplus:
        return "surplus"
    if order in diff.in_flight:
        return "in flight"
    if order in diff.foreign:
        return "foreign"
    return "wanted" if any(live is order for _, live in diff.matched) else f"not of {key}"
