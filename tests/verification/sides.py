"""Both sides of a comparison, made by hand: an honest claim and what the venue lists."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.config import Config
from position_monitor.verification.claims import Claims
from position_monitor.verification.comparison import compare
from position_monitor.verification.differences import Difference
from position_monitor.verification.expectations import Expectations
from position_monitor.verification.position_claims import PositionClaim, StatusClaim
from position_monitor.verification.venue_look import VenueLook
from position_monitor.verification.venue_rows import Leg, VenueOrder, VenuePosition

NOW_MS = 1_795_000_000_000
KEY = "BTCUSDT:LONG"
STOP_ID = "qpm1b0" + "0" * 8 + "a" * 18
OWNER = "host:1:x"

POSITION = VenuePosition(
    symbol="BTCUSDT", side=Leg.LONG, quantity=Decimal("0.5"), entry_price=Decimal(42_000), mark_price=Decimal(42_100),
    liquidation_price=Decimal(38_000), hedged=False,
)  # fmt: skip
STOP = VenueOrder(
    symbol="BTCUSDT", side=Leg.LONG, client_id=STOP_ID, type="STOP_MARKET", status="NEW", close_all=True,
    quantity=Decimal(0), trigger_price=Decimal(41_370), limit_price=Decimal(0), working_type="MARK_PRICE", reduces=True,
    hedged=False, price_protect=False, good_till_ms=0,
)  # fmt: skip
TARGET = replace(
    STOP, client_id=STOP_ID.replace("1b", "1t"), type="TAKE_PROFIT_MARKET", close_all=False, quantity=Decimal("0.2"),
    trigger_price=Decimal(43_000),
)  # fmt: skip


def expected(**tables: Any) -> Expectations:
    return Expectations.of(Config.from_data({"loop": {"check_interval_s": 10}, **tables}))


def look(positions: Iterable[VenuePosition] = (POSITION,), orders: Iterable[VenueOrder] = (STOP,)) -> VenueLook:
    by_symbol: dict[str, tuple[VenueOrder, ...]] = {}
    for order in orders:
        by_symbol[order.symbol] = (*by_symbol.get(order.symbol, ()), order)
    return VenueLook(NOW_MS - 500, {one.key: one for one in positions}, by_symbol)


def claimed_fields(**changes: Any) -> dict[str, str]:
    """The hash of the position as the daemon publishes it, with `doc`."""
    values: dict[str, Any] = {
        "schema": 1, "verdict": "PROTECTED", "quantity": "0.5", "entry_price": "42000", "stop_price": "41370",
        "stop_quantity": "0.5", "cover_pct": "100", "backstop_price": "41370", "stop_client_ids": [STOP_ID],
        "take_profits": [], "observed_at_ms": NOW_MS - 300, "conditions": {"BookInSync": "True"},
    } | changes  # fmt: skip
    document = json.dumps(values)
    del values["conditions"]
    fields = {
        name: value if isinstance(value, str) else "" if value is None else json.dumps(value)
        for name, value in values.items()
    }
    return fields | {"doc": document}


def position_claim(member: str = KEY, **changes: Any) -> PositionClaim:
    return PositionClaim.of(member, claimed_fields(**changes))


def status_claim(**changes: Any) -> StatusClaim:
    values = {
        "schema": "1", "risk_status": "PROTECTED", "mode": "live", "environment": "paper", "positions": "1",
        "protected": "1", "coverage_pct": "100", "exposed_notional": "0", "observed_at_ms": str(NOW_MS - 300),
        "owner": OWNER,
    } | changes  # fmt: skip
    return StatusClaim.of(values)


def claims(*positions: PositionClaim, status: StatusClaim | None = None, **changes: Any) -> Claims:
    """An honest claim of one protected position, unless something else is said."""
    named = {one.key: one for one in positions or (position_claim(),)}
    values: dict[str, Any] = {
        "status": status or status_claim(), "status_unread": "", "positions": named, "unread": {}, "lease_owner": OWNER,
    } | changes  # fmt: skip
    return Claims(**values)


def differences(said: Claims | None = None, at: VenueLook | None = None, **tables: Any) -> list[Difference]:
    return compare(said or claims(), at or look(), expected(**tables), now_ms=NOW_MS)


def kinds(said: Claims | None = None, at: VenueLook | None = None, **tables: Any) -> list[str]:
    return [one.kind.value for one in differences(said, at, **tables)]
