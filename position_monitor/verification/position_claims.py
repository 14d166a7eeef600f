"""The published hashes as values (DESIGN 5, docs/redis.md): every field that is compared, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from position_monitor.edge.redis.published_text import harmless, parsed
from position_monitor.verification.venue_rows import Leg

SCHEMA_MAX: Final = 1
"""The newest form of the published state that is understood here."""
_DIGITS_MAX: Final = 60
_IN_DOCUMENT: Final = (
    "verdict", "quantity", "entry_price", "stop_price", "stop_quantity", "cover_pct", "backstop_price",
    "observed_at_ms",
)  # fmt: skip
"""Fields that stand in the hash and in `doc` alike, and must say the same."""

Fields = Mapping[str, str]


class ClaimUnread(ValueError):
    """A published key does not have the documented form."""


@dataclass(frozen=True, slots=True)
class StatusClaim:
    """`P:status`."""

    risk_status: str
    mode: str
    environment: str
    positions: int
    protected: int
    coverage_pct: Decimal
    exposed_notional: Decimal
    observed_at_ms: int
    owner: str

    @classmethod
    def of(cls, fields: Fields) -> StatusClaim:
        """From the hash. Raises `ClaimUnread`."""
        _check_schema(fields)
        return cls(
            risk_status=_text(fields, "risk_status"),
            mode=_text(fields, "mode"),
            environment=_text(fields, "environment"),
            positions=_count(fields, "positions"),
            protected=_count(fields, "protected"),
            coverage_pct=_figure(fields, "coverage_pct"),
            exposed_notional=_figure(fields, "exposed_notional"),
            observed_at_ms=_count(fields, "observed_at_ms"),
            owner=harmless(fields.get("owner", ""))[:255],
        )


@dataclass(frozen=True, slots=True)
class TakeProfitClaim:
    """One entry of `take_profits`."""

    client_id: str
    price: Decimal | None
    quantity: Decimal | None
    resting: bool
    foreign: bool


@dataclass(frozen=True, slots=True)
class PositionClaim:
    """`P:position:<SYMBOL>:<SIDE>`."""

    symbol: str
    side: Leg
    verdict: str
    quantity: Decimal | None
    entry_price: Decimal | None
    stop_price: Decimal | None
    stop_quantity: Decimal | None
    cover_pct: Decimal | None
    backstop_price: Decimal | None
    stop_client_ids: tuple[str, ...]
    take_profits: tuple[TakeProfitClaim, ...]
    observed_at_ms: int
    out_of_sync: bool
    """It says itself that something has to be placed or removed (condition BookInSync)."""
    held_until_ms: int
    """Until when an operator's hold lets a stop of his own count wherever it lies before the liquidation; 0: none."""
    document_differs: str
    """The field in which hash and `doc` contradict each other; empty when none."""

    @classmethod
    def of(cls, member: str, fields: Fields) -> PositionClaim:
        """From the member of the set and the hash. Raises `ClaimUnread`."""
        symbol, _, side = member.rpartition(":")
        if side not in list(Leg) or not symbol:
            raise ClaimUnread("its name is not SYMBOL:LONG or SYMBOL:SHORT")
        _check_schema(fields)
        document = _object(fields, "doc")
        conditions = document.get("conditions")
        return cls(
            symbol=harmless(symbol),
            side=Leg(side),
            verdict=_text(fields, "verdict"),
            quantity=_optional(fields, "quantity"),
            entry_price=_optional(fields, "entry_price"),
            stop_price=_optional(fields, "stop_price"),
            stop_quantity=_optional(fields, "stop_quantity"),
            cover_pct=_optional(fields, "cover_pct"),
            backstop_price=_optional(fields, "backstop_price"),
            stop_client_ids=_ids(fields),
            take_profits=tuple(_take_profit(rung) for rung in _list(fields, "take_profits")),
            observed_at_ms=_count(fields, "observed_at_ms"),
            out_of_sync=isinstance(conditions, Mapping) and conditions.get("BookInSync") == "False",
            held_until_ms=_held_until_ms(document.get("hold")),
            document_differs=_difference(fields, document),
        )

    @property
    def key(self) -> str:
        """`BTCUSDT:LONG`."""
        return f"{self.symbol}:{self.side}"


def _held_until_ms(hold: object) -> int:
    """0 where there is no hold, or one that cannot be read: then the usual rule counts."""
    until_ms = hold.get("until_ms") if isinstance(hold, Mapping) else None
    return until_ms if isinstance(until_ms, int) else 0


def _check_schema(fields: Fields) -> None:
    if _count(fields, "schema") > SCHEMA_MAX:
        raise ClaimUnread(
            f"schema was {harmless(fields['schema'])[:20]}; up to {SCHEMA_MAX} is understood here: upgrade"
        )


def _difference(fields: Fields, document: Mapping[str, Any]) -> str:
    """The first field in which the hash and its document contradict each other."""
    for name in _IN_DOCUMENT:
        stated = document.get(name)
        if fields.get(name, "") != ("" if stated is None else str(stated)):
            return name
    ids = document.get("stop_client_ids")
    return "" if isinstance(ids, list) and tuple(map(str, ids)) == _ids(fields) else "stop_client_ids"


def _take_profit(rung: object) -> TakeProfitClaim:
    if not isinstance(rung, Mapping):
        raise ClaimUnread("take_profits holds what is no object")
    texts = {name: "" if rung.get(name) is None else str(rung[name]) for name in ("trigger_price", "quantity")}
    return TakeProfitClaim(
        client_id=str(rung.get("client_id", "")),
        price=_optional(texts, "trigger_price"),
        quantity=_optional(texts, "quantity"),
        resting=rung.get("resting") is True,
        foreign=rung.get("foreign") is True,
    )


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not value:
        raise ClaimUnread(f"{name} is missing")
    return harmless(value)[:80]


def _count(fields: Fields, name: str) -> int:
    text = fields.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ClaimUnread(f"{name} was {harmless(text)[:40]!r}; expected a whole number")
    return int(text)


def _figure(fields: Fields, name: str) -> Decimal:
    value = _optional(fields, name)
    if value is None:
        raise ClaimUnread(f"{name} is missing")
    return value


def _optional(fields: Fields, name: str) -> Decimal | None:
    """A number; None for an empty one, which says that it is not known or not there."""
    text = fields.get(name, "")
    if not text:
        return None
    try:
        value = Decimal(text) if len(text) <= _DIGITS_MAX else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or (value and abs(value.adjusted()) > _DIGITS_MAX):
        raise ClaimUnread(f"{name} was {harmless(text)[:40]!r}; expected a plain number")
    return value


def _ids(fields: Fields) -> tuple[str, ...]:
    return tuple(str(one) for one in _list(fields, "stop_client_ids"))


def _list(fields: Fields, name: str) -> list[Any]:
    value = _json(fields, name)
    if not isinstance(value, list):
        raise ClaimUnread(f"{name} is no JSON array")
    return value


def _object(fields: Fields, name: str) -> Mapping[str, Any]:
    value = _json(fields, name)
    if not isinstance(value, Mapping):
        raise ClaimUnread(f"{name} is no JSON object")
    return value


def _json(fields: Fields, name: str) -> Any:  # noqa: ANN401  JSON has no narrower type
    try:
        return parsed(fields.get(name, ""))
    except (ValueError, json.JSONDecodeError):
        raise ClaimUnread(f"{name} is not readable JSON") from None
