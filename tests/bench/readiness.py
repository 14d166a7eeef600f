"""Row: from starting the process to READY=1 with all positions protected.

Held against the time a fresh interpreter takes to import the libraries a daemon like this one is made of, measured by
turns with the starts. The imports ask nobody, so the bar is for a venue that answers without latency; with latency the
ratio is shown and nothing is promised.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from tests.bench.figures import Figure, Spread
from tests.bench.gauges import cpu_s
from tests.bench.processes import START_TIMEOUT_S, BenchFailed, daemon, environ, venue

ROW = "start to READY"
BAR = 1.5
"""Times the imports."""
IMPORTS = "import ccxt.async_support, redis, httpx, pydantic"


def measure(positions: int, latency_ms: int, times: int) -> Figure:
    """Start on naked positions `times` times, each time with a fresh venue and after the imports alone."""
    imported_s, samples = [], []
    imports_s()  # files that nobody has read lately come from the disk once
    for _ in range(times):
        imported_s.append(imports_s())
        samples.append(_once(positions, latency_ms))
    return figure(samples, imported_s, positions, latency_ms)


def figure(
    samples: Sequence[tuple[float, float]], imported_s: Sequence[float], positions: int, latency_ms: int
) -> Figure:
    """The median ratio of a start (seconds until READY, seconds of CPU) to the imports just before it."""
    spread, cpu = (Spread.of(column) for column in zip(*samples, strict=True))
    imports = Spread.of(imported_s)
    ratio = Spread.of([ready_s / alone_s for (ready_s, _), alone_s in zip(samples, imported_s, strict=True)]).median
    promised = latency_ms == 0
    return Figure(
        ROW,
        f"{positions} naked, venue {latency_ms} ms",
        f"median {ratio:.2f} x the imports; {spread.median:.2f} s, slowest {spread.largest:.2f} s of {spread.count} "
        f"({cpu.median:.2f} s of CPU), the imports alone {imports.median:.2f} s; "
        f"{positions}/{positions} protected at READY",
        f"<= {BAR} x the imports" if promised else "",
        ratio <= BAR if promised else None,
        spread.values("s") | {"positions": positions, "latency_ms": latency_ms, "cpu_s": round(cpu.median, 3)}
        | {"ratio": round(ratio, 3), "imports_median_s": round(imports.median, 3)},
    )  # fmt: skip


def imports_s() -> float:
    """Seconds from starting an interpreter until it has imported the libraries and ended."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, env=environ())
    return time.monotonic() - began_s


def _once(positions: int, latency_ms: int) -> tuple[float, float]:
    """Seconds until READY, elapsed and of CPU. The words that come with it and the venue must agree: all protected."""
    with venue(f"generated-{positions}", latency_ms=latency_ms) as exchange, daemon(exchange) as running:
        ready_s, status = running.manager.wait_ready(START_TIMEOUT_S)
        used_s = cpu_s(running.pid)
        if (uncovered := exchange.uncovered()) or f"{positions}/{positions}" not in status:
            raise BenchFailed(f"READY came with {uncovered} positions without a stop: {status}")
        return ready_s - running.began_s, used_s
