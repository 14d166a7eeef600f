"""The WebSocket API (`/ws-fapi/v1`): the same requests as REST in JSON frames.

The signature covers all parameters but itself, sorted by name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from position_monitor.paper.gateway import Gateway
from position_monitor.paper.market_bodies import RATE_LIMITS
from position_monitor.paper.signing import Request

METHODS: dict[str, tuple[str, str]] = {
    "ping": ("GET", "/fapi/v1/ping"),
    "time": ("GET", "/fapi/v1/time"),
    "ticker.price": ("GET", "/fapi/v1/ticker/price"),
    "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
    "depth": ("GET", "/fapi/v1/depth"),
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}
Body = dict[str, Any]


class WebSocketApi:
    """Serves request frames over the gateway."""

    def __init__(self, gateway: Gateway, pump: Callable[[], None]) -> None:
        self._gateway = gateway
        self._pump = pump
        self._sockets: set[web.WebSocketResponse] = set()

    async def close_all(self) -> None:
        """End every connection (server stop)."""
        for socket in list(self._sockets):
            await socket.close(code=1001)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Upgrade and answer frames one after the other."""
        socket = web.WebSocketResponse(heartbeat=180.0, timeout=1.0)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT and not await self._frame(socket, message.data):
                    break
        finally:
            self._sockets.discard(socket)
        return socket

    async def _frame(self, socket: web.WebSocketResponse, text: str) -> bool:
        """Answer one frame; False when a fault cuts the connection."""
        answer = self.answer(text)
        self._pump()
        if answer is None:
            await socket.close(code=1006)
            return False
        delay_ms, body = answer
        await asyncio.sleep(delay_ms / 1000)
        await socket.send_str(json.dumps(body, separators=(",", ":")))
        return True

    def answer(self, text: str) -> tuple[int, Body] | None:
        """Delay and response frame of a request frame; None = the connection drops."""
        try:
            frame = json.loads(text)
            method, number = frame["method"], frame.get("id")
            params = dict(frame.get("params") or {})
        except (ValueError, KeyError, TypeError):
            error = {"code": -1000, "msg": "Malformed request."}
            return 0, {"id": None, "status": 400, "error": error}
        target = METHODS.get(method)
        if target is None:
            error = {"code": -1000, "msg": f"Unknown method {method}"}
            return 0, {"id": number, "status": 400, "error": error}
        reply = self._gateway.handle(request_of(*target, params))
        if reply.dropped:
            return None
        key = "result" if reply.status == 200 else "error"
        body = reply.body if reply.raw is None else reply.raw
        shown: Body = {"id": number, "status": reply.status, key: body}
        if params.get("returnRateLimits") is not False:
            shown["rateLimits"] = self._limits()
        return reply.delay_ms, shown

    def _limits(self) -> list[Body]:
        limiter, now = self._gateway.limiter, self._gateway.engine.now_ms
        windows = (limiter.weight, limiter.orders_1m, limiter.orders_10s)
        return [dict(row) | {"count": window.used(now)} for row, window in zip(RATE_LIMITS, windows, strict=True)]


def request_of(method: str, path: str, params: Body) -> Request:
    """The REST request a frame's parameters stand for."""
    texts = {name: _text(value) for name, value in params.items()}
    signature = texts.pop("signature", "")
    signed = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
    api_key = texts.pop("apiKey", "")
    return Request(method, path, texts, api_key, signed, signature)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
