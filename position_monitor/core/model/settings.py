"""Settings of the core as plain values. `config.py` validates what the operator wrote and builds these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter

from position_monitor.core.model.market import Regime
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.profiles import DEFAULT_PROFILES, Lock, ProfileTable, RungKind
from position_monitor.core.model.regime_settings import DEFAULT_REGIMES, RegimeSettings


class OnBreach(StrEnum):
    """What to do when the price is beyond the desired stop when a position is first seen (DESIGN 9)."""

    REANCHOR = "reanchor"
    CLOSE = "close"
    ALERT = "alert"


class Policy(StrEnum):
    """Which exit policy protects live."""

    STATIC = "static"
    HYBRID = "hybrid"
    DYNAMIC = "dynamic"
    BRAIN = "brain"


class TimeStop(StrEnum):
    """What is done with a position that is too old and goes nowhere (S8)."""

    TIGHTEN = "tighten"
    """Its stop goes to `stop_loss_min_pct` behind the mark."""
    CLOSE = "close"
    """It is closed at market."""
    OFF = "off"


DEFAULT_PROFILE = "DEFAULT"
"""The word for: the regime chooses the profile (3.4)."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the configured ladder."""

    target_pct: Decimal
    """Distance from the entry in percent."""
    share_pct: Decimal
    """Part of the position in percent; the last rung takes the remainder."""
    kind: RungKind = RungKind.MARKET


@dataclass(frozen=True, slots=True)
class ExitSettings:
    """What the exit policies share beyond distances and ladder: locks, profiles, regimes, time stop."""

    breakeven_offset_pct: Decimal = Decimal("0.10")
    """How far beyond the entry breakeven lies, in percent: two taker fees (S6)."""
    locks: tuple[Lock, ...] | None = None
    """None: after rung 1 breakeven, after rung n the level of rung n-1 (S6)."""
    time_stop: TimeStop = TimeStop.TIGHTEN
    time_stop_adopted: bool = False
    """Whether the time stop acts on positions that were open before the policy went live here."""
    advised: bool = False
    """Whether an AI engine is configured: then a ladder may rest that was made from advice nobody remembers (S9)."""
    ranging_below_adx: Decimal = Decimal(20)
    """Below this a market has no direction: what HIGH_VOL and LOW_VOL mean for the profile depends on it (3.4)."""
    profiles: ProfileTable = DEFAULT_PROFILES
    regimes: Mapping[Regime, RegimeSettings] = DEFAULT_REGIMES


DEFAULT_EXITS = ExitSettings()


@dataclass(frozen=True, slots=True)
class ProtectionSettings:
    """Everything the policy needs to know about one symbol. Percentages are of price: 1.5 means 1.5 %."""

    policy: Policy
    stop_loss_pct: Decimal
    take_profit_pct: Decimal
    trailing_pct: Decimal
    ladder: tuple[Rung, ...]
    working_type: WorkingType
    rebase_on_add: bool
    on_breach: OnBreach
    respect_foreign_orders: bool
    max_loss_pct: Decimal
    """Loss beyond which `on_breach = "close"` closes the position."""
    foreign_stop_max_pct: Decimal
    """A foreign stop counts as cover only within this distance of the entry."""
    stop_min_move_pct: Decimal
    """A stop moves only when the new level is at least this much better (of price)."""
    liquidation_fraction_pct: Decimal
    """A stop lies at most this far on the way from the entry to the liquidation price (80)."""
    stop_loss_min_pct: Decimal
    stop_loss_max_pct: Decimal
    target_min_pct: Decimal
    target_max_pct: Decimal
    profile: str
    reward_risk_min: Decimal = Decimal("0.5")
    """The final target is at least this many stop distances away."""
    reward_risk_max: Decimal = Decimal(5)
    take_profits: bool = True
    """Whether take-profits of ours rest at all; without them a position is PROTECTED by its stop alone."""
    trailing: bool = True
    """Whether the stop may follow the mark."""
    foreign_stop_grace_ms: int = 0
    """How long the first stop of a fresh position waits for another program's own."""
    yield_to_foreign_stop: bool = False
    """Whether our stop is withdrawn once another's that is enough, and no looser, was read back resting."""
    held: bool = False
    """Whether a hold of the operator is in force (`core/model/control.py`): a stop of the user's own counts then,
    however far it is, as long as it lies on the right side and before the liquidation price."""
    exits: ExitSettings = DEFAULT_EXITS
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", _COMPARED(self).__hash__())

    def __hash__(self) -> int:
        """Worked out once: ladders are remembered by the settings they were made with, and looked up in every cycle."""
        return self._hash


_COMPARED = attrgetter(*[one.name for one in fields(ProtectionSettings) if one.compare])
"""All values of settings, as equal ones have them."""


@lru_cache(maxsize=1_024)
def shared(settings: ProtectionSettings) -> ProtectionSettings:
    """One object for all equal settings: what is remembered by them is found by that object in every cycle, and not by
    comparing every figure of every profile and regime."""
    return settings


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """How much must be seen before something is believed or removed (invariants 2 and 7)."""

    flat_reads: int
    """Consecutive agreeing reads without the position before it may be called flat (plus one zero row)."""
    replacement_reads: int
    """Reads in which a replacement was seen resting before what it replaces may be cancelled."""
    listing_grace_ms: int
    """How long a just-placed order may be absent from the lists before it counts as missing."""
    triggering_grace_ms: int
    """How long an order may stay TRIGGERING before it is reported as stuck."""
    standby_patience_ms: int = 19_000
    """How long a standby reads a position without cover before it places the stop beside a live owner: two check
    intervals, less a twentieth, because two reads are never exactly as far apart as their cycles."""
    lease_ttl_ms: int = 20_000
    """How long another owner may go on writing after its lease was taken."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of invariant 10."""

    conditional_orders_max: int
    """Open conditional orders the operator allows per account, foreign ones included; 0: as many as the venue does."""
    owned_orders_per_position_max: int
    actions_per_symbol_max: int
    """Writes one plan may contain for one symbol."""
    closes_per_minute_max: int
    refusals_before_close: int
    """Refusals of its stop as already passed, in a row, before the close ladder starts (3)."""
    again_ms: int = 9_000
    """How long an order that was refused rests before the same is tried again: a little less than a check interval."""
