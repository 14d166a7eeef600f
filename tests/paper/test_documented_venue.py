"""Where the paper exchange once was not what the venue documents, or what live reports agree on."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from decimal import Decimal

import aiohttp
import ccxt
import ccxt.async_support as ccxt_async
import pytest
from aiohttp.abc import AbstractResolver

from position_monitor.paper.control import Control
from position_monitor.paper.server import PaperOptions, PaperServer
from position_monitor.paper.signing import Request
from tests.paper.paper_support import (
    START_MS,
    amount,
    call,
    engine_with,
    gateway_of,
    limit_params,
    long_btc,
    market_params,
    part_params,
    refused_code,
    stop_params,
)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


# -- prices of trailing stops


@pytest.mark.parametrize(
    ("side", "wrong", "right"), [("LONG", ("39900", "40000"), "40100"), ("SHORT", ("40100", "40000"), "39900")]
)
def test_a_trailing_stop_that_would_be_active_at_once_is_an_immediate_trigger(side, wrong, right):
    engine = engine_with(("BTCUSDT", side, "0.5", "40000"))
    trailing = {
        "type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1",
        "side": "SELL" if side == "LONG" else "BUY",
    }  # fmt: skip
    for price in wrong:
        order = part_params(**trailing, activatePrice=price)
        assert refused_code(engine, lambda order=order: engine.place_algo(order)) == -2021
    assert engine.place_algo(part_params(**trailing, activatePrice=right)).activated is False


# -- candles and pages


def klines(gateway, **params):
    asked = {"symbol": "BTCUSDT", "interval": "1h", **{key: str(value) for key, value in params.items()}}
    return gateway.handle(Request("GET", "/fapi/v1/klines", asked)).body


@pytest.mark.parametrize("interval", ["1m", "1h", "4h"])
@pytest.mark.parametrize("offset_ms", [0, 1, 59_999, HOUR_MS - 1])
def test_start_time_is_the_lowest_open_time_and_end_time_the_highest(interval, offset_ms):
    gateway = gateway_of(long_btc())
    start, end = START_MS - DAY_MS + offset_ms, START_MS - DAY_MS // 2 + offset_ms
    for limit in (3, 1500):
        rows = klines(gateway, interval=interval, startTime=start, endTime=end, limit=limit)
        opens = [row[0] for row in rows]
        assert opens == sorted(set(opens))
        assert start <= opens[0] and opens[-1] <= end
        span = rows[0][6] + 1 - rows[0][0]
        assert opens[0] - span < start, "the first candle that opens at or after the start is there"
        assert len(rows) == min(limit, (end - opens[0]) // span + 1)


def test_a_window_between_two_candles_is_empty():
    gateway = gateway_of(long_btc())
    hour = START_MS - START_MS % HOUR_MS
    assert klines(gateway, startTime=hour - HOUR_MS + 1, endTime=hour - 1) == []
    assert [row[0] for row in klines(gateway, startTime=hour - HOUR_MS, endTime=hour - 1)] == [hour - HOUR_MS]


LIMITS = {
    "klines": (1500, {"symbol": "BTCUSDT", "interval": "1m"}), "markPriceKlines": (1500, {"symbol": "BTCUSDT",
    "interval": "1m"}), "depth": (1000, {"symbol": "BTCUSDT"}), "trades": (1000, {"symbol": "BTCUSDT"}),
    "aggTrades": (1000, {"symbol": "BTCUSDT"}), "fundingRate": (1000, {"symbol": "BTCUSDT"}),
    "userTrades": (1000, {"symbol": "BTCUSDT"}), "income": (1000, {}), "allOrders": (1000, {"symbol": "BTCUSDT"}),
    "allAlgoOrders": (1000, {"symbol": "BTCUSDT"}), "forceOrders": (100, {}),
    "orderAmendment": (100, {"symbol": "BTCUSDT"}), "positionMargin/history": (1000, {"symbol": "BTCUSDT"}),
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(LIMITS))
def test_more_rows_than_a_page_has_are_refused(path):
    gateway = gateway_of(long_btc())
    most, params = LIMITS[path]
    assert call(gateway, "GET", f"/fapi/v1/{path}", params | {"limit": str(most)}).status == 200
    for limit in (most + 1, 0):
        reply = call(gateway, "GET", f"/fapi/v1/{path}", params | {"limit": str(limit)})
        assert (reply.status, reply.body["code"]) == (400, -1130), limit
    assert call(gateway, "GET", f"/fapi/v1/{path}", params | {"limit": "-1"}).body["code"] == -1100


@pytest.mark.parametrize("path", ["userTrades", "allOrders", "allAlgoOrders"])
def test_histories_answer_a_week_at_a_time(path):
    """An explicit longer window is refused; a start alone is the week that follows it, without a word."""
    gateway = gateway_of(long_btc())
    engine, start = gateway.engine, gateway.engine.now_ms
    window = {"symbol": "BTCUSDT", "startTime": str(start)}

    def act():
        call(gateway, "POST", "/fapi/v1/order", market_params())
        made = call(gateway, "POST", "/fapi/v1/algoOrder", part_params(quantity="0.1")).body
        call(gateway, "DELETE", "/fapi/v1/algoOrder", {"algoId": str(made["algoId"])})

    act()
    engine.advance_to(start + 8 * DAY_MS)
    act()
    assert len(call(gateway, "GET", f"/fapi/v1/{path}", window).body) == 1
    assert len(call(gateway, "GET", f"/fapi/v1/{path}", {"symbol": "BTCUSDT"}).body) == 2
    too_long = window | {"endTime": str(start + 7 * DAY_MS + 1)}
    assert call(gateway, "GET", f"/fapi/v1/{path}", too_long).body["code"] == -4165
    backwards = window | {"endTime": str(start - 1)}
    assert call(gateway, "GET", f"/fapi/v1/{path}", backwards).body["code"] == -1023


# -- hedge mode


@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
def test_more_than_a_leg_holds_is_refused_in_hedge_mode_and_clipped_in_one_way_mode(kind):
    shape = {"symbol": "ETHUSDT", "side": "SELL", "quantity": "3"}
    if kind == "LIMIT":
        shape |= {"timeInForce": "GTC", "price": "2260"}
    hedge = engine_with(("ETHUSDT", "LONG", "1", "2250"), hedge=True)
    order = {**shape, "type": kind, "positionSide": "LONG"}
    assert refused_code(hedge, lambda: hedge.place_order(order)) == -2022
    one_way = engine_with(("ETHUSDT", "LONG", "1", "2250"))
    assert one_way.place_order({**shape, "type": kind, "reduceOnly": "true"}).quantity == 1


# -- the control route


@pytest.mark.parametrize("price", ["-1", "0", "NaN", "Infinity", "-0", "1e40", "0.00000001", "", "forty", None, True])
@pytest.mark.parametrize("name", ["price", "mark", "last"])
def test_a_price_that_is_none_is_refused_by_the_control_route(name, price):
    engine = long_btc()
    before = engine.world.market.mark("BTCUSDT")
    status, body = Control(engine).handle("POST", "price", {"symbol": "BTCUSDT", name: price})
    assert (status, "error" in body) == (400, True)
    assert engine.world.market.mark("BTCUSDT") == engine.world.market.last("BTCUSDT") == before
    assert amount(engine) == Decimal("0.5")


@pytest.mark.parametrize(
    ("name", "body"),
    [("position", {"action": "reduce", "symbol": "BTCUSDT", "quantity": "-0.1"}),
     ("position", {"action": "add", "symbol": "BTCUSDT", "quantity": "NaN"}),
     ("position", {"action": "flip", "symbol": "BTCUSDT", "quantity": "0"}),
     ("filters", {"symbol": "BTCUSDT", "tick": "0"}), ("filters", {"symbol": "BTCUSDT", "step": "NaN"}),
     ("filters", {"symbol": "BTCUSDT", "min_notional": "-5"}), ("advance", {"ms": "99999999999999999"}),
     ("limits", {"conditional_orders": 0}), ("neighbour", {"weight": -1}), ("symbol", {"symbol": "BTCUSDT"})],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused_by_the_control_route(name, body):
    engine = long_btc()
    assert Control(engine).handle("POST", name, body)[0] == 400
    assert amount(engine) == Decimal("0.5")
    assert engine.world.instruments["BTCUSDT"].tick == Decimal("0.1")


# -- streams without a route


@pytest.fixture
async def server(tmp_path):
    """A frozen exchange with a TLS port."""
    running = PaperServer(
        PaperOptions(port=0, price_interval_s=0, tls_port=0, ca_file=str(tmp_path / "ca.pem"), trigger_delay_ms=0)
    )
    await running.start()
    yield running
    await running.stop()


async def test_unrouted_connections_carry_books_and_trades_and_nothing_else(server):
    """`/ws` and `/stream`: every subscription is acknowledged, the public streams alone arrive."""
    names = ["btcusdt@bookTicker", "btcusdt@trade", "btcusdt@depth20", "btcusdt@aggTrade", "btcusdt@markPrice@1s",
             "btcusdt@kline_1m", "btcusdt@ticker"]  # fmt: skip
    key = server.engine.listen_keys.issue()
    async with aiohttp.ClientSession() as http:
        urls = (f"/stream?streams={'/'.join([*names, key])}", "/ws")
        combined, single = [await http.ws_connect(server.stream_url + url) for url in urls]
        await single.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert (await single.receive_json()) == {"result": None, "id": 1}
        body = {"symbol": "BTCUSDT", "price": "42001"}
        async with http.post(f"{server.url}/paper/price", json=body) as reply:
            assert reply.status == 200
        server.engine.trade("open", "BTCUSDT", "LONG", Decimal("0.01"))
        server.hub.pump()
        got = {(await combined.receive_json(timeout=10))["stream"] for _ in range(3)}
        assert got == {"btcusdt@bookTicker", "btcusdt@trade", "btcusdt@depth20"}
        events = {(await single.receive_json(timeout=10))["e"] for _ in range(3)}
        assert events == {"bookTicker", "trade", "depthUpdate"}
        for socket in (combined, single):
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
            assert (await socket.receive_json(timeout=10))["id"] == 2, "nothing else was on its way"
            await socket.close()


async def test_a_market_stream_can_be_silent_and_a_route_closed(server):
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(server.stream_url + "/market/stream?streams=btcusdt@markPrice/btcusdt@kline_1m")
        server.engine.add_fault("market_silent", path="markPrice")
        server.hub.broadcast(("BTCUSDT",))
        assert (await socket.receive_json(timeout=10))["stream"] == "btcusdt@kline_1m"
        await socket.close()
        server.engine.add_fault("ws_refused", path="private")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(server.stream_url + "/private/ws")
        assert refused.value.status == 503
        await (await http.ws_connect(server.stream_url + "/market/ws")).close()


# -- TLS


class Loopback(AbstractResolver):
    """Sends every name to the server's TLS port."""

    def __init__(self, port):
        self.port = port

    async def resolve(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.1", "port": self.port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self):
        """Nothing is held."""


def session_to(server):
    trust = ssl.create_default_context(cafile=server.options.ca_file)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Loopback(server.tls_port), ssl=trust))


