"""Pairs of live and shadow results as JSON (`P:shadow_exits`), and back. Pure; `schemas/pair.schema.json` describes it.

Numbers are plain strings, times ms UTC, unknown is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from position_monitor.core.model.money import plain
from position_monitor.core.model.sides import Side
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.shadow.pair import FUNDING_RULE, Censored, Live, Pair, Scored
from position_monitor.core.shadow.simulated_position import SimulatedFill
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.published_text import figure, parsed
from position_monitor.edge.redis.published_values import DocumentUnreadable

PAIR_SCHEMA: Final = 1
DIGITS: Final = Decimal("0.000001")
"""To which digit R and percent are published."""
MONEY_DIGITS: Final = Decimal("0.00000001")
"""To which digit simulated money is published: replayed parts have many."""


def pair_text(pair: Pair) -> str:
    """The `data` field of an entry of `P:shadow_exits`."""
    return json_text(pair_document(pair))


def pair_document(pair: Pair) -> dict[str, Any]:
    """A pair as a JSON object."""
    live, shadow, own = pair.live.net, pair.shadow.net, pair.own.net
    return {
        "schema": PAIR_SCHEMA,
        "record_id": pair.record_id,
        "revision": pair.revision,
        "account": pair.account,
        "symbol": pair.symbol,
        "side": pair.side.value,
        "epoch": pair.epoch,
        "opened_at_ms": pair.opened_at_ms,
        "closed_at_ms": pair.closed_at_ms,
        "final": pair.final,
        "settings_hash": pair.settings_hash,
        "notional": _money(pair.notional),
        "risk": None if pair.risk is None else _money(pair.risk),
        "live": {
            "policy": pair.live.policy,
            "profile": pair.live.profile,
            "regime": pair.live.regime,
            "gross": _money(pair.live.gross),
            "fees": None if pair.live.fees is None else _money(pair.live.fees),
            "funding": _money(pair.live.funding),
            **_results(pair, live),
            "reason": pair.live.reason,
        },
        "shadow": _scored_document(pair, pair.shadow),
        "own": _scored_document(pair, pair.own),
        "difference_r": None if live is None else _ratio(pair.in_r(shadow - live)),
        "difference_pct": None if live is None else _ratio(pair.in_pct(shadow - live)),
        "own_difference_r": None if live is None else _ratio(pair.in_r(own - live)),
        "costs": pair.costs,
        "funding_rule": FUNDING_RULE,
        "marks_from": pair.marks_from,
        "gap_ms": pair.gap_ms,
        "ambiguous": pair.ambiguous,
    }


def _results(pair: Pair, net: Decimal | None) -> dict[str, Any]:
    return {
        "net": None if net is None else _money(net),
        "net_pct": _ratio(pair.in_pct(net)),
        "net_r": _ratio(pair.in_r(net)),
    }


def _scored_document(pair: Pair, one: Scored) -> dict[str, Any]:
    return {
        "policy": one.policy,
        "profile": one.profile,
        "regime": one.regime,
        "censored": str(one.censored),
        "gross": _money(one.gross),
        "fees": _money(one.fees),
        "funding": _money(one.funding),
        **_results(pair, one.net),
        "net_p90": _money(one.net_p90),
        "reason": one.reason,
        "closed_at_ms": one.closed_at_ms,
        "exits": [
            {
                "at_ms": fill.at_ms,
                "price": _money(fill.price),
                "quantity": _money(fill.quantity),
                "held": _money(fill.held),
                "role": str(fill.role),
                "reason": fill.reason,
                "maker": fill.maker,
            }
            for fill in one.exits
        ],
    }


def _money(value: Decimal) -> str:
    return plain(value.quantize(MONEY_DIGITS))


def _ratio(value: Decimal | None) -> str | None:
    return None if value is None else plain(value.quantize(DIGITS))


def read_pair(text: str) -> Pair:
    """An entry of `P:shadow_exits` as a value; unknown members are ignored. Raises `DocumentUnreadable`."""
    try:
        document = parsed(text)
        if document["schema"] != PAIR_SCHEMA:
            raise ValueError("another schema")
        return _pair(document)
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as fault:
        raise DocumentUnreadable(f"a pair is not readable: {type(fault).__name__}") from None


def _pair(document: Mapping[str, Any]) -> Pair:
    live = document["live"]
    return Pair(
        record_id=str(document["record_id"]),
        revision=int(document["revision"]),
        account=str(document["account"]),
        symbol=str(document["symbol"]),
        side=Side(document["side"]),
        epoch=str(document["epoch"]),
        opened_at_ms=int(document["opened_at_ms"]),
        closed_at_ms=int(document["closed_at_ms"]),
        final=bool(document["final"]),
        settings_hash=str(document["settings_hash"]),
        notional=_finite(document["notional"]),
        risk=None if document["risk"] is None else _finite(document["risk"]),
        live=Live(
            policy=str(live["policy"]),
            profile=str(live["profile"]),
            regime=str(live["regime"]),
            gross=_finite(live["gross"]),
            fees=None if live["fees"] is None else _finite(live["fees"]),
            funding=_finite(live["funding"]),
            reason=str(live["reason"]),
        ),
        shadow=_scored(document["shadow"]),
        own=_scored(document["own"]),
        costs=str(document["costs"]),
        marks_from=str(document["marks_from"]),
        gap_ms=int(document["gap_ms"]),
        ambiguous=int(document["ambiguous"]),
    )


def _scored(document: Mapping[str, Any]) -> Scored:
    return Scored(
        policy=str(document["policy"]),
        profile=str(document["profile"]),
        regime=str(document["regime"]),
        censored=Censored(document["censored"]),
        gross=_finite(document["gross"]),
        fees=_finite(document["fees"]),
        funding=_finite(document["funding"]),
        net_p90=_finite(document["net_p90"]),
        reason=str(document["reason"]),
        closed_at_ms=int(document["closed_at_ms"]),
        exits=tuple(
            SimulatedFill(
                at_ms=int(one["at_ms"]),
                price=_finite(one["price"]),
                quantity=_finite(one["quantity"]),
                held=_finite(one["held"]),
                role=FillRole(one["role"]),
                reason=str(one["reason"]),
                maker=bool(one["maker"]),
            )
            for one in document["exits"]
        ),
    )


def _finite(text: object) -> Decimal:
    value = figure(text)
    if not value.is_finite():
        raise ValueError("no number")
    return value
