"""Who controls exits (field `exits` of `P:status`) and what candles say (`market` of a position), and both back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.money import plain
from position_monitor.core.publication.state import ExitsState, OrderCount
from position_monitor.edge.redis.published_text import figure


def exits_document(exits: ExitsState | None) -> dict[str, Any] | None:
    """The field as a JSON value; null where nothing is said."""
    if exits is None:
        return None
    return {
        "requested": exits.requested,
        "live": exits.live,
        "described": exits.described,
        "legacy_policy": exits.legacy_policy,
        "shadow": exits.shadow,
        "profile": exits.profile,
        "executor_mode": exits.executor_mode,
        "live_rollout": exits.live_rollout,
        "rollout_pct": exits.rollout_pct,
        "kill_switch": exits.kill_switch,
        "held_back_by": list(exits.held_back_by),
        "decided_at_ms": exits.decided_at_ms,
        "foreign_writer": exits.foreign_writer,
        "orders": [
            {"policy": one.policy, "role": one.role, "reason": one.reason, "count": one.count} for one in exits.orders
        ],
    }


def read_exits(document: Mapping[str, Any] | None) -> ExitsState | None:
    """The field back as a value. Raises `KeyError`, `ValueError` or `TypeError` for what is none."""
    if document is None:
        return None
    return ExitsState(
        requested=str(document["requested"]),
        live=str(document["live"]),
        described=str(document["described"]),
        legacy_policy=str(document["legacy_policy"]),
        shadow=str(document["shadow"]),
        profile=str(document["profile"]),
        executor_mode=str(document["executor_mode"]),
        live_rollout=str(document["live_rollout"]),
        rollout_pct=int(document["rollout_pct"]),
        kill_switch=bool(document["kill_switch"]),
        held_back_by=tuple(map(str, document["held_back_by"])),
        decided_at_ms=int(document["decided_at_ms"]),
        foreign_writer=str(document["foreign_writer"]),
        orders=tuple(
            OrderCount(str(one["policy"]), str(one["role"]), str(one["reason"]), int(one["count"]))
            for one in document["orders"]
        ),
    )


def market_document(market: MarketState | None) -> dict[str, Any] | None:
    """What closed candles say, as a member of a position's document."""
    if market is None:
        return None
    return {
        "regime": str(market.regime),
        "atr": plain(market.atr),
        "close": plain(market.close),
        "adx": plain(market.adx),
        "plus_di": plain(market.plus_di),
        "minus_di": plain(market.minus_di),
        "closed_at_ms": market.closed_at_ms,
        "expires_at_ms": market.expires_at_ms,
    }


def read_market(document: Mapping[str, Any] | None) -> MarketState | None:
    """The member back as a value. Raises `KeyError`, `ValueError` or `TypeError` for what is none."""
    if document is None:
        return None
    return MarketState(
        atr=figure(document["atr"]),
        close=figure(document["close"]),
        adx=figure(document["adx"]),
        plus_di=figure(document["plus_di"]),
        minus_di=figure(document["minus_di"]),
        regime=Regime(document["regime"]),
        closed_at_ms=int(document["closed_at_ms"]),
        expires_at_ms=int(document["expires_at_ms"]),
    )
