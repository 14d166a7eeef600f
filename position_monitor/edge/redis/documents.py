"""Published values to Redis fields and back (DESIGN 5): key names, plain-string decimals, JSON documents.

Pure functions. An absent or non-finite number is the empty string in a hash and null in a document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import (
    SCHEMA_VERSION,
    AccountState,
    PositionState,
    TakeProfitState,
)
from position_monitor.edge.redis.control_documents import request_document
from position_monitor.edge.redis.exit_documents import exits_document, market_document
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.plan_documents import plan_document

TEXT_LENGTH_MAX: Final = 500
DECIMAL_DIGITS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Keys:
    """Every key of one account, all under `<prefix>:<account>`."""

    prefix: str
    account: str

    def _key(self, name: str) -> str:
        return f"{self.prefix}:{self.account}:{name}"

    @property
    def status(self) -> str:
        """Hash: the account in one sentence and in figures."""
        return self._key("status")

    @property
    def positions(self) -> str:
        """Set of `SYMBOL:SIDE`."""
        return self._key("positions")

    @property
    def position_prefix(self) -> str:
        """What precedes `SYMBOL:SIDE` in the key of a position."""
        return self._key("position:")

    @property
    def shadows(self) -> str:
        """Set of `SYMBOL:SIDE` of the positions that have a shadow book."""
        return self._key("shadows")

    @property
    def shadow_prefix(self) -> str:
        """What precedes `SYMBOL:SIDE` in the key of a shadow book."""
        return self._key("shadow:")

    @property
    def shadow_exits(self) -> str:
        """Stream of pairs: what closed positions were worth, and would have been under the shadow policy."""
        return self._key("shadow_exits")

    @property
    def shadow_following(self) -> str:
        """Hash of the simulated books that are being followed."""
        return self._key("shadow_following")

    @property
    def events(self) -> str:
        """Stream of facts."""
        return self._key("events")

    @property
    def lease(self) -> str:
        """String: the owner, expiring."""
        return self._key("lease")

    @property
    def lease_epoch(self) -> str:
        """Counter: the fencing number of the newest lease."""
        return self._key("lease:epoch")

    @property
    def lease_given_up(self) -> str:
        """String, expiring: the owner that gave the lease up last."""
        return self._key("lease:given_up")

    @property
    def control(self) -> str:
        """Stream of what operators ask for."""
        return self._key("control")

    @property
    def exits(self) -> str:
        """Stream of records of closed positions."""
        return self._key("exits")

    def performance(self, profile: str) -> str:
        """Hash of the totals of one profile; of all of them for an empty name."""
        return self._key(f"performance:{profile}" if profile else "performance")

    def position(self, key: PositionKey) -> str:
        """Hash of one position."""
        return f"{self.position_prefix}{key}"


def decimal_text(value: Decimal | None) -> str:
    """A plain decimal without an exponent; empty for None, NaN, infinity and absurd magnitudes."""
    if value is None:
        return ""
    text = str(value)
    if value and len(text) <= DECIMAL_DIGITS_MAX and not ("E" in text or "N" in text or "I" in text):
        return text  # nearly every number: it is spelt plainly already
    if not value.is_finite() or abs(value.adjusted()) > DECIMAL_DIGITS_MAX:
        return ""
    return "0" if value == 0 else format(value, "f")


def optional_decimal(value: Decimal | None) -> str | None:
    """The same for a document, where an unknown number is null."""
    return None if value is None else decimal_text(value) or None


def bounded_text(text: str) -> str:
    """At most `TEXT_LENGTH_MAX` characters, always encodable as UTF-8."""
    if text.isascii() and len(text) <= TEXT_LENGTH_MAX:
        return text
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= TEXT_LENGTH_MAX else clean[: TEXT_LENGTH_MAX - 1] + "…"


def status_fields(state: AccountState, *, owner: str, epoch: int) -> dict[str, str]:
    """The fields of `P:status`, stamped with the owner and fencing epoch they are written under."""
    return {
        "schema": str(SCHEMA_VERSION),
        "risk_status": state.risk_status.value,
        "mode": state.mode,
        "positions": str(state.positions),
        "protected": str(state.protected),
        "coverage_pct": decimal_text(state.coverage_pct),
        "exposed_notional": decimal_text(state.exposed_notional),
        "unprotected_notional": decimal_text(state.exposed_notional),
        "unknown_notional": decimal_text(state.unknown_notional),
        "unread": json_text(list(state.unread)),
        "environment": state.environment,
        "status_line": bounded_text(state.status_line),
        "reason": bounded_text(state.reason),
        "exit_mode": state.exit_mode,
        "conflicts": json_text([bounded_text(conflict) for conflict in state.conflicts]),
        "ai_engine": state.ai_engine,
        "circuit_breaker": bounded_text(state.circuit_breaker),
        "streams": json_text({name: bounded_text(health) for name, health in sorted(state.streams.items())}),
        "observed_at_ms": str(state.observed_at_ms),
        "published_at_ms": str(state.published_at_ms),
        "cycle_ms": str(state.cycle_ms),
        "api_weight_1m": str(state.api_weight_1m),
        "version": state.version,
        "config_hash": state.config_hash,
        "owner": bounded_text(owner),
        "epoch": str(epoch),
        "sequence": str(state.sequence),
        "exits": json_text(exits_document(state.exits)),
        "control": json_text([request_document(request) for request in state.control]),
    }


def position_entries(
    states: Iterable[PositionState], account: str, *, published_at_ms: int
) -> list[tuple[str, list[str]]]:
    """`[("BTCUSDT:LONG", [field, value, ...]), ...]`: the positions as the publishing script takes them."""
    return [
        (str(state.key), position_fields(position_document(state, account, published_at_ms=published_at_ms)))
        for state in states
    ]


def position_document(state: PositionState, account: str, *, published_at_ms: int) -> dict[str, Any]:
    """Everything known about one position as a JSON object; `schemas/position.schema.json` describes it."""
    return {
        "schema": SCHEMA_VERSION,
        "account": account,
        "symbol": state.key.symbol,
        "side": state.key.side.value,
        "verdict": state.verdict.value,
        "reason": bounded_text(state.reason),
        "since_ms": state.since_ms,
        "quantity": optional_decimal(state.quantity),
        "entry_price": optional_decimal(state.entry_price),
        "mark_price": optional_decimal(state.mark_price),
        "liquidation_price": optional_decimal(state.liquidation_price),
        "leverage": state.leverage,
        "unrealized_pnl": optional_decimal(state.unrealized_pnl),
        "stop_price": optional_decimal(state.stop_price),
        "stop_quantity": optional_decimal(state.stop_quantity),
        "cover_pct": optional_decimal(state.cover_pct),
        "stop_client_ids": list(state.stop_client_ids),
        "backstop_price": optional_decimal(state.backstop_price),
        "take_profits": [_take_profit_document(rung) for rung in state.take_profits],
        "trailing": bounded_text(state.trailing),
        "profile": state.profile,
        "regime": state.regime,
        "level_source": state.level_source,
        "worst_case_loss": optional_decimal(state.worst_case_loss),
        "naked_ms": state.naked_ms,
        "observed_at_ms": state.observed_at_ms,
        "published_at_ms": published_at_ms,
        "policy": state.policy,
        "market": market_document(state.market),
        "plan": plan_document(state.plan),
        "hold": None if state.hold is None else request_document(state.hold),
        "pause": None if state.pause is None else request_document(state.pause),
        "conditions": {name: bounded_text(value) for name, value in sorted(state.conditions.items())},
    }


def _take_profit_document(rung: TakeProfitState) -> dict[str, Any]:
    return {
        "rung": rung.rung,
        "rungs": list(rung.rungs),
        "trigger_price": optional_decimal(rung.trigger_price),
        "quantity": optional_decimal(rung.quantity),
        "client_id": rung.client_id,
        "source": rung.source,
        "resting": rung.resting,
        "foreign": rung.foreign,
        "kind": rung.kind,
    }


_ONLY_IN_DOCUMENT: Final = frozenset({"account", "symbol", "side", "published_at_ms", "conditions"})


def position_fields(document: Mapping[str, Any]) -> list[str]:
    """`P:position:<SYMBOL>:<SIDE>` as HSET takes it, `[field, value, ...]`: the document flat, and itself as `doc`."""
    fields: list[str] = []
    for name, value in document.items():
        if name in _ONLY_IN_DOCUMENT:
            continue
        fields += (name, _field_text(value))
    fields += ("doc", json_text(document))
    return fields


def _field_text(value: object) -> str:
    """A value of a document as a field of a hash; an absent one is empty."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value) if type(value) is int else json_text(value)


def event_data(event: Event, account: str, *, event_id: str) -> str:
    """The `data` field of one event. `event_id` is unique, so a consumer can drop a repeated delivery."""
    details = {
        name: bounded_text(value) if isinstance(value, str) else value for name, value in (event.details or {}).items()
    }
    return json_text({
        **details,
        "schema": SCHEMA_VERSION,
        "id": event_id,
        "type": event.type,
        "at_ms": event.at_ms,
        "account": account,
        "symbol": event.symbol,
        "side": event.side,
    })  # fmt: skip
