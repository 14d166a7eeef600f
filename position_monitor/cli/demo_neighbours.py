"""The rest of the incident's stack: an AI engine without a signal, a backend whose circuit breaker is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

BREAKER = {
    "active": True,
    "until": "2025-12-21T23:30:00Z",
    "time_remaining_seconds": 1800,
    "can_reset": False,
    "blocked_orders": 12,
    "total_activations": 3,
}


async def _no_signal(request: web.Request) -> web.Response:
    """404 is how the AI engine says that it has no signal."""
    del request
    return web.json_response({"detail": "No signal generated"}, status=404)


async def _breaker(request: web.Request) -> web.Response:
    del request
    return web.json_response(BREAKER)


@asynccontextmanager
async def neighbours() -> AsyncIterator[str]:
    """Serve both on one free loopback port; yields the base URL."""
    app = web.Application()
    app.router.add_post("/api/ai/signal", _no_signal)
    app.router.add_get("/api/circuit-breaker/status", _breaker)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