async def test_a_client_at_the_venues_own_address_gets_the_venues_own_error_classes(server):
    """ccxt chooses the class of an error by the URL: without TLS -2021 is a plain ExchangeError."""
    keys = {"apiKey": "paper-key", "secret": "paper-secret", "options": {"fetchCurrencies": False}}
    async with session_to(server) as session:
        exchange = ccxt_async.binanceusdm({**keys, "session": session})
        await exchange.load_markets()
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            await exchange.create_order(
                "BTC/USDT:USDT", "market", "sell", 0.001, None, {"stopLossPrice": 50_000, "reduceOnly": True}
            )
        await exchange.close()
    plain = ccxt_async.binanceusdm(keys)
    api = plain.urls["api"]
    for name, value in api.items():
        if isinstance(value, str):
            api[name] = value.replace("https://fapi.binance.com", server.url)
    with pytest.raises(ccxt.ExchangeError) as refused:
        await plain.create_order(
            "BTC/USDT:USDT", "market", "sell", 0.001, None, {"stopLossPrice": 50_000, "reduceOnly": True}
        )
    await plain.close()
    assert type(refused.value) is ccxt.ExchangeError


async def test_streams_over_tls_and_nobody_is_trusted_without_the_authority(server):
    async with session_to(server) as http:
        socket = await http.ws_connect("wss://fstream.binance.com/public/ws/btcusdt@bookTicker")
        server.hub.broadcast(("BTCUSDT",))
        assert (await socket.receive_json(timeout=10))["s"] == "BTCUSDT"
        await socket.close()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(f"https://127.0.0.1:{server.tls_port}/fapi/v1/ping")
    assert b"PRIVATE" not in open(server.options.ca_file, "rb").read()  # noqa: SIM115, ASYNC230 - a test


