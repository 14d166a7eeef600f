"""The running server: HTTP edge, control over HTTP, stream routes, and the entry point."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

from position_monitor.paper.server import PaperOptions, PaperServer
from position_monitor.paper.streams import opened
from position_monitor.paper.subscriptions import route_of
from tests.paper.paper_support import stop_params


@pytest.fixture
async def server():
    """A frozen seven-naked exchange on a free port."""
    running = PaperServer(PaperOptions(port=0, price_interval_s=0))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def socket_to(http, server, path):
    async with http.ws_connect(server.stream_url + path) as socket:
        yield socket


async def heard(socket, count, timeout_s=30.0):
    """The next `count` frames."""
    return [json.loads((await socket.receive(timeout_s)).data) for _ in range(count)]


async def control(http, server, method, name, body=None):
    async with http.request(method, f"{server.url}/paper/{name}", json=body) as reply:
        return reply.status, await reply.json()


async def silent_until(socket, marker):
    """Everything that arrives before the answer to a marker request."""
    await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": marker})
    seen = []
    while True:
        (frame,) = await heard(socket, 1)
        if frame.get("id") == marker:
            return seen
        seen.append(frame)


async def listen_key(http, server):
    headers = {"X-MBX-APIKEY": server.options.api_key}
    async with http.post(server.url + "/fapi/v1/listenKey", headers=headers) as reply:
        return (await reply.json())["listenKey"]


async def test_replies_carry_weight_and_json(server, http):
    async with http.get(server.url + "/fapi/v1/time") as reply:
        assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "1"
        assert reply.content_type == "application/json"
        assert set(await reply.json()) == {"serverTime"}
    async with http.get(server.url + "/fapi/v1/nowhere") as reply:
        assert (reply.status, (await reply.json())["code"]) == (404, -5000)


async def test_lost_replies_close_the_connection(server, http):
    """Two losses: aiohttp itself repeats an idempotent request once on a kept connection."""
    await control(http, server, "POST", "fault", {"name": "lose_response", "count": 2, "path": "time"})
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.get(server.url + "/fapi/v1/time")
    async with http.get(server.url + "/fapi/v1/time") as reply:
        assert reply.status == 200


async def test_control_over_http(server, http):
    status, state = await control(http, server, "GET", "state")
    assert (status, len(state["positions"])) == (200, 7)
    assert await control(http, server, "POST", "freeze") == (200, {"frozen": True})
    assert (await control(http, server, "POST", "order", stop_params(triggerPrice="41000")))[0] == 200
    assert (await control(http, server, "POST", "order", stop_params(triggerPrice="41000")))[1]["code"] == -4130
    status, page = await control(http, server, "GET", "journal?after=7")
    assert [entry["kind"] for entry in page["entries"]] == ["order_accepted", "order_refused"]
    async with http.post(server.url + "/paper/price", data="not json") as reply:
        assert reply.status == 400
    assert (await control(http, server, "POST", "advance", {}))[0] == 400


async def test_usage_counts_what_clients_asked_for(server, http):
    for _ in range(2):
        async with http.get(server.url + "/fapi/v1/exchangeInfo") as reply:
            assert reply.status == 200
    await control(http, server, "POST", "fault", {"name": "rate_limited", "path": "time", "count": 1})
    async with http.get(server.url + "/fapi/v1/time") as reply:
        assert reply.status == 429
    status, usage = await control(http, server, "GET", "usage")
    assert (status, usage["weight"], usage["limited"], list(usage["endpoints"])) == (
        200,
        2,
        1,
        ["GET /fapi/v1/exchangeInfo"],
    )
    asked = usage["endpoints"]["GET /fapi/v1/exchangeInfo"]
    assert (asked["requests"], asked["weight"], asked["orders"]) == (2, 2, 0)
    assert 0 < asked["first_at_ms"] <= asked["last_at_ms"]


async def test_latency_is_half_on_the_way_of_a_request_and_half_on_a_stream(http):
    """Times are lower bounds only: a busy machine makes everything later, nothing earlier."""
    running = PaperServer(PaperOptions(port=0, price_interval_s=0, latency_ms=300))
    await running.start()
    try:
        key = await listen_key(http, running)
        async with socket_to(http, running, f"/private/ws/{key}") as socket:
            began_s = asyncio.get_running_loop().time()
            await control(http, running, "POST", "position", {"action": "close", "symbol": "SOLUSDT"})
            frames = await heard(socket, 4)
            assert asyncio.get_running_loop().time() - began_s >= 0.15
            assert [frame["e"] for frame in frames][-1] == "ORDER_TRADE_UPDATE"
            sent_ms = running.engine.now_ms
            async with http.get(running.url + "/fapi/v1/time") as reply:
                assert (await reply.json())["serverTime"] - sent_ms >= 150
    finally:
        await running.stop()


async def test_advancing_ages_the_engine_but_not_the_request_clock(server, http):
    key = await listen_key(http, server)
    before = server.engine.server_time_ms()
    async with socket_to(http, server, f"/private/ws/{key}") as socket:
        await control(http, server, "POST", "advance", {"ms": 3_600_001})
        (event,) = await heard(socket, 1)
        assert (event["e"], event["listenKey"]) == ("listenKeyExpired", key)
    assert server.engine.server_time_ms() - before < 60_000


@pytest.mark.parametrize("path", ["/private/ws?listenKey={key}", "/private/ws/{key}"])
async def test_raw_user_stream(server, http, path):
    key = await listen_key(http, server)
    async with socket_to(http, server, path.format(key=key)) as socket:
        await control(http, server, "POST", "position", {"action": "close", "symbol": "SOLUSDT"})
        frames = await heard(socket, 4)
        assert [frame["e"] for frame in frames] == [
            "ORDER_TRADE_UPDATE",
            "TRADE_LITE",
            "ACCOUNT_UPDATE",
            "ORDER_TRADE_UPDATE",
        ]
        assert frames[2]["a"]["P"][0] == {**frames[2]["a"]["P"][0], "s": "SOLUSDT", "pa": "0", "ps": "BOTH"}


async def test_combined_user_stream_with_an_event_filter(server, http):
    key = await listen_key(http, server)
    async with socket_to(http, server, f"/private/stream?listenKey={key}&events=ALGO_UPDATE/TRADE_LITE") as socket:
        await control(http, server, "POST", "position", {"action": "reduce", "symbol": "SOLUSDT", "quantity": "1"})
        await control(http, server, "POST", "order", stop_params(triggerPrice="41000"))
        frames = await heard(socket, 2)
        assert [(f["stream"], f["data"]["e"]) for f in frames] == [(key, "TRADE_LITE"), (key, "ALGO_UPDATE")]


async def test_listen_key_subscribed_as_a_stream_name(server, http):
    key = await listen_key(http, server)
    async with socket_to(http, server, "/private/stream") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": [key], "id": 4})
        assert await heard(socket, 1) == [{"result": None, "id": 4}]
        await control(http, server, "POST", "order", stop_params(triggerPrice="41000"))
        assert (await heard(socket, 1))[0]["data"]["o"]["X"] == "NEW"


async def test_old_path_and_wrong_routes_stay_silent(server, http):
    key = await listen_key(http, server)
    async with socket_to(http, server, f"/ws/{key}") as old, socket_to(http, server, "/market/ws/0") as market:
        await market.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", key], "id": 1})
        assert await heard(market, 1) == [{"result": None, "id": 1}]
        await control(http, server, "POST", "order", stop_params(triggerPrice="41000"))
        await control(http, server, "POST", "price", {"symbol": "BTCUSDT", "price": "42010"})
        assert await silent_until(old, 8) == []
        assert await silent_until(market, 9) == []


async def test_market_streams_by_path_query_and_subscription(server, http):
    async with (
        socket_to(http, server, "/market/ws/btcusdt@markPrice@1s") as raw,
        socket_to(http, server, "/market/stream?streams=btcusdt@markPrice/ethusdt@markPrice") as combined,
        socket_to(http, server, "/public/ws/0") as public,
    ):
        await public.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", "btcusdt@depth5"], "id": 2})
        assert await heard(public, 1) == [{"result": None, "id": 2}]
        await control(http, server, "POST", "price", {"symbol": "BTCUSDT", "mark": "42100.5", "last": "42099.9"})
        while (await heard(raw, 1))[0]["p"] != "42100.50000000":
            pass
        while (frame := (await heard(combined, 1))[0])["data"]["p"] != "42100.50000000":
            pass
        assert frame["stream"] == "btcusdt@markPrice"
        books = {}
        while len(books) < 2 or books.get("bookTicker", {}).get("b") != "42099.9":
            (book,) = await heard(public, 1)
            books[book["e"]] = book
        assert (books["bookTicker"]["b"], books["bookTicker"]["a"]) == ("42099.9", "42100.0")
        assert len(books["depthUpdate"]["b"]) == 5


async def test_subscription_commands(server, http):
    async with socket_to(http, server, "/market/ws") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["!markPrice@arr@1s", "btcusdt@kline_1m"], "id": 1})
        await socket.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 2})
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        await socket.send_json({"method": "DANCE", "id": 4})
        await socket.send_str("{")
        answers = [f for f in await heard(socket, 5) if isinstance(f, dict)]
        assert answers[:3] == [
            {"result": None, "id": 1},
            {"result": None, "id": 2},
            {"result": ["!markPrice@arr@1s"], "id": 3},
        ]
        assert (answers[3]["error"]["code"], answers[4]["error"]["code"]) == (2, 3)
        (frame,) = await heard(socket, 1)
        assert {row["s"] for row in frame} == set(server.engine.world.instruments)


async def test_disconnect_fault_closes_sockets_and_silence_keeps_them_open(server, http):
    key = await listen_key(http, server)
    async with socket_to(http, server, f"/private/ws/{key}") as socket:
        await control(http, server, "POST", "fault", {"name": "ws_silent"})
        await control(http, server, "POST", "order", stop_params(triggerPrice="41000"))
        assert await silent_until(socket, 5) == []
        await control(http, server, "POST", "fault", {"name": "ws_disconnect", "path": "market"})
        assert await silent_until(socket, 6) == []
        await control(http, server, "POST", "fault", {"name": "ws_disconnect"})
        assert (await socket.receive(5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_server_stops_with_open_connections_of_every_kind(http):
    running = PaperServer(PaperOptions(port=0, price_interval_s=0))
    await running.start()
    key = await listen_key(http, running)
    async with (
        socket_to(http, running, f"/private/ws/{key}") as private,
        socket_to(http, running, "/market/ws") as market,
        socket_to(http, running, "/ws-fapi/v1") as calls,
    ):
        closing = asyncio.create_task(running.stop())
        for socket in (private, market, calls):
            assert (await socket.receive(5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        await asyncio.wait_for(closing, 30)
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(running.url + "/fapi/v1/ping")


async def test_websocket_api_answers_errors_and_limits(server, http):
    async with socket_to(http, server, "/ws-fapi/v1") as socket:
        for frame in (
            {"id": "t", "method": "time"},
            {"id": 5, "method": "order.dance"},
            {"id": 6, "method": "algoOrder.place", "params": {**stop_params(), "apiKey": "paper-key"}},
        ):
            await socket.send_json(frame)
        first, second, third = await heard(socket, 3)
        assert (first["id"], first["status"], list(first["result"])) == ("t", 200, ["serverTime"])
        assert first["rateLimits"][0]["count"] == 1
        assert (second["status"], third["error"]["code"]) == (400, -1102)


@pytest.mark.parametrize(
    ("path", "query", "route", "combined", "streams"),
    [
        ("/private/ws", {"listenKey": "K"}, "private", False, ["K"]),
        ("/private/ws/K", {}, "private", False, ["K"]),
        ("/market/ws/3", {}, "market", False, []),
        ("/public/stream", {"streams": "a@trade/b@trade"}, "public", True, ["a@trade", "b@trade"]),
        ("/ws/K", {}, "legacy", False, ["K"]),
        ("/stream", {"streams": "a@markPrice"}, "legacy", True, ["a@markPrice"]),
    ],
)
def test_reading_stream_addresses(path, query, route, combined, streams):
    connection = opened(path, query)
    assert (connection.route, connection.combined, list(connection.streams)) == (route, combined, streams)


@pytest.mark.parametrize(
    ("stream", "route"),
    [
        ("btcusdt@bookTicker", "public"), ("!bookTicker", "public"), ("btcusdt@depth5", "public"),
        ("btcusdt@trade", "public"), ("btcusdt@aggTrade", "market"), ("btcusdt@markPrice@1s", "market"),
        ("!markPrice@arr@1s", "market"), ("btcusdt@kline_1m", "market"), ("btcusdt@ticker", "market"),
    ],
)  # fmt: skip
def test_which_route_carries_a_stream(stream, route):
    assert route_of(stream) == route


async def test_module_runs_by_itself_and_says_so():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "position_monitor.paper", "--port", "0", "--scenario", "hedge",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    process.terminate()
    assert await process.wait() == 0
    assert line.startswith("paper exchange listening on http://127.0.0.1:")
    assert line.endswith("(hedge, 6 positions)\n")
