"""Row: how many positions the pure core plans per second on one core. In this process, nothing else running."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.decision.decide import decide
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.live_book import SymbolOrders
from position_monitor.core.observation.reads import SymbolObservation
from tests.bench.figures import Figure, Spread
from tests.bench.processes import BenchFailed
from tests.core import build

ROW = "core planner"
BAR_PER_S = 20_000
POSITIONS = 50
"""Each with a stop and three rungs: 200 orders, what the venue allows."""
READS = 8
"""Different looks at the account, taken in turn: between two of them every price moved, and the orders are the same
objects, as the observer keeps them when they did not change."""
READ_GAP_MS = 10_000

Look = tuple[dict[str, SymbolObservation], Evidence, int]


def measure(rounds: int) -> list[Figure]:
    """Full books resting (the usual cycle, which carries the bar), and everything naked (the first cycle)."""
    resting, naked = looks(), naked_looks()
    for look in resting:
        decision = decide(*_arguments(look))
        if not decision.empty or any(j.verdict is not Verdict.PROTECTED for j in decision.judgements.values()):
            raise BenchFailed("full books were to be protected and to leave nothing to do")
    if any(not decide(*_arguments(look)).plans["S000USDT"].stops for look in naked):
        raise BenchFailed("naked positions were to be given stops")
    return [
        _figure("full books resting", _rates(resting, rounds, after_another=True), bar=True),
        _figure("all naked", _rates(naked, rounds, after_another=False), bar=False),
    ]


def _figure(case: str, rates: Sequence[float], *, bar: bool) -> Figure:
    spread = Spread.of(rates)
    return Figure(
        ROW,
        f"{POSITIONS} positions, {case}",
        f"median {spread.median:,.0f} position plans per CPU second ({len(rates)} rounds)",
        f">= {BAR_PER_S:,}" if bar else "",
        spread.median >= BAR_PER_S if bar else None,
        {"plans_per_s": round(spread.median), "rounds": len(rates)},
    )


def _rates(given: Sequence[Look], rounds: int, *, after_another: bool) -> list[float]:
    """`after_another`: each decision is handed what the one before it wanted, as the daemon does."""
    rates = []
    wanted: Mapping[PositionKey, WantedOrders] = {}
    for _ in range(rounds):
        began_s = time.process_time()
        for look in given:
            decision = decide(*_arguments(look), before=wanted)
            wanted = decision.wanted if after_another else {}
        rates.append(POSITIONS * len(given) / (time.process_time() - began_s))
    return rates


def _arguments(look: Look) -> tuple[object, ...]:
    observed, evidence, now_ms = look
    return observed, evidence, RULES, {}, Mode.LIVE, 0, now_ms


RULES = build.rules()
INSTRUMENTS = [build.instrument(symbol=f"S{number:03}USDT") for number in range(POSITIONS)]


def position(number: int, read: int) -> Position:
    """One of many positions, each with its own entry; the price moves a little from read to read."""
    entry = Decimal(100) + Decimal(number) * Decimal("1.37")
    mark = entry * (1 + Decimal((number * 7 + read * 5) % 11 - 5) / 2_000)
    side = build.LONG if number % 2 else build.SHORT
    return build.position(side, "3", entry=entry, mark=mark, symbol=f"S{number:03}USDT", liquidation=None)


def _observed(orders: Sequence[Sequence[LiveOrder]], read: int, at_ms: int) -> dict[str, SymbolObservation]:
    held = [position(number, read) for number in range(POSITIONS)]
    return {
        one.symbol: build.seen_at((one,), rows, at_ms=at_ms, symbol=one.symbol, venue=venue)
        for one, rows, venue in zip(held, orders, INSTRUMENTS, strict=True)
    }


def _learned(evidence: Evidence, observed: dict[str, SymbolObservation]) -> Evidence:
    for seen in observed.values():
        evidence = after_read(evidence, seen)
    return evidence


def naked_looks() -> list[Look]:
    """Nothing rests, each look the first."""
    found: list[Look] = []
    for read in range(READS):
        observed = _observed([()] * POSITIONS, read, build.NOW_MS)
        found.append((observed, _learned(Evidence(), observed), build.NOW_MS))
    return found


def looks() -> list[Look]:
    """What the core itself wants rests; it has been seen several times and the price has moved since."""
    orders: list[SymbolOrders] = [SymbolOrders()] * POSITIONS
    evidence, at_ms = Evidence(), build.NOW_MS
    found: list[Look] = []
    for read in range(READS + 4):
        at_ms += READ_GAP_MS
        observed = _observed(orders, 0 if read < 4 else read - 4, at_ms)
        evidence = _learned(evidence, observed)
        look = (observed, evidence, at_ms)
        if read >= 4:
            found.append(look)
            continue
        plans = decide(*_arguments(look)).plans.values()  # type: ignore[arg-type]
        placed = [(*result.stops, *result.take_profits) for result in plans]
        orders = [
            SymbolOrders((*rested, *(build.rested(place.order)._replace(created_at_ms=at_ms) for place in new)))
            for rested, new in zip(orders, placed, strict=True)
        ]
    return found