def test_tls_without_a_file_for_the_authority_is_refused():
    with pytest.raises(ValueError, match="ca_file"):
        PaperServer(PaperOptions(port=0, tls_port=0))


# -- who may control


@pytest.mark.parametrize(
    ("host", "token", "sent", "status"),
    [("127.0.0.1", "", None, 200), ("0.0.0.0", "", None, 403), ("0.0.0.0", "", "guess", 403),
     ("0.0.0.0", "s3cret", None, 401), ("0.0.0.0", "s3cret", "guess", 401),
     ("0.0.0.0", "s3cret", "s3cret", 200), ("127.0.0.1", "s3cret", None, 401)],
)  # fmt: skip
async def test_an_address_that_others_can_reach_is_not_controlled_without_a_token(host, token, sent, status):
    running = PaperServer(PaperOptions(host=host, port=0, price_interval_s=0, control_token=token))
    await running.start()
    try:
        base = f"http://127.0.0.1:{running.port}"
        headers = {} if sent is None else {"X-Paper-Token": sent}
        async with aiohttp.ClientSession() as http:
            for method, name in (("GET", "state"), ("POST", "price"), ("POST", "nonsense")):
                body = {"symbol": "BTCUSDT", "price": "41000"}
                async with http.request(method, f"{base}/paper/{name}", json=body, headers=headers) as reply:
                    assert reply.status == (status if status != 200 or name != "nonsense" else 404)
            async with http.get(f"{base}/fapi/v1/ping") as reply:
                assert reply.status == 200, "the venue itself answers everybody"
    finally:
        await running.stop()
    assert "s3cret" not in repr(running.options)


