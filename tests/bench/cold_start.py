"""Row: a hundred naked positions when the daemon starts. Read from the venue's journal and counters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import Figure
from tests.bench.processes import Venue, daemon, venue, wait_settled

ROW = "cold start"
TOLERANCE = 1.25
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
    """Whether every position had its stop before the first take-profit was accepted."""

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]], first_read_ms: int) -> Start:
        """From the journal of a venue that only one daemon writes to."""
        accepted = [e for e in entries if e["kind"] == "order_accepted" and e["origin"] == "api"]
        stops = [e for e in accepted if e["detail"]["type"] == "STOP_MARKET"]
        targets = [e for e in accepted if e["detail"]["type"] == "TAKE_PROFIT_MARKET"]
        first_target = min((e["sequence"] for e in targets), default=None)
        first_stops = {e["symbol"]: e for e in reversed(stops)}.values()
        last_stop = max(first_stops, key=lambda e: e["sequence"])
        return cls(
            stops=len(first_stops),
            targets=len(targets),
            refused=sum(e["kind"] == "order_refused" for e in entries),
            first_read_ms=first_read_ms,
            last_stop_ms=last_stop["at_ms"],
            last_order_ms=accepted[-1]["at_ms"],
            stops_first=first_target is None or last_stop["sequence"] < first_target,
        )


def measure(positions: int, latency_ms: int) -> Figure:
    """Start the daemon on naked positions and wait until it rests."""
    with venue(f"generated-{positions}", latency_ms=latency_ms) as exchange, daemon(exchange) as running:
        wait_settled(exchange, running)
        began_at_ms = running.began_at_ms
        return figure(start_of(exchange), positions, latency_ms, began_at_ms, exchange.ask("usage")["limited"])


def start_of(exchange: Venue) -> Start:
    """The start of the one daemon this venue has seen."""
    reads = exchange.ask("usage")["endpoints"]["GET /fapi/v3/positionRisk"]
    return Start.of(exchange.journal(), reads["first_at_ms"])


def allowed_ms(orders: int, latency_ms: int) -> float:
    """What the order budget, taken as a rate, and the venue's latency allow."""
    return orders / ORDERS_PER_S * 1000 + ROUND_TRIPS * latency_ms


def figure(start: Start, positions: int, latency_ms: int, began_at_ms: int, limited: int) -> Figure:
    """All stops accepted since the positions were first read, against the bar."""
    took_ms = start.last_stop_ms - start.first_read_ms
    most_ms = TOLERANCE * allowed_ms(positions, latency_ms)
    order = "all stops before the first take-profit" if start.stops_first else "TAKE-PROFITS BEFORE STOPS"
    return Figure(
        ROW,
        f"{positions} naked, venue {latency_ms} ms",
        f"{start.stops} stops {took_ms / 1000:.2f} s after the first read of the positions "
        f"({(start.last_stop_ms - began_at_ms) / 1000:.2f} s after the process began), {order}, "
        f"{start.targets} take-profits by {(start.last_order_ms - start.first_read_ms) / 1000:.1f} s, "
        f"{start.refused} orders refused, {limited} answers 429",
        f"stops first, <= {most_ms / 1000:.2f} s, no 429",
        start.stops == positions and start.stops_first and took_ms <= most_ms and not limited,
        {
            "positions": positions,
            "latency_ms": latency_ms,
            "stops_accepted_s": took_ms / 1000,
            "stops_accepted_since_start_s": (start.last_stop_ms - began_at_ms) / 1000,
            "last_order_s": (start.last_order_ms - start.first_read_ms) / 1000,
            "take_profits": start.targets,
            "refused": start.refused,
            "limited": limited,
        },
    )
