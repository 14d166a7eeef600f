"""Key, secret, signature and address never leave, by whatever way a call fails (invariant 15)."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from position_monitor.edge.http.ccxt_transport import CcxtTransport
from position_monitor.edge.venues.binance.failures import without_secrets
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import AuthRefused, ConfigError, ExchangeFailure
from tests.edge.exchange.loopback_venue import API_KEY, API_SECRET, Answer, HalfBody, HangUp, LoopbackVenue, Silence
from tests.edge.exchange.sample_actions import backstop

POSITIONS = "/fapi/v3/positionRisk"
ALGO = "/fapi/v1/algoOrder"
FORBIDDEN = (API_KEY, API_SECRET, "signature=", "127.0.0.1", "http://", "https://", "recvWindow=")

ECHO = f"Bad request https://fapi.binance.com/fapi/v1/x?timestamp=1&signature={'ab' * 32} key {API_KEY} {API_SECRET}"
FAILURES: dict[str, Any] = {
    "refusal": Answer({"code": -2021, "msg": ECHO}, status=400),
    "bad signature": Answer({"code": -1022, "msg": ECHO}, status=401),
    "unlisted": Answer({"code": -7777, "msg": ECHO}, status=400),
    "page": Answer(f"<html>{ECHO}</html>", content_type="text/html"),
    "error page": Answer(f"<html>{ECHO}</html>", status=502, content_type="text/html"),
    "ban": Answer({"code": -1003, "msg": ECHO}, status=418),
    "hang-up": HangUp(),
    "half": HalfBody(),
    "silence": Silence(),
}


async def said_by(failing: Awaitable[Any], caught: type[BaseException] = ExchangeFailure) -> tuple[str, str]:
    """What a failure says: its text and plain traceback, and loguru's print of every variable of every frame."""
    journal = io.StringIO()
    sink = logger.add(journal, diagnose=True, backtrace=True, level=0)
    try:
        await failing
    except caught as failure:
        logger.exception("failed")
        chain = "".join(traceback.format_exception(failure))
        assert not isinstance(failure, ExchangeFailure) or (
            failure.__cause__ is None and (failure.__context__ is None or failure.__suppress_context__)
        )
        return "\n".join((str(failure), repr(failure), chain)), journal.getvalue()
    finally:
        logger.remove(sink)
    raise AssertionError("nothing failed")


def assert_clean(said: tuple[str, str], *, logged: str = "") -> None:
    """Frames of the tests know the loopback address, so with variables only what is truly secret is looked for."""
    plain, with_variables = said
    found = [word for word in FORBIDDEN if word in plain + logged]
    found += [word for word in (API_KEY, API_SECRET, "signature=") if word in with_variables]
    assert not found, f"{found} in:\n{plain}{logged}{with_variables}"


@pytest.mark.parametrize("behaviour", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("call", ["read", "place"])
async def test_no_failure_tells_a_secret(
    open_venue: Callable[..., BinanceUsdm],
    loopback: LoopbackVenue,
    approve: Callable[[Any], Any],
    caplog: pytest.LogCaptureFixture,
    behaviour: Any,
    call: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    venue = open_venue(loopback.origin, timeout_s=0.15 if isinstance(behaviour, Silence) else 5.0)
    loopback.script("GET", POSITIONS, behaviour)
    loopback.script("POST", ALGO, behaviour)
    failing = venue.read_positions() if call == "read" else venue.place(approve(backstop()))
    said = await said_by(failing)
    # The loopback server's own access log is not ours to judge; nobody else may have logged the address.
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name != "aiohttp.access")
    assert_clean(said, logged=ours)


async def test_the_reason_of_an_unreadable_row_does_not_quote_it(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", POSITIONS, Answer([{"symbol": "BTCUSDT", "positionSide": ECHO, "positionAmt": ECHO}]))
    reason = (await venue.read_positions()).unreadable["BTCUSDT"]
    assert "was malformed" in reason and not any(word in reason for word in FORBIDDEN)


async def test_a_refused_connection_tells_no_secret(open_venue: Callable[..., BinanceUsdm]) -> None:
    venue = open_venue("http://127.0.0.1:9")
    assert_clean(await said_by(venue.read_positions()))


async def test_a_cancelled_call_tells_no_secret(
    open_venue: Callable[..., BinanceUsdm], loopback: LoopbackVenue
) -> None:
    """A deadline around a call prints the frames of the cancellation, which would be ccxt's with the signed URL."""
    loopback.script("GET", POSITIONS, Silence())
    venue = open_venue(loopback.origin)

    async def with_deadline() -> None:
        async with asyncio.timeout(0.2):
            await venue.read_positions()

    assert_clean(await said_by(with_deadline(), TimeoutError))


async def test_a_cancelled_task_stays_cancelled(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", POSITIONS, Silence())
    task = asyncio.create_task(venue.read_positions())
    await loopback.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_values_of_the_edge_print_no_secret(venue: BinanceUsdm) -> None:
    seen = " ".join(repr(one) for one in (venue, venue._wire, venue._wire._transport, vars(venue)))
    assert API_KEY not in seen and API_SECRET not in seen


async def test_a_missing_key_is_said_before_anything_is_sent(loopback: LoopbackVenue, clock: Any) -> None:
    transport = CcxtTransport(environment="paper", rest_url=loopback.origin, api_key="", api_secret="", timeout_s=1)
    venue = BinanceUsdm(transport, clock)
    with pytest.raises(AuthRefused):
        await venue.read_positions()
    await venue.aclose()
    assert loopback.requests == []


@pytest.mark.parametrize(
    "rest_url", ["127.0.0.1:8799", "ftp://x", "http://", "http://user:pa55word@host", "http://h/path", "http://h?x=1"]
)
def test_an_unusable_origin_is_a_configuration_error(rest_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CcxtTransport(environment="live", rest_url=rest_url, api_key="k", api_secret="s", timeout_s=1)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(("environment", "rest_url"), [("paper", ""), ("testnet", "http://127.0.0.1:1")])
def test_an_unknown_environment_is_a_configuration_error(environment: str, rest_url: str) -> None:
    with pytest.raises(ConfigError):
        CcxtTransport(environment=environment, rest_url=rest_url, api_key="k", api_secret="s", timeout_s=1)


@given(st.text(max_size=300))
def test_a_quoted_message_is_one_short_line(message: str) -> None:
    said = without_secrets(message)
    assert len(said) <= 160 and said.isprintable() and "\n" not in said
    assert "://" not in said


def test_ordinary_messages_survive_quoting() -> None:
    message = "Order would immediately trigger."
    assert without_secrets(message) == message


async def test_every_interface_of_ccxt_goes_to_the_given_origin(loopback: LoopbackVenue) -> None:
    transport = CcxtTransport(
        environment="live", rest_url=f"{loopback.origin}/", api_key="k", api_secret="s", timeout_s=1
    )
    addresses = [url for url in transport._venue.urls["api"].values() if isinstance(url, str)]
    assert addresses and all(url.startswith(f"{loopback.origin}/") for url in addresses)
    await transport.aclose()


async def test_demo_goes_to_the_demo_venue() -> None:
    transport = CcxtTransport(environment="demo", rest_url="", api_key="k", api_secret="s", timeout_s=1)
    assert transport._venue.urls["api"]["fapiPrivate"] == "https://demo-fapi.binance.com/fapi/v1"
    await transport.aclose()
