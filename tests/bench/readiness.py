"""Row: from starting the process to READY=1 with all positions protected."""

from __future__ import annotations

from tests.bench.figures import Figure, Spread
from tests.bench.gauges import cpu_s
from tests.bench.processes import START_TIMEOUT_S, BenchFailed, daemon, venue

ROW = "start to READY"
BAR_S = 2.5


def measure(positions: int, latency_ms: int, times: int) -> Figure:
    """Start on naked positions `times` times, each time with a fresh venue."""
    samples = [_once(positions, latency_ms) for _ in range(times)]
    spread, cpu = (Spread.of(column) for column in zip(*samples, strict=True))
    return Figure(
        ROW,
        f"{positions} naked, venue {latency_ms} ms",
        f"median {spread.median:.2f} s, slowest {spread.largest:.2f} s of {times} "
        f"({cpu.median:.2f} s of CPU); {positions}/{positions} protected at READY",
        f"<= {BAR_S} s",
        spread.median <= BAR_S,
        spread.values("s") | {"positions": positions, "latency_ms": latency_ms, "cpu_s": round(cpu.median, 3)},
    )


def _once(positions: int, latency_ms: int) -> tuple[float, float]:
    """Seconds until READY, elapsed and of CPU. The words that come with it and the venue must agree: all protected."""
    with venue(f"generated-{positions}", latency_ms=latency_ms) as exchange, daemon(exchange) as running:
        ready_s, status = running.manager.wait_ready(START_TIMEOUT_S)
        used_s = cpu_s(running.pid)
        if (uncovered := exchange.uncovered()) or f"{positions}/{positions}" not in status:
            raise BenchFailed(f"READY came with {uncovered} positions without a stop: {status}")
        return ready_s - running.began_s, used_s
