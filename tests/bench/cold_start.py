"""Row: a hundred naked positions when the daemon starts. Read from the venue's journal and counters.

The venue's order budget is taken as a rate (300 in 10 s are 30 a second): with what is left of a burst, a hundred
orders could be sent at once, and then there would be nothing to hold a time against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import Figure, Spread
from tests.bench.processes import Venue, daemon, venue, wait_settled

ROW = "cold start"
BAR = 1.25
"""Times what the order budget and the latency allow."""
ORDERS_PER_S = 300 / 10
ROUND_TRIPS = 2
"""Between the first read of the positions and the first stop: the answer, the order lists, the order itself."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the journal tells about one start; times in ms UTC of the venue."""

    stops: int
    targets: int
    refused: int
    first_read_ms: int
    last_stop_ms: int
    last_order_ms: int
    stops_first: bool
    """Whether every position had its stop before the first take-profit was sent."""

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]], first_read_ms: int, latency_ms: int = 0) -> Start:
        """From the journal of a venue that only one daemon writes to.

        What arrives was sent half of the round trip `latency_ms` before. A take-profit that was refused was sent too.
        """
        sent = [e for e in entries if e["kind"] in ("order_accepted", "order_refused") and e["origin"] == "api"]
        accepted = [e for e in sent if e["kind"] == "order_accepted"]
        stops = [e for e in accepted if e["detail"]["type"] == "STOP_MARKET"]
        targets = [e for e in accepted if e["detail"]["type"] == "TAKE_PROFIT_MARKET"]
        first_target = next((e for e in sent if e["detail"].get("type") == "TAKE_PROFIT_MARKET"), None)
        first_stops = {e["symbol"]: e for e in reversed(stops)}.values()
        last_stop = max(first_stops, key=lambda e: e["sequence"])
        return cls(
            stops=len(first_stops),
            targets=len(targets),
            refused=len(sent) - len(accepted),
            first_read_ms=first_read_ms,
            last_stop_ms=last_stop["at_ms"],
            last_order_ms=accepted[-1]["at_ms"],
            stops_first=first_target is None
            or (
                last_stop["sequence"] < first_target["sequence"]
                and last_stop["at_ms"] <= first_target["at_ms"] - latency_ms // 2
            ),
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start, when its process began (ms UTC), and how many answers were 429."""

    start: Start
    began_at_ms: int
    limited: int


def measure(positions: int, latency_ms: int, times: int) -> Figure:
    """Start the daemon on naked positions and wait until it rests, `times` times, each with a fresh venue."""
    return figure([_once(positions, latency_ms) for _ in range(times)], positions, latency_ms)


def _once(positions: int, latency_ms: int) -> Attempt:
    with venue(f"generated-{positions}", latency_ms=latency_ms) as exchange, daemon(exchange) as running:
        wait_settled(exchange, running)
        return Attempt(start_of(exchange, latency_ms), running.began_at_ms, exchange.ask("usage")["limited"])


def start_of(exchange: Venue, latency_ms: int = 0) -> Start:
    """The start of the one daemon this venue has seen."""
    reads = exchange.ask("usage")["endpoints"]["GET /fapi/v3/positionRisk"]
    return Start.of(exchange.journal(), reads["first_at_ms"], latency_ms)


def allowed_ms(orders: int, latency_ms: int) -> float:
    """What the order budget, taken as a rate, and the venue's latency allow."""
    return orders / ORDERS_PER_S * 1000 + ROUND_TRIPS * latency_ms


def figure(attempts: Sequence[Attempt], positions: int, latency_ms: int) -> Figure:
    """All stops accepted since the positions were first read: the median of the starts against the bar.

    What must never happen must not have happened in any of them.
    """
    starts = [attempt.start for attempt in attempts]
    took = Spread.of([start.last_stop_ms - start.first_read_ms for start in starts])
    all_s = Spread.of([(one.start.last_stop_ms - one.began_at_ms) / 1000 for one in attempts])
    last_s = Spread.of([(start.last_order_ms - start.first_read_ms) / 1000 for start in starts])
    least, targets = min(start.stops for start in starts), min(start.targets for start in starts)
    refused, limited = sum(start.refused for start in starts), sum(one.limited for one in attempts)
    stops_first = all(start.stops_first for start in starts)
    ratio = took.median / allowed_ms(positions, latency_ms)
    order = "all stops accepted before the first take-profit was sent" if stops_first else "TAKE-PROFITS BEFORE STOPS"
    slowest = f", slowest {took.largest / 1000:.2f} s of {took.count}" if took.count > 1 else ""
    return Figure(
        ROW,
        f"{positions} naked, venue {latency_ms} ms",
        f"{ratio:.2f} x what budget and latency allow: "
        f"{least} stops {took.median / 1000:.2f} s after the first read of the positions{slowest} "
        f"({all_s.median:.2f} s after the process began), {order}, "
        f"{targets} take-profits by {last_s.median:.1f} s, {refused} orders refused, {limited} answers 429",
        f"stops first, <= {BAR} x ({BAR * allowed_ms(positions, latency_ms) / 1000:.2f} s), no 429",
        least == positions and stops_first and ratio <= BAR and not limited,
        {
            "positions": positions,
            "latency_ms": latency_ms,
            "starts": took.count,
            "ratio": round(ratio, 3),
            "stops_accepted_s": took.median / 1000,
            "stops_accepted_since_start_s": all_s.median,
            "last_order_s": last_s.median,
            "take_profits": targets,
            "refused": refused,
            "limited": limited,
        },
    )
