"""HTTP and WebSocket edges: sockets, the wall clock, and nothing that decides."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from position_monitor.paper import scenario
from position_monitor.paper.control import Control
from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Gateway, Reply
from position_monitor.paper.signing import Gatekeeper, received
from position_monitor.paper.streams import Hub
from position_monitor.paper.wsapi import WebSocketApi

TIMER_S = 0.02  # how finely scheduled things (delayed faults, expiries) are run
SYMBOLS_AT_ONCE = 50  # moved before requests get a turn: hundreds take tens of milliseconds
VENUE_HOSTS = ("fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com", "api.binance.com", "localhost")
"""Names the certificate is good for: clients that choose their behaviour by the URL keep the venue's own."""
CONTROL_CLOSED = (
    "the control interface is closed: others can reach this address; "
    "set PAPER_CONTROL_TOKEN and send it in X-Paper-Token, or listen on 127.0.0.1"
)
QUIET_STREAM_S = 1.0  # mark-price streams repeat at least this often


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """How to run the paper exchange.  `latency_ms` is a round trip: half before and half after
    execution, and half on every stream; `price_interval_s` 0 freezes the prices.

    `tls_port` serves the same over TLS (0 takes a free port, None serves none) with a certificate for the
    venue's names, and `ca_file` is where clients find the authority that signed it.  `control_token` must be sent in
    `X-Paper-Token` with every control request; on an address that others can reach nothing is controlled without."""

    host: str = "127.0.0.1"
    port: int = 8799
    scenario: str = "seven-naked"
    seed: int = 1
    latency_ms: int = 0
    price_interval_s: float = 1.0
    trigger_delay_ms: int = 20
    tls_port: int | None = None
    ca_file: str = ""
    control_token: str = field(default="", repr=False)
    api_key: str = "paper-key"
    api_secret: str = "paper-secret"  # noqa: S105 - the paper venue's documented default


def wall_ms() -> int:
    """Milliseconds UTC."""
    return time.time_ns() // 1_000_000


