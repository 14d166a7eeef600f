"""What the stream tests are played with: a clock that waits to be told, a key office, a host that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from position_monitor.core.observation.stream_events import StreamEvent, StreamGap

NOW_MS = 1_780_000_000_000
KEY = "LISTENKEYpqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf"
Message = dict[str, Any]


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for the world to get there; the bound is only for tests that fail."""
    try:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"never happened: {what or condition}") from None


class WaitingClock:
    """Sleepers sleep until the test advances the time past their moment."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return NOW_MS + round(self.elapsed_s * 1000)

    def monotonic_s(self) -> float:
        return 500.0 + self.elapsed_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self.elapsed_s + seconds, wake)
        self._sleepers.append(entry)
        try:
            await wake
        finally:
            self._sleepers.remove(entry)

    def sleeping(self, seconds: float) -> bool:
        """Whether somebody waits for a moment exactly that far ahead."""
        return any(abs(at - self.elapsed_s - seconds) < 1e-6 for at, wake in self._sleepers if not wake.done())

    def pausing(self, seconds: float) -> bool:
        """Whether that is all anybody does: a stream that waits before its next attempt has no other sleeper."""
        return len(self._sleepers) == 1 and self.sleeping(seconds)

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds
        for at, wake in list(self._sleepers):
            if at <= self.elapsed_s + 1e-9 and not wake.done():
                wake.set_result(None)


class KeyOffice:
    """The listen keys of an account; `failures` are raised first, one per call."""

    def __init__(self) -> None:
        self.key = KEY
        self.opened = 0
        self.kept = 0
        self.open_failures: list[Exception] = []
        self.keep_failures: list[Exception] = []

    async def open_user_stream(self) -> str:
        self.opened += 1
        if self.open_failures:
            raise self.open_failures.pop(0)
        return self.key

    async def keep_user_stream(self) -> None:
        self.kept += 1
        if self.keep_failures:
            raise self.keep_failures.pop(0)


class Peer:
    """One connection as the host sees it."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.path = request.path
        self.query = dict(request.query)
        self.socket = socket
        self.transport = request.transport
        self.requests: list[Message] = []
        self.pings = 0
        self.pongs = 0
        self.gone = asyncio.Event()

    @property
    def subscribed(self) -> set[str]:
        """What the client asked for so far."""
        names: set[str] = set()
        for request in self.requests:
            change = names.update if request["method"] == "SUBSCRIBE" else names.difference_update
            change(request["params"])
        return names

    async def say(self, *messages: Message | list[Message] | str) -> None:
        for message in messages:
            await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))


class StreamHost:
    """A loopback stream host. Switches are read for each connection and each ping."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.refuse_with = 0
        self.redirect_to = ""
        self.stall_opening = False
        self.answers_pings = True
        self.answers_requests = True
        self.origin = ""
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.attempts = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.origin = f"ws://{host}:{port}"

    async def stop(self) -> None:
        self._released.set()
        for peer in self.peers:
            self.cut(peer)
        if self._runner is not None:
            await self._runner.cleanup()

    def cut(self, peer: Peer) -> None:
        """End a connection without a word."""
        if isinstance(peer.transport, asyncio.WriteTransport):
            peer.transport.abort()

    async def connected(self, number: int = 1) -> Peer:
        """The peer of the connection with this number, counted from 1."""
        await until(lambda: len(self.peers) >= number, f"connection {number}")
        return self.peers[number - 1]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        if self.refuse_with:
            return web.Response(status=self.refuse_with, text=f"no: {request.url}")
        if self.redirect_to:
            return web.Response(status=302, headers={"Location": self.redirect_to + str(request.rel_url)})
        if self.stall_opening:
            await self._released.wait()
        socket = web.WebSocketResponse(autoping=False, timeout=0.1)
        await socket.prepare(request)
        peer = Peer(request, socket)
        self.peers.append(peer)
        try:
            await self._listen(peer)
        finally:
            peer.gone.set()
        return socket

    async def _listen(self, peer: Peer) -> None:
        async for message in peer.socket:
            if message.type is WSMsgType.PING:
                if self.answers_pings:
                    await peer.socket.pong(message.data)
                    await peer.socket.ping(b"venue")  # its answer proves that ours was read
                peer.pings += 1
            elif message.type is WSMsgType.PONG:
                peer.pongs += 1
            elif message.type is WSMsgType.TEXT:
                request = json.loads(message.data)
                peer.requests.append(request)
                if self.answers_requests:
                    await peer.say({"result": None, "id": request["id"]})


def position_update(symbol: str, amount: str, at_ms: int = NOW_MS, side: str = "BOTH") -> Message:
    part = {"s": symbol, "pa": amount, "ep": "100.5", "cr": "0", "up": "0", "mt": "cross", "iw": "0", "ps": side}
    account = {"B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "0"}], "P": [part], "m": "ORDER"}
    return {"e": "ACCOUNT_UPDATE", "T": at_ms, "E": at_ms + 1, "a": account}


def algo_update(client_id: str, symbol: str = "BTCUSDT", status: str = "NEW") -> Message:
    part = {
        **{"caid": client_id, "aid": 1000000202490585, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": symbol},
        **{"S": "SELL", "ps": "BOTH", "f": "GTE_GTC", "q": "0", "X": status, "ai": "", "tp": "74960.75", "p": "0"},
        **{"V": "EXPIRE_MAKER", "wt": "MARK_PRICE", "pm": "NONE", "cp": True, "pP": True, "R": True, "tt": 0},
        **{"gtd": 0, "ia": False},
    }
    return {"e": "ALGO_UPDATE", "T": NOW_MS, "E": NOW_MS + 1, "o": part}


def mark_row(symbol: str, price: str, at_ms: int = NOW_MS) -> Message:
    return {"e": "markPriceUpdate", "E": at_ms, "s": symbol, "p": price, "i": "1", "P": "1", "r": "0", "T": 1}


async def reconnected(host: StreamHost, clock: WaitingClock, number: int, pause_s: float) -> Peer:
    """Let exactly the pause pass that should lie before the connection with this number."""
    await until(lambda: clock.pausing(pause_s), f"a pause of {pause_s} s")
    clock.advance(pause_s)
    return await host.connected(number)


def gaps(events: list[StreamEvent]) -> int:
    return sum(isinstance(event, StreamGap) for event in events)
