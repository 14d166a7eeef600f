"""A venue on loopback that answers what a test tells it to, and really parses the signed requests it gets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

API_KEY = "KEYqpmrecognisablekey0000000000000000000000000000000000000000001"
API_SECRET = "SECRETqpmrecognisablesecret000000000000000000000000000000000001"

SERVER_MS = 1_795_000_000_000
"""Any moment; the loopback venue's clock unless a test wants the real one."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is sent as it is when it is a string, else as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)


class Silence:
    """Never answers."""


class HangUp:
    """Closes the connection instead of answering."""


class HalfBody:
    """Promises a longer body than it sends, then closes."""


Behaviour = Answer | Silence | HangUp | HalfBody


@dataclass(frozen=True)
class Request:
    """One request as it arrived, signature checked and stripped."""

    method: str
    path: str
    params: dict[str, str]
    raw: str
    headers: dict[str, str]


class LoopbackVenue:
    """Scripted per (method, path): queued behaviours first, then the standing one."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.standing: dict[tuple[str, str], Behaviour] = {
            ("GET", "/fapi/v1/accountConfig"): Answer({"dualSidePosition": False, "canTrade": True}),
            ("GET", "/fapi/v1/symbolConfig"): Answer([{"symbol": "BTCUSDT", "leverage": 20}]),
        }
        self.queued: dict[tuple[str, str], deque[Behaviour]] = defaultdict(deque)
        self.bad_signatures: list[str] = []
        self.arrived = asyncio.Event()
        """Set while a request is being kept waiting by Silence."""
        self._hold = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.origin = ""

    def script(self, method: str, path: str, *behaviours: Behaviour) -> None:
        """Queue all but the last; the last one stands."""
        *queued, last = behaviours
        self.queued[(method, path)].extend(queued)
        self.standing[(method, path)] = last

    def sent(self, method: str, path: str) -> list[Request]:
        """Requests to one endpoint, in order."""
        return [one for one in self.requests if (one.method, one.path) == (method, path)]

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.origin = f"http://{host}:{port}"

    async def stop(self) -> None:
        self._hold.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = request.query_string or (await request.text())
        self._check_signature(request, raw)
        self.requests.append(Request(request.method, request.path, dict(parse_qsl(raw)), raw, dict(request.headers)))
        key = (request.method, request.path)
        behaviour = self.queued[key].popleft() if self.queued[key] else self.standing.get(key, self._default(key))
        return await self._perform(request, behaviour)

    def _default(self, key: tuple[str, str]) -> Behaviour:
        if key == ("GET", "/fapi/v1/time"):
            return Answer({"serverTime": SERVER_MS})
        return Answer({"code": -1121, "msg": "Invalid symbol."}, status=400)

    async def _perform(self, request: web.Request, behaviour: Behaviour) -> web.StreamResponse:
        assert request.transport is not None
        if isinstance(behaviour, Answer):
            return web.Response(
                text=behaviour.text,
                status=behaviour.status,
                headers=behaviour.headers,
                content_type=behaviour.content_type,
            )
        if isinstance(behaviour, Silence):
            self.arrived.set()
            await self._hold.wait()
        elif isinstance(behaviour, HalfBody):
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'[{"symbol":')
        request.transport.close()
        return web.Response()

    def _check_signature(self, request: web.Request, raw: str) -> None:
        if "signature=" not in raw:
            return
        signed, _, signature = raw.rpartition("&signature=")
        expected = hmac.new(API_SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if signature != expected or request.headers.get("X-MBX-APIKEY") != API_KEY:
            self.bad_signatures.append(request.path)
