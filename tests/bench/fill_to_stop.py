"""Row: from a fill on the exchange to its stop accepted there, by the venue's own clock."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from tests.bench.exposure import Exposure, exposures
from tests.bench.figures import Figure, Spread
from tests.bench.processes import VENUE_CAP, Venue, daemon, venue, wait_settled

ROW = "fill to stop"
MEDIAN_BAR_MS = 10
P99_BAR_MS = 40
NOTIONAL = Decimal(400)
"""USDT of each position a trader opens here."""
STAGES_APART = 3
"""How many other symbols are traded between two trades of one symbol."""
SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Trade:
    """One thing the trader does."""

    action: str
    symbol: str
    side: str
    quantity: str


def measure(positions: int, latency_ms: int, symbols: int, pace_s: float) -> Figure:
    """Trade `symbols` contracts nobody held: opened, grown, flipped, closed, one action every `pace_s` or so."""
    with venue(f"generated-{positions}", latency_ms=latency_ms) as exchange, daemon(exchange) as running:
        wait_settled(exchange, running)
        before, began_s = exchange.weight(), time.monotonic()
        since_ms = exchange.ask("state", history="false")["now_ms"]
        asked_ms = play(exchange, trades(exchange, symbols, seed=latency_ms + positions), pace_s)
        time.sleep(SETTLE_S)
        weight_1m = (exchange.weight() - before) * 60 / (time.monotonic() - began_s)
        limited = exchange.ask("usage")["limited"]
        running.require_alive()
        found = [one for one in exposures(exchange.journal()) if one.from_ms >= since_ms]
    return figure(found, positions, latency_ms, weight_1m, limited, asked_ms)


def figure(
    found: Sequence[Exposure],
    positions: int,
    latency_ms: int,
    weight_1m: float,
    limited: int,
    asked_ms: Sequence[float],
) -> Figure:
    """The samples as a figure: what is beyond the venue's latency is our own time.

    `asked_ms` are the times of bare requests to the same venue meanwhile: what the machine allowed at best.
    """
    waited = [one for one in found if one.cause != "grown"]
    own_ms = [lasted - latency_ms for one in waited if (lasted := one.lasted_ms) is not None]
    grown_ms = [lasted for one in found if one.cause == "grown" and (lasted := one.lasted_ms) is not None]
    never = sum(one.lasted_ms is None for one in found)
    spread, bare = Spread.of(own_ms), Spread.of(asked_ms)
    kinds = Counter(str(one.cause) for one in found)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    grown = f"; grown: covered at once {grown_ms.count(0)} of {len(grown_ms)}" if grown_ms else ""
    return Figure(
        ROW,
        f"{positions} positions, venue {latency_ms} ms",
        f"own time: median {spread.median:.0f} ms, p99 {spread.p99:.0f} ms, max {spread.largest:.0f} ms ({told})"
        + (f"; never: {never}" if never else "")
        + grown
        + f"; a bare request meanwhile: median {bare.median:.1f} ms, p99 {bare.p99:.1f} ms",
        f"median <= {MEDIAN_BAR_MS} ms, p99 <= {P99_BAR_MS} ms",
        spread.median <= MEDIAN_BAR_MS and spread.p99 <= P99_BAR_MS and not never and not limited,
        spread.values("ms") | {"positions": positions, "latency_ms": latency_ms, "never": never, "limited": limited}
        | {"weight_1m": round(weight_1m), "grown_covered_at_once": grown_ms.count(0), "grown": len(grown_ms)}
        | {"bare_request_median_ms": round(bare.median, 2), "bare_request_p99_ms": round(bare.p99, 2)},
    )  # fmt: skip


def trades(exchange: Venue, symbols: int, *, seed: int) -> Iterator[Trade]:
    """Each symbol lives through its trades, a few other symbols apart.

    With as many positions as the venue allows conditional orders there is no slot for another stop: then the positions
    held are turned over instead, which frees the slot of the old stop.
    """
    rng = random.Random(seed)
    state = exchange.ask("state", history="false")
    held = {row["symbol"]: "LONG" if Decimal(row["positionAmt"]) > 0 else "SHORT" for row in state["positions"]}
    listed = {row["symbol"]: row for row in exchange.client.get("/fapi/v1/exchangeInfo").json()["symbols"]}
    full = len(held) >= VENUE_CAP
    candidates = sorted(held) if full else sorted(name for name in listed if name.startswith("G") and name not in held)
    lives = []
    for name in rng.sample(candidates, symbols):
        quantity = _quantity(listed[name], Decimal(state["prices"][name]["last"]))
        side = held[name] if full else rng.choice(("LONG", "SHORT"))
        lives.append([Trade(action, name, to, str(quantity)) for action, to in _life(side, held=full)])
    stages = len(lives[0])
    for turn in range(symbols + (stages - 1) * STAGES_APART):
        for stage in range(stages):
            if 0 <= (number := turn - stage * STAGES_APART) < symbols:
                yield lives[number][stage]


def _life(side: str, *, held: bool) -> tuple[tuple[str, str], ...]:
    other = "SHORT" if side == "LONG" else "LONG"
    if held:
        return (("add", side), ("flip", side), ("flip", other))
    return (("open", side), ("add", side), ("flip", side), ("close", other))


def _quantity(contract: dict[str, Any], price: Decimal) -> Decimal:
    step = next(Decimal(f["stepSize"]) for f in contract["filters"] if f["filterType"] == "LOT_SIZE")
    return (NOTIONAL / price / step).quantize(Decimal(1), ROUND_UP) * step


def play(exchange: Venue, plan: Iterable[Trade], pace_s: float) -> list[float]:
    """Send the trades, unevenly spaced so that they meet the daemon's cycles at every phase.

    Returns how long each of a series of bare requests took, one before each trade and with no latency, in ms.
    """
    rng, asked_ms = random.Random(7), []
    for trade in plan:
        began_s = time.perf_counter()
        exchange.ask("faults")
        asked_ms.append((time.perf_counter() - began_s) * 1000)
        values = {"action": trade.action, "symbol": trade.symbol, "side": trade.side}
        if trade.action != "close":
            values["quantity"] = trade.quantity
        exchange.tell("position", **values)
        time.sleep(pace_s * rng.uniform(0.5, 1.5))
    return asked_ms
