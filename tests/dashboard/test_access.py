"""Nothing can be written, nobody else looks, nothing foreign runs."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from typing import Any

import pytest

from position_monitor.dashboard.access import Access, read_token
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.errors import ConfigError
from tests.dashboard.conftest import Page, eventually, page_of

TOKEN = "0123456789abcdef0123"
PATHS = ("/", "/api/state", "/api/events", "/healthz", "/style.css", "/dashboard.js", "/stream", "/position", "/none")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
async def test_only_get_and_head(page: Page, method: str) -> None:
    for path in PATHS:
        async with page.session.request(method, page.url + path) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), path


async def test_head_is_get_without_a_body(page: Page) -> None:
    for path in PATHS[:-2]:
        async with page.session.head(page.url + path) as answer:
            assert answer.status == 200, path
            assert await answer.text() == ""


async def test_every_answer_carries_the_policy(page: Page) -> None:
    """Errors too. The page needs nothing that the policy refuses: no inline script, style or handler, no other host."""
    for path in PATHS:
        if path != "/stream":
            async with page.session.get(page.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith(
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
                )
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "unsafe" not in policy
    text = (await page.get())[1]
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=|javascript:", text)
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', text)
    script, style = (await page.get("/dashboard.js"))[1], (await page.get("/style.css"))[1]
    assert not re.search(r"https?://|eval\(|document\.write|import\(", script + style)
    assert "url(" not in style


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost", 200), ("127.0.0.1:8790", 200), ("[::1]:8790", 200), ("127.5.5.5", 200)),
        *(("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421), ("[::1", 421)),
    ],
)
async def test_a_foreign_name_for_this_address_is_refused(page: Page, host: str, status: int) -> None:
    """A page of somebody else's cannot read this one through a name that it lets resolve to loopback."""
    assert (await page.get("/api/state", headers={"Host": host}))[0] == status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer wrong", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        ("Basic " + base64.b64encode(f"any:{TOKEN}".encode()).decode(), 200),
        ("Basic " + base64.b64encode(TOKEN.encode()).decode(), 401),
        ("Basic !!!", 401),
        (f"Digest {TOKEN}", 401),
        ("Bearer " + "x" * 5_000, 401),
    ],
)
async def test_with_a_token_nobody_looks_without_it(valkey: EmbeddedRedis, authorization: str, status: int) -> None:
    async with page_of(valkey.url, token=TOKEN) as page:
        for path in ("/", "/api/state", "/healthz", "/dashboard.js"):
            answer, text = await page.get(path, headers={"Authorization": authorization, "Host": "desk.example"})
            assert answer == status
            assert TOKEN not in text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "desk.example", "", "127.0.0.1.example"])
def test_another_address_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="--token-file"):
        Access(host, None)
    Access(host, TOKEN)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40, b"two lines of\nmore than sixteen", b"x" * 10_000])
def test_a_token_that_is_none_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as told:
        read_token(path)
    assert not content or content.decode("latin-1") not in str(told.value)
    with pytest.raises(ConfigError, match="could not be read"):
        read_token(tmp_path / "none")
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN


async def test_connections_are_bounded_and_a_silent_one_is_closed(page: Page, monkeypatch: Any) -> None:
    monkeypatch.setattr("position_monitor.dashboard.http_server.CONNECTIONS_MAX", 3)
    monkeypatch.setattr("position_monitor.dashboard.http_server.FIRST_REQUEST_S", 0.3)
    opened = [await asyncio.open_connection("127.0.0.1", page.port) for _ in range(6)]
    ends = await asyncio.gather(*(asyncio.wait_for(_end(reader), 20) for reader, _ in opened))
    assert ends == [b""] * 6
    monkeypatch.setattr("position_monitor.dashboard.http_server.FIRST_REQUEST_S", 60)

    async def answers() -> bool:
        return (await page.get())[0] == 200

    await eventually(answers)
    for _, writer in opened:
        writer.close()


async def _end(reader: asyncio.StreamReader) -> bytes:
    """What came until the other side closed."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""
