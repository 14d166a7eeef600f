"""WebSocket routes and what goes out on them.

`/private` carries the user stream, `/market` and `/public` market data.  The pre-split `/ws` and
`/stream` paths connect and carry the public streams (books and trades), as live reports since April
2026 agree; everything else stays silent on them, and so does a stream asked for on the wrong route
(the answer is still `{"result":null}`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

from aiohttp import WSMsgType, web

from position_monitor.paper import stream_bodies as bodies
from position_monitor.paper.engine import Engine
from position_monitor.paper.events import UserEvent
from position_monitor.paper.subscriptions import Stream, Streams, payloads_of, route_of

QUEUE_LIMIT = 20_000
PING_S = 180.0
CARRIES = {"legacy": "public"}
"""What a route carries where that is not its own name: unrouted connections still get the public streams."""
CLOSE_WAIT_S = 1.0  # how long a closing handshake may take
Body = dict[str, Any]


class Connection:
    """One socket: what it listens to, and its outgoing queue of (when it may leave, frame)."""

    def __init__(self, route: str, combined: bool, delay_s: float = 0.0) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.route = route
        self.combined = combined
        self.streams: dict[str, None] = {}
        self.events: frozenset[str] | None = None
        self.queue: asyncio.Queue[tuple[float, str | None]] = asyncio.Queue(maxsize=QUEUE_LIMIT)
        self._delay_s = delay_s

    def push(self, text: str) -> None:
        """Queue a frame; a reader slower than the limit is cut off."""
        try:
            self.queue.put_nowait((time.monotonic() + self._delay_s, text))
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """End the connection after what is queued, or at once when the queue is full."""
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait((0.0, None))

    def cut(self) -> None:
        """Break the connection without a closing handshake, as a dying network does."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def framed(self, stream: str, body: Body | list[Body]) -> str:
        """The frame in the connection's format."""
        data = {"stream": stream, "data": body} if self.combined else body
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def _push_all(listeners: Iterable[Connection], stream: str, body: Body | list[Body]) -> None:
    for connection in listeners:
        connection.push(connection.framed(stream, body))


