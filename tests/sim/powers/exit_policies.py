"""Every exit policy and profile in turn, over candles of every shape, and an operator who changes the switches.

What is judged then is what holds for every policy (`exit_rules.py`), and beside it that a settled book is left alone
(`Simulation`) and that nothing is closed for an age that it had before its daemon began (`ages.py`)."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from position_monitor.core.model.profiles import DEFAULT_PROFILES
from position_monitor.core.model.settings import DEFAULT_PROFILE
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.amounts import round_to
from position_monitor.paper.signing import Request
from tests.sim.over_exit import rungs_of
from tests.sim.powers import power
from tests.sim.powers.exit_switches import CHANGES, as_it_began, switches_change
from tests.sim.powers.prices import held, way
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

HOUR_MS = 3_600_000
PATHS = (Endpoint.MARK_CANDLES.value.path, Endpoint.TRADE_CANDLES.value.path)
PROFILES = (DEFAULT_PROFILE, *DEFAULT_PROFILES)
SOON_HOURS = 0.004
"""Fourteen seconds: an age that positions of a run do reach."""
FAULTS: tuple[dict[str, Any], ...] = (
    {"name": "internal_503"},
    {"name": "html"},
    {"name": "truncated"},
    {"name": "empty_object"},
    {"name": "lose_request"},
    {"name": "timeout_before", "delay_ms": 60_000},
    {"name": "internal_503", "probability": 0.5},
)
"""What the endpoint of candles may suffer as a whole."""
Walk = Callable[[int, random.Random], tuple[float, float]]
"""Hours before now, and the chance of that hour -> the close and half the range, as shares of the price now."""
WALKS: dict[str, Walk] = {
    "trending": lambda hours, rng: (-0.004 * hours, rng.uniform(0.003, 0.005)),
    "falling": lambda hours, rng: (0.002 * hours, rng.uniform(0.002, 0.004)),
    "ranging": lambda hours, rng: (0.005 * math.sin(hours), rng.uniform(0.002, 0.004)),
    "quiet": lambda hours, rng: (rng.gauss(0, 0.0002), 0.0005),
    "wild": lambda hours, rng: (rng.gauss(0, 0.004), rng.uniform(0.006, 0.014)),
    "extreme": lambda hours, rng: (rng.gauss(0, 0.01), rng.uniform(0.02, 0.06)),
}
MORE_CHANGES: tuple[dict[str, Any], ...] = (
    *CHANGES,
    {"mode": "EXIT_BRAIN_V3", "live_rollout_pct": 100},
    *({"mode": "EXIT_BRAIN_V3", "live_rollout_pct": 100, "profile": name} for name in PROFILES),
    *({"mode": "LEGACY", "legacy_policy": name} for name in ("static", "hybrid", "dynamic")),
)
SHAPES = (*WALKS, *WALKS, "another each time", "gaps", "hole", "garbage", "none")
Row = list[Any]


def policy(rng: random.Random) -> Mapping[str, Mapping[str, Any]]:
    """One of the policies, or one of the profiles; half of them with an age that is reached."""
    time_stop = rng.choice(("tighten", "close", "close", "off"))
    legacy = rng.choice(("static", "hybrid", "dynamic"))
    if rng.random() < 0.35:
        return {"exit": {"legacy_policy": rng.choice(("static", "dynamic", "dynamic")), "time_stop": time_stop}}
    profile = rng.choice(PROFILES)
    soon = profile != DEFAULT_PROFILE and rng.random() < 0.5
    tables = {"profiles": {profile: {"max_hours": SOON_HOURS}}} if soon else {}
    return {
        "exit": {
            "mode": "EXIT_BRAIN_V3",
            "legacy_policy": legacy,
            "profile": profile,
            "time_stop": time_stop,
            **tables,
        }
    }


@lru_cache(1_000)
def _walk(shape: str, name: str, opens: range, now_hour_ms: int) -> tuple[array[float], array[float]]:
    """The closes and half the ranges of these hours, as shares of the price now; worlds with the same name share
    them. All of a request at once: a cache of single hours does not hold those of all names."""
    shares, halves = array("d"), array("d")
    for open_ms in opens:
        share, half = WALKS[shape]((now_hour_ms - open_ms) // HOUR_MS, random.Random(f"{name}:{open_ms}"))
        shares.append(1 + max(share, -0.9))
        halves.append(half)
    return shares, halves


@lru_cache(5_000)
def _is_gap(open_ms: int) -> bool:
    """Whether an hour is missing; the same hours in every world."""
    return random.Random(f"gap:{open_ms}").random() >= 0.97


def _rows(shape: str, price: float, start_ms: int, count: int, name: str) -> list[Row]:
    """Candles of an hour from `start_ms` on, as the venue writes them; the same for the same name."""
    now_ms, rows = true_ms(), []
    opens = range(start_ms - start_ms % HOUR_MS, now_ms, HOUR_MS)[:count]
    for open_ms, share, half in zip(opens, *_walk(shape, name, opens, now_ms - now_ms % HOUR_MS), strict=True):
        close = price * share
        text = f"{close:.10f}"
        high, low = f"{close * (1 + half):.10f}", f"{close * (1 - half):.10f}"
        rows.append([open_ms, text, high, low, text, "1", open_ms + HOUR_MS - 1, "1", 1, "1", "1", "0"])
    return rows


def _spoiled(rows: list[Row], rng: random.Random) -> Any:
    """An answer that cannot be believed."""
    at = rng.randrange(len(rows)) if rows else 0
    match rng.choice(("text", "negative", "inside out", "order", "future", "short", "dict", "off the grid")):
        case "text":
            rows[at][2] = rng.choice(("NaN", "Infinity", "", "much", None))
        case "negative":
            rows[at][3] = "-1"
        case "inside out":
            rows[at][2], rows[at][3] = rows[at][3], rows[at][2]
        case "order":
            rows.reverse()
        case "future":
            rows[-1][0] += 48 * HOUR_MS
        case "short":
            rows[at] = rows[at][:3]
        case "dict":
            return {"rows": rows}
        case _:
            rows[at][0] += 1
    return rows


def _answer(run: Simulation, rng: random.Random, shapes: Mapping[str, str], request: Request) -> Any:
    """What the venue says about a symbol's candles."""
    symbol = request.params["symbol"]
    shape = shapes.get(symbol, "ranging")
    start_ms, count = int(request.params["startTime"]), int(request.params["limit"])
    price = float(run.engine.world.market.mark(symbol))
    walk = rng.choice(sorted(WALKS)) if shape == "another each time" else shape if shape in WALKS else "wild"
    rows = _rows(walk, price, start_ms, count, f"{run.engine.world.market.past_seed}:{symbol}")
    match shape:
        case "gaps":
            return [row for row in rows if not _is_gap(row[0])]
        case "hole":
            return rows[:-20] + rows[-10:]
        case "none":
            return []
        case "garbage":
            return _spoiled(rows, rng) if rows else rows
    return rows


