"""The venue's stream host in memory, behind the daemon's own `UserStream` and `MarkStream`.

Only the WebSocket client library is replaced: `connected_to` puts `StreamHost.session` in the place of its session.
The real classes connect, subscribe, ping, notice silence and reconnect on virtual time, and read JSON text as the venue
sends it, made from the engine's own events. On the way the text meets the faults of `Troubles`.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientConnectionError, RequestInfo, WSMessage, WSMsgType, WSServerHandshakeError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from position_monitor.edge import log
from position_monitor.edge.streams import websocket
from position_monitor.paper import stream_bodies
from position_monitor.paper.engine import Engine
from position_monitor.paper.events import UserEvent
from tests.sim.garbage import garbled
from tests.sim.virtual_time import SimClock, sleep, true_ms

INBOX_MAX = 20_000
"""A reader that falls further behind is cut off, as the venue does."""
RECENT = 50
"""Messages kept for floods that repeat them."""
LEAST_S, MOST_S = 0.002, 0.04
"""Travelling time of a message when nothing is wrong."""
LATEST_S = 30.0
Text = str
_as_text = json.JSONEncoder(separators=(",", ":")).encode
"""How the venue writes a message."""


class Troubles:
    """What happens to messages and connections now. Rates are per message; the rest is switched by whoever plays."""

    def __init__(self) -> None:
        self.lost = self.late = self.duplicated = self.reordered = self.garbage = 0.0
        self.lag_s = 0.0
        """Every message takes this much longer, in order."""
        self.refuse: str = ""
        """How new connections end: "" they stand, `hang`, `network`, or an HTTP status."""
        self.cut_off: set[int] = set()
        """Daemons that reach no stream host."""
        self.seen: Counter[str] = Counter()

    def end(self) -> None:
        """Everything as it should be; what is under way still arrives."""
        self.lost = self.late = self.duplicated = self.reordered = self.garbage = 0.0
        self.lag_s, self.refuse = 0.0, ""


class Socket:
    """One connection: to the daemon what aiohttp's client socket is, to the host where its messages go."""

    def __init__(self, host: StreamHost, number: int, route: str, names: set[str]) -> None:
        self.number, self.route, self.names = number, route, names
        self.close_code: int | None = None
        self.deaf = False
        """It stands, answers pings, and delivers nothing."""
        self.dead = False
        """Nothing at all comes any more, though nobody closed it."""
        self.last_due_s = 0.0
        self._host = host
        self._inbox: deque[WSMessage] = deque()
        self._filled = asyncio.Event()
        self._running = host.clock_of(number).running

    # -- the host's side

    def put(self, kind: WSMsgType, data: Any = None) -> None:
        """A frame arrives."""
        if self.close_code is not None or self.dead:
            return
        if len(self._inbox) < INBOX_MAX:
            self._inbox.append(WSMessage(kind, data, None))
            self._filled.set()
        else:
            self.cut()

    def cut(self, code: int = 1006) -> None:
        """The connection ends; what had arrived can still be read."""
        if self.close_code is None:
            self.close_code = code
            self._inbox.append(WSMessage(WSMsgType.CLOSED, None, None))
            self._filled.set()
            self._host.gone(self)

    # -- the daemon's side

    async def receive(self) -> WSMessage:
        while not self._inbox:
            self._filled.clear()
            await self._filled.wait()
        if not self._running.is_set():
            await self._running.wait()
        return self._inbox.popleft()

    async def ping(self, message: bytes = b"") -> None:
        self._host.later(self, WSMsgType.PONG, message)

    async def pong(self, message: bytes = b"") -> None:
        return None

    async def send_str(self, text: str) -> None:
        if self.close_code is not None:
            raise ConnectionResetError("closed")
        self._host.asked(self, json.loads(text))

    async def close(self, **_: object) -> bool:
        if self.close_code is None:
            self.close_code = 1000
            self._host.gone(self)
        return True


