"""A clock that obeys, cassettes that replay only, and a loopback server that misbehaves on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import vcr

NOW_MS = 1_780_000_000_000
CASSETTES = Path(__file__).parent / "cassettes"


class ManualClock:
    """Stands still until told; every sleep is noted and moves it."""

    def __init__(self) -> None:
        self.wall_ms = NOW_MS
        self.mono_s = 1000.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.mono_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.005)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.mono_s += seconds
        self.wall_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], Awaitable[None]]:
    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def cassette() -> Callable[[str], object]:
    """Replay one recorded conversation; a request that was not recorded is an error."""
    player = vcr.VCR(
        cassette_library_dir=str(CASSETTES),
        record_mode="none",
        match_on=["method", "scheme", "host", "port", "path", "query", "body"],
    )
    return lambda name: player.use_cassette(f"{name}.yaml")


class Loopback:
    """An HTTP server whose answers are raw bytes, None for silence. It counts what it was asked."""

    def __init__(self, answer: Callable[[str], bytes | None]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.at_once = 0
        self.at_once_max = 0
        self.gate: asyncio.Event | None = None
        self._server: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
                text = head.decode() + (await reader.readexactly(length)).decode()
                self.asked.append(text)
                self.at_once += 1
                self.at_once_max = max(self.at_once_max, self.at_once)
                if self.gate is not None:
                    await self.gate.wait()
                self.at_once -= 1
                body = self.answer(text)
                if body is None:
                    await asyncio.sleep(60)
                    return
                writer.write(body)
                await writer.drain()
                if not body.startswith(b"HTTP/1.1"):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def json_reply(body: str | bytes, status: str = "200 OK") -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


@pytest.fixture
def reply() -> Callable[..., bytes]:
    return json_reply


@pytest.fixture
async def loopback() -> AsyncIterator[Callable[[Callable[[str], bytes | None]], Awaitable[Loopback]]]:
    servers: list[Loopback] = []

    async def start(answer: Callable[[str], bytes | None]) -> Loopback:
        server = Loopback(answer)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()