class Hub:
    """All sockets of the venue's stream host."""

    def __init__(self, engine: Engine, delay_s: float = 0.0) -> None:
        """`delay_s`: how long every frame is on its way."""
        self._engine = engine
        self._delay_s = delay_s
        self._connections: set[Connection] = set()
        self._streams = Streams(engine.world)
        self._forced_told = 0

    # -- sending ------------------------------------------------------------

    def pump(self) -> None:
        """Deliver pending user events; carry out a disconnect fault."""
        for event in self._engine.drain_events():
            self._deliver(event)
        self._tell_forced()
        while self._engine.cuts:
            route = self._engine.cuts.pop()
            for connection in list(self._connections):
                if route in (None, connection.route):
                    connection.cut()

    def _deliver(self, event: UserEvent) -> None:
        key = self._engine.listen_keys.current
        if event.name == "listenKeyExpired":
            key = event.body["listenKey"]
        if key is None:
            return
        for connection in self._connections:
            if connection.route != "private" or key not in connection.streams:
                continue
            if connection.events is None or event.name in connection.events:
                connection.push(connection.framed(key, event.body))

    def broadcast(self, symbols: Iterable[str]) -> None:
        """Send market streams of these symbols to their subscribers."""
        market = self._engine.world.market
        moved = {symbol: market.publish_book(symbol) for symbol in symbols}
        for stream, listeners in self._wanted().items():
            parsed = self._streams.parse(stream)
            if parsed is not None and self._silenced(parsed):
                continue
            for body in payloads_of(self._engine.world, parsed, moved):
                _push_all(listeners, stream, body)

    def _silenced(self, stream: Stream) -> bool:
        rules = self._engine.world.faults.of(("market_silent",))
        return any(rule.admits(rule.symbol and stream.symbol, stream.channel, "", None) for rule in rules)

    def _wanted(self) -> dict[str, list[Connection]]:
        """Who listens to which stream, on the route that carries it."""
        wanted: dict[str, list[Connection]] = {}
        for connection in self._connections:
            for stream in connection.streams:
                if route_of(stream) == CARRIES.get(connection.route, connection.route):
                    wanted.setdefault(stream, []).append(connection)
        return wanted

    def _tell_forced(self) -> None:
        """Liquidations since the last call, to those who listen for them."""
        forced = self._engine.liquidation.forced
        fresh, self._forced_told = forced[self._forced_told :], len(forced)
        if not fresh:
            return
        wanted = self._wanted()
        for order in fresh:
            body = bodies.stream_forced(order, self._engine.world.instruments[order.symbol])
            for stream in ("!forceOrder@arr", f"{order.symbol.lower()}@forceOrder"):
                _push_all(wanted.get(stream, ()), stream, body)

    def listening(self, route: str, stream: str | None = None) -> int:
        """How many connections of a route are open, or of those, listen to a stream."""
        found = (connection for connection in self._connections if connection.route == route)
        return sum(1 for connection in found if stream is None or stream in connection.streams)

    def close_all(self) -> None:
        """End every connection (server stop)."""
        for connection in list(self._connections):
            connection.close()

    # -- serving one socket -------------------------------------------------

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Upgrade and run one stream connection until either side ends it."""
        route = opened(request.path, {}).route
        if self._engine.world.faults.take(("ws_refused",), path=route):
            raise web.HTTPServiceUnavailable(text="Service Unavailable.")
        socket = web.WebSocketResponse(heartbeat=PING_S, timeout=CLOSE_WAIT_S)
        await socket.prepare(request)
        connection = opened(request.path, dict(request.query), self._delay_s)
        connection.transport = request.transport
        self._connections.add(connection)
        writer = asyncio.create_task(self._write(socket, connection))
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    connection.push(self._command(connection, message.data))
        finally:
            self._connections.discard(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _write(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        while True:
            due_s, text = await connection.queue.get()
            if text is None:
                break
            if (early_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
            await socket.send_str(text)
        await socket.close(code=1001)

    def _command(self, connection: Connection, text: str) -> str:
        """SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS."""
        try:
            message = json.loads(text)
            method, number = message["method"], message.get("id")
        except (ValueError, KeyError, TypeError):
            return json.dumps({"error": {"code": 3, "msg": "Invalid JSON: expected a request"}})
        streams = [str(name) for name in message.get("params") or []]
        result: list[str] | None = None
        if method == "SUBSCRIBE":
            connection.streams.update(dict.fromkeys(streams))
        elif method == "UNSUBSCRIBE":
            for name in streams:
                connection.streams.pop(name, None)
        elif method == "LIST_SUBSCRIPTIONS":
            result = list(connection.streams)
        else:
            error = {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}
            return json.dumps({"error": error, "id": number})
        return json.dumps({"result": result, "id": number})


def opened(path: str, query: dict[str, str], delay_s: float = 0.0) -> Connection:
    """The connection a URL asks for, e.g. /market/ws/btcusdt@markPrice or
    /private/stream?listenKey=K&events=ORDER_TRADE_UPDATE/ALGO_UPDATE."""
    parts = [part for part in path.split("/") if part]
    route = parts[0] if parts and parts[0] in ("private", "market", "public") else "legacy"
    rest = parts if route == "legacy" else parts[1:]
    connection = Connection(route, bool(rest) and rest[0] == "stream", delay_s)
    named = [query.get("listenKey", "")] if route == "private" else []
    named += query.get("streams", "").split("/") + rest[1:]
    # a bare number is a connection suffix some clients append, not a stream
    connection.streams.update({name: None for name in named if name and not name.isdigit()})
    if query.get("events"):
        connection.events = frozenset(query["events"].split("/"))
    return connection