class StreamHost:
    """Every connection of a run, and what the venue says on them."""

    def __init__(self, engine: Engine, rng: random.Random, clock_of: Callable[[int], SimClock]) -> None:
        self.troubles = Troubles()
        self.sockets: list[Socket] = []
        self.attempts = 0
        self.clock_of = clock_of
        self.before_tick: Callable[[], None] = lambda: None
        """Called before every message about mark prices: who judges must know each of them."""
        self._engine = engine
        self._rng = rng
        self._recent: deque[Text] = deque(maxlen=RECENT)
        engine.world.outbox = _Outbox(self._emitted)

    @staticmethod
    def origin(number: int) -> str:
        """Where the daemon with this number connects to."""
        return f"ws://daemon-{number}.stream"

    # -- connecting

    def session(self, **_: object) -> _Session:
        """What stands in for `aiohttp.ClientSession`."""
        return _Session(self)

    async def connect(self, address: str) -> Socket:
        url = urlsplit(address)
        number = int((url.hostname or "").split(".")[0].removeprefix("daemon-"))
        self.attempts += 1
        await self.clock_of(number).sleep(self._rng.uniform(LEAST_S, MOST_S))
        if self.troubles.refuse == "hang":
            await sleep(1_000_000)
        if self.troubles.refuse == "network" or number in self.troubles.cut_off:
            raise ClientConnectionError("no route")
        if self.troubles.refuse:
            raise _handshake_error(int(self.troubles.refuse))
        key = parse_qs(url.query).get("listenKey", [])
        socket = Socket(self, number, url.path.split("/")[1], set(key))
        self.sockets.append(socket)
        return socket

    def gone(self, socket: Socket) -> None:
        if socket in self.sockets:
            self.sockets.remove(socket)

    def asked(self, socket: Socket, request: dict[str, Any]) -> None:
        """SUBSCRIBE or UNSUBSCRIBE: acknowledged whatever is asked for."""
        change = socket.names.update if request["method"] == "SUBSCRIBE" else socket.names.difference_update
        change(request["params"])
        self.later(socket, WSMsgType.TEXT, json.dumps({"result": None, "id": request["id"]}))

    # -- speaking

    def _emitted(self, event: UserEvent) -> None:
        """The engine says something about the account."""
        if not self.sockets:
            return
        expired = event.name == "listenKeyExpired"
        key = event.body["listenKey"] if expired else self._engine.listen_keys.current
        text = ""
        for socket in self.sockets:
            if socket.route == "private" and key in socket.names:
                text = text or _as_text(event.body)
                self.say(socket, text)
        if text and not expired:
            self._recent.append(text)

    def tick(self) -> None:
        """One second of mark prices on every market connection."""
        known: dict[str, Text] = {}
        world = self._engine.world
        for socket in [socket for socket in self.sockets if socket.route == "market"]:
            self._engine.advance_to(true_ms())
            for name in sorted(socket.names):
                if name not in known:
                    symbols = sorted(world.instruments) if name.startswith("!") else [name.partition("@")[0].upper()]
                    rows = [stream_bodies.stream_mark(world, symbol) for symbol in symbols]
                    known[name] = _as_text(rows if name.startswith("!") else rows[0])
                self.say(socket, known[name])

    async def ticking(self) -> None:
        """Mark prices for ever. A defect in here would silence them without a word: it ends the run."""
        while True:
            await sleep(1)
            try:
                self.before_tick()
                self.tick()
            except Exception as defect:
                asyncio.get_running_loop().stop()
                raise RuntimeError("the stream of mark prices failed") from defect

    def say(self, socket: Socket, text: Text) -> None:
        """Send one message, with whatever befalls it on the way."""
        troubles, chance = self.troubles, self._rng.random
        if socket.deaf:
            return
        if troubles.lost and chance() < troubles.lost:
            troubles.seen["stream_lost"] += 1
            return
        if troubles.garbage and chance() < troubles.garbage:
            troubles.seen["stream_garbage"] += 1
            kind, data = garbled(text, self._rng)
            self.later(socket, kind, data)
            if chance() < 0.5:
                return
        extra_s = -1.0
        if troubles.late and chance() < troubles.late:
            troubles.seen["stream_late"] += 1
            extra_s = self._rng.choice((self._rng.uniform(0.3, 5), self._rng.uniform(5, LATEST_S)))
        elif troubles.reordered and chance() < troubles.reordered:
            troubles.seen["stream_reordered"] += 1
            extra_s = self._rng.uniform(0.01, 2)
        self.later(socket, WSMsgType.TEXT, text, extra_s=extra_s)
        if troubles.duplicated and chance() < troubles.duplicated:
            troubles.seen["stream_duplicated"] += 1
            self.later(socket, WSMsgType.TEXT, text, extra_s=self._rng.choice((0.0, 0.3, 4.0, LATEST_S)))

    def flood(self, socket: Socket, count: int) -> None:
        """Old messages again and again, and words nobody knows, as fast as the connection takes them."""
        self.troubles.seen["stream_flood"] += 1
        for number in range(count):
            known = self._recent and number % 4
            socket.put(WSMsgType.TEXT, self._rng.choice(self._recent) if known else f'{{"e":"NEW_WORD","n":{number}}}')

    def later(self, socket: Socket, kind: WSMsgType, data: Any, *, extra_s: float = -1.0) -> None:
        """Deliver after the travelling time. In order, unless `extra_s` says by how much it is late on its own."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._rng.uniform(LEAST_S, MOST_S) + self.troubles.lag_s
        if extra_s < 0:
            due_s = socket.last_due_s = max(due_s, socket.last_due_s)
        else:
            due_s += extra_s
        loop.call_at(due_s, socket.put, kind, data)

    def of(self, number: int, route: str = "private") -> list[Socket]:
        """The connections of one daemon that stand now."""
        return [socket for socket in self.sockets if (socket.number, socket.route) == (number, route)]


class _Outbox(deque[UserEvent]):
    """The engine's queue of events: heard at the moment it is written to, and always empty."""

    def __init__(self, listener: Callable[[UserEvent], None]) -> None:
        super().__init__()
        self._listener = listener

    def append(self, event: UserEvent) -> None:
        self._listener(event)


class _Session:
    """The part of `aiohttp.ClientSession` that `StreamLine` uses."""

    def __init__(self, host: StreamHost) -> None:
        self._host = host

    async def __aenter__(self) -> _Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def ws_connect(self, address: str, **_: object) -> Socket:
        return await self._host.connect(address)


@contextmanager
def connected_to(host: StreamHost) -> Iterator[None]:
    """Within, every stream of the daemon connects to this host; keys registered as secrets are forgotten after it."""
    client = SimpleNamespace(
        ClientSession=host.session,
        TraceConfig=websocket.aiohttp.TraceConfig,
        DummyCookieJar=lambda: None,
        ClientWSTimeout=websocket.aiohttp.ClientWSTimeout,
        WSServerHandshakeError=WSServerHandshakeError,
        ClientError=websocket.aiohttp.ClientError,
    )
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(websocket, "aiohttp", client))
        for name in ("_secrets", "_passing_secrets"):
            stack.enter_context(mock.patch.object(log, name, getattr(log, name)))
        yield


def _handshake_error(status: int) -> WSServerHandshakeError:
    url = URL("ws://refused")
    request = RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return WSServerHandshakeError(request, (), status=status)
