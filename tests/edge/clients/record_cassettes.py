"""Records the cassettes again: `python tests/edge/clients/record_cassettes.py`.

The answers are served by a small local stand-in that speaks like the stack's FastAPI services; the requests are those
of our own clients. Nothing that could be a secret reaches a file: headers are filtered, and a test searches them.
"""

from __future__ import annotations

import asyncio
import json
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import vcr

from position_monitor.edge.ai_engine import AiEngine, Question
from position_monitor.edge.backend import Backend
from position_monitor.edge.clock import SystemClock

CASSETTES = Path(__file__).parent / "cassettes"
USER, PASSWORD = "monitor", "hunter22"
ISSUED_AT = "2026-05-28T20:26:30+00:00"
SIGNAL = {
    "symbol": "BTCUSDT",
    "action": "BUY",
    "confidence": 0.83,
    "ensemble_confidence": 0.79,
    "strategy": "trend_following",
    "regime": "TRENDING",
    "position_size_usd": 500.0,
    "leverage": 5,
    "reasoning": None,
    "timestamp": ISSUED_AT,
}
FLAT = {
    "active": True,
    "until": "2026-05-28T20:30:00",
    "time_remaining_seconds": 212.4,
    "can_reset": True,
    "blocked_orders": 17,
    "total_activations": 3,
}
NESTED = {"status": "ok", "circuit_breaker": {"active": False, "state": "CLOSED", "failure_count": 0}}
INACTIVE = {**FLAT, "active": False, "until": None, "time_remaining_seconds": None}
RECORDINGS = {
    "ai_signal": (200, SIGNAL),
    "ai_signal_with_levels": (200, {**SIGNAL, "tp_pct": 2.75, "sl_pct": 1.1, "trail_pct": 0.8}),
    "ai_no_signal": (404, {"detail": "No signal generated for BTCUSDT"}),
    "ai_not_initialised": (503, {"detail": "Service not initialized"}),
    "ai_validation_error": (422, {"detail": [{"loc": ["body", "price"], "msg": "field required"}]}),
    "breaker_active": (200, FLAT),
    "breaker_inactive": (200, INACTIVE),
    "breaker_nested": (200, NESTED),
    "breaker_error": (500, {"detail": "Internal Server Error"}),
}


def serve(status: int, body: object) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw = json.dumps(body).encode()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def version_string(self) -> str:
            return "stand-in"

    server = ThreadingHTTPServer(("127.0.0.1", 8001), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


async def ask(name: str) -> None:
    url, clock = f"http://{USER}:{PASSWORD}@127.0.0.1:8001", SystemClock()
    if name.startswith("ai_"):
        engine = AiEngine(url, clock)
        await engine.fetch("BTCUSDT", Question(Decimal("64880.5")))
        await engine.close()
    else:
        backend = Backend(url, clock)
        await backend.fetch_breaker()
        await backend.close()


def without_date(response: dict[str, Any]) -> dict[str, Any]:
    response["headers"].pop("date", None)
    return response


def main() -> None:
    recorder = vcr.VCR(
        cassette_library_dir=str(CASSETTES),
        record_mode="all",
        filter_headers=["authorization", "cookie", "user-agent", "x-api-key"],
        before_record_response=without_date,
    )
    for name, (status, body) in RECORDINGS.items():
        (CASSETTES / f"{name}.yaml").unlink(missing_ok=True)
        server = serve(status, body)
        with recorder.use_cassette(f"{name}.yaml"):
            asyncio.run(ask(name))
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
