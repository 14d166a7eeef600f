"""What a plan for one symbol is made from, and what it is: the values that the planner's modules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from position_monitor.core.book.diff import BookDiff
from position_monitor.core.decision.case import Case
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Cancel, Close, Mode, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.order_words import described
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.settings import EvidenceSettings, Limits
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.exit_profile import Exit, exits_of
from position_monitor.core.observation.live_book import LiveBook
from position_monitor.core.observation.reads import SymbolObservation


class Held(NamedTuple):
    """Something the plan would do and does not do yet."""

    key: PositionKey
    deed: str
    why: str
    order: DesiredOrder | LiveOrder | None = None
    """The order that the deed is about, if there is one."""

    @property
    def what(self) -> str:
        """The deed in words, made only where somebody reads them."""
        return self.deed if self.order is None else f"{self.deed} {described(self.order)}"


class Plan(NamedTuple):
    """The actions of one symbol in the order they are to be performed."""

    symbol: str
    stops: tuple[Place, ...] = ()
    take_profits: tuple[Place, ...] = ()
    closes: tuple[Close, ...] = ()
    cancels: tuple[Cancel, ...] = ()
    held: tuple[Held, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.stops or self.take_profits or self.closes or self.cancels)


class PlanInputs(NamedTuple):
    """Everything a plan for one symbol depends on."""

    account: str
    observation: SymbolObservation
    cases: Sequence[Case]
    """The open positions that are ours to protect."""
    orphaned: Mapping[PositionKey, LiveBook]
    """What rests for positions that are not listed."""
    evidence: Evidence
    evidence_settings: EvidenceSettings
    limits: Limits
    mode: Mode
    """What may be done for the account."""
    mode_for: Callable[[PositionKey, Mode], Mode]
    """What may be done for a position of it (`Rules.mode_for`)."""
    crowded: bool
    """The account has hardly a slot left for conditional orders: surplus take-profits make room at once."""
    now_ms: int

    def room(self, resting: BookDiff, stops: int) -> int:
        """How many more take-profits of ours may rest for a position, beside `stops` new stops (invariant 10)."""
        listed = len(resting.matched) + len(resting.surplus) + len(resting.in_flight)
        unlisted = len(self.evidence.awaited_in(self.observation.symbol))
        return self.limits.owned_orders_per_position_max - listed - unlisted - stops

    def resting_exits(self, case: Case) -> list[Exit]:
        """The take-profits of ours for a position that rest, or may rest although no list shows them."""
        assert case.belief is not None, "Invariant: only a position that was learned of is planned for"
        listed = {own.client_id for own in case.live.owned}
        stuck = case.belief.stuck_in_triggering(self.now_ms, self.evidence_settings.triggering_grace_ms)
        resting = exits_of(case.live.owned, stuck)
        return resting + self.evidence.unlisted_take_profits(case.key, listed)
