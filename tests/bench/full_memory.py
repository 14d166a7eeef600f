"""Row: what the daemon holds in memory with everything on (DESIGN 8): candles, the Exit Brain beside the live policy,
records, an AI engine, a backend, alerts, metrics and the events mirrored.

Memory does not depend on the speed of the machine. After `WAIT_S` the candles of some twenty contracts are there; those
of all 664 take half an hour and 1 MiB more.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from position_monitor.cli.demo_neighbours import BREAKER
from tests.bench.figures import Figure
from tests.bench.gauges import memory_mib
from tests.bench.processes import daemon, venue, wait_settled

ROW = "memory, everything on"
POSITIONS = 200
BAR_MIB = 100
WAIT_S = 60.0

SETTINGS = """
[exit]
brain_v3_enabled = true
candles = true
[ai_engine]
url = "{url}"
[backend]
url = "{url}"
[alerts]
webhook_url = "{url}/hook"
ping_url = "{url}/ping"
[metrics]
textfile = "{folder}/daemon.prom"
[events]
mirror = true
"""


class _Neighbour(BaseHTTPRequestHandler):
    """An AI engine with advice for every symbol, a backend, and whoever takes alerts."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(BREAKER)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        advice = {"action": "HOLD", "confidence": 0.6, "ensemble_confidence": 0.6, "strategy": "bench"}
        self._answer({**advice, "regime": "TRENDING", "timestamp": time.time_ns() // 1_000_000, "sl_pct": 1.4})

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The bench has its own words."""


@contextlib.contextmanager
def _neighbour() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Neighbour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def measure() -> Figure:
    """Start on naked positions, let everything come to rest, read the resident memory."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _neighbour() as url,
        venue(f"generated-{POSITIONS}") as exchange,
        daemon(exchange, settings=SETTINGS.format(url=url, folder=folder)) as running,
    ):
        wait_settled(exchange, running, within_s=60 + POSITIONS / 10)
        time.sleep(WAIT_S)
        running.require_alive()
        held = memory_mib(running.pid)
    return figure(held.rss, held.pss)


def figure(rss_mib: float, pss_mib: float) -> Figure:
    """The row."""
    return Figure(
        ROW,
        f"{POSITIONS} positions",
        f"RSS {rss_mib:.0f} MiB, PSS {pss_mib:.0f} MiB",
        f"RSS <= {BAR_MIB} MiB",
        rss_mib <= BAR_MIB,
        {"positions": POSITIONS, "rss_mib": round(rss_mib, 1), "pss_mib": round(pss_mib, 1)},
    )
