"""Candles over real HTTP and real ccxt: exact rows or a reason, and no effect on the calls that protect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import httpx
import pytest

from position_monitor.core.market.candles import INTERVAL_MS, Candle
from position_monitor.core.market.fold import MarketFold
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.regime_settings import RegimeThresholds
from position_monitor.edge.candles import CandleReader, CandleSettings
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.http.ccxt_transport import CcxtTransport
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import ExchangeFailure, RateLimited, Refused, Unreachable, Unreadable
from position_monitor.paper.server import PaperOptions, PaperServer
from tests.edge.exchange.loopback_venue import Answer, HalfBody, HangUp, LoopbackVenue, Silence

HOUR = INTERVAL_MS
FIRST_MS = 498_000 * HOUR
MARK, LAST = WorkingType.MARK_PRICE, WorkingType.CONTRACT_PRICE
MARK_PATH, TRADE_PATH = "/fapi/v1/markPriceKlines", "/fapi/v1/klines"


def row(number: int, **changes: Any) -> list[Any]:
    """A row as the venue writes it."""
    at = FIRST_MS + number * HOUR
    values = {
        "open_ms": at,
        "open": "100.1",
        "high": "101.5",
        "low": "99.25",
        "close": "100.75",
        "close_ms": at + HOUR - 1,
    }
    values |= changes
    prices = [values[name] for name in ("open", "high", "low", "close")]
    return [values["open_ms"], *prices, "0", values["close_ms"], "0", 3600, "0", "0", "0"]


async def read(venue: BinanceUsdm, working_type: WorkingType = MARK, count: int = 3) -> list[Candle]:
    return list(await venue.read_candles("BTCUSDT", working_type, first_ms=FIRST_MS, count=count))


async def test_exactly_the_candles_that_are_wanted_are_asked_for(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", MARK_PATH, Answer([row(0), row(1, close="100.5")]))
    loopback.script("GET", TRADE_PATH, Answer([row(0, high="110")]))
    assert await read(venue) == [Candle(FIRST_MS, 101.5, 99.25, 100.75), Candle(FIRST_MS + HOUR, 101.5, 99.25, 100.5)]
    assert await read(venue, LAST) == [Candle(FIRST_MS, 110.0, 99.25, 100.75)]
    (sent,) = loopback.sent("GET", MARK_PATH)
    assert sent.params == {
        "symbol": "BTCUSDT", "interval": "1h", "limit": "3",
        "startTime": str(FIRST_MS), "endTime": str(FIRST_MS + 3 * HOUR - 1),
    }  # fmt: skip
    assert "X-MBX-APIKEY" not in sent.headers, "public data needs no key"


@pytest.mark.parametrize(
    ("limit", "weight"), [(1, 1), (99, 1), (100, 2), (300, 2), (499, 2), (500, 5), (1000, 5), (1001, 10), (1500, 10)]
)
def test_the_weight_of_candles(limit: int, weight: int) -> None:
    for endpoint in (Endpoint.MARK_CANDLES, Endpoint.TRADE_CANDLES):
        assert endpoint.weight({"symbol": "BTCUSDT", "limit": str(limit)}) == weight
    assert Endpoint.TURNOVER.weight({}) == 40


GARBAGE = {
    "an object": {"code": 0},
    "null": None,
    "text": "soon",
    "a number": 3,
    "rows of text": ["x"],
    "rows of objects": [{"open": "1"}],
    "a short row": [row(0)[:6]],
    "too many": [row(number) for number in range(4)],
    "price as text": [row(0, high="high")],
    "price nan": [row(0, low="NaN")],
    "price missing": [row(0, close=None)],
    "price infinite": [row(0, high="Infinity")],
    "price absurd": [row(0, high="1e99")],
    "time as text": [row(0, open_ms="yesterday")],
    "time as truth": [row(0, open_ms=True)],
    "another interval": [row(0, close_ms=FIRST_MS + 60_000 - 1)],
    "html": "<html><body>maintenance</body></html>",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_refused_with_a_reason_that_does_not_repeat_it(
    venue: BinanceUsdm, loopback: LoopbackVenue, body: object
) -> None:
    loopback.script("GET", MARK_PATH, Answer(body))
    with pytest.raises(Unreadable) as caught:
        await read(venue)
    assert str(caught.value).startswith("mark price candles: ")
    assert "maintenance" not in str(caught.value) and "yesterday" not in str(caught.value)


async def test_a_price_that_comes_as_a_number_is_as_good_as_its_text(
    venue: BinanceUsdm, loopback: LoopbackVenue
) -> None:
    loopback.script("GET", MARK_PATH, Answer([row(0, close=100.5)]))
    assert [candle.close for candle in await read(venue)] == [100.5]


async def test_the_turnover_of_every_symbol_and_a_bad_row_costs_its_symbol_only(
    venue: BinanceUsdm, loopback: LoopbackVenue
) -> None:
    rows = [{"symbol": "AUSDT", "quoteVolume": "12.50"}, {"symbol": "BUSDT", "quoteVolume": "x"}, {"symbol": "CUSDT"}]
    loopback.script("GET", "/fapi/v1/ticker/24hr", Answer([*rows, {"symbol": "DUSDT", "quoteVolume": "3"}]))
    assert await venue.read_turnovers() == {"AUSDT": Decimal("12.50"), "DUSDT": Decimal(3)}
    loopback.script("GET", "/fapi/v1/ticker/24hr", Answer({"code": 0}))
    with pytest.raises(Unreadable):
        await venue.read_turnovers()


FAULTS = {
    "HTML for JSON": (Answer("<html>", content_type="text/html"), Unreadable),
    "a front that turns us away": (Answer("<html>", status=403, content_type="text/html"), RateLimited),
    "unknown symbol": (Answer({"code": -1121, "msg": "Invalid symbol."}, status=400), Refused),
    "server error": (Answer("oops", status=500), Unreachable),
    "hang up": (HangUp(), Unreachable),
    "half a body": (HalfBody(), Unreadable),
}


@pytest.mark.parametrize(("fault", "failure"), FAULTS.values(), ids=FAULTS.keys())
async def test_what_happens_to_candles_changes_nothing_for_other_calls(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any, fault: Any, failure: type[ExchangeFailure]
) -> None:
    """A front that turns candles away may be a rule for that path alone: stops are not silent because of it."""
    loopback.script("GET", MARK_PATH, fault)
    loopback.script(
        "GET", "/fapi/v1/premiumIndex", Answer({"symbol": "BTCUSDT", "markPrice": "5", "time": clock.now_ms()})
    )
    for _ in range(3):
        with pytest.raises(failure):
            await read(venue)
        assert await venue.read_price("BTCUSDT", MARK) == 5
    assert clock.slept == [] and not venue._wire.instruments_flagged


async def test_a_ban_of_the_whole_address_is_obeyed_by_everybody(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    loopback.script("GET", MARK_PATH, Answer({"code": -1003, "msg": "Way too many requests"}, status=418))
    with pytest.raises(RateLimited):
        await read(venue)
    with pytest.raises(RateLimited):
        await venue.read_price("BTCUSDT", MARK)
    assert loopback.sent("GET", "/fapi/v1/premiumIndex") == []


async def test_candles_that_hang_do_not_make_the_other_calls_wait_longer(
    loopback: LoopbackVenue,
) -> None:
    """Each time-out lets the next request wait longer, so that a slow venue is heard at all; not so after these."""
    transport = CcxtTransport(
        environment="paper", rest_url=loopback.origin, api_key="k", api_secret="s", timeout_s=0.2, timeout_max_s=20
    )
    venue = BinanceUsdm(transport, SystemClock())
    loopback.script("GET", MARK_PATH, Silence())
    for _ in range(3):
        with pytest.raises(Unreachable):
            await read(venue)
    assert transport._patience.timeout_s == transport._background_patience.timeout_s == 0.2
    await venue.aclose()


Open = Callable[[], Awaitable[tuple[BinanceUsdm, PaperServer, httpx.AsyncClient]]]


def connected(server: PaperServer, timeout_s: float = 20.0) -> BinanceUsdm:
    """A venue on the paper exchange, over real HTTP."""
    return connect(
        environment="paper",
        rest_url=server.url,
        api_key=server.options.api_key,
        api_secret=server.options.api_secret,
        timeout_s=timeout_s,
        clock=SystemClock(),
    )


@pytest.fixture
async def paper() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def _open() -> tuple[BinanceUsdm, PaperServer, httpx.AsyncClient]:
            server = PaperServer(PaperOptions(port=0, scenario="seven-naked", price_interval_s=0))
            await server.start()
            stack.push_async_callback(server.stop)
            venue = connected(server)
            stack.push_async_callback(venue.aclose)
            await venue.prepare()
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url))
            return venue, server, client

        yield _open


def reader_of(venue: BinanceUsdm) -> CandleReader:
    settings = CandleSettings(wanted=True, thresholds=RegimeThresholds(), working_type=lambda _: MARK)
    return CandleReader(venue, SystemClock(), lambda: settings)


async def test_the_reader_against_the_paper_exchange(paper: Open) -> None:
    """The state is that of the candles which the exchange shows to anybody."""
    venue, _, client = await paper()
    reader = reader_of(venue)
    reader.watch(["ETHUSDT", "BTCUSDT"])
    for _ in range(5):
        await reader.step()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        state = reader.market(symbol)
        assert state is not None, reader.missing(symbol)
        params: dict[str, Any] = {"symbol": symbol, "interval": "1h", "endTime": state.closed_at_ms - 1, "limit": 300}
        rows = (await client.get(MARK_PATH, params=params)).json()
        fold = MarketFold()
        fold.add([Candle(one[0], *(float(text) for text in one[2:5])) for one in rows], RegimeThresholds())
        assert len(rows) == 300 and fold.state(venue.venue_now_ms()) == state
    others = [symbol for symbol in venue.trading_symbols() if reader.market(symbol) is not None]
    assert len(others) >= 4, "then the others"


PAPER_FAULTS: dict[str, dict[str, Any]] = {
    "down": {"name": "internal_503"},
    "html": {"name": "html"},
    "empty": {"name": "empty"},
    "an object": {"name": "empty_object"},
    "null": {"name": "null"},
    "cut off": {"name": "truncated"},
    "lost": {"name": "lose_request"},
    "never answered": {"name": "timeout_before", "delay_ms": 60_000},
    "slow": {"name": "latency", "delay_ms": 60_000},
}


@pytest.mark.parametrize("fault", PAPER_FAULTS.values(), ids=PAPER_FAULTS.keys())
async def test_while_the_endpoint_fails_there_is_no_state_and_a_reason(paper: Open, fault: dict[str, Any]) -> None:
    """And the positions are read as ever in between; when the fault is over the state is there."""
    venue, server, client = await paper()
    impatient = connected(server, timeout_s=0.3)
    reader = reader_of(impatient)
    reader.watch(["BTCUSDT"])
    assert (await client.post("/paper/fault", json=fault | {"path": MARK_PATH})).status_code == 200
    for _ in range(2):
        await reader.step()
        assert len((await venue.read_positions()).positions) == 7
    await impatient.aclose()
    assert reader.market("BTCUSDT") is None
    assert reader.missing("BTCUSDT").startswith("no candle was read yet: mark price candles: ")
    await client.request("DELETE", "/paper/fault", json={})
    again = reader_of(venue)
    again.watch(["BTCUSDT"])
    await again.step()
    assert again.market("BTCUSDT") is not None