@pytest.mark.parametrize("module", ["position_monitor.paper", "position_monitor"])
async def test_the_entry_points_say_that_the_control_interface_is_closed(module):
    command = [sys.executable, "-m", module, *(["paper-exchange"] if module == "position_monitor" else [])]
    environment = {key: value for key, value in os.environ.items() if key != "PAPER_CONTROL_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        *command, "--host", "0.0.0.0", "--port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stderr is not None
        assert b"listening" in await asyncio.wait_for(process.stdout.readline(), 60)
        said = await asyncio.wait_for(process.stderr.readline(), 60)
        assert b"control interface is closed" in said and b"PAPER_CONTROL_TOKEN" in said
    finally:
        process.terminate()
        await process.wait()


async def test_the_entry_point_tells_where_tls_is(tmp_path):
    command = [sys.executable, "-m", "position_monitor", "paper-exchange", "--json", "--port", "0", "--tls-port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, "--ca-file", str(tmp_path / "ca.pem"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        facts = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert facts["ca_file"] == str(tmp_path / "ca.pem")
        trust = ssl.create_default_context(cafile=facts["ca_file"])
        url = f"https://127.0.0.1:{facts['tls_port']}/fapi/v1/ping"
        async with aiohttp.ClientSession() as http, http.get(url, ssl=trust) as reply:
            assert reply.status == 200
    finally:
        process.terminate()
        await process.wait()


async def test_a_running_venue_takes_a_little_time_from_trigger_to_fill():
    """By default 20 ms; what a client is told first is TRIGGERING, with the position still there."""
    running = PaperServer(PaperOptions(port=0, price_interval_s=0))
    await running.start()
    try:
        assert running.engine.world.trigger_delay_ms == 20
        running.engine.trade("open", "BTCUSDT", "LONG", Decimal("0.01"))
        running.engine.place_algo(stop_params())
        held = amount(running.engine)
        running.engine.set_price("BTCUSDT", mark=Decimal(38_000), last=Decimal(38_000))
        assert amount(running.engine) == held
        for _ in range(2_000):
            if not amount(running.engine):
                break
            await asyncio.sleep(0.01)
        assert amount(running.engine) == 0
    finally:
        await running.stop()


def test_an_order_of_a_used_client_id_may_rest_again_and_twice_at_once_may_not():
    """The id is unique among open orders only (-4116), for both kinds."""
    engine = long_btc()
    engine.place_order(limit_params(newClientOrderId="a"))
    assert refused_code(engine, lambda: engine.place_order(limit_params(newClientOrderId="a"))) == -4116
    engine.cancel_order({"symbol": "BTCUSDT", "origClientOrderId": "a"})
    assert engine.place_order(limit_params(newClientOrderId="a")).status == "NEW"
