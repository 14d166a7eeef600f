"""Row: what the pure core takes to decide about a position, held against parsing the rows it decides from.

"Parsing the same rows from JSON" is `parse_json`, the edge's own reading of an answer's text with exact numbers, over
what the venue sends for these positions: the position row and the rows of its resting orders, with every field that
they really have. What the edge does after that is left out of it (checking each row by a strict pydantic model, making
the core's values): that takes three times as long as parsing, and with it the bar would be hard to miss. Both are CPU
time of this process, by turns look by look.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.decision.decide import decide
from position_monitor.core.decision.rules import Rules
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import Policy
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.live_book import SymbolOrders
from position_monitor.core.observation.reads import SymbolObservation
from position_monitor.edge.venues.transport import parse_json
from tests.bench.figures import Figure, Spread
from tests.bench.processes import BenchFailed
from tests.bench.venue_rows import orders_text, positions_text
from tests.core import build

ROW = "core planner"
BAR = 4
"""Times parsing the same rows."""
POSITIONS = 50
"""Each with a stop and three rungs, the last ones with two: what the daemon lets rest of the 200 the venue allows."""
READS = 8
"""Different looks at the account, taken in turn: between two of them every price moved, and the orders are the same
objects, as the observer keeps them when they did not change."""
READ_GAP_MS = 10_000

Look = tuple[dict[str, SymbolObservation], Evidence, int]


@dataclass(frozen=True, slots=True)
class Round:
    """CPU microseconds of one position: to decide, and to parse its rows."""

    decide_us: float
    parse_us: float


def measure(rounds: int) -> list[Figure]:
    """Full books resting (the usual cycle, which carries the bar), and everything naked (the first cycle).

    The bar is for `hybrid` and for a brain with a runner (DESIGN 8). `dynamic` stands beside them without one: its book
    is a stop and one take-profit, so there are half as many rows to parse.
    """
    naked = naked_looks()
    if any(not decide(*_arguments(look)).plans["S000USDT"].stops for look in naked):
        raise BenchFailed("naked positions were to be given stops")
    return [
        *(resting_figure(rules, name, rounds, bar=name != "dynamic") for name, rules in POLICIES.items()),
        figure("all naked", _rounds(naked, RULES, rounds, after_another=False), bar=False),
    ]


def resting_figure(rules: Rules, policy: str, rounds: int, *, bar: bool) -> Figure:
    """What a policy costs while its books rest. Raises `BenchFailed` where they would not be right as they are."""
    resting = looks(rules)
    for look in resting:
        decision = decide(*_arguments(look, rules))
        if not decision.empty or any(j.verdict is not Verdict.PROTECTED for j in decision.judgements.values()):
            raise BenchFailed(f"full books of {policy} were to be protected and to leave nothing to do")
    return figure(f"full books resting, {policy}", _rounds(resting, rules, rounds, after_another=True), bar=bar)


def figure(case: str, rounds: Sequence[Round], *, bar: bool) -> Figure:
    """The median ratio of deciding to parsing, with the absolute figures beside."""
    ratio = Spread.of([one.decide_us / one.parse_us for one in rounds]).median
    decide_us = Spread.of([one.decide_us for one in rounds]).median
    parse_us = Spread.of([one.parse_us for one in rounds]).median
    return Figure(
        ROW,
        f"{POSITIONS} positions, {case}",
        f"median {ratio:.2f} x parsing the same rows; deciding {decide_us:.1f} us of CPU a position "
        f"({1e6 / decide_us:,.0f} position plans per CPU second), parsing {parse_us:.1f} us ({len(rounds)} rounds)",
        f"<= {BAR} x parsing" if bar else "",
        ratio <= BAR if bar else None,
        {"ratio": round(ratio, 3), "decide_us": round(decide_us, 2), "parse_us": round(parse_us, 2)}
        | {"plans_per_s": round(1e6 / decide_us), "rounds": len(rounds)},
    )


def _rounds(given: Sequence[Look], rules: Rules, rounds: int, *, after_another: bool) -> list[Round]:
    """Each look is decided and its rows are parsed, by turns.

    `after_another`: each decision is handed what the one before it wanted, as the daemon does.
    """
    found = []
    wanted: Mapping[PositionKey, WantedOrders] = {}
    texts = [texts_of(look) for look in given]
    for _ in range(rounds):
        decided_s = parsed_s = 0.0
        for look, answers in zip(given, texts, strict=True):
            began_s = time.process_time()
            decision = decide(*_arguments(look, rules), before=wanted)
            between_s = time.process_time()
            for answer in answers:
                parse_json(answer)
            decided_s, parsed_s = decided_s + between_s - began_s, parsed_s + time.process_time() - between_s
            wanted = decision.wanted if after_another else {}
        shared_us = 1e6 / (POSITIONS * len(given))
        found.append(Round(decided_s * shared_us, parsed_s * shared_us))
    return found


def texts_of(look: Look) -> tuple[str, str]:
    """What a look is made of as the venue sends it: the list of positions and the list of conditional orders."""
    observed = look[0].values()
    held = (position for seen in observed for position in seen.positions)
    return positions_text(held), orders_text(order for seen in observed for order in seen.orders)


def _arguments(look: Look, rules: Rules | None = None) -> tuple[object, ...]:
    observed, evidence, now_ms = look
    return observed, evidence, rules or RULES, {}, Mode.LIVE, 0, now_ms


RULES = build.rules()
POLICIES = {
    "hybrid": RULES,
    "brain with a runner": build.rules(build.settings(Policy.BRAIN, profile="TREND")),
    "dynamic": build.rules(build.settings(Policy.DYNAMIC)),
}
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


def _rested(order: DesiredOrder, order_id: int, at_ms: int) -> LiveOrder:
    return build.rested(order)._replace(order_id=str(order_id), created_at_ms=at_ms)


def naked_looks() -> list[Look]:
    """Nothing rests, each look the first."""
    found: list[Look] = []
    for read in range(READS):
        observed = _observed([()] * POSITIONS, read, build.NOW_MS)
        found.append((observed, _learned(Evidence(), observed), build.NOW_MS))
    return found


def looks(rules: Rules | None = None) -> list[Look]:
    """What the core itself wants rests; it has been seen several times and the price has moved since."""
    orders: list[SymbolOrders] = [SymbolOrders()] * POSITIONS
    evidence, at_ms, order_ids = Evidence(), build.NOW_MS, count(2_000_000_000_000_000)
    found: list[Look] = []
    for read in range(READS + 4):
        at_ms += READ_GAP_MS
        observed = _observed(orders, 0 if read < 4 else read - 4, at_ms)
        evidence = _learned(evidence, observed)
        look = (observed, evidence, at_ms)
        if read >= 4:
            found.append(look)
            continue
        plans = decide(*_arguments(look, rules)).plans.values()  # type: ignore[arg-type]
        placed = [(*result.stops, *result.take_profits) for result in plans]
        orders = [
            SymbolOrders((*rested, *(_rested(place.order, next(order_ids), at_ms) for place in new)))
            for rested, new in zip(orders, placed, strict=True)
        ]
    return found
