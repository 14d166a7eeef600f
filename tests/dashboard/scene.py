"""A night as a trader meets it: seven positions, most of them covered, one naked, one covered in part, one unreadable,
with their events, closed positions and the policy in shadow. For pictures and for tests that look at the whole page."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.core.model.sides import Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.performance.excursion import excursion_of
from position_monitor.core.performance.facts import range_of
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import summary_of
from position_monitor.core.publication.state import (
    ExitPlan,
    ExitsState,
    PlannedLock,
    PlannedTrail,
    PositionState,
    TakeProfitState,
)
from position_monitor.edge.redis.pair_documents import pair_text
from position_monitor.edge.redis.record_documents import performance_fields, record_text
from tests.core.shadow.closed import closed
from tests.core.shadow.samples import sample
from tests.dashboard.conftest import Publisher, now_ms
from tests.edge.redis.conftest import position_state

D = Decimal
MIN = 60_000
FINE = {
    "StopCovered": "True",
    "StopCurrent": "True",
    "BackstopLive": "True",
    "TakeProfitsPlaced": "True",
    "BookInSync": "True",
    "Exposed": "False",
}


def rung(number: int, price: str, quantity: str, *, resting: bool = True) -> TakeProfitState:
    client_id = f"qpmT{number}" if resting else ""
    return TakeProfitState(number - 1, D(price), D(quantity), client_id, "hybrid", resting=resting)


def one(symbol: str, side: Side, figures: str, **changes: Any) -> PositionState:
    """A position from `quantity entry mark liquidation backstop stop worst`."""
    quantity, entry, mark, liquidation, backstop, stop, worst = figures.split()
    sign = 1 if side is Side.LONG else -1
    at_ms = now_ms()
    values: dict[str, Any] = {
        "quantity": D(quantity),
        "entry_price": D(entry),
        "mark_price": D(mark),
        "liquidation_price": D(liquidation),
        "backstop_price": D(backstop),
        "stop_price": D(stop),
        "stop_quantity": D(quantity),
        "unrealized_pnl": (D(mark) - D(entry)) * D(quantity) * sign,
        "worst_case_loss": D(worst),
        "since_ms": at_ms - 95 * MIN,
        "observed_at_ms": at_ms - 700,
        "naked_ms": 310,
        "policy": "hybrid",
        "regime": "NORMAL_VOL",
        "conditions": FINE,
    }
    return position_state(symbol, side, **values | changes)


def positions() -> list[PositionState]:
    naked = {"verdict": Verdict.NAKED, "stop_price": None, "backstop_price": None, "stop_quantity": D(0)}
    naked |= {"cover_pct": D(0), "stop_client_ids": (), "take_profits": (), "worst_case_loss": None}
    naked |= {"naked_ms": 94_000, "reason": "no stop rests: the venue refused it three times (-2021)"}
    naked |= {"conditions": FINE | {"StopCovered": "False", "BackstopLive": "False", "Exposed": "True"}}
    partly = {
        "verdict": Verdict.UNDERCOVERED,
        "reason": "stops cover 60 % of the quantity",
        "stop_quantity": D("29400"),
    }
    partly |= {"cover_pct": D(60), "conditions": FINE | {"StopCovered": "False", "Exposed": "True"}}
    locks = tuple(PlannedLock(D(price), rung, None) for rung, price in ((1, "42042.0"), (2, "42630.0"), (3, "43050.0")))
    plan = ExitPlan(D("41370.0"), D("630.0"), 1, 0, (PlannedTrail(D("42682.8"), D("1.5"), None),), locks)
    trailed = {"plan": plan, "trailing": "1.5 % active", "level_source": "hybrid"}
    btc = (rung(2, "43050.0", "0.071"), rung(3, "43680.0", "0.096"))
    eth = tuple(rung(n, p, "0.660") for n, p in ((1, "2216.25"), (2, "2193.75"), (3, "2160.00")))
    brain = {"policy": "brain", "profile": "TREND", "regime": "TRENDING", "level_source": "brain:TREND"}
    late = (rung(1, "0.5278", "2310"), rung(2, "0.5330", "2310", resting=False))
    return [
        one("BTCUSDT", Side.LONG, "0.167 42000 42874.5 38120.4 41370.0 42231.4 -38.60", take_profits=btc, **trailed),
        one("ETHUSDT", Side.SHORT, "2.200 2250.00 2231.15 2466.10 2283.75 2283.75 74.25", take_profits=eth, **brain),
        one("SOLUSDT", Side.LONG, "51 98.00 84.60 79.12 96.53 96.53 75.00", **naked),
        one("BNBUSDT", Side.SHORT, "12.90 310.00 310.42 338.20 314.65 314.65 59.99", take_profits=()),
        one("XRPUSDT", Side.LONG, "7700 0.5200 0.5211 0.4985 0.5122 0.5122 60.06", take_profits=late,
            verdict=Verdict.STOP_ONLY, reason="a take-profit does not rest",
            conditions=FINE | {"TakeProfitsPlaced": "False", "BookInSync": "False"}),
        one("DOGEUSDT", Side.SHORT, "49000 0.08100 0.08091 0.08840 0.08221 0.08221 59.54", take_profits=(), **partly),
    ]  # fmt: skip


def records() -> list[Record]:
    """Thirty positions with what their marks did."""
    made = []
    for number in range(30):
        price = 98.5 + (number * 37 % 90) / 20
        what = "backstop" if price <= 98.9 else "stop" if price < 101 else "target"
        one_record = closed((0, "entry", "100", "10"), (3600 + 90 * number, what, f"{price:.2f}", "10"))
        best, worst = max(price + 0.7, 100.4), min(98.9, price)
        marks = range_of(D(f"{best:.2f}"), 0).including(D(f"{worst:.2f}"), 1)
        made.append(_with_marks(one_record, marks, number))
    return made


def _with_marks(record: Record, marks: Any, number: int) -> Record:
    excursion = excursion_of(
        marks, (), side=record.key.side, entry=record.entry_average, mean_exit=record.exit_average, quantity=D(10)
    )
    at_ms = now_ms() - (30 - number) * 47 * MIN
    span_ms = record.closed_at_ms - record.opened_at_ms
    return replace(
        record, epoch=f"n{number:07d}", excursion=excursion, opened_at_ms=at_ms - span_ms, closed_at_ms=at_ms
    )


async def events(daemon: Publisher) -> None:
    at = now_ms()
    btc = {"symbol": "BTCUSDT", "side": "LONG"}
    told: list[dict[str, Any]] = [
        {"type": "PositionAppeared", "at_ms": at - 95 * MIN, "quantity": "0.238", "entry_price": "42000"},
        {"type": "StopPlaced", "at_ms": at - 95 * MIN + 90, "trigger_price": "41370.0", "role": "backstop"},
        {"type": "StopReadBack", "at_ms": at - 95 * MIN + 300, "client_id": "qpm1s4k2"},
        {"type": "TakeProfitPlaced", "at_ms": at - 94 * MIN, "trigger_price": "42630.0", "role": "take_profit"},
        {"type": "StopPlaced", "at_ms": at - 60 * MIN, "trigger_price": "41862.0", "role": "working_stop"},
        {"type": "TakeProfitFilled", "at_ms": at - 41 * MIN, "price": "42630.0", "quantity": "0.071", "rungs": [1]},
        {"type": "StopPlaced", "at_ms": at - 40 * MIN, "trigger_price": "42042.0", "role": "working_stop"},
        {"type": "StopPlaced", "at_ms": at - 9 * MIN, "trigger_price": "42231.4", "role": "working_stop"},
    ]  # fmt: skip
    for one_event in told:
        await daemon.event(**btc | one_event)
    await daemon.event(
        symbol="SOLUSDT", type="WriteRefused", at_ms=at - 94_000, code=-2021, reason="order would immediately trigger"
    )
    await daemon.event(
        symbol="SOLUSDT", type="VerdictChanged", at_ms=at - 94_000, reason="no stop rests", **{"from": "UNKNOWN"}
    )


async def publish(daemon: Publisher) -> None:
    """Everything of it in Redis."""
    client, p = daemon.client, daemon.p
    await daemon.positions(positions())
    await client.sadd(f"{p}:positions", "ADAUSDT:LONG")
    exits = ExitsState(
        **{"requested": "LEGACY", "live": "LEGACY", "described": "LEGACY (hybrid), Exit Brain in shadow"},
        **{"legacy_policy": "hybrid", "shadow": "EXIT_BRAIN_V3", "profile": "DEFAULT", "executor_mode": "SHADOW"},
        **{"live_rollout": "DISABLED", "rollout_pct": 0, "kill_switch": True, "held_back_by": ("EXIT_MODE",)},
    )
    await daemon.status(
        risk_status=RiskStatus.CRITICAL,
        positions=7,
        protected=4,
        coverage_pct=D("68.4"),
        exposed_notional=D("5900.40"),
        unknown_notional=D("3984.00"),
        unread=("ADAUSDT",),
        status_line="🔥 4/7 protected (68%), 1 naked, 1 undercovered, 1 unknown",
        reason="SOLUSDT LONG is naked since 94 s: the venue refused its stop (-2021)",
        streams={"user": "LIVE", "marks": "DOWN for 12 s: connection reset"},
        exits=exits,
        conflicts=("EXIT_MODE=LEGACY with EXIT_BRAIN_V3_ENABLED=true: LEGACY protects, the Exit Brain shadows",),
    )
    request = {"id": "1-a", "type": "hold", "symbol": "BNBUSDT", "side": "SHORT", "until_ms": now_ms() + 47 * MIN}
    request |= {"reason": "CPI at 14:30, stop is mine", "by": "ana", "at_ms": now_ms() - 5 * MIN}
    await client.hset(f"{p}:status", "control", json.dumps([request]))
    await events(daemon)
    made = records()
    fields = performance_fields(summary_of(made), account="main", profile="", updated_at_ms=now_ms())
    await client.hset(f"{p}:performance", mapping=dict(zip(fields[::2], fields[1::2], strict=True)))
    for record in made:
        await client.xadd(f"{p}:exits", {"data": record_text(record)})
    for pair in sample(60, shift=0.1)[1]:
        await client.xadd(f"{p}:shadow_exits", {"data": pair_text(pair)})
