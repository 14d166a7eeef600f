"""The published state: what the daemon says about the account and each position (DESIGN 5).

Plain values made from judgements, serialised by `edge/redis/documents.py`, rendered by `cli/`. Nothing here decides,
and nothing that decides reads them (`decision/history.py` keeps what is needed from one look to the next).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from position_monitor.core.model.control import ControlRequest
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.rungs import rungs_counted
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import RiskStatus, Verdict

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class TakeProfitState:
    """One rung as it rests (or is wanted, when `client_id` is empty)."""

    rung: int
    """Its number as it stands in client ids (`core/model/rungs.py`); -1 for the user's own. People count `rungs`."""
    trigger_price: Decimal
    quantity: Decimal
    client_id: str
    source: str
    resting: bool
    foreign: bool = False
    kind: str = "market"
    """How it rests: `market`, a conditional order, or `limit`, a limit order."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """The configured rungs that it stands for, the nearest is 1; none for the user's own."""
        return () if self.foreign or self.rung < 0 else rungs_counted(self.rung)

    @property
    def name(self) -> str:
        """`TP1`, `TP1+2` for merged rungs, or `foreign`."""
        return f"TP{'+'.join(map(str, self.rungs))}" if self.rungs else "foreign"


@dataclass(frozen=True, slots=True)
class PlannedLock:
    """A level that the stop goes to later, and what it waits for: a rung, or a mark."""

    stop_price: Decimal
    after_rung: int
    """The rung (the nearest is 1) whose fill it waits for; 0: it waits for a mark."""
    from_price: Decimal | None
    """The mark from which it counts; None for one after a rung."""


@dataclass(frozen=True, slots=True)
class PlannedTrail:
    """A step of the trail: from which mark the stop follows, and how far behind."""

    from_price: Decimal | None
    """None where it needs an R that nobody knows yet."""
    distance_pct: Decimal | None
    """In percent of the mark, where it is written so."""
    distance_atr: Decimal | None
    """In average true ranges, where it is written so."""


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """What the policy has in mind for the stop of a position, whatever the mark is now."""

    initial_stop: Decimal
    """The policy's own level without lock and trail: where a new backstop would go."""
    r: Decimal | None
    """R, the distance from the entry to our backstop, in quote units per base unit; None without one, 0 where that
    secures profit."""
    rungs_done: int
    """The furthest rung (the nearest is 1) that took its profit; 0 for none."""
    trail_after_rung: int
    """The trail waits for this rung to take its profit; 0: it does not wait for one."""
    trail: tuple[PlannedTrail, ...]
    """The least profit first; none: it does not trail."""
    locks: tuple[PlannedLock, ...]


@dataclass(frozen=True, slots=True)
class PositionState:
    """Protection of one position, as read back."""

    key: PositionKey
    verdict: Verdict
    reason: str
    since_ms: int
    """When this verdict began."""
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    liquidation_price: Decimal | None
    leverage: int | None
    unrealized_pnl: Decimal
    stop_price: Decimal | None
    """The tightest stop that counts as cover."""
    stop_quantity: Decimal
    """Quantity covered by stops, at most `quantity`."""
    cover_pct: Decimal
    stop_client_ids: tuple[str, ...]
    backstop_price: Decimal | None
    take_profits: tuple[TakeProfitState, ...]
    trailing: str
    """`off`, or distance and state in words."""
    profile: str
    regime: str
    level_source: str
    worst_case_loss: Decimal | None
    """Loss in quote units if every covering stop fills at its trigger, without fees and slippage."""
    naked_ms: int
    """Total time this position was seen without full stop cover."""
    observed_at_ms: int
    conditions: Mapping[str, str]
    """Named facts for machines: StopCovered, BackstopLive, TakeProfitsPlaced, BookInSync, ... -> True/False/Unknown."""
    policy: str = ""
    """The policy that is live for it: static, hybrid, dynamic or brain; empty where its settings could not be found."""
    hold: ControlRequest | None = None
    """The hold of an operator that is in force for it: a stop of the user's own is accepted though it is looser."""
    pause: ControlRequest | None = None
    """The pause in force for it, or for the whole account: only missing stops are placed."""
    market: MarketState | None = None
    """What the closed candles of its symbol say; None without candles."""
    plan: ExitPlan | None = None
    """What comes next for its stop; None where nobody can say."""


@dataclass(frozen=True, slots=True)
class OrderCount:
    """How many orders of one kind the venue took since the daemon began."""

    policy: str
    """The policy that exits the position: static, hybrid, dynamic or brain."""
    role: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ExitsState:
    """Who controls exits, by which switches, and what came of it."""

    requested: str
    """EXIT_MODE: LEGACY or EXIT_BRAIN_V3."""
    live: str
    """Whose policy places orders: LEGACY, or EXIT_BRAIN_V3 on the symbols that are rolled out."""
    described: str
    """The same in one line."""
    legacy_policy: str
    """What LEGACY means."""
    shadow: str
    """Whose policy only computes beside it, or empty."""
    profile: str
    executor_mode: str
    live_rollout: str
    rollout_pct: int
    kill_switch: bool
    held_back_by: tuple[str, ...]
    """The switches that keep the Exit Brain from acting although it owns exits."""
    decided_at_ms: int = 0
    """When the last decision was made."""
    foreign_writer: str = ""
    """The last order with our prefix that another process wrote; empty where there was none."""
    orders: tuple[OrderCount, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountState:
    """Protection of the account in one sentence and in figures."""

    risk_status: RiskStatus
    mode: str
    """live, place_only, observe, paused or stopped."""
    positions: int
    protected: int
    """Positions with full stop cover (PROTECTED or STOP_ONLY)."""
    coverage_pct: Decimal
    exposed_notional: Decimal
    """What of the naked and undercovered positions no stop covers; published as `unprotected_notional` as well."""
    unknown_notional: Decimal
    """Positions of which it cannot be said, as last known."""
    unread: tuple[str, ...]
    """Symbols whose rows could not be read."""
    environment: str
    """paper, demo or live."""
    status_line: str
    reason: str
    exit_mode: str
    conflicts: tuple[str, ...]
    ai_engine: str
    """OFF, OK, NO_SIGNAL, DOWN or STALE."""
    circuit_breaker: str
    """OFF, INACTIVE, ACTIVE, or UNKNOWN, with the age of what was read: `ACTIVE (read 4 s ago)`."""
    observed_at_ms: int
    """The last good read, also of a flat account, and while reads fail; 0 before the first."""
    published_at_ms: int
    cycle_ms: int
    api_weight_1m: int
    version: str
    config_hash: str
    owner: str
    epoch: int
    """Fencing number of the lease, 0 without one."""
    sequence: int
    streams: Mapping[str, str] = field(default_factory=dict)
    """`user` and `marks` -> LIVE, or what is wrong and for how long. Without them positions are looked at in turn."""
    exits: ExitsState | None = None
    """Who controls exits; None where a daemon of an earlier version published."""
    control: tuple[ControlRequest, ...] = ()
    """The pauses and holds in force."""