class PaperServer:
    """One running paper exchange."""

    def __init__(self, options: PaperOptions) -> None:
        self.options = options
        self.port = options.port
        self.tls_port = 0
        """Where TLS is served; 0 = nowhere."""
        if options.tls_port is not None and not options.ca_file:
            raise ValueError("tls_port needs ca_file: clients must be told which authority to trust")
        self.engine: Engine = scenario.build(options.scenario, options.seed, wall_ms())
        self.engine.world.trigger_delay_ms = options.trigger_delay_ms
        self.engine.funding.begin()
        self.gateway = Gateway(self.engine, Gatekeeper(options.api_key, options.api_secret))
        self.control = Control(self.engine, self.gateway.usage, self.gateway.limiter)
        self.hub = Hub(self.engine, delay_s=options.latency_ms / 2000)
        self.ws_api = WebSocketApi(self.gateway, self.hub.pump)
        self._half_latency_s = options.latency_ms / 2000
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Origin of the REST interface."""
        return f"http://{in_url(self.options.host)}:{self.port}"

    @property
    def stream_url(self) -> str:
        """Origin of the stream interface."""
        return f"ws://{in_url(self.options.host)}:{self.port}"

    @property
    def controllable(self) -> bool:
        """Whether the control interface answers at all."""
        return bool(self.options.control_token) or is_loopback(self.options.host)

    async def start(self) -> None:
        """Listen; with port 0 the chosen port is in `.port` afterwards."""
        self.engine.world.market.frozen = self.options.price_interval_s <= 0
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if self.options.tls_port is not None:
            await self._serve_tls(self._runner, self.options.tls_port)
        self._tasks = [asyncio.create_task(self._run_timers()),
                       asyncio.create_task(self._run_prices())]  # fmt: skip

    async def _serve_tls(self, runner: web.AppRunner, port: int) -> None:
        """The same application behind a certificate that is made now and gone with the process."""
        from position_monitor.paper import certificates  # half of a start's time, for the few who want TLS

        credentials = certificates.issue((*VENUE_HOSTS, self.options.host))
        await web.TCPSite(runner, self.options.host, port, ssl_context=credentials.server_context()).start()
        self.tls_port = runner.addresses[-1][1]
        credentials.hand_out(self.options.ca_file)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.hub.close_all()
        await self.ws_api.close_all()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/paper/{name}", self._serve_control)
        for path in ("/ws", "/stream", "/private", "/market", "/public"):
            app.router.add_get(path, self.hub.serve)
            app.router.add_get(path + "/{rest:.*}", self.hub.serve)
        app.router.add_get("/ws-fapi/v1", self.ws_api.serve)
        app.router.add_route("*", "/{rest:.*}", self._serve_rest)
        return app

    def tick_clock(self) -> None:
        """Bring the engine to the present."""
        self.engine.advance_to(wall_ms() + self.engine.offset_ms)

    async def _run_timers(self) -> None:
        while True:
            await asyncio.sleep(TIMER_S)
            self.tick_clock()
            self.hub.pump()

    async def _run_prices(self) -> None:
        interval = self.options.price_interval_s or QUIET_STREAM_S
        while True:
            await asyncio.sleep(interval)
            self.tick_clock()
            symbols = list(self.engine.world.instruments)
            for first in range(0, len(symbols), SYMBOLS_AT_ONCE):
                self.engine.step_prices(symbols[first : first + SYMBOLS_AT_ONCE])
                self.hub.pump()
                await asyncio.sleep(0)
            self.hub.broadcast(symbols)

    # -- REST ---------------------------------------------------------------

    async def _serve_rest(self, request: web.Request) -> web.StreamResponse:
        body = await request.text() if request.can_read_body else ""
        if self._half_latency_s:
            await asyncio.sleep(self._half_latency_s)
        self.tick_clock()
        reply = self.gateway.handle(
            received(
                request.method, request.path, request.rel_url.raw_query_string, body,
                request.headers.get("X-MBX-APIKEY", ""),
            )
        )  # fmt: skip
        self.hub.pump()
        await asyncio.sleep(self._half_latency_s + reply.delay_ms / 1000)
        return self._respond(request, reply)

    def _respond(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.dropped:
            if request.transport is not None:
                request.transport.close()
            return web.Response()  # written to a closed connection: reaches nobody
        return web.Response(
            status=reply.status, text=reply.text(), headers=reply.headers,
            content_type=reply.content_type,
        )  # fmt: skip

    # -- control ------------------------------------------------------------

    def _control_refused(self, request: web.Request) -> web.Response | None:
        """403 where nobody may control, 401 without the token."""
        if not self.controllable:
            return web.json_response({"error": CONTROL_CLOSED}, status=403)
        sent = request.headers.get("X-Paper-Token", "")
        if self.options.control_token and not hmac.compare_digest(sent.encode(), self.options.control_token.encode()):
            return web.json_response({"error": "X-Paper-Token was missing or wrong"}, status=401)
        return None

    async def _serve_control(self, request: web.Request) -> web.Response:
        if (refused := self._control_refused(request)) is not None:
            return refused
        values: dict[str, Any] = dict(request.query)
        if request.can_read_body and (text := await request.text()):
            try:
                values |= json.loads(text)
            except (ValueError, TypeError):
                return web.json_response({"error": "the body was not a JSON object"}, status=400)
        self.tick_clock()
        name = request.match_info["name"]
        status, answer = self.control.handle(request.method, name, values)
        self.hub.pump()
        if name == "price" and status == 200 and request.method == "POST":
            self.hub.broadcast((values["symbol"],))
        return web.json_response(answer, status=status)


async def serve_forever(options: PaperOptions, *, as_json: bool = False) -> None:
    """Run until SIGTERM or SIGINT; raises OSError when the address cannot be listened on."""
    server = PaperServer(options)
    await server.start()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    announce(server, as_json=as_json)
    try:
        await stopped.wait()
    finally:
        await server.stop()


def announce(server: PaperServer, *, as_json: bool = False) -> None:
    """The one line that says it is ready, and where: port 0 took a free one."""
    count = len(server.engine.world.account.open_positions())
    line = f"paper exchange listening on {server.url} ({server.options.scenario}, {count} positions)"
    if as_json:
        facts = {
            "rest_url": server.url,
            "stream_url": server.stream_url,
            "scenario": server.options.scenario,
            "positions": count,
        }
        if server.tls_port:
            facts |= {"tls_port": server.tls_port, "ca_file": server.options.ca_file}
        line = json.dumps(facts)
    print(line, flush=True)  # noqa: T201 - the contract of the entry point
    if server.tls_port:
        said = f"TLS on port {server.tls_port} for {', '.join(VENUE_HOSTS)}; authority in {server.options.ca_file}"
        print(said, file=sys.stderr, flush=True)  # noqa: T201 - talk of the entry point
    if not server.controllable:
        print(CONTROL_CLOSED, file=sys.stderr, flush=True)  # noqa: T201 - talk of the entry point


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def in_url(host: str) -> str:
    """The host as a URL writes it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
