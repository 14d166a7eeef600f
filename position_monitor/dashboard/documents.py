"""The same as JSON, for whoever does not want to know Redis: `/api/state` and `/api/events`.

`position_monitor.schemas.load("dashboard_state" | "dashboard_events")` describes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.publication.state import PositionState
from position_monitor.dashboard.levels import levels, verdict_of, worst_first
from position_monitor.dashboard.watching import AccountView

SCHEMA_VERSION: Final = 1
TEXT_LENGTH_MAX: Final = 1_000
ITEMS_MAX: Final = 2_000
DEPTH_MAX: Final = 8


def state_document(views: Sequence[AccountView], *, at_ms: int) -> dict[str, Any]:
    """Every account with its positions, the worst first. null is UNKNOWN."""
    return {"schema": SCHEMA_VERSION, "at_ms": at_ms, "accounts": [_account(view) for view in views]}


def events_document(views: Sequence[AccountView], *, at_ms: int) -> dict[str, Any]:
    """The newest events of every account, oldest first."""
    accounts = [
        {
            "account": view.account,
            "unreadable": view.events_unreadable,
            "events": [plain_values(event.document) for event in view.events],
        }
        for view in views
    ]
    return {"schema": SCHEMA_VERSION, "at_ms": at_ms, "accounts": accounts}


def risk_status(view: AccountView) -> RiskStatus:
    """What the daemon claims; UNKNOWN where it cannot be read, is old, or nobody watches any more."""
    return view.state.risk_status if view.state is not None else RiskStatus.UNKNOWN


def _account(view: AccountView) -> dict[str, Any]:
    return {
        "account": view.account,
        "risk_status": risk_status(view).value,
        "redis_answers": view.redis_answers,
        "trouble": plain_values(view.trouble),
        "looked_at_ms": view.looked_at_ms,
        "lease_owner": plain_values(view.lease_owner),
        "clock_ahead_ms": view.clock_ahead_ms,
        "status": plain_values(view.state),
        "positions": [_position(key, state, view) for key, state in worst_first(view.positions.items())],
        "left_out": view.left_out,
        "totals": plain_values(view.totals),
    }


def _position(key: PositionKey, state: PositionState | None, view: AccountView) -> dict[str, Any]:
    return {
        "symbol": plain_values(key.symbol),
        "side": key.side.value,
        "verdict": verdict_of(state).value,
        "unreadable": plain_values(view.unreadable.get(key)),
        "levels": [] if state is None else [plain_values(level._asdict()) for level in levels(state)],
        "state": plain_values(state),
    }


def plain_values(value: object, depth: int = 0) -> Any:  # noqa: ANN401  JSON has no narrower type
    """Any value as bounded JSON values: decimals as plain strings, what is too deep or of no such kind as null."""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 60 else None
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, str):
        return value if len(value) <= TEXT_LENGTH_MAX else value[:TEXT_LENGTH_MAX] + "…"
    return _collection(value, depth)


def _collection(value: object, depth: int) -> Any:  # noqa: ANN401
    if depth >= DEPTH_MAX:
        return None
    if isinstance(value, PositionKey):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_values(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        pairs = list(value.items())[:ITEMS_MAX]
        return {str(key)[:TEXT_LENGTH_MAX]: plain_values(item, depth + 1) for key, item in pairs}
    if isinstance(value, (list, tuple)):
        return [plain_values(item, depth + 1) for item in value[:ITEMS_MAX]]
    return None
