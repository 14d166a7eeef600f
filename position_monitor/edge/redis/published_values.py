"""Published fields and documents back to values (DESIGN 5). Pure functions; one failure tells what is not readable.

Text is made harmless and numbers are of a sane size (`published_text.py`): anybody may have written the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from position_monitor.core.decision.control_answers import request_from
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import SCHEMA_VERSION, AccountState, PositionState, TakeProfitState
from position_monitor.edge.redis.control_documents import read_request
from position_monitor.edge.redis.documents import TEXT_LENGTH_MAX
from position_monitor.edge.redis.exit_documents import read_exits, read_market
from position_monitor.edge.redis.plan_documents import read_plan
from position_monitor.edge.redis.published_text import DOCUMENT_LENGTH_MAX, figure, harmless, parsed
from position_monitor.errors import PositionMonitorError


class DocumentUnreadable(PositionMonitorError):
    """A value in Redis does not have the published form, or its schema is newer than this program."""


def _require_schema(version: object) -> None:
    if not str(version).isdigit() or int(str(version)) > SCHEMA_VERSION:
        raise DocumentUnreadable(f"schema was {version!r}; this program reads up to {SCHEMA_VERSION}")


def _required_decimal(text: object) -> Decimal:
    return figure(text)


def _decimal_or_none(text: object) -> Decimal | None:
    return figure(text) if text not in (None, "") else None


def _fault_text(fault: Exception) -> str:
    return f"{type(fault).__name__}: {harmless(str(fault))}"[:TEXT_LENGTH_MAX]


def read_status(fields: Mapping[str, str]) -> AccountState:
    """`P:status` back as a value. Unknown fields are ignored. Raises `DocumentUnreadable`."""
    try:
        fields = {name: harmless(text) for name, text in fields.items() if len(text) <= DOCUMENT_LENGTH_MAX}
        _require_schema(fields["schema"])
        return AccountState(
            risk_status=RiskStatus(fields["risk_status"]),
            mode=fields["mode"],
            positions=int(fields["positions"]),
            protected=int(fields["protected"]),
            coverage_pct=_required_decimal(fields["coverage_pct"]),
            exposed_notional=_required_decimal(fields.get("exposed_notional", fields["unprotected_notional"])),
            unknown_notional=_required_decimal(fields.get("unknown_notional", "")),
            unread=tuple(map(str, parsed(fields.get("unread", "[]")))),
            environment=fields.get("environment", ""),
            status_line=fields["status_line"],
            reason=fields["reason"],
            exit_mode=fields["exit_mode"],
            conflicts=tuple(map(str, parsed(fields["conflicts"]))),
            ai_engine=fields["ai_engine"],
            circuit_breaker=fields["circuit_breaker"],
            observed_at_ms=int(fields["observed_at_ms"]),
            published_at_ms=int(fields["published_at_ms"]),
            cycle_ms=int(fields["cycle_ms"]),
            api_weight_1m=int(fields["api_weight_1m"]),
            version=fields["version"],
            config_hash=fields["config_hash"],
            owner=fields["owner"],
            epoch=int(fields["epoch"]),
            sequence=int(fields["sequence"]),
            streams={str(name): str(text) for name, text in parsed(fields.get("streams", "{}")).items()},
            exits=read_exits(parsed(fields.get("exits", "null"))),
            control=tuple(map(request_from, parsed(fields.get("control", "[]")))),
        )
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as fault:
        raise DocumentUnreadable(f"the status hash is not readable: {_fault_text(fault)}") from None


def read_position(doc: str) -> PositionState:
    """The `doc` field of a position back as a value. Unknown members are ignored. Raises `DocumentUnreadable`."""
    try:
        document = parsed(doc)
        _require_schema(document["schema"])
        return PositionState(
            key=PositionKey(document["symbol"], Side(document["side"])),
            verdict=Verdict(document["verdict"]),
            reason=document["reason"],
            since_ms=document["since_ms"],
            quantity=_required_decimal(document["quantity"]),
            entry_price=_required_decimal(document["entry_price"]),
            mark_price=_required_decimal(document["mark_price"]),
            liquidation_price=_decimal_or_none(document["liquidation_price"]),
            leverage=document["leverage"],
            unrealized_pnl=_required_decimal(document["unrealized_pnl"]),
            stop_price=_decimal_or_none(document["stop_price"]),
            stop_quantity=_required_decimal(document["stop_quantity"]),
            cover_pct=_required_decimal(document["cover_pct"]),
            stop_client_ids=tuple(document["stop_client_ids"]),
            backstop_price=_decimal_or_none(document["backstop_price"]),
            take_profits=tuple(_read_take_profit(rung) for rung in document["take_profits"]),
            trailing=document["trailing"],
            profile=document["profile"],
            regime=document["regime"],
            level_source=document["level_source"],
            worst_case_loss=_decimal_or_none(document["worst_case_loss"]),
            naked_ms=document["naked_ms"],
            observed_at_ms=document["observed_at_ms"],
            conditions=dict(document["conditions"]),
            policy=str(document.get("policy", "")),
            market=read_market(document.get("market")),
            plan=read_plan(document.get("plan")),
            hold=read_request(document.get("hold")),
            pause=read_request(document.get("pause")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as fault:
        raise DocumentUnreadable(f"the position document is not readable: {_fault_text(fault)}") from None


def _read_take_profit(rung: Mapping[str, Any]) -> TakeProfitState:
    return TakeProfitState(
        rung=int(rung["rung"]),
        trigger_price=_required_decimal(rung["trigger_price"]),
        quantity=_required_decimal(rung["quantity"]),
        client_id=rung["client_id"],
        source=rung["source"],
        resting=rung["resting"],
        foreign=rung["foreign"],
        kind=rung.get("kind", "market"),
    )
