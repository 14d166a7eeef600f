"""ccxt as it is installed, sync, async and streaming, against the running paper exchange."""

from __future__ import annotations

import asyncio
import threading

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from position_monitor.paper.server import PaperOptions, PaperServer

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
STOP = {"stopLossPrice": 41400, "closePosition": True, "workingType": "MARK_PRICE"}


def pointed(client, server: PaperServer):
    """The client with the venue's origins replaced, nothing else."""
    for key, value in client.urls["api"].items():
        if isinstance(value, str):
            client.urls["api"][key] = value.replace("https://fapi.binance.com", server.url)
    if "ws" in client.urls["api"]:
        client.urls["api"]["ws"]["linear"] = server.stream_url + "/ws"
    return client


def settings() -> dict:
    options = {"fetchCurrencies": False}
    return {"apiKey": "paper-key", "secret": "paper-secret", "options": options, "enableRateLimit": False}


@pytest.fixture
async def server():
    running = PaperServer(PaperOptions(port=0, price_interval_s=0.2))
    await running.start()
    running.engine.world.market.frozen = True
    yield running
    await running.stop()


@pytest.fixture
async def client(server):
    made = pointed(ccxt.async_support.binanceusdm(settings()), server)
    await made.load_markets()
    yield made
    await made.close()


@pytest.fixture
async def streaming(server):
    made = pointed(ccxt.pro.binanceusdm(settings()), server)
    await made.load_markets()
    yield made
    await made.close()


def test_sync_client_reads_and_writes(event_loop_thread):
    server = event_loop_thread
    client = pointed(ccxt.binanceusdm(settings()), server)
    markets = client.load_markets()
    assert markets[BTC]["precision"] == {"amount": 0.001, "price": 0.1, "base": 1e-08, "quote": 1e-08}
    assert markets[BTC]["limits"]["cost"]["min"] == 100
    positions = {p["symbol"]: p for p in client.fetch_positions()}
    assert len(positions) == 7
    assert (positions[BTC]["side"], positions[BTC]["contracts"], positions[BTC]["entryPrice"]) == ("long", 0.238, 42000)
    assert positions[ETH]["side"] == "short"
    assert client.fetch_balance()["USDT"]["total"] == 8006.7272
    assert client.fetch_position_mode(BTC)["hedged"] is False
    made = client.create_order(BTC, "market", "sell", 0.238, None, {**STOP, "clientOrderId": "qpmSYNC1"})
    assert (made["clientOrderId"], made["status"], made["info"]["orderType"]) == ("qpmSYNC1", "open", "STOP_MARKET")
    (listed,) = client.fetch_open_orders(BTC, params={"trigger": True})
    assert (listed["id"], listed["triggerPrice"], listed["reduceOnly"]) == (made["id"], 41400, True)
    assert client.fetch_open_orders(BTC) == []
    assert client.cancel_order(made["id"], BTC, {"trigger": True})["id"] == made["id"]
    assert client.fetch_order(made["id"], BTC, {"trigger": True})["status"] == "canceled"


