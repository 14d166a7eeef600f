"""What comes over the network, to the command as a process: nothing breaks, nothing waits for it, nothing grows."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import h11
import pytest
from redis.asyncio import Redis

from position_monitor.dashboard.http_server import CONNECTIONS_MAX
from position_monitor.dashboard.requests import BadRequest, Request, request_of
from position_monitor.edge.redis.embedded import EmbeddedRedis
from tests.bench.gauges import memory_mib
from tests.dashboard.conftest import Publisher, eventually, several
from tests.dashboard.test_process import command

HERE = b"Host: localhost\r\n"
POSITIONS = 300


class Running:
    """The process, where it listens and what it said."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def connected(self) -> socket.socket:
        """A connection of whoever reads little."""
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        one.settimeout(60)
        one.connect(("127.0.0.1", self.port))
        return one

    def answer(self, request: bytes) -> bytes:
        """Everything that comes until the other side closes."""
        with self.connected() as one:
            parts = []
            with suppress(ConnectionError):  # it may be refused before all of it was sent
                one.sendall(request)
            with suppress(ConnectionError):
                while part := one.recv(2**20):
                    parts.append(part)
            return b"".join(parts)

    def page(self) -> bytes:
        """The page as of now."""
        return self.answer(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HERE + b"\r\n")

    def memory_mib(self) -> float:
        """Resident."""
        return memory_mib(self.process.pid).rss


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, valkey: EmbeddedRedis) -> Iterator[Running]:
    """One process for the module. It says nothing but where it is, whatever is sent to it."""
    config: Path = tmp_path_factory.mktemp("dashboard") / "config.toml"
    config.write_text(f'account = "main"\n[exchange]\nenvironment = "paper"\n[redis]\nurl = "{valkey.url}"\n')
    process = subprocess.Popen(command(config, "--port", "0"), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stderr.readline())
        assert address is not None
        yield Running(process, int(address[1]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def account(valkey: EmbeddedRedis, redis: Redis, running: Running) -> AsyncIterator[Publisher]:
    """An account with many positions, as the process shows it."""
    daemon = Publisher(redis)
    await daemon.positions(several(POSITIONS))
    await daemon.status(positions=POSITIONS, protected=POSITIONS)

    async def is_shown() -> bool:
        return (await asyncio.to_thread(running.page)).count(b"badge good") > POSITIONS

    await eventually(is_shown)
    yield daemon


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + HERE + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HERE + b"X: a\r\n" * 500 + b"\r\n", 431),
        (bytes.fromhex("1603010200010001fc0303") + bytes(range(256)), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"hello\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n" + HERE + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HERE + b"Host: evil.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n" + HERE + b" folded\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\n" + HERE + b"X y: z\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HERE + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HERE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HERE + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET nowhere HTTP/1.1\r\n" + HERE + b"\r\n", 400),
        (b"GET /position?" + b"a=b&" * 500 + b" HTTP/1.1\r\n" + HERE + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HERE + b"Content-Length: 9000000\r\n\r\n" + b"x" * 1_000_000, 405),
        (b"BREW-TEA / HTTP/1.1\r\nConnection: close\r\n" + HERE + b"\r\n", 405),
        (b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 421),
        (b"GET /healthz HTTP/1.0\r\n" + HERE + b"\r\n", 200),
        (b"\r\nGET http://localhost/healthz HTTP/1.1\r\nConnection: close\r\n" + HERE + b"\r\n", 200),
    ],
)
def test_what_is_no_plain_request_is_refused(running: Running, request_: bytes, status: int) -> None:
    """With the policy, in one answer, and the connection is closed."""
    answer = running.answer(request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
    assert b"Content-Security-Policy: default-src 'none'" in answer
    assert b"evil" not in answer
    assert answer.count(b"HTTP/1.1 %d " % status) == 1


def test_requests_in_a_row_are_answered_in_order(running: Running) -> None:
    """On one connection, all sent at once; HEAD without a body."""
    one = b"GET /healthz HTTP/1.1\r\n" + HERE + b"\r\n"
    last = b"HEAD / HTTP/1.1\r\nConnection: close\r\n" + HERE + b"\r\n"
    answer = running.answer(one * 50 + last)
    assert answer.count(b"HTTP/1.1 ") == 51
    assert answer.count(b'{"redis_answers":') == 50
    assert answer.endswith(b"\r\n\r\n")


async def test_slow_ones_make_room_for_those_that_ask(running: Running, account: Publisher) -> None:
    """More connections than the bound, each with half a request."""
    with ExitStack() as stack:
        slow = [stack.enter_context(running.connected()) for _ in range(CONNECTIONS_MAX + 50)]
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        for _ in range(3):
            assert (await asyncio.to_thread(running.page)).startswith(b"HTTP/1.1 200 ")
        handles = len(os.listdir(f"/proc/{running.process.pid}/fd"))
        assert handles <= CONNECTIONS_MAX + 40


async def test_who_never_reads_costs_nothing(running: Running, account: Publisher) -> None:
    """The page and the stream, asked for by many: each could hold a copy of a megabyte."""

    async def is_large() -> bool:
        return len(await asyncio.to_thread(running.page)) > 500_000

    await eventually(is_large)
    before_mib = running.memory_mib()
    with ExitStack() as stack:
        deaf = [stack.enter_context(running.connected()) for _ in range(200)]
        for number, one in enumerate(deaf):
            path = b"/" if number % 2 else b"/stream"
            one.sendall(b"GET %s HTTP/1.1\r\n" % path + HERE + b"\r\n")
        until_s = time.monotonic() + 2
        most_mib = before_mib
        while time.monotonic() < until_s:
            most_mib = max(most_mib, running.memory_mib())
            await asyncio.sleep(0.05)
        assert (await asyncio.to_thread(running.page)).startswith(b"HTTP/1.1 200 ")
    assert most_mib - before_mib < 45


async def test_large_values_are_not_kept(running: Running, account: Publisher) -> None:
    """Ten megabytes in each of eight values, read every second: three times as much would be there at once."""
    large = "x" * 10_000_000
    before_mib = running.memory_mib()
    for state in several(6):
        await account.client.hset(f"{account.p}:position:{state.key}", "doc", large)
    await account.client.set(f"{account.p}:lease", large)
    await account.client.xadd(f"{account.p}:events", {"data": large})

    async def is_shown() -> bool:
        text = await asyncio.to_thread(running.page)
        return text.count(b"expected at most") == 12

    await eventually(is_shown)
    assert running.memory_mib() - before_mib < 40


def requested(head: bytes) -> Request:
    """What a head asks for. Raises `BadRequest`, and what h11 raises."""
    wire = h11.Connection(h11.SERVER)
    wire.receive_data(head)
    message = wire.next_event()
    assert isinstance(message, h11.Request)
    return request_of(message)


@pytest.mark.parametrize(
    ("offer", "takes"),
    [
        *(("gzip", True), ("deflate, gzip;q=0.5", True), ("*", True), ("br, gzip ;q=1.0, x", True)),
        *(("gzip;q=0", False), ("gzip; q=0.000", False), ("xgzip", False), ("", False), ("identity", False)),
    ],
)
def test_who_takes_gzip(offer: str, takes: bool) -> None:
    head = f"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {offer}\r\n\r\n".encode()
    assert requested(head).takes_gzip is takes


def test_a_head_of_any_bytes_is_a_request_or_a_refusal() -> None:
    """Nothing else is raised."""
    whole = b"GET /position?symbol=A%20B&side=LONG HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
    assert requested(whole).query == {"symbol": "A B", "side": "LONG"}
    for place in range(len(whole) - 4):
        for byte in (b"", b"\x00", b"\xff", b" ", b"\r", b"%", b"[", b":"):
            try:
                requested(whole[:place] + byte + whole[place + 1 :])
            except BadRequest as refusal:
                assert refusal.status in (400, 431, 505)
            except h11.RemoteProtocolError as refusal:
                assert refusal.error_status_hint in (400, 431, 501)