def candles(run: Simulation, rng: random.Random) -> None:
    """The venue answers with candles of the seed's own shapes, one for each symbol, and at times not at all."""
    shapes = {symbol: rng.choice(SHAPES) for symbol in run.symbols}
    honest, at_start = run.gateway.handle, random.Random(f"candles:{run.seed}")

    def handle(request: Request) -> Any:
        reply = honest(request)
        asked = request.path in PATHS and request.params.get("interval") == "1h" and isinstance(reply.body, list)
        return replace(reply, body=_answer(run, at_start, shapes, request)) if asked and reply.raw is None else reply

    run.gateway.handle = handle  # type: ignore[method-assign]
    if rng.random() < 0.3:
        fault = dict(rng.choice(FAULTS))
        for path in PATHS:
            run.engine.add_fault(path=path, **fault)


FACTS: dict[str, Any] = {
    "settings": policy,
    "prepare": candles,
    "foggy": False,
    "gentle": True,
    "other_exits": True,
    "later_s": 12.0,
    "why": "a reload waits for the one before",
}


@power("exit_policy", chance=0.09, **FACTS)
async def exit_policy(run: Simulation, rng: random.Random) -> None:
    """The same policy all the time."""
    await sleep(100_000)


@power("exit_policy_changes", chance=0.06, end=as_it_began, switches_exits=True, **FACTS)
async def exit_policy_changes(run: Simulation, rng: random.Random) -> None:
    """Promotion, demotion, kill switch, rollout, shadow, policy and profile in mid-run."""
    await switches_change(run, rng, MORE_CHANGES)


def _always(**exits: Any) -> Callable[[random.Random], Mapping[str, Mapping[str, Any]]]:
    return lambda rng: {"exit": {"mode": "EXIT_BRAIN_V3", **exits}}


FIXED: dict[str, dict[str, Any]] = {
    "profile_trend": {"profile": "TREND"},
    "profile_trails_soon": {
        "profile": "NORMAL",
        "profiles": {"NORMAL": {"trail": [{"from_r": 0, "distance_pct": 0.6}]}},
    },
    "old_is_closed": {
        "profile": "NORMAL",
        "time_stop": "close",
        "profiles": {"NORMAL": {"max_hours": SOON_HOURS}},
    },
}
"""One profile in every seed, for planted bugs that show there. They are never drawn."""
for _name, _exits in FIXED.items():
    power(_name, **{**FACTS, "settings": _always(**_exits)})(exit_policy)


@power("advice_in_fractions", chance=0.04, foggy=False, gentle=True)
async def advice_in_fractions(run: Simulation, rng: random.Random) -> None:
    """The AI engine says 0.025 and means 2.5 %: all of it is to be ignored, so the policy's own levels are judged."""
    await sleep(100_000)


@power("wick_over_a_rung", chance=0.04, foggy=False, gentle=True)
async def wick_over_a_rung(run: Simulation, rng: random.Random) -> None:
    """The price touches a take-profit of ours and is in a loss again at once: a lock lies beyond it."""
    while True:
        await sleep(rng.uniform(6, 12))
        run.engine.advance_to(true_ms())
        rungs = [(key, level) for key in sorted(run.checker.truth.positions) if (level := _nearest_rung(run, key))]
        if not rungs:
            continue
        (symbol, side), level = rng.choice(rungs)
        entry = next((one[3] for one in held(run) if one[:2] == (symbol, side)), None)
        if entry is None:
            continue
        tick = run.engine.world.instruments[symbol].tick
        run.market.paused = True
        back = entry * (1 - way(side) * Decimal(rng.choice(("0.001", "0.003"))))
        for mark in (level + way(side) * tick, back):
            run.engine.set_price(symbol, mark, round_to(mark, tick))
        run.counts["fault a wick over a rung"] += 1
        await sleep(rng.choice((6, 25)))
        run.market.paused = False


def _nearest_rung(run: Simulation, key: tuple[str, str]) -> Decimal | None:
    """The trigger of our nearest take-profit that rests for a position."""
    levels = [level for level, _ in rungs_of(run.checker.truth, key)]
    return None if not levels else min(levels) if key[1] == "LONG" else max(levels)