@pytest.fixture
def event_loop_thread():
    """A server in a loop of its own, for clients that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = PaperServer(PaperOptions(port=0, price_interval_s=0))
    asyncio.run_coroutine_threadsafe(running.start(), loop).result(10)
    yield running
    asyncio.run_coroutine_threadsafe(running.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def test_market_data_through_ccxt(client):
    assert (await client.fetch_ticker(BTC))["last"] == 42035.4
    assert (await client.fetch_mark_price(BTC))["markPrice"] == 42035.4
    assert set(await client.fetch_mark_prices()) == set(client.markets)
    candles = await client.fetch_ohlcv(BTC, "1h", limit=30)
    assert len(candles) == 30
    assert candles[-1][4] == 42035.4
    book = await client.fetch_order_book(BTC, 5)
    assert (book["bids"][0][0], book["asks"][0][0]) == (42035.4, 42035.5)
    assert (await client.fetch_bids_asks())[BTC]["bid"] == 42035.4
    rates = await client.fetch_funding_rate_history(BTC, limit=4)
    assert len(rates) == 4
    tiers = await client.fetch_leverage_tiers([BTC])
    assert tiers[BTC][0]["maxLeverage"] == 125
    assert abs(await client.fetch_time() - client.milliseconds()) < 5_000


async def test_plain_orders_through_ccxt(client, server):
    resting = await client.create_order(ETH, "limit", "buy", 0.1, 2200, {"clientOrderId": "web-limit"})
    assert (resting["status"], resting["filled"]) == ("open", 0)
    assert [o["id"] for o in await client.fetch_open_orders(ETH)] == [resting["id"]]
    changed = await client.edit_order(resting["id"], ETH, "limit", "buy", 0.2, 2190)
    assert changed["price"] == 2190
    assert (await client.cancel_order(resting["id"], ETH))["status"] == "canceled"
    closed = await client.create_order(ETH, "market", "buy", 2.2, None, {"reduceOnly": True})
    assert (closed["status"], closed["filled"]) == ("closed", 2.2)
    (trade,) = await client.fetch_my_trades(ETH)
    assert (trade["order"], trade["price"], trade["takerOrMaker"]) == (closed["id"], 2247.36, "taker")
    assert ETH not in {p["symbol"] for p in await client.fetch_positions()}
    assert len(await client.fetch_orders(ETH)) == 2


async def test_account_settings_through_ccxt(client):
    leverages = await client.fetch_leverages()
    assert leverages[BTC]["longLeverage"] == 10
    await client.set_leverage(7, BTC)
    assert (await client.fetch_leverages())[BTC]["longLeverage"] == 7
    risk = await client.fetch_positions_risk([BTC], {"useV2": True})
    assert risk[0]["leverage"] == 7
    with pytest.raises(ccxt.BaseError, match="-4068"):
        await client.set_position_mode(True)
    with pytest.raises(ccxt.BaseError, match="-4048"):
        await client.set_margin_mode("isolated", BTC)


@pytest.mark.parametrize(
    ("params", "code"),
    [({**STOP, "stopLossPrice": 43000}, "-2021"), ({**STOP, "positionSide": "LONG"}, "-4061"),
     ({**STOP, "reduceOnly": True}, "-1106"), ({**STOP, "clientOrderId": "x" * 40}, "-4015")],
)  # fmt: skip
async def test_refusals_arrive_with_their_code(client, params, code):
    with pytest.raises(ccxt.BaseError, match=code):
        await client.create_order(BTC, "market", "sell", 0.238, None, params)
    assert await client.fetch_open_orders(BTC, params={"trigger": True}) == []


async def test_second_close_all_stop_is_refused_and_wrong_secret_too(client, server):
    await client.create_order(BTC, "market", "sell", 0.238, None, STOP)
    with pytest.raises(ccxt.ExchangeError, match="-4130"):
        await client.create_order(BTC, "market", "sell", 0.238, None, STOP)
    client.secret = "other"
    with pytest.raises(ccxt.AuthenticationError):
        await client.fetch_balance()


async def test_cancel_without_the_trigger_flag_looks_like_gone(client):
    """The trap of the reference: an algo id sent to DELETE /order."""
    made = await client.create_order(BTC, "market", "sell", 0.238, None, STOP)
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(made["id"], BTC)
    assert len(await client.fetch_open_orders(BTC, params={"trigger": True})) == 1


async def test_false_flat_and_garbage_reach_the_client_as_documented(client, server):
    server.engine.add_fault("html", path="positionRisk", count=1)
    assert await client.fetch_positions() == []
    server.engine.add_fault("lose_response", path="algoOrder", method="POST", count=1)
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await client.create_order(BTC, "market", "sell", 0.238, None, {**STOP, "clientOrderId": "qpmLOST"})
    found = await client.fetch_order(None, BTC, {"trigger": True, "clientOrderId": "qpmLOST"})
    assert (found["status"], found["clientOrderId"]) == ("open", "qpmLOST")


async def test_non_ascii_symbol_through_ccxt():
    running = PaperServer(PaperOptions(port=0, price_interval_s=0, scenario="odd-symbols"))
    await running.start()
    client = pointed(ccxt.async_support.binanceusdm(settings()), running)
    try:
        await client.load_markets()
        symbol = "测试/USDT:USDT"
        assert symbol in {p["symbol"] for p in await client.fetch_positions()}
        made = await client.create_order(symbol, "market", "sell", 32000, None, {**STOP, "stopLossPrice": 0.03})
        assert [o["id"] for o in await client.fetch_open_orders(symbol, params={"trigger": True})] == [made["id"]]
    finally:
        await client.close()
        await running.stop()


async def until(condition) -> None:
    """Wait for something that must come true; the limit only ends a broken test."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the condition lives in ccxt's caches
            await asyncio.sleep(0.01)


async def test_watch_orders_sees_placing_and_firing(streaming, server):
    waiting = asyncio.create_task(streaming.watch_orders())
    await until(lambda: server.hub.listening("private"))
    made = await streaming.create_order(BTC, "market", "sell", 0.238, None, {**STOP, "clientOrderId": "qpmWATCH"})
    seen = await asyncio.wait_for(waiting, 30)
    assert (seen[-1]["id"], seen[-1]["info"]["X"], seen[-1]["info"]["ia"]) == (made["id"], "NEW", False)
    server.control.handle("POST", "price", {"symbol": "BTCUSDT", "price": "41300"})
    await until(lambda: any(o["info"].get("X") == "FINISHED" for o in streaming.orders))
    finished = next(o for o in streaming.orders if o["id"] == made["id"])
    assert (finished["info"]["aq"], finished["info"]["ap"]) == ("0.238", "41300")
    child = next(o for o in streaming.orders if o["id"] == finished["info"]["ai"])
    assert (child["status"], child["clientOrderId"], child["filled"]) == ("closed", "qpmWATCH", 0.238)
    assert BTC not in {p["symbol"] for p in await streaming.fetch_positions()}


async def test_watch_mark_prices_and_book(streaming):
    marks = await asyncio.wait_for(streaming.watch_mark_prices([BTC]), 30)
    assert marks[BTC]["markPrice"] == 42035.4
    book = await asyncio.wait_for(streaming.watch_bids_asks([ETH]), 30)
    assert book[ETH]["bid"] == 2247.35


async def test_watch_positions_after_a_trade(streaming, server):
    """The first call only returns the REST snapshot; the socket opens with the second."""
    snapshot = await asyncio.wait_for(streaming.watch_positions([BTC]), 30)
    assert [p["contracts"] for p in snapshot] == [0.238]
    waiting = asyncio.create_task(streaming.watch_positions([BTC]))
    await until(lambda: server.hub.listening("private"))
    server.control.handle("POST", "position", {"action": "reduce", "symbol": "BTCUSDT", "quantity": "0.1"})
    (position,) = await asyncio.wait_for(waiting, 30)
    assert position["contracts"] == 0.138


async def test_refreshing_the_listen_key_through_ccxt(streaming, server):
    waiting = asyncio.create_task(streaming.watch_orders())
    await until(lambda: server.hub.listening("private"))
    key = server.engine.listen_keys.current
    await streaming.keep_alive_listen_key({"type": "future"})
    assert server.engine.listen_keys.current == key
    waiting.cancel()
