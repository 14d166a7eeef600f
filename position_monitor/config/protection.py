"""The sections of the configuration that say what protects a position: levels, bounds, owner of exits, symbols.

`config.example.toml` is generated from these descriptions. Percentages are of the price: 1.5 means 1.5 %.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool

from position_monitor.config.profiles import DEFAULT_LOCKS, LOCKS_ALLOWED, LockSection, ProfileSection
from position_monitor.config.regimes import RegimesSection
from position_monitor.config.values import (
    Count,
    Percent,
    Profile,
    Seconds,
    Section,
    SwitchWord,
    allowed_is,
)
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.settings import OnBreach, Policy, TimeStop


class Rung(Section):
    """One rung of the take-profit ladder."""

    target_pct: Percent = Field(
        ..., gt=0, le=50, description="Distance from the entry in percent of the price at which this rung closes."
    )
    share_pct: Percent = Field(..., gt=0, le=100, description="Part of the position this rung closes, in percent.")
    kind: Literal["market", "limit"] = Field(
        "market",
        description="market: a conditional order that closes at market when its price comes. limit: a limit order that "
        "only reduces; it fills at its price, pays the maker's fee and takes no slot for conditional orders.",
    )


DEFAULT_LADDER = (
    Rung(target_pct=Decimal("1.5"), share_pct=Decimal(30)),
    Rung(target_pct=Decimal("2.5"), share_pct=Decimal(30)),
    Rung(target_pct=Decimal("4.0"), share_pct=Decimal(40)),
)


class ProtectionSection(Section):
    """What rests on the exchange for every position."""

    mode: Literal["live", "observe"] = Field(
        "live",
        description="live: places missing stops and take-profits. observe: reads and reports only, places nothing; "
        "every status says so. Begin with observe on an account that already trades.",
    )
    stop_loss_pct: Percent = Field(
        Decimal("1.5"),
        gt=0,
        le=50,
        description="Distance of the stop from the entry in percent of the price (not of margin). Inside [bounds].",
    )
    take_profit_pct: Percent = Field(
        Decimal("2.5"),
        gt=0,
        le=50,
        description="Distance of the single take-profit of the static policy. The hybrid policy uses the ladder.",
    )
    trailing_pct: Percent = Field(
        Decimal("1.5"),
        ge=Decimal("0.1"),
        le=10,
        description="How far behind the best mark the trailing stop follows, in percent.",
    )
    ladder: tuple[Rung, ...] = Field(
        DEFAULT_LADDER,
        min_length=1,
        max_length=4,
        description="Take-profit rungs of the hybrid policy, nearest first. Shares sum to 100; the last rung takes "
        "the rounding remainder; rungs below the venue's minimum are merged. "
        'kind = "limit" lets a rung rest as a limit order that only reduces: it fills at its price for the fee of a '
        'maker, and takes no slot for conditional orders. "market" is a conditional order.',
        json_schema_extra=allowed_is('1 to 4 tables {target_pct, share_pct, kind = "market" or "limit"}'),
    )
    working_type: WorkingType = Field(
        WorkingType.MARK_PRICE,
        description="The price that arms a stop. MARK_PRICE is not moved by a single trade; liquidation uses it too.",
    )
    rebase_on_add: StrictBool = Field(
        False,
        description="true: when a position grows, levels follow the new average entry, even if that loosens the stop. "
        "false: a stop never loosens while the position is open.",
    )
    on_breach: OnBreach = Field(
        OnBreach.REANCHOR,
        description="When the price is already beyond the desired stop as a position is first seen: reanchor places "
        "the stop stop_loss_pct from the mark; close also closes the position beyond max_loss_pct; alert only tells.",
    )
    foreign_orders: Literal["respect", "ignore"] = Field(
        "respect",
        description="respect: a stop somebody else placed counts as cover when it is on the right side and within "
        "foreign_stop_max_pct. ignore: our own stop always rests too. Foreign orders are never touched either way.",
    )
    max_loss_pct: Percent = Field(
        Decimal(10), gt=0, le=50, description="Loss in percent of the entry beyond which on_breach = close acts."
    )
    foreign_stop_max_pct: Percent = Field(
        Decimal(5), gt=0, le=50, description="A foreign stop farther than this from the entry does not count as cover."
    )
    stop_min_move_pct: Percent = Field(
        Decimal("0.1"),
        ge=Decimal("0.01"),
        le=5,
        description="A stop is moved only for an improvement of at least this much of the price, so that a creeping "
        "mark does not burn the order budget.",
    )
    liquidation_fraction_pct: Percent = Field(
        Decimal(80),
        ge=10,
        le=95,
        description="A stop lies at most this far on the way from the entry to the liquidation price; wins over the "
        "minimum stop distance.",
    )
    take_profits: StrictBool = Field(
        True,
        description="false: stop only. No take-profit of ours is placed, resting ones of ours are removed, and a "
        "position counts as PROTECTED by its stop alone. For an account on which another program takes the profits.",
    )
    trailing: StrictBool = Field(
        True, description="false: the stop does not follow the mark. It still moves to breakeven after a rung."
    )
    foreign_stop_grace_s: Seconds = Field(
        0.0,
        ge=0,
        le=120,
        description="Seconds for which a fresh position may wait for another program's own stop before ours is placed. "
        "It has no stop meanwhile, and every status says so. Needs foreign_orders = respect. 0: no waiting.",
    )
    yield_to_foreign_stop: StrictBool = Field(
        False,
        description="true: our stop is removed once another program's stop that counts as cover, and is no looser than "
        "ours, was read back resting; ours comes back at once when that one is gone. Needs foreign_orders = respect.",
    )


class BoundsSection(Section):
    """Limits on every level, whatever policy or advice asks for it."""

    stop_loss_min_pct: Percent = Field(
        Decimal("0.5"), gt=0, le=50, description="Nearest stop in percent of the entry; nearer ones are noise exits."
    )
    stop_loss_max_pct: Percent = Field(Decimal(5), gt=0, le=50, description="Farthest stop in percent of the entry.")
    target_min_pct: Percent = Field(
        Decimal("0.3"), gt=0, le=50, description="Nearest take-profit in percent of the entry; nearer ones pay fees."
    )
    target_max_pct: Percent = Field(Decimal(15), gt=0, le=50, description="Farthest take-profit in percent.")
    reward_risk_min: Percent = Field(
        Decimal("0.5"), gt=0, le=20, description="Smallest distance of the final target, in stop distances."
    )
    reward_risk_max: Percent = Field(
        Decimal(5), gt=0, le=20, description="Largest distance of the final target, in stop distances."
    )


def _is_legacy(policy: Policy) -> Policy:
    """The Exit Brain is chosen by `mode`, not as what LEGACY means."""
    if policy is Policy.BRAIN:
        raise ValueError("the Exit Brain is chosen with mode")
    return policy


class ExitSection(Section):
    """Who owns exits. `mode` alone names the owner; the other switches can only hold the Exit Brain back."""

    mode: Literal["LEGACY", "EXIT_BRAIN_V3"] = Field(
        "LEGACY", description="The owner of exits. Overridden by EXIT_MODE. A contradiction never means no stop."
    )
    executor_mode: Literal["LIVE", "SHADOW"] = Field(
        "LIVE", description="SHADOW keeps the Exit Brain from acting. Overridden by EXIT_EXECUTOR_MODE."
    )
    live_rollout: Literal["ENABLED", "DISABLED"] = Field(
        "ENABLED", description="DISABLED keeps the Exit Brain from acting. Overridden by EXIT_BRAIN_V3_LIVE_ROLLOUT."
    )
    brain_v3_enabled: Literal["auto"] | StrictBool = Field(
        "auto",
        description="auto: follows mode. false keeps the Exit Brain from acting; true beside mode = LEGACY is a "
        "published conflict. Overridden by EXIT_BRAIN_V3_ENABLED.",
        json_schema_extra=allowed_is("true, false or auto"),
    )
    live_rollout_pct: Count = Field(
        100,
        ge=0,
        le=100,
        description="The share of symbols on which the Exit Brain acts when it owns exits, by SHA-256 of the symbol: "
        "the same ones everywhere, and more of them only add. LEGACY protects the others, and the Exit Brain computes "
        "beside it. Overridden by EXIT_LIVE_ROLLOUT_PCT.",
    )
    kill_switch: SwitchWord = Field(
        False,
        description="true: whatever the other switches say, the Exit Brain only computes in shadow and LEGACY "
        "protects. Overridden by EXIT_EXECUTOR_KILL_SWITCH.",
        json_schema_extra=allowed_is("true, 1, yes, on, enabled, or false, 0, no, off, disabled"),
    )
    profile: Profile = Field("DEFAULT", description="Exit profile. Overridden by EXIT_BRAIN_PROFILE.")
    legacy_policy: Annotated[Policy, AfterValidator(_is_legacy)] = Field(
        Policy.HYBRID,
        description="hybrid: ladder of take-profits and a trailing stop. static: one stop and one take-profit. "
        "dynamic: stop and take-profit in multiples of the average true range, by regime. This is what protects "
        "whenever the Exit Brain may not act.",
        json_schema_extra=allowed_is('one of "static", "hybrid", "dynamic"'),
    )
    breakeven_offset_pct: Percent = Field(
        Decimal("0.10"),
        ge=0,
        le=2,
        description="How far beyond the entry breakeven lies, in percent: about two taker fees, so that a position "
        "that is stopped there has lost nothing.",
    )
    locks: tuple[LockSection, ...] = Field(
        DEFAULT_LOCKS,
        max_length=8,
        description="Where the stop goes once a rung took its profit (after_rung, the nearest is 1), or from a profit "
        "on (at_r, in distances of the first stop): to_rung the level of another rung, to_r a profit, neither: "
        "breakeven. For hybrid and for every profile without locks of its own.",
        json_schema_extra=LOCKS_ALLOWED,
    )
    time_stop: TimeStop = Field(
        TimeStop.TIGHTEN,
        description="What happens to a position that is older than its profile or regime lets it be and shows hardly "
        "any profit: tighten brings its stop to stop_loss_min_pct behind the mark, close closes it at market, off does "
        "nothing. The static and the hybrid policy never do.",
    )
    time_stop_adopted: StrictBool = Field(
        False,
        description="true: the time stop acts also on positions that were open before this policy went live here, and "
        "where nobody knows since when it is live.",
    )
    candles: Literal["auto"] | StrictBool = Field(
        "auto",
        description="auto: candles of an hour are read when a policy in use needs volatility and regime. true: always, "
        "so that they are there when such a policy begins. false: never; such a policy then places the floor.",
        json_schema_extra=allowed_is("true, false or auto"),
    )
    regimes: RegimesSection = Field(
        RegimesSection(), description="Volatility and trend.", json_schema_extra=allowed_is("a table")
    )
    profiles: dict[str, ProfileSection] = Field(
        default_factory=dict, description="One table [exit.profiles.<NAME>] for each profile that differs."
    )
