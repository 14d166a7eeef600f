"""Requests of the independent reader: the documented signature, and every bad answer in words without a secret."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from position_monitor.verification.signed_reads import BODY_BYTES_MAX, Key, SignedReads, VenueUnread, signature
from tests.edge.hostile_server import hostile

KEY = Key("the-public-part-of-the-key", "the-secret-part-of-the-key")
Answer = Callable[[web.Request], web.Response]


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def asked(origin: str, *, timeout_s: float = 1.0) -> object:
    reads = SignedReads(origin, KEY, timeout_s=timeout_s)
    try:
        return await reads.ask("/fapi/v3/positionRisk", {"symbol": "BTCUSDT"})
    finally:
        await reads.aclose()


async def refusal(origin: str) -> str:
    """The words of a failed request, checked for secrets and for the place."""
    with pytest.raises(VenueUnread) as caught:
        await asked(origin)
    words = str(caught.value)
    assert "the-secret" not in words and "the-public" not in words and "signature" not in words
    assert origin.removeprefix("http://") in words and "?" not in words
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    return words


def test_the_signature_is_the_documented_one() -> None:
    """The example of Binance, USDⓈ-M futures, General Info (SIGNED endpoint examples)."""
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    order = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    query = f"{order}&recvWindow=5000&timestamp=1591702613943"
    assert signature(query, secret) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


async def test_the_key_goes_in_the_header_and_the_signature_last() -> None:
    """What a strict venue asks for; fractions never pass through binary floating point."""
    seen: list[web.Request] = []

    def answer(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(text='[{"a": 0.1}]', headers={"X-MBX-USED-WEIGHT-1M": "42"})

    async with served(answer) as origin:
        assert str(await asked(origin)) == "[{'a': Decimal('0.1')}]"
    [request] = seen
    assert request.method == "GET" and request.headers["X-MBX-APIKEY"] == KEY.api_key
    signed, _, sent = request.rel_url.raw_query_string.rpartition("&signature=")
    assert sent == signature(signed, KEY.api_secret) and signed.startswith("symbol=BTCUSDT&recvWindow=5000&timestamp=")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (429, '{"code":-1003,"msg":"Too many requests."}', "limits this address (HTTP 429); it wants silence for 7 s"),
        (418, '{"code":-1003,"msg":"IP banned until 1795000000000"}', "bans this address (HTTP 418)"),
        (401, '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', "check the key"),
        (400, '{"code":-1022,"msg":"Signature for this request is not valid."}', "check the secret"),
        (200, '{"code":-1000,"msg":"see https://x/?signature=abc&apiKey=1"}', "code -1000): see <removed>"),
        (200, "<html>login</html>", "not JSON"),
        (200, "", "not JSON"),
        (200, '[{"a": NaN}]', "not JSON"),
        (503, "Service Unavailable.", "answered HTTP 503"),
        (302, "", "answered HTTP 302"),
    ],
)
async def test_a_bad_answer_is_said_in_words(status: int, body: str, words: str) -> None:
    """Which host, what it said, what to do; never a signed address."""
    headers = {"Retry-After": "7", "Location": "http://elsewhere/"}
    async with served(lambda _: web.Response(status=status, text=body, headers=headers)) as origin:
        assert words in await refusal(origin)


async def test_nobody_there_is_said_in_words() -> None:
    """A closed port, within the time-out."""
    assert "cannot be reached" in await refusal("http://127.0.0.1:9")


@pytest.mark.parametrize("kind", ["gzip", "chunked gzip", "endless", "drip", "header drip", "damaged", "brotli"])
async def test_a_hostile_answer_ends_in_time(kind: str) -> None:
    """Bombs are not unpacked, drips are not waited for."""
    async with hostile(kind) as origin:
        words = await asyncio.wait_for(refusal(origin), 30)
    assert any(part in words for part in (f"more than {BODY_BYTES_MAX}", "did not answer", "broke off"))


async def test_a_packed_answer_is_read() -> None:
    """A proxy may pack what was asked for as it is."""
    packed = gzip.compress(b'["yes"]')
    answer = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    async with served(lambda _: answer) as origin:
        assert await asked(origin) == ["yes"]


async def test_a_refused_time_stamp_is_measured_once() -> None:
    """The clock of this host may be wrong; the second answer counts."""
    asked_for: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked_for.append(request.path)
        if request.path == "/fapi/v1/time":
            return web.Response(text='{"serverTime": 1795000000000}')
        stamp = int(request.query["timestamp"])
        good = abs(stamp - 1_795_000_000_000) < 60_000
        return web.Response(text="[]") if good else web.Response(status=400, text='{"code":-1021,"msg":"ahead"}')

    async with served(answer) as origin:
        assert await asked(origin) == []
    assert asked_for == ["/fapi/v3/positionRisk", "/fapi/v1/time", "/fapi/v3/positionRisk"]


def test_a_key_does_not_print_itself() -> None:
    """Not in a traceback that shows values either."""
    assert "secret" not in repr(KEY) and "public" not in repr(KEY)
