"""Row: from a fill on the exchange to its stop accepted there, by the venue's own clock.

The bar is a ratio. Before each trade that will need a stop, one bare signed request is sent over the same kind of
connection to the same venue (`bare_request.py`), so both are sampled by turns and equally often. Of both only the time
beyond the venue's latency counts. Median is held against median, and 99th percentile against 99th percentile.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from tests.bench.bare_request import BareClient, bare_client
from tests.bench.exposure import Exposure, exposures
from tests.bench.figures import Figure, Spread
from tests.bench.processes import VENUE_CAP, Venue, daemon, venue, wait_settled

ROW = "fill to stop"
MEDIAN_BAR, P99_BAR = 3, 4
"""Times the same rank of the bare requests."""
NOTIONAL = Decimal(400)
"""USDT of each position a trader opens here."""
STAGES_APART = 3
"""How many other symbols are traded between two trades of one symbol."""
SETTLE_S = 3.0
ASK_FOR_A_STOP = ("open", "flip")


@dataclass(frozen=True, slots=True)
class Trade:
    """One thing the trader does."""

    action: str
    symbol: str
    side: str
    quantity: str


def measure(positions: int, latency_ms: int, symbols: int, pace_s: float) -> Figure:
    """Trade `symbols` contracts nobody held: opened, grown, flipped, closed, one action every `pace_s` or so."""
    with (
        venue(f"generated-{positions}", latency_ms=latency_ms) as exchange,
        daemon(exchange) as running,
        bare_client(exchange) as bare,
    ):
        wait_settled(exchange, running)
        before, began_s = exchange.weight() - bare.weight, time.monotonic()
        since_ms = exchange.ask("state", history="false")["now_ms"]
        asked_ms = play(exchange, bare, trades(exchange, symbols, seed=latency_ms + positions), pace_s)
        time.sleep(SETTLE_S)
        weight_1m = (exchange.weight() - bare.weight - before) * 60 / (time.monotonic() - began_s)
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

    `asked_ms` are the times of the bare signed requests that were sent by turns with the trades, latency included.
    """
    waited = [one for one in found if one.cause != "grown"]
    own_ms = [lasted - latency_ms for one in waited if (lasted := one.lasted_ms) is not None]
    grown_ms = [lasted for one in found if one.cause == "grown" and (lasted := one.lasted_ms) is not None]
    never = sum(one.lasted_ms is None for one in found)
    spread, bare = Spread.of(own_ms), Spread.of([asked - latency_ms for asked in asked_ms])
    median, p99 = spread.median / bare.median, spread.p99 / bare.p99
    kinds = Counter(str(one.cause) for one in found)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    grown = f"; grown: covered at once {grown_ms.count(0)} of {len(grown_ms)}" if grown_ms else ""
    return Figure(
        ROW,
        f"{positions} positions, venue {latency_ms} ms",
        f"median {median:.1f} x, p99 {p99:.1f} x a bare signed request; "
        f"own time: median {spread.median:.0f} ms, p99 {spread.p99:.0f} ms, max {spread.largest:.0f} ms ({told})"
        + (f"; never: {never}" if never else "")
        + grown
        + f"; the bare request: median {bare.median:.1f} ms, p99 {bare.p99:.1f} ms of {bare.count}",
        f"median <= {MEDIAN_BAR} x, p99 <= {P99_BAR} x a bare request",
        median <= MEDIAN_BAR and p99 <= P99_BAR and not never and not limited,
        spread.values("ms") | {"positions": positions, "latency_ms": latency_ms, "never": never, "limited": limited}
        | {"weight_1m": round(weight_1m), "grown_covered_at_once": grown_ms.count(0), "grown": len(grown_ms)}
        | {"bare_request_median_ms": round(bare.median, 2), "bare_request_p99_ms": round(bare.p99, 2)}
        | {"median_ratio": round(median, 2), "p99_ratio": round(p99, 2)},
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


def play(exchange: Venue, bare: BareClient, plan: Iterable[Trade], pace_s: float) -> list[float]:
    """Send the trades, unevenly spaced so that they meet the daemon's cycles at every phase.

    Returns how long the bare requests took in ms, one before each trade that opens or flips a position.
    """
    rng, asked_ms = random.Random(7), []
    for trade in plan:
        if trade.action in ASK_FOR_A_STOP:
            asked_ms += [asked.elapsed_ms for asked in bare.ask()]
        values = {"action": trade.action, "symbol": trade.symbol, "side": trade.side}
        if trade.action != "close":
            values["quantity"] = trade.quantity
        exchange.tell("position", **values)
        time.sleep(pace_s * rng.uniform(0.5, 1.5))
    return asked_ms
